use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "Pools",
    about: "Named groups of servers that others submit.",
    keys: &[
        Key::boolean(
            "SupportFuzzyPoolHostnames",
            true,
            "Match the host names of a submission loosely.",
        )
        .not_yet(),
        Key::integer(
            "InstancePoolExpiryMinutes",
            60,
            0..=5_256_000,
            "minutes",
            "How long a submission counts.",
        )
        .not_yet(),
    ],
};

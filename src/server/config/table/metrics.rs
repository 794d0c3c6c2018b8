use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "Graphite",
    about: "Metrics sent to Graphite.",
    keys: &[
        Key::text(
            "GraphiteAddr",
            "",
            "Graphite's host:port; empty: none. Needs GraphitePath.",
        )
        .restart()
        .not_yet(),
        Key::text(
            "GraphitePath",
            "",
            "Prefix of the metrics; {hostname} stands for this host.",
        )
        .restart()
        .not_yet(),
        Key::boolean(
            "GraphiteConvertHostnameDotsToUnderscores",
            true,
            "Replace the dots in {hostname}.",
        )
        .restart()
        .not_yet(),
        Key::integer(
            "GraphitePollSeconds",
            60,
            -1..=86_400,
            "seconds",
            "0 or less turns it off.",
        )
        .restart()
        .not_yet(),
    ],
};

use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "Lag, problems, candidates",
    about: "What counts as a problem, and how long a registered promotion rule counts.",
    keys: &[
        Key::integer(
            "ReasonableReplicationLagSeconds",
            10,
            0..=31_536_000,
            "seconds",
            "A replica that lags more is a problem.",
        ),
        Key::host_filters(
            "ProblemIgnoreHostnameFilters",
            "Leave these out of the list of problems: patterns over host:port, or IP addresses.",
        ),
        Key::host_filters(
            "OSCIgnoreHostnameFilters",
            "Leave these out of the lists for schema changes: patterns over host:port, or IP addresses.",
        ),
        Key::integer(
            "CandidateInstanceExpireMinutes",
            60,
            1..=5_256_000,
            "minutes",
            "How long a registered promotion rule counts.",
        ),
    ],
};

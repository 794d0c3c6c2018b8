use super::Section;
use crate::config::key::Key;

const GONE: &str = "Without replacement.";

pub(super) const SECTION: Section = Section {
    title: "Retired keys",
    about: "Keys that older files may still have and that the predecessor ignored already. They are warned about and do nothing.",
    keys: &[
        Key::removed("DatabaselessMode__experimental", GONE),
        Key::removed("BufferBinlogEvents", GONE),
        Key::removed(
            "BinlogFileHistoryDays",
            "The predecessor fixed it at 1 day.",
        ),
        Key::removed(
            "MaintenanceOwner",
            "The predecessor fixed it at orchestrator.",
        ),
        Key::removed("ReadLongRunningQueries", GONE),
        Key::removed("DiscoveryPollSeconds", GONE),
        Key::removed(
            "ActiveNodeExpireSeconds",
            "The predecessor fixed it at 5 seconds.",
        ),
        Key::removed("AuditPageSize", "Fixed at 20 entries."),
        Key::removed("SlaveStartPostWaitMilliseconds", GONE),
        Key::removed(
            "MySQLTopologyMaxPoolConnections",
            "The predecessor fixed it at 3 connections.",
        ),
        Key::removed(
            "MaintenancePurgeDays",
            "The predecessor fixed it at 7 days.",
        ),
        Key::removed(
            "MaintenanceExpireMinutes",
            "The predecessor fixed it at 10 minutes.",
        ),
        Key::removed(
            "HttpTimeoutSeconds",
            "It was about agents, which are not supported.",
        ),
        Key::removed(
            "AgentAutoDiscover",
            "It was about agents, which are not supported.",
        ),
        Key::removed(
            "PseudoGTIDCoordinatesHistoryHeuristicMinutes",
            "The predecessor fixed it at 2 minutes.",
        ),
        Key::removed("PseudoGTIDPreferIndependentMultiMatch", GONE),
        Key::removed("MaxOutdatedKeysToShow", GONE),
        Key::removed(
            "StatusSimpleHealth",
            "It was in sample files only and never had an effect.",
        ),
    ],
};

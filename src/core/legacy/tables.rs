//! The predecessor's tables, as far as they are read: names of tables and columns, and what stands in them.

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldColumn {
    /// A text or a number.
    Text(&'static str),
    /// A moment, which is read as seconds since 1970-01-01 UTC.
    Moment(&'static str),
}

impl OldColumn {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text(name) | Self::Moment(name) => name,
        }
    }
}

/// A table of the predecessor.
#[derive(Debug)]
pub struct OldTable {
    /// Its name.
    pub name: &'static str,
    /// The columns that are read, in the order of the cells of a row.
    pub columns: &'static [OldColumn],
    /// The column by which the newest rows are found, of tables that are histories: older ones may be left behind. Of all others
    /// every row counts.
    pub newest_by: Option<&'static str>,
    /// Most rows that are read.
    pub rows_max: usize,
}

impl OldTable {
    /// Where a column is in a row.
    pub fn place(&self, column: &str) -> Option<usize> {
        let mut columns = self.columns.iter();
        columns.position(|known| known.name() == column)
    }
}

/// Twice as many as the largest fleets that the predecessor is known to watch.
const INSTANCES_MAX: usize = 20_000;

/// So many recoveries are those of a very bad week: what is older is asked of the old tables.
const HISTORY_MAX: usize = 1_000;

/// Most lines of records, of all recoveries that are read.
const STEPS_MAX: usize = 100_000;

use OldColumn::{Moment, Text};

/// A table by which the predecessor's are known: it is there from the first start on.
pub const OLD_LANDMARK: &str = "database_instance";

/// The global switch.
pub const DISABLED: OldTable = OldTable {
    name: "global_recovery_disable",
    columns: &[Text("disable_recovery")],
    newest_by: None,
    rows_max: 16,
};

/// Aliases that somebody has set.
pub const ALIASES: OldTable = OldTable {
    name: "cluster_alias_override",
    columns: &[Text("cluster_name"), Text("alias")],
    newest_by: None,
    rows_max: INSTANCES_MAX,
};

/// Downtimes.
pub const DOWNTIMES: OldTable = OldTable {
    name: "database_instance_downtime",
    columns: &[
        Text("hostname"),
        Text("port"),
        Text("downtime_active"),
        Moment("begin_timestamp"),
        Moment("end_timestamp"),
        Text("owner"),
        Text("reason"),
    ],
    newest_by: None,
    rows_max: INSTANCES_MAX,
};

/// Promotion rules.
pub const CANDIDATES: OldTable = OldTable {
    name: "candidate_database_instance",
    columns: &[
        Text("hostname"),
        Text("port"),
        Moment("last_suggested"),
        Text("promotion_rule"),
    ],
    newest_by: None,
    rows_max: INSTANCES_MAX,
};

/// Failures that were detected.
pub const DETECTIONS: OldTable = OldTable {
    name: "topology_failure_detection",
    columns: &[
        Text("detection_id"),
        Text("hostname"),
        Text("port"),
        Text("in_active_period"),
        Moment("start_active_period"),
        Text("processing_node_hostname"),
        Text("analysis"),
        Text("cluster_name"),
        Text("cluster_alias"),
        Text("slave_hosts"),
        Text("is_actionable"),
    ],
    newest_by: Some("detection_id"),
    rows_max: HISTORY_MAX,
};

/// Recoveries.
pub const RECOVERIES: OldTable = OldTable {
    name: "topology_recovery",
    columns: &[
        Text("recovery_id"),
        Text("uid"),
        Text("hostname"),
        Text("port"),
        Moment("start_active_period"),
        Moment("end_recovery"),
        Text("processing_node_hostname"),
        Text("successor_hostname"),
        Text("successor_port"),
        Text("successor_alias"),
        Text("analysis"),
        Text("cluster_name"),
        Text("cluster_alias"),
        Text("slave_hosts"),
        Text("is_successful"),
        Text("acknowledged"),
        Moment("acknowledged_at"),
        Text("acknowledged_by"),
        Text("acknowledge_comment"),
        Text("participating_instances"),
        Text("lost_slaves"),
        Text("all_errors"),
        Text("last_detection_id"),
    ],
    newest_by: Some("recovery_id"),
    rows_max: HISTORY_MAX,
};

/// Records of recoveries.
pub const STEPS: OldTable = OldTable {
    name: "topology_recovery_steps",
    columns: &[
        Text("recovery_step_id"),
        Text("recovery_uid"),
        Moment("audit_at"),
        Text("message"),
    ],
    newest_by: Some("recovery_step_id"),
    rows_max: STEPS_MAX,
};

/// Instances that were known.
pub const INSTANCES: OldTable = OldTable {
    name: OLD_LANDMARK,
    columns: &[Text("hostname"), Text("port"), Moment("last_seen")],
    newest_by: None,
    rows_max: INSTANCES_MAX,
};

/// Signs of life of the predecessor's processes.
pub const SIGNS_OF_LIFE: OldTable = OldTable {
    name: "node_health",
    columns: &[Text("hostname"), Moment("last_seen_active")],
    newest_by: Some("last_seen_active"),
    rows_max: 64,
};

/// Every table that is read.
pub static OLD_TABLES: [&OldTable; 9] = [
    &DISABLED,
    &ALIASES,
    &DOWNTIMES,
    &CANDIDATES,
    &DETECTIONS,
    &RECOVERIES,
    &STEPS,
    &INSTANCES,
    &SIGNS_OF_LIFE,
];

/// Tables whose rows have no place here, with the reason: they are only counted.
pub static LEFT_BEHIND: [(&str, &str); 9] = [
    ("database_instance_tags", "this release has no tags"),
    ("database_instance_pool", "this release has no pools"),
    (
        "hostname_unresolve",
        "this release has no names that are used in the place of others; register them again when it has",
    ),
    (
        "audit",
        "operations are recorded in AuditLogFile and in the log, not in the store; read the old table where it is",
    ),
    (
        "access_token",
        "tokens last a day, and their secrets are not kept in clear here; make new ones",
    ),
    (
        "database_instance_maintenance",
        "this release has no maintenance",
    ),
    ("kv_store", "this release writes to no key-value store"),
    ("host_attributes", "this release has no attributes of hosts"),
    ("agent_seed", "agents are not supported"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name() {
        assert_eq!(DOWNTIMES.place("end_timestamp"), Some(4));
        assert_eq!(DOWNTIMES.place("nothing"), None);
        for table in OLD_TABLES {
            for (place, column) in table.columns.iter().enumerate() {
                assert_eq!(table.place(column.name()), Some(place), "{}", table.name);
            }
            let newest_by = table.newest_by.map(|column| table.place(column).is_some());
            assert_ne!(newest_by, Some(false), "{}", table.name);
        }
    }
}

use std::time::Duration;

use crate::domain::InstanceKey;

/// Why a server may not replicate from another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Both are one server.
    #[error("a server cannot replicate from itself")]
    SameServer,
    /// The source writes no binary log.
    #[error("{source_key} has no binary log")]
    NoBinaryLog {
        /// The source.
        source_key: InstanceKey,
    },
    /// The source is a replica that does not log what it replicates.
    #[error("{source_key} does not log what it replicates (log_replica_updates is off)")]
    NoReplicaUpdates {
        /// The source.
        source_key: InstanceKey,
    },
    /// The replica's line is older than the source's: it may meet events that it cannot read.
    #[error("version {replica} is of an older line than the source's {source_version}")]
    OlderLine {
        /// Version of the replica.
        replica: String,
        /// Version of the source.
        source_version: String,
    },
    /// The replica would log statements or mixed where it gets rows (`STATEMENT < MIXED < ROW`).
    #[error("it logs what it replicates as {replica}, and the source logs {source_format}")]
    WeakerFormat {
        /// `binlog_format` of the replica.
        replica: String,
        /// `binlog_format` of the source.
        source_format: String,
    },
    /// The source leaves out data that the replica does not.
    #[error("{source_key} has replication filters and the replica has none")]
    Filters {
        /// The source.
        source_key: InstanceKey,
    },
    /// Same `server_id`: each would take the other's events for its own.
    #[error("both have the server_id {server_id}")]
    SameServerId {
        /// The id.
        server_id: u32,
    },
    /// Same `server_uuid`, as a copied data directory has.
    #[error("both have the server_uuid {server_uuid}")]
    SameServerUuid {
        /// The UUID.
        server_uuid: String,
    },
    /// The source applies later than the replica wants to.
    #[error("the source is delayed by {} s and the replica by {} s only", source_delay.as_secs(), replica.as_secs())]
    LongerDelay {
        /// Delay of the replica.
        replica: Duration,
        /// Delay of the source.
        source_delay: Duration,
    },
    /// `gtid_mode` of the two are more than one step apart.
    #[error("gtid_mode {replica} cannot replicate from gtid_mode {source_mode}")]
    GtidModes {
        /// Mode of the replica.
        replica: String,
        /// Mode of the source; `OFF` for a MariaDB, whose events have none of MySQL's GTIDs.
        source_mode: String,
    },
    /// Both are members of one replication group, which replicates among its members by itself.
    #[error("both are members of the replication group {group}")]
    SameGroup {
        /// The group.
        group: String,
    },
    /// A secondary of a single-primary group takes data from its group only.
    #[error("it is a secondary of the replication group {group}")]
    GroupSecondary {
        /// The group.
        group: String,
    },
}

/// What to know before a server replicates from another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Caution {
    /// An older line, where policy allows it.
    #[error("version {replica} is of an older line than the source's {source_version}")]
    OlderLine {
        /// Version of the replica.
        replica: String,
        /// Version of the source.
        source_version: String,
    },
    /// An older patch level of a line that still changes: from MySQL 9.7 on it is refused with
    /// `replica_allow_higher_version_source=OFF` (MySQL 9.7 manual, "Replication Compatibility").
    #[error("version {replica} is an older patch level than the source's {source_version}")]
    OlderPatch {
        /// Version of the replica.
        replica: String,
        /// Version of the source.
        source_version: String,
    },
    /// MySQL and MariaDB: by file and position only.
    #[error(
        "MySQL and MariaDB replicate from each other by file and position only, and not everything"
    )]
    OtherFamily,
    /// A version that cannot be compared.
    #[error("version '{}' cannot be compared", version.escape_debug())]
    UnknownVersion {
        /// What the server says.
        version: String,
    },
    /// Another `binlog_row_image`: readers of the replica's log get other rows than readers of the source's.
    #[error("binlog_row_image is {replica} and the source's is {source_image}")]
    RowImages {
        /// Of the replica.
        replica: String,
        /// Of the source.
        source_image: String,
    },
    /// The replica positions itself by GTID, and the source's `gtid_mode` is not `ON`, as that needs.
    #[error("it uses auto-position, which needs gtid_mode ON on the source and not {source_mode}")]
    LosesAutoPosition {
        /// Mode of the source.
        source_mode: String,
    },
    /// The source is a group member that is not online.
    #[error("the source's state in its replication group is {state}")]
    GroupMemberNotOnline {
        /// The state.
        state: String,
    },
}

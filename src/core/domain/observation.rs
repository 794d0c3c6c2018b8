//! What one probe saw of one server. Nothing here is concluded from other servers: clusters, depth, co-primaries and
//! errant transactions belong to `topology`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{BinlogPosition, InstanceKey, PromotionRule, Timestamp};

/// Which product a server is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Flavor {
    /// MySQL of Oracle, and whatever is not recognised as another.
    MySql,
    /// Percona Server: `version_comment` holds `Percona`.
    Percona,
    /// MariaDB: `version` holds `MariaDB`.
    MariaDb,
    /// MaxScale acting as a binary log server.
    MaxScale,
    /// Never probed with success.
    #[default]
    Unknown,
}

/// Who the server is and how it was found to be set up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerIdentity {
    /// `server_id`.
    pub server_id: u32,
    /// `server_uuid`; empty on MariaDB, which has none.
    pub server_uuid: String,
    /// `version` as the server prints it, for example `10.11.19-MariaDB-log`.
    pub version: String,
    /// `version_comment`.
    pub version_comment: String,
    /// Product, from the two texts above.
    pub flavor: Flavor,
    /// Time since the server started, whole seconds (`Uptime`).
    pub uptime: Duration,
    /// Name for people, from `DetectInstanceAliasQuery`; empty when none.
    pub alias: String,
}

/// Binary log settings and position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinlogSettings {
    /// `log_bin`.
    pub enabled: bool,
    /// `log_replica_updates` (`log_slave_updates`).
    pub logs_replica_updates: bool,
    /// `binlog_format`: `ROW`, `STATEMENT`, `MIXED`, or `INHERIT` on MaxScale.
    pub format: String,
    /// `binlog_row_image`; empty where it was not asked.
    pub row_image: String,
    /// End of the binary log; `None` when the log is off.
    pub position: Option<BinlogPosition>,
}

/// GTID state, as text; it is parsed where it is reckoned with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GtidState {
    /// `gtid_mode` of MySQL; empty on MariaDB.
    pub mode: String,
    /// `gtid_executed` of MySQL; empty on MariaDB.
    pub executed: String,
    /// `gtid_purged` of MySQL; empty on MariaDB.
    pub purged: String,
    /// `gtid_current_pos` of MariaDB; empty on MySQL.
    pub mariadb_current: String,
    /// `gtid_binlog_pos` of MariaDB; empty on MySQL.
    pub mariadb_binlog: String,
}

impl GtidState {
    /// Whether `gtid_mode` is set and not `OFF`.
    pub fn supports_oracle(&self) -> bool {
        !self.mode.is_empty() && self.mode != "OFF"
    }
}

/// State of one of the two replication threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ThreadState {
    /// The server says `No`.
    #[default]
    Stopped,
    /// The server says `Yes`.
    Running,
    /// Anything else: `Connecting`, `Preparing`.
    Other,
    /// A receiver without a connection that was told to stop, and whose thread the server has not ended yet. It takes nothing in any more,
    /// whatever becomes of its source (seen on MySQL 9.7.4). A server shows such a one as `Connecting`; only a recovery that has told it
    /// to stop knows better.
    Stopping,
}

impl ThreadState {
    /// From the text of `SHOW REPLICA STATUS`.
    pub fn from_server(text: &str) -> Self {
        match text {
            "Yes" => Self::Running,
            "No" => Self::Stopped,
            _ => Self::Other,
        }
    }

    /// Whether the server says `Yes`.
    pub fn is_running(self) -> bool {
        self == Self::Running
    }

    /// Whether a receiver in this state may still take something in.
    pub fn takes_in(self) -> bool {
        !matches!(self, Self::Stopped | Self::Stopping)
    }
}

/// Where a replica is told to replicate from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SourceAddress {
    /// A server it can connect to.
    Attached(InstanceKey),
    /// Detached by an operator or a recovery: the server's host carries the mark `//`, so that it cannot connect; the
    /// key is without it.
    Detached(InstanceKey),
    /// A text that is no host or port, as the server prints it.
    Invalid(String),
}

impl SourceAddress {
    /// The source, when this replica can connect to it.
    pub fn attached(&self) -> Option<&InstanceKey> {
        match self {
            Self::Attached(key) => Some(key),
            Self::Detached(_) | Self::Invalid(_) => None,
        }
    }

    /// Whether the mark `//` is there.
    pub fn is_detached(&self) -> bool {
        matches!(self, Self::Detached(_))
    }
}

/// One row of `SHOW REPLICA STATUS` (`SHOW SLAVE STATUS`): this server's link to its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationLink {
    /// Where it replicates from, after resolving.
    pub source: SourceAddress,
    /// UUID the server reports for its source; empty when it reports none.
    pub source_uuid: String,
    /// Receiver (IO thread).
    pub receiver: ThreadState,
    /// Applier (SQL thread).
    pub applier: ThreadState,
    /// Position received, in the source's binary log.
    pub received: BinlogPosition,
    /// Position applied, in the source's binary log. Its file keeps a detach mark when the server has one.
    pub applied: BinlogPosition,
    /// Position of the applier in the relay log.
    pub relay_log: BinlogPosition,
    /// `Last_IO_Error`; empty when none.
    pub receiver_error: String,
    /// `Last_IO_Errno`; 0 when none.
    pub receiver_errno: u32,
    /// `Last_SQL_Error`; empty when none.
    pub applier_error: String,
    /// `Last_SQL_Errno`; 0 when none.
    pub applier_errno: u32,
    /// Configured delay (`SQL_Delay`), whole seconds.
    pub delay: Duration,
    /// `Seconds_Behind_Source`; `None` when the server says NULL; never negative.
    pub seconds_behind: Option<u64>,
    /// Whether `Auto_Position` is 1.
    pub uses_oracle_gtid: bool,
    /// Whether `Using_Gtid` is other than `No`.
    pub uses_mariadb_gtid: bool,
    /// `Gtid_IO_Pos` of MariaDB: the last GTID received in each domain; empty when absent.
    pub mariadb_received: String,
    /// `Retrieved_Gtid_Set` of MySQL; empty when absent.
    pub retrieved: String,
    /// Whether any `Replicate_*` filter is set.
    pub has_filters: bool,
    /// Whether a user is configured.
    pub has_credentials: bool,
    /// `Source_SSL_Allowed` is `Yes`.
    pub tls_allowed: bool,
    /// `Channel_Name`; empty for the default channel.
    pub channel: String,
    /// How long the source may send nothing before it sends a heartbeat; `None` where the server does not say (MySQL from
    /// 5.7 on, without `performance_schema` or the grants for it), zero where heartbeats are off.
    pub heartbeat_period: Option<Duration>,
    /// Heartbeats received since the receiver's start; `None` where the server does not say.
    pub heartbeats_received: Option<u64>,
}

impl ReplicationLink {
    /// A link to `source` whose threads run without lag and of which nothing else is known: the base for tests and
    /// simulations to fill in.
    pub fn running(source: SourceAddress) -> Self {
        Self {
            source,
            source_uuid: String::new(),
            receiver: ThreadState::Running,
            applier: ThreadState::Running,
            received: BinlogPosition::default(),
            applied: BinlogPosition::default(),
            relay_log: BinlogPosition::default(),
            receiver_error: String::new(),
            receiver_errno: 0,
            applier_error: String::new(),
            applier_errno: 0,
            delay: Duration::ZERO,
            seconds_behind: Some(0),
            uses_oracle_gtid: false,
            uses_mariadb_gtid: false,
            mariadb_received: String::new(),
            retrieved: String::new(),
            has_filters: false,
            has_credentials: true,
            tls_allowed: false,
            channel: String::new(),
            heartbeat_period: None,
            heartbeats_received: None,
        }
    }
}

/// Semi-synchronous replication settings and status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SemiSync {
    /// Whether both sides' variables exist.
    pub available: bool,
    /// From `DetectSemiSyncEnforcedQuery`: 0 asynchronous, higher is preferred.
    pub priority: u32,
    /// Source side switched on.
    pub source_enabled: bool,
    /// Replica side switched on.
    pub replica_enabled: bool,
    /// How long a source waits for acknowledgements.
    pub source_timeout: Duration,
    /// How many acknowledgements a source waits for.
    pub wait_for_replica_count: u32,
    /// Source side operating.
    pub source_status: bool,
    /// Connected semi-sync replicas.
    pub source_clients: u32,
    /// Replica side operating.
    pub replica_status: bool,
    /// Whether a source commits only after the acknowledgement (`…_wait_point` is `AFTER_SYNC`); `None` where it does not say.
    pub waits_after_sync: Option<bool>,
    /// Whether a source goes on waiting while fewer replicas are connected than it waits for (`…_wait_no_replica`); `None`
    /// where it does not say.
    pub waits_for_absent: Option<bool>,
    /// How many commits waited for acknowledgements; `None` where it does not say.
    pub waiting_commits: Option<u32>,
}

/// Membership in a MySQL group replication group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMember {
    /// Name of the group.
    pub group_name: String,
    /// Whether the group runs in single-primary mode.
    pub is_single_primary: bool,
    /// `ONLINE`, `RECOVERING`, `ERROR`, …
    pub state: String,
    /// `PRIMARY` or `SECONDARY`.
    pub role: String,
    /// The other members.
    pub members: Vec<InstanceKey>,
    /// The primary, when known.
    pub primary: Option<InstanceKey>,
}

/// Where a server stands, from patterns and queries of the configuration; empty when unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Data centre.
    pub data_center: String,
    /// Region.
    pub region: String,
    /// Physical environment.
    pub physical_environment: String,
}

/// Everything one successful probe saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The server, under the name it resolved to.
    pub key: InstanceKey,
    /// When the probe ended, by the probing node's clock.
    pub observed_at: Timestamp,
    /// How long the probe took.
    pub latency: Duration,
    /// Identity.
    pub identity: ServerIdentity,
    /// `read_only`.
    pub read_only: bool,
    /// `super_read_only`; `None` where the server has no such variable.
    pub super_read_only: Option<bool>,
    /// Binary log.
    pub binlog: BinlogSettings,
    /// GTID.
    pub gtid: GtidState,
    /// Link to its source; `None` on a server that replicates from nobody.
    pub replication: Option<ReplicationLink>,
    /// Lag by `ReplicationLagQuery` where configured, else seconds behind; whole seconds; `None` when unknown.
    pub lag_seconds: Option<u64>,
    /// Semi-synchronous replication.
    pub semi_sync: SemiSync,
    /// Replicas connected to it, as it reports them; sorted.
    pub replicas: Vec<InstanceKey>,
    /// Group replication; `None` when not a member.
    pub group: Option<GroupMember>,
    /// Where it stands.
    pub placement: Placement,
    /// From `DetectClusterAliasQuery` or an inherited name; empty when none.
    pub cluster_alias: String,
    /// From `DetectClusterDomainQuery`; empty when none.
    pub cluster_domain: String,
    /// From `DetectPromotionRuleQuery`.
    pub promotion_rule: Option<PromotionRule>,
    /// Whether credentials for replicating could be read.
    pub replication_credentials_available: bool,
    /// Whether Pseudo-GTID is in use.
    pub uses_pseudo_gtid: bool,
}

impl Observation {
    /// An observation of a server that says nothing: the base for tests and adapters to fill in.
    pub fn blank(key: InstanceKey, observed_at: Timestamp) -> Self {
        Self {
            key,
            observed_at,
            latency: Duration::ZERO,
            identity: ServerIdentity::default(),
            read_only: false,
            super_read_only: None,
            binlog: BinlogSettings::default(),
            gtid: GtidState::default(),
            replication: None,
            lag_seconds: None,
            semi_sync: SemiSync::default(),
            replicas: Vec::new(),
            group: None,
            placement: Placement::default(),
            cluster_alias: String::new(),
            cluster_domain: String::new(),
            promotion_rule: None,
            replication_credentials_available: false,
            uses_pseudo_gtid: false,
        }
    }

    /// The server it replicates from and can connect to.
    pub fn source(&self) -> Option<&InstanceKey> {
        self.replication
            .as_ref()
            .and_then(|link| link.source.attached())
    }

    /// Whether it is told to replicate from somebody, attached or not.
    pub fn is_replica(&self) -> bool {
        self.replication.is_some()
    }

    /// Whether both threads run.
    pub fn is_replicating(&self) -> bool {
        self.replication
            .as_ref()
            .is_some_and(|link| link.receiver.is_running() && link.applier.is_running())
    }
}

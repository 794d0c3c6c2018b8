use std::time::Duration;

use orchestrator_core::domain::{PromotionRule, ReplicationLink, Timestamp};
use orchestrator_core::legacy::{DETACH_MARK, flavor_name, quoted_error, thread_state_number};
use serde::{Serialize, Serializer};

use super::key::CoordinatesDto;
use super::time::OrEmpty;
use super::{KeyDto, Keys, NullInt64, NullWhenEmpty, Rfc3339, SpaceSeparated};
use crate::api::view::{Entry, Moment};

/// Where an instance in an answer comes from; the predecessor fills some fields differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From what is known.
    Known,
    /// From a probe that has just ended well: no flavour, no problems, and valid as of now.
    Probe,
}

/// `Instance` of the API: every field in the predecessor's order, old names beside new ones, spelt as there.
#[derive(Serialize)]
pub struct InstanceDto<'a> {
    #[serde(rename = "Key")]
    key: KeyDto<'a>,
    #[serde(rename = "InstanceAlias")]
    alias: &'a str,
    #[serde(rename = "Uptime")]
    uptime: u64,
    #[serde(rename = "ServerID")]
    server_id: u32,
    #[serde(rename = "ServerUUID")]
    server_uuid: &'a str,
    #[serde(rename = "Version")]
    version: &'a str,
    #[serde(rename = "VersionComment")]
    version_comment: &'a str,
    #[serde(rename = "FlavorName")]
    flavor: &'a str,
    #[serde(rename = "ReadOnly")]
    read_only: bool,
    #[serde(rename = "Binlog_format")]
    binlog_format: &'a str,
    #[serde(rename = "BinlogRowImage")]
    binlog_row_image: &'a str,
    #[serde(rename = "LogBinEnabled")]
    log_bin: bool,
    #[serde(rename = "LogSlaveUpdatesEnabled")]
    logs_updates_old: bool,
    #[serde(rename = "LogReplicationUpdatesEnabled")]
    logs_updates: bool,
    #[serde(rename = "SelfBinlogCoordinates")]
    own_position: CoordinatesDto<'a>,
    #[serde(rename = "MasterKey")]
    source: KeyDto<'a>,
    #[serde(rename = "MasterUUID")]
    source_uuid: &'a str,
    #[serde(rename = "AncestryUUID")]
    ancestry: &'a str,
    #[serde(rename = "IsDetachedMaster")]
    is_detached_source: bool,
    #[serde(rename = "Slave_SQL_Running")]
    applier_runs_old: bool,
    #[serde(rename = "ReplicationSQLThreadRuning")]
    applier_runs: bool,
    #[serde(rename = "Slave_IO_Running")]
    receiver_runs_old: bool,
    #[serde(rename = "ReplicationIOThreadRuning")]
    receiver_runs: bool,
    #[serde(rename = "ReplicationSQLThreadState")]
    applier_state: i8,
    #[serde(rename = "ReplicationIOThreadState")]
    receiver_state: i8,
    #[serde(rename = "HasReplicationFilters")]
    has_filters: bool,
    #[serde(rename = "GTIDMode")]
    gtid_mode: &'a str,
    #[serde(rename = "SupportsOracleGTID")]
    supports_oracle_gtid: bool,
    #[serde(rename = "UsingOracleGTID")]
    uses_oracle_gtid: bool,
    #[serde(rename = "UsingMariaDBGTID")]
    uses_mariadb_gtid: bool,
    #[serde(rename = "UsingPseudoGTID")]
    uses_pseudo_gtid: bool,
    #[serde(rename = "ReadBinlogCoordinates")]
    received: CoordinatesDto<'a>,
    #[serde(rename = "ExecBinlogCoordinates")]
    applied: CoordinatesDto<'a>,
    #[serde(rename = "IsDetached")]
    is_detached: bool,
    #[serde(rename = "RelaylogCoordinates")]
    relay_log: CoordinatesDto<'a>,
    #[serde(rename = "LastSQLError")]
    applier_error: String,
    #[serde(rename = "LastIOError")]
    receiver_error: String,
    #[serde(rename = "SecondsBehindMaster")]
    seconds_behind: NullInt64,
    #[serde(rename = "SQLDelay")]
    delay: u64,
    #[serde(rename = "ExecutedGtidSet")]
    gtid_executed: &'a str,
    #[serde(rename = "GtidPurged")]
    gtid_purged: &'a str,
    #[serde(rename = "GtidErrant")]
    gtid_errant: &'a str,
    #[serde(rename = "SlaveLagSeconds")]
    lag_old: NullInt64,
    #[serde(rename = "ReplicationLagSeconds")]
    lag: NullInt64,
    #[serde(rename = "SlaveHosts")]
    replicas_old: Keys<'a>,
    #[serde(rename = "Replicas")]
    replicas: Keys<'a>,
    #[serde(rename = "ClusterName")]
    cluster: &'a str,
    #[serde(rename = "SuggestedClusterAlias")]
    cluster_alias: &'a str,
    #[serde(rename = "DataCenter")]
    data_center: &'a str,
    #[serde(rename = "Region")]
    region: &'a str,
    #[serde(rename = "PhysicalEnvironment")]
    physical_environment: &'a str,
    #[serde(rename = "ReplicationDepth")]
    depth: u32,
    #[serde(rename = "IsCoMaster")]
    is_co_primary: bool,
    #[serde(rename = "HasReplicationCredentials")]
    has_credentials: bool,
    #[serde(rename = "ReplicationCredentialsAvailable")]
    credentials_available: bool,
    #[serde(rename = "SemiSyncAvailable")]
    semi_sync_available: bool,
    #[serde(rename = "SemiSyncPriority")]
    semi_sync_priority: u32,
    #[serde(rename = "SemiSyncMasterEnabled")]
    semi_sync_source_enabled: bool,
    #[serde(rename = "SemiSyncReplicaEnabled")]
    semi_sync_replica_enabled: bool,
    #[serde(rename = "SemiSyncMasterTimeout")]
    semi_sync_timeout_ms: u128,
    #[serde(rename = "SemiSyncMasterWaitForReplicaCount")]
    semi_sync_wait_count: u32,
    #[serde(rename = "SemiSyncMasterStatus")]
    semi_sync_source_status: bool,
    #[serde(rename = "SemiSyncMasterClients")]
    semi_sync_clients: u32,
    #[serde(rename = "SemiSyncReplicaStatus")]
    semi_sync_replica_status: bool,
    #[serde(rename = "LastSeenTimestamp")]
    last_seen: OrEmpty<Rfc3339>,
    #[serde(rename = "IsLastCheckValid")]
    is_last_check_valid: bool,
    #[serde(rename = "IsUpToDate")]
    is_up_to_date: bool,
    #[serde(rename = "IsRecentlyChecked")]
    is_recently_checked: bool,
    #[serde(rename = "SecondsSinceLastSeen")]
    age: NullInt64,
    #[serde(rename = "CountMySQLSnapshots")]
    snapshots: u32,
    #[serde(rename = "IsCandidate")]
    is_candidate: bool,
    #[serde(rename = "PromotionRule")]
    promotion_rule: &'static str,
    #[serde(rename = "IsDowntimed")]
    is_downtimed: bool,
    #[serde(rename = "DowntimeReason")]
    downtime_reason: &'a str,
    #[serde(rename = "DowntimeOwner")]
    downtime_owner: &'a str,
    #[serde(rename = "DowntimeEndTimestamp")]
    downtime_end: OrEmpty<SpaceSeparated>,
    #[serde(rename = "ElapsedDowntime")]
    downtime_elapsed_ns: u64,
    #[serde(rename = "UnresolvedHostname")]
    unresolved_host: &'a str,
    #[serde(rename = "AllowTLS")]
    allows_tls: bool,
    #[serde(rename = "Problems")]
    problems: Vec<&'static str>,
    #[serde(rename = "LastDiscoveryLatency")]
    latency_ns: u128,
    #[serde(rename = "ReplicationGroupName")]
    group_name: &'a str,
    #[serde(rename = "ReplicationGroupIsSinglePrimary")]
    group_is_single_primary: bool,
    #[serde(rename = "ReplicationGroupMemberState")]
    group_state: &'a str,
    #[serde(rename = "ReplicationGroupMemberRole")]
    group_role: &'a str,
    #[serde(rename = "ReplicationGroupMembers")]
    group_members: Keys<'a>,
    #[serde(rename = "ReplicationGroupPrimaryInstanceKey")]
    group_primary: KeyDto<'a>,
}

impl<'a> InstanceDto<'a> {
    /// The instance at that moment.
    pub fn of(moment: &Moment<'a>, entry: &'a Entry, source: Source) -> Self {
        let from_probe = source == Source::Probe;
        let seen = &*entry.seen;
        let link = seen.replication.as_ref();
        let group = seen.group.as_ref();
        let semi_sync = &seen.semi_sync;
        let receiver_runs = link.is_some_and(|link| link.receiver.is_running());
        let applier_runs = link.is_some_and(|link| link.applier.is_running());
        let condition = moment.condition(entry);
        let downtime = moment.downtime(entry);
        let rule = moment.promotion_rule(entry);
        let age = entry.record.age(moment.now);
        Self {
            key: entry.key().into(),
            alias: &seen.identity.alias,
            uptime: seen.identity.uptime.as_secs(),
            server_id: seen.identity.server_id,
            server_uuid: &seen.identity.server_uuid,
            version: &seen.identity.version,
            version_comment: &seen.identity.version_comment,
            flavor: if from_probe {
                ""
            } else {
                flavor_name(seen.identity.flavor)
            },
            read_only: seen.read_only,
            binlog_format: &seen.binlog.format,
            binlog_row_image: &seen.binlog.row_image,
            log_bin: seen.binlog.enabled,
            logs_updates_old: seen.binlog.logs_replica_updates,
            logs_updates: seen.binlog.logs_replica_updates,
            own_position: CoordinatesDto::binary(seen.binlog.position.as_ref()),
            source: KeyDto::of_source(link),
            source_uuid: link.map_or("", source_uuid),
            ancestry: &entry.ancestry,
            is_detached_source: link.is_some_and(|link| link.source.is_detached()),
            applier_runs_old: applier_runs,
            applier_runs,
            receiver_runs_old: receiver_runs,
            receiver_runs,
            applier_state: thread_state_number(link, |link| link.applier),
            receiver_state: thread_state_number(link, |link| link.receiver),
            has_filters: link.is_some_and(|link| link.has_filters),
            gtid_mode: &seen.gtid.mode,
            supports_oracle_gtid: seen.gtid.supports_oracle(),
            uses_oracle_gtid: link.is_some_and(|link| link.uses_oracle_gtid),
            uses_mariadb_gtid: link.is_some_and(|link| link.uses_mariadb_gtid),
            uses_pseudo_gtid: seen.uses_pseudo_gtid,
            received: CoordinatesDto::binary(link.map(|link| &link.received)),
            applied: CoordinatesDto::binary(link.map(|link| &link.applied)),
            is_detached: link.is_some_and(|link| link.applied.file.contains(DETACH_MARK)),
            relay_log: CoordinatesDto::relay(link.map(|link| &link.relay_log)),
            applier_error: link.map_or_else(String::new, |link| quoted_error(&link.applier_error)),
            receiver_error: link
                .map_or_else(String::new, |link| quoted_error(&link.receiver_error)),
            seconds_behind: link.and_then(|link| link.seconds_behind).into(),
            delay: link.map_or(0, |link| link.delay.as_secs()),
            gtid_executed: &seen.gtid.executed,
            gtid_purged: &seen.gtid.purged,
            gtid_errant: &entry.errant,
            lag_old: seen.lag_seconds.into(),
            lag: seen.lag_seconds.into(),
            replicas_old: Keys(&seen.replicas),
            replicas: Keys(&seen.replicas),
            cluster: &entry.place.cluster,
            cluster_alias: &entry.suggested_alias,
            data_center: &seen.placement.data_center,
            region: &seen.placement.region,
            physical_environment: &seen.placement.physical_environment,
            depth: entry.place.depth,
            is_co_primary: entry.place.is_co_primary,
            has_credentials: link.is_some_and(|link| link.has_credentials),
            credentials_available: seen.replication_credentials_available,
            semi_sync_available: semi_sync.available,
            semi_sync_priority: semi_sync.priority,
            semi_sync_source_enabled: semi_sync.source_enabled,
            semi_sync_replica_enabled: semi_sync.replica_enabled,
            semi_sync_timeout_ms: semi_sync.source_timeout.as_millis(),
            semi_sync_wait_count: semi_sync.wait_for_replica_count,
            semi_sync_source_status: semi_sync.source_status,
            semi_sync_clients: semi_sync.source_clients,
            semi_sync_replica_status: semi_sync.replica_status,
            last_seen: OrEmpty(entry.record.last_seen_at.map(Rfc3339)),
            is_last_check_valid: from_probe || condition.is_last_check_valid,
            is_up_to_date: from_probe || condition.is_up_to_date,
            is_recently_checked: from_probe || condition.is_recently_checked,
            age: age.map(|age| age.as_secs()).into(),
            snapshots: 0,
            is_candidate: rule <= PromotionRule::Prefer,
            promotion_rule: rule.as_str(),
            is_downtimed: downtime.is_some(),
            downtime_reason: downtime.map_or("", |downtime| &downtime.reason),
            downtime_owner: downtime.map_or("", |downtime| &downtime.owner),
            downtime_end: OrEmpty(downtime.map(|downtime| SpaceSeparated(downtime.ends_at))),
            downtime_elapsed_ns: downtime
                .map_or(0, |downtime| elapsed_ns(moment.now, downtime.begins_at)),
            unresolved_host: "",
            allows_tls: link.is_some_and(|link| link.tls_allowed),
            problems: if from_probe {
                Vec::new()
            } else {
                moment.problems(entry)
            },
            latency_ns: seen.latency.as_nanos(),
            group_name: group.map_or("", |group| &group.group_name),
            group_is_single_primary: group.is_some_and(|group| group.is_single_primary),
            group_state: group.map_or("", |group| &group.state),
            group_role: group.map_or("", |group| &group.role),
            group_members: Keys(group.map_or(&[], |group| &group.members)),
            group_primary: group.and_then(|group| group.primary.as_ref()).into(),
        }
    }
}

/// The word `No` stands for a server that does not report the UUID.
fn source_uuid(link: &ReplicationLink) -> &str {
    match link.source_uuid.as_str() {
        "" => "No",
        uuid => uuid,
    }
}

/// Whole seconds, in nanoseconds.
fn elapsed_ns(now: Timestamp, since: Timestamp) -> u64 {
    let whole = Duration::from_secs(now.since(since).as_secs());
    u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX)
}

/// A list of instances, written one by one without a copy.
pub struct InstanceList<'a> {
    moment: Moment<'a>,
    entries: Vec<&'a Entry>,
}

impl<'a> InstanceList<'a> {
    /// These instances at that moment.
    pub fn new(moment: Moment<'a>, entries: Vec<&'a Entry>) -> Self {
        Self { moment, entries }
    }

    /// The same list, `null` when it is empty.
    pub fn or_null(self) -> NullWhenEmpty<InstanceDto<'a>> {
        let instances = self.entries.into_iter();
        let instances = instances.map(|entry| InstanceDto::of(&self.moment, entry, Source::Known));
        NullWhenEmpty(instances.collect())
    }
}

impl Serialize for InstanceList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let instances = self.entries.iter();
        serializer
            .collect_seq(instances.map(|entry| InstanceDto::of(&self.moment, entry, Source::Known)))
    }
}

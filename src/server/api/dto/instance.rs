use std::time::Duration;

use orchestrator_core::domain::{PromotionRule, ReplicationLink, Timestamp};
use orchestrator_core::legacy::{DETACH_MARK, flavor_name, quoted_error, thread_state_number};

use super::key::CoordinatesDto;
use super::{KeyDto, Keys, NullInt64, Rfc3339, SpaceSeparated};
use crate::api::json::{Put, Rendered};
use crate::api::view::{Entry, Moment};

/// Bytes that an instance takes, roughly; a guess too low costs a copy of the list, one too high some memory for a moment.
const BYTES_EACH: usize = 3072;

/// Where an instance in an answer comes from; the predecessor fills some fields differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From what is known.
    Known,
    /// From a probe that has just ended well: no flavour, no problems, and valid as of now.
    Probe,
}

/// `Instance` of the API: every field in the predecessor's order, old names beside new ones, spelt as there.
///
/// Written by hand and not by serde, since lists of thousands are asked for all the time: names are copied whole, and
/// nothing stands between the observation and the answer.
pub struct InstanceDto<'a> {
    moment: Moment<'a>,
    entry: &'a Entry,
    source: Source,
}

impl<'a> InstanceDto<'a> {
    /// The instance at that moment.
    pub fn new(moment: Moment<'a>, entry: &'a Entry, source: Source) -> Self {
        Self {
            moment,
            entry,
            source,
        }
    }
}

impl Put for InstanceDto<'_> {
    /// One flat table: name and value of each field, in order.
    fn put(&self, out: &mut Vec<u8>) {
        let Self {
            moment,
            entry,
            source,
        } = self;
        let from_probe = *source == Source::Probe;
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
        let (flavor, problems) = match source {
            Source::Known => (flavor_name(seen.identity.flavor), moment.problems(entry)),
            Source::Probe => ("", Vec::new()),
        };
        let begin = out.len();
        macro_rules! field {
            ($name:literal, $value:expr) => {
                out.extend_from_slice(concat!(",\"", $name, "\":").as_bytes());
                $value.put(out);
            };
        }
        field!("Key", KeyDto::from(entry.key()));
        field!("InstanceAlias", seen.identity.alias);
        field!("Uptime", seen.identity.uptime.as_secs());
        field!("ServerID", seen.identity.server_id);
        field!("ServerUUID", seen.identity.server_uuid);
        field!("Version", seen.identity.version);
        field!("VersionComment", seen.identity.version_comment);
        field!("FlavorName", flavor);
        field!("ReadOnly", seen.read_only);
        field!("Binlog_format", seen.binlog.format);
        field!("BinlogRowImage", seen.binlog.row_image);
        field!("LogBinEnabled", seen.binlog.enabled);
        field!("LogSlaveUpdatesEnabled", seen.binlog.logs_replica_updates);
        field!(
            "LogReplicationUpdatesEnabled",
            seen.binlog.logs_replica_updates
        );
        field!(
            "SelfBinlogCoordinates",
            CoordinatesDto::binary(seen.binlog.position.as_ref())
        );
        field!("MasterKey", KeyDto::of_source(link));
        field!("MasterUUID", link.map_or("", source_uuid));
        field!("AncestryUUID", entry.ancestry);
        field!(
            "IsDetachedMaster",
            link.is_some_and(|link| link.source.is_detached())
        );
        field!("Slave_SQL_Running", applier_runs);
        field!("ReplicationSQLThreadRuning", applier_runs);
        field!("Slave_IO_Running", receiver_runs);
        field!("ReplicationIOThreadRuning", receiver_runs);
        field!(
            "ReplicationSQLThreadState",
            thread_state_number(link, |link| link.applier)
        );
        field!(
            "ReplicationIOThreadState",
            thread_state_number(link, |link| link.receiver)
        );
        field!(
            "HasReplicationFilters",
            link.is_some_and(|link| link.has_filters)
        );
        field!("GTIDMode", seen.gtid.mode);
        field!("SupportsOracleGTID", seen.gtid.supports_oracle());
        field!(
            "UsingOracleGTID",
            link.is_some_and(|link| link.uses_oracle_gtid)
        );
        field!(
            "UsingMariaDBGTID",
            link.is_some_and(|link| link.uses_mariadb_gtid)
        );
        field!("UsingPseudoGTID", seen.uses_pseudo_gtid);
        field!(
            "ReadBinlogCoordinates",
            CoordinatesDto::binary(link.map(|link| &link.received))
        );
        field!(
            "ExecBinlogCoordinates",
            CoordinatesDto::binary(link.map(|link| &link.applied))
        );
        field!(
            "IsDetached",
            link.is_some_and(|link| link.applied.file.contains(DETACH_MARK))
        );
        field!(
            "RelaylogCoordinates",
            CoordinatesDto::relay(link.map(|link| &link.relay_log))
        );
        field!(
            "LastSQLError",
            link.map_or_else(String::new, |link| quoted_error(&link.applier_error))
        );
        field!(
            "LastIOError",
            link.map_or_else(String::new, |link| quoted_error(&link.receiver_error))
        );
        field!(
            "SecondsBehindMaster",
            NullInt64::from(link.and_then(|link| link.seconds_behind))
        );
        field!("SQLDelay", link.map_or(0, |link| link.delay.as_secs()));
        field!("ExecutedGtidSet", seen.gtid.executed);
        field!("GtidPurged", seen.gtid.purged);
        field!("GtidErrant", entry.errant);
        field!("SlaveLagSeconds", NullInt64::from(seen.lag_seconds));
        field!("ReplicationLagSeconds", NullInt64::from(seen.lag_seconds));
        field!("SlaveHosts", Keys(&seen.replicas));
        field!("Replicas", Keys(&seen.replicas));
        field!("ClusterName", entry.place.cluster);
        field!("SuggestedClusterAlias", entry.suggested_alias);
        field!("DataCenter", seen.placement.data_center);
        field!("Region", seen.placement.region);
        field!("PhysicalEnvironment", seen.placement.physical_environment);
        field!("ReplicationDepth", entry.place.depth);
        field!("IsCoMaster", entry.place.is_co_primary);
        field!(
            "HasReplicationCredentials",
            link.is_some_and(|link| link.has_credentials)
        );
        field!(
            "ReplicationCredentialsAvailable",
            seen.replication_credentials_available
        );
        field!("SemiSyncAvailable", semi_sync.available);
        field!("SemiSyncPriority", semi_sync.priority);
        field!("SemiSyncMasterEnabled", semi_sync.source_enabled);
        field!("SemiSyncReplicaEnabled", semi_sync.replica_enabled);
        field!(
            "SemiSyncMasterTimeout",
            milliseconds(semi_sync.source_timeout)
        );
        field!(
            "SemiSyncMasterWaitForReplicaCount",
            semi_sync.wait_for_replica_count
        );
        field!("SemiSyncMasterStatus", semi_sync.source_status);
        field!("SemiSyncMasterClients", semi_sync.source_clients);
        field!("SemiSyncReplicaStatus", semi_sync.replica_status);
        field!("LastSeenTimestamp", entry.record.last_seen_at.map(Rfc3339));
        field!(
            "IsLastCheckValid",
            from_probe || condition.is_last_check_valid
        );
        field!("IsUpToDate", from_probe || condition.is_up_to_date);
        field!(
            "IsRecentlyChecked",
            from_probe || condition.is_recently_checked
        );
        field!(
            "SecondsSinceLastSeen",
            NullInt64::from(age.map(|age| age.as_secs()))
        );
        field!("CountMySQLSnapshots", 0_u32);
        field!("IsCandidate", rule <= PromotionRule::Prefer);
        field!("PromotionRule", rule.as_str());
        field!("IsDowntimed", downtime.is_some());
        field!(
            "DowntimeReason",
            downtime.map_or("", |downtime| &downtime.reason)
        );
        field!(
            "DowntimeOwner",
            downtime.map_or("", |downtime| &downtime.owner)
        );
        field!(
            "DowntimeEndTimestamp",
            downtime.map(|downtime| SpaceSeparated(downtime.ends_at))
        );
        field!(
            "ElapsedDowntime",
            downtime.map_or(0, |downtime| elapsed_ns(moment.now, downtime.begins_at))
        );
        field!("UnresolvedHostname", "");
        field!("AllowTLS", link.is_some_and(|link| link.tls_allowed));
        field!("Problems", problems);
        field!("LastDiscoveryLatency", nanoseconds(seen.latency));
        field!(
            "ReplicationGroupName",
            group.map_or("", |group| &group.group_name)
        );
        field!(
            "ReplicationGroupIsSinglePrimary",
            group.is_some_and(|group| group.is_single_primary)
        );
        field!(
            "ReplicationGroupMemberState",
            group.map_or("", |group| &group.state)
        );
        field!(
            "ReplicationGroupMemberRole",
            group.map_or("", |group| &group.role)
        );
        field!(
            "ReplicationGroupMembers",
            Keys(group.map_or(&[], |group| &group.members))
        );
        field!(
            "ReplicationGroupPrimaryInstanceKey",
            KeyDto::from(group.and_then(|group| group.primary.as_ref()))
        );
        // The comma before the first field becomes the brace.
        out[begin] = b'{';
        out.push(b'}');
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
    nanoseconds(Duration::from_secs(now.since(since).as_secs()))
}

fn nanoseconds(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

fn milliseconds(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
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

    /// The list; `[]` when it is empty.
    pub fn render(&self) -> Rendered {
        let instances = self.entries.iter();
        let instances = instances.map(|entry| InstanceDto::new(self.moment, entry, Source::Known));
        Rendered::list(instances, BYTES_EACH)
    }

    /// The list; `null` when it is empty.
    pub fn render_or_null(&self) -> Rendered {
        match self.entries.is_empty() {
            true => Rendered::null(),
            false => self.render(),
        }
    }
}

//! One server while it is read or printed, and the healthy server that each line begins with.

use std::time::Duration;

use super::lines::Mark;
use super::names::{Names, default_uuid};
use super::values::fnv;
use crate::domain::{
    BinlogPosition, BinlogSettings, Candidate, Downtime, Flavor, GtidState, InstanceKey,
    InstanceRecord, Observation, ReplicationLink, SourceAddress, Timestamp,
};

/// Version of a server that has nobody above it and says nothing: the long-term line of MySQL.
const DEFAULT_VERSION: &str = "8.4.6";
/// `gtid_current_pos` of a MariaDB that says nothing.
const DEFAULT_MARIADB_POSITION: &str = "0-1-100";
/// Comment of a server drawn as Percona Server.
pub(super) const PERCONA_COMMENT: &str = "Percona Server (GPL)";
/// How long before the drawn moment every drawn server became known.
const KNOWN_FOR: Duration = Duration::from_secs(86_400);
/// How long a drawn server has been up.
const UPTIME: Duration = Duration::from_secs(86_400);

/// One server of a drawing.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Whether the picture holds it; else it is only pointed at.
    pub is_known: bool,
    /// Whether it was ever probed with success; `seen` counts only then.
    pub is_seen: bool,
    /// Its record; the observation lies in `seen`.
    pub record: InstanceRecord,
    pub seen: Observation,
    pub downtime: Option<Downtime>,
    pub candidate: Option<Candidate>,
    pub stalled_since: Option<Timestamp>,
}

/// What a line takes over from the server above it.
#[derive(Clone, Debug)]
pub(super) struct Inherited {
    pub version: String,
    pub version_comment: String,
    /// Executed set of an Oracle GTID server.
    pub oracle: String,
    /// Position of a MariaDB.
    pub mariadb: String,
    /// End of the binary log.
    pub position: BinlogPosition,
}

impl Inherited {
    /// For the first line of a tree.
    pub(super) fn at_top(head_uuid: &str) -> Self {
        Self {
            version: DEFAULT_VERSION.to_owned(),
            version_comment: String::new(),
            oracle: format!("{head_uuid}:1-100"),
            mariadb: DEFAULT_MARIADB_POSITION.to_owned(),
            position: BinlogPosition {
                file: "binlog.000001".to_owned(),
                offset: 1000,
            },
        }
    }

    /// For the lines below `draft`, which has `self` from above.
    #[must_use]
    pub(super) fn below(&self, draft: &Draft) -> Self {
        if !draft.is_seen {
            return self.clone();
        }
        let seen = &draft.seen;
        let or = |own: &str, above: &str| if own.is_empty() { above } else { own }.to_owned();
        Self {
            version: or(&seen.identity.version, &self.version),
            version_comment: seen.identity.version_comment.clone(),
            oracle: or(&seen.gtid.executed, &self.oracle),
            mariadb: or(&seen.gtid.mariadb_current, &self.mariadb),
            position: seen
                .binlog
                .position
                .clone()
                .unwrap_or_else(|| self.position.clone()),
        }
    }
}

/// Where a line stands.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub now: Timestamp,
    pub mark: Mark,
    /// The server it replicates from unless it says otherwise.
    pub source: Option<&'a InstanceKey>,
    /// First server of its tree.
    pub head: &'a InstanceKey,
    pub inherited: &'a Inherited,
    pub names: &'a Names,
}

impl Draft {
    /// A healthy server in this place.
    pub(super) fn healthy(key: &InstanceKey, scope: &Scope<'_>) -> Self {
        let mut record = InstanceRecord::heard_of(key.clone(), scope.now.minus(KNOWN_FOR));
        record.last_checked_at = Some(scope.now);
        record.last_seen_at = Some(scope.now);
        let mut seen = Observation::blank(key.clone(), scope.now);
        seen.latency = Duration::from_millis(1);
        seen.identity.uptime = UPTIME;
        seen.identity.server_id = server_id(key);
        seen.read_only = scope.mark != Mark::Head;
        seen.binlog = BinlogSettings {
            enabled: true,
            logs_replica_updates: true,
            format: "ROW".to_owned(),
            row_image: "FULL".to_owned(),
            position: Some(scope.inherited.position.clone()),
        };
        seen.replication = scope
            .source
            .map(|source| new_link(SourceAddress::Attached(source.clone()), scope));
        seen.lag_seconds = seen.replication.as_ref().map(|_| 0);
        let mut draft = Self {
            is_known: true,
            is_seen: true,
            record,
            seen,
            downtime: None,
            candidate: None,
            stalled_since: None,
        };
        let inherited = scope.inherited;
        draft.wear_version(&inherited.version, &inherited.version_comment, scope);
        draft
    }

    /// Takes a version, and all that a healthy server of that flavour has.
    pub(super) fn wear_version(&mut self, version: &str, comment: &str, scope: &Scope<'_>) {
        let flavor = flavor(version, comment);
        let seen = &mut self.seen;
        let identity = &mut seen.identity;
        identity.version = version.to_owned();
        identity.version_comment = comment.to_owned();
        identity.flavor = flavor;
        let is_mysql = matches!(flavor, Flavor::MySql | Flavor::Percona);
        identity.server_uuid = match is_mysql {
            true => default_uuid(&seen.key),
            false => String::new(),
        };
        seen.super_read_only = is_mysql.then_some(false);
        seen.binlog.format = match flavor {
            Flavor::MaxScale => "INHERIT",
            _ => "ROW",
        }
        .to_owned();
        self.wear_gtid_mode(if is_mysql { "ON" } else { "" }, scope);
    }

    /// Takes a `gtid_mode`, and the sets and link flags that go with it.
    pub(super) fn wear_gtid_mode(&mut self, mode: &str, scope: &Scope<'_>) {
        let is_mariadb = self.seen.identity.flavor == Flavor::MariaDb;
        let is_oracle = !mode.is_empty() && mode != "OFF";
        let set = match (is_mariadb, is_oracle) {
            (true, _) => scope.inherited.mariadb.clone(),
            (false, true) => scope.inherited.oracle.clone(),
            (false, false) => String::new(),
        };
        self.seen.gtid = GtidState {
            mode: mode.to_owned(),
            ..GtidState::default()
        };
        if let Some(link) = &mut self.seen.replication {
            link.uses_oracle_gtid = mode == "ON";
            link.uses_mariadb_gtid = is_mariadb;
            link.source_uuid = match (&link.source, is_mariadb) {
                (SourceAddress::Attached(key) | SourceAddress::Detached(key), false) => {
                    scope.names.uuid_of(key)
                }
                _ => String::new(),
            };
        }
        self.wear_gtids(&set);
    }

    /// Takes what it has applied, and has received no more than that.
    pub(super) fn wear_gtids(&mut self, set: &str) {
        let is_mariadb = self.seen.identity.flavor == Flavor::MariaDb;
        let gtid = &mut self.seen.gtid;
        if is_mariadb {
            set.clone_into(&mut gtid.mariadb_current);
            set.clone_into(&mut gtid.mariadb_binlog);
        } else {
            set.clone_into(&mut gtid.executed);
        }
        self.wear_received(set);
    }

    /// Takes what it has received.
    pub(super) fn wear_received(&mut self, set: &str) {
        let is_mariadb = self.seen.identity.flavor == Flavor::MariaDb;
        if let Some(link) = &mut self.seen.replication {
            // A flavour has only one of the two; a version that is drawn late changes which.
            link.mariadb_received.clear();
            link.retrieved.clear();
            let field = match is_mariadb {
                true => &mut link.mariadb_received,
                false => &mut link.retrieved,
            };
            set.clone_into(field);
        }
    }

    /// What it has applied, as a set.
    pub(super) fn gtids(&self) -> &str {
        match self.seen.identity.flavor {
            Flavor::MariaDb => &self.seen.gtid.mariadb_current,
            _ => &self.seen.gtid.executed,
        }
    }

    /// Its link, when it has one and was seen.
    pub(super) fn link(&self) -> Option<&ReplicationLink> {
        self.seen
            .replication
            .as_ref()
            .filter(|_| self.is_known && self.is_seen)
    }

    /// Sets lag to what the state of the threads says: a server tells none unless both run.
    pub(super) fn reckon_lag(&mut self) {
        let lag = self.seen.is_replicating().then_some(0);
        self.set_lag(lag);
    }

    /// Sets both fields of lag.
    pub(super) fn set_lag(&mut self, lag: Option<u64>) {
        self.seen.lag_seconds = lag;
        if let Some(link) = &mut self.seen.replication {
            link.seconds_behind = lag;
        }
    }
}

/// A healthy link to `source`; flags of GTIDs are set with the version.
pub(super) fn new_link(source: SourceAddress, scope: &Scope<'_>) -> ReplicationLink {
    let position = scope.inherited.position.clone();
    ReplicationLink {
        received: position.clone(),
        applied: position,
        relay_log: BinlogPosition {
            file: "relay.000001".to_owned(),
            offset: 1000,
        },
        ..ReplicationLink::running(source)
    }
}

/// Product, from what a server says of its version.
fn flavor(version: &str, comment: &str) -> Flavor {
    if version.contains("MariaDB") {
        Flavor::MariaDb
    } else if version.contains("maxscale") {
        Flavor::MaxScale
    } else if comment.contains("Percona") {
        Flavor::Percona
    } else {
        Flavor::MySql
    }
}

/// A server id that no two drawn servers share by chance.
fn server_id(key: &InstanceKey) -> u32 {
    let hash = fnv(3, &key.to_string());
    u32::try_from(hash >> 33).map_or(1, |id| id.max(1))
}

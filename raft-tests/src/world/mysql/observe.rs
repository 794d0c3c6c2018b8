//! What a probe sees of a simulated server.

use std::fmt::Write as _;
use std::time::Duration;

use orchestrator_core::domain::{
    BinlogPosition, Observation, ReplicationLink, SourceAddress, ThreadState, Timestamp,
};

use super::{Applier, Fleet, Have, Receiver, Server, ServerId, Txn};

impl Fleet {
    /// What is seen of a server now; `observed_at` is put in by whoever probes.
    pub fn observe(&self, id: ServerId) -> Observation {
        let server = &self.servers[id];
        let mut seen = Observation::blank(server.key.clone(), Timestamp::from_micros(0));
        seen.latency = Duration::from_millis(1);
        seen.identity.server_id = u32::from(server.number()) + 1;
        seen.identity.server_uuid.clone_from(&server.uuid);
        seen.identity.version = server.product.version.to_owned();
        seen.identity.version_comment = server.product.comment.to_owned();
        seen.identity.flavor = server.product.flavor;
        seen.identity.uptime = Duration::from_secs((self.now - server.started_at).as_secs());
        seen.read_only = server.read_only;
        seen.super_read_only =
            (server.product.has_super_read_only()).then_some(server.super_read_only);
        seen.binlog.enabled = server.file.has_binlog;
        seen.binlog.logs_replica_updates = server.file.logs_updates;
        seen.binlog.format = "ROW".to_owned();
        seen.binlog.row_image = "FULL".to_owned();
        seen.binlog.position = Some(position("bin", server.log.len()));
        self.observe_gtids(server, &mut seen);
        seen.replication = server.link.as_ref().map(|_| self.observe_link(server));
        seen.lag_seconds = seen
            .replication
            .as_ref()
            .and_then(|link| link.seconds_behind);
        self.observe_semi_sync(server, &mut seen);
        seen.replicas = self.connected_to(id).map(|one| one.key.clone()).collect();
        seen.placement.data_center.clone_from(&server.data_center);
        seen.promotion_rule = server.rule;
        seen.replication_credentials_available = true;
        seen
    }

    fn connected_to(&self, id: ServerId) -> impl Iterator<Item = &Server> {
        self.servers.iter().filter(move |one| {
            one.link.as_ref().is_some_and(|link| {
                link.source == id && matches!(link.receiver, Receiver::Running { .. })
            })
        })
    }

    fn observe_gtids(&self, server: &Server, seen: &mut Observation) {
        match server.product.is_mariadb() {
            true => {
                let last = server.log.iter().copied().max_by_key(|txn| txn.number);
                seen.gtid.mariadb_current = mariadb_gtid(last);
                seen.gtid
                    .mariadb_binlog
                    .clone_from(&seen.gtid.mariadb_current);
            }
            false => {
                seen.gtid.mode = "ON".to_owned();
                seen.gtid.executed = self.oracle_set(&server.have, &Have::default());
            }
        }
    }

    /// A set of MySQL, with the numbers after those of `after` only.
    fn oracle_set(&self, all: &Have, after: &Have) -> String {
        let mut text = String::new();
        for (origin, last) in all.lasts() {
            let first = after.last_of(origin) + 1;
            if first > last {
                continue;
            }
            if !text.is_empty() {
                text.push(',');
            }
            let uuid = &self.servers[usize::from(origin)].uuid;
            // Writing to a text cannot fail.
            let _ = write!(text, "{uuid}:{first}-{last}");
        }
        text
    }

    fn observe_link(&self, server: &Server) -> ReplicationLink {
        let link = server.link.as_ref().expect("the caller has seen it");
        let source = self.servers[link.source].key.clone();
        let mut seen = ReplicationLink::running(match link.is_detached {
            true => SourceAddress::Detached(source),
            false => SourceAddress::Attached(source),
        });
        seen.source_uuid.clone_from(&self.servers[link.source].uuid);
        (seen.receiver, seen.receiver_errno) = match link.receiver {
            Receiver::Stopped { errno } => (ThreadState::Stopped, errno),
            Receiver::Connecting { errno, .. } => (ThreadState::Other, errno),
            Receiver::Stopping { .. } => (ThreadState::Other, 0),
            Receiver::Running { .. } => (ThreadState::Running, 0),
        };
        (seen.applier, seen.applier_errno) = match link.applier {
            Applier::Stopped { errno } => (ThreadState::Stopped, errno),
            Applier::Running => (ThreadState::Running, 0),
        };
        seen.delay = Duration::from_secs(link.delay.as_secs());
        seen.seconds_behind = match (&seen.receiver, link.relay.front()) {
            (ThreadState::Running, None) => Some(0),
            (ThreadState::Running, Some(_)) => Some(1),
            _ => None,
        };
        let received = server.received();
        match server.product.is_mariadb() {
            true => {
                seen.uses_mariadb_gtid = true;
                let last = link.relay.back().map(|one| one.txn);
                let last = last.or_else(|| server.log.iter().copied().max_by_key(|txn| txn.number));
                seen.mariadb_received = mariadb_gtid(last);
            }
            false => {
                seen.uses_oracle_gtid = true;
                seen.retrieved = self.oracle_set(&link.retrieved, &Have::default());
            }
        }
        let count = |have: &Have| have.lasts().map(|(_, last)| last).sum::<u64>();
        seen.received = position("bin", usize::try_from(count(&received)).unwrap_or(0));
        seen.applied = position("bin", usize::try_from(count(&server.have)).unwrap_or(0));
        seen.relay_log = position("relay", link.relay.len());
        if self.tuning.shows_heartbeats {
            seen.heartbeat_period = Some(self.tuning.heartbeat_period());
            seen.heartbeats_received = Some(link.heartbeats.0);
        }
        seen
    }

    fn observe_semi_sync(&self, server: &Server, seen: &mut Observation) {
        let setting = server.semi_sync;
        let acknowledging = self.connected_to(server.id).filter(|one| one.acknowledges);
        let semi_sync = &mut seen.semi_sync;
        semi_sync.available = true;
        semi_sync.source_enabled = setting.source;
        semi_sync.replica_enabled = setting.replica;
        semi_sync.source_timeout = setting.timeout;
        semi_sync.wait_for_replica_count = setting.wait_count;
        semi_sync.source_status = setting.source && server.semi_sync_operates;
        semi_sync.source_clients = u32::try_from(acknowledging.count()).unwrap_or(u32::MAX);
        semi_sync.replica_status = server.acknowledges && server.link.is_some();
    }
}

fn mariadb_gtid(last: Option<Txn>) -> String {
    last.map_or_else(String::new, |txn| {
        format!("0-{}-{}", txn.origin + 1, txn.number)
    })
}

fn position(base: &str, at: usize) -> BinlogPosition {
    BinlogPosition {
        file: format!("{base}.000001"),
        offset: 4 + at as u64 * 100,
    }
}

use std::time::Duration;

use super::{Caution, Compatibility, Obstacle, ReplicationPolicy};
use crate::domain::{Flavor, Observation};

/// A delay of the source counts from here on: the lag at which the predecessor holds a replica for fit to be moved
/// (`ReasonableMaintenanceReplicationLagSeconds`, 20 s by default).
const DELAY_THAT_COUNTS: Duration = Duration::from_secs(20);

/// Steps of `gtid_mode`, in order.
const GTID_MODES: [&str; 4] = ["OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"];

pub(super) fn same_server(replica: &Observation, source: &Observation, found: &mut Compatibility) {
    if replica.key == source.key {
        found.obstacles.push(Obstacle::SameServer);
    }
}

pub(super) fn binary_log(source: &Observation, found: &mut Compatibility) {
    let source_key = source.key.clone();
    if !source.binlog.enabled {
        found.obstacles.push(Obstacle::NoBinaryLog { source_key });
    } else if source.is_replica() && !source.binlog.logs_replica_updates {
        found
            .obstacles
            .push(Obstacle::NoReplicaUpdates { source_key });
    }
}

pub(super) fn versions(
    replica: &Observation,
    source: &Observation,
    policy: ReplicationPolicy,
    found: &mut Compatibility,
) {
    if is_binlog_server(replica) || is_binlog_server(source) {
        return;
    }
    if is_mariadb(replica) != is_mariadb(source) {
        found.cautions.push(Caution::OtherFamily);
        return;
    }
    let (older, newer) = (&replica.identity.version, &source.identity.version);
    let (Some(own), Some(other)) = (release(older), release(newer)) else {
        let version = if release(older).is_none() {
            older
        } else {
            newer
        };
        found.cautions.push(Caution::UnknownVersion {
            version: version.clone(),
        });
        return;
    };
    let (replica_version, source_version) = (older.clone(), newer.clone());
    if (own.0, own.1) < (other.0, other.1) {
        match policy.allows_older_replicas {
            true => found.cautions.push(Caution::OlderLine {
                replica: replica_version,
                source_version,
            }),
            false => found.obstacles.push(Obstacle::OlderLine {
                replica: replica_version,
                source_version,
            }),
        }
    } else if own < other && !is_mariadb(replica) && (own.0, own.1) > (9, 7) {
        found.cautions.push(Caution::OlderPatch {
            replica: replica_version,
            source_version,
        });
    }
}

pub(super) fn formats(replica: &Observation, source: &Observation, found: &mut Compatibility) {
    if !(replica.binlog.enabled && replica.binlog.logs_replica_updates) {
        return;
    }
    let (own, other) = (&replica.binlog.format, &source.binlog.format);
    if let (Some(rank), Some(needed)) = (format_rank(own), format_rank(other))
        && rank < needed
    {
        found.obstacles.push(Obstacle::WeakerFormat {
            replica: own.clone(),
            source_format: other.clone(),
        });
    }
    let (own, other) = (&replica.binlog.row_image, &source.binlog.row_image);
    if !own.is_empty() && !other.is_empty() && own != other {
        found.cautions.push(Caution::RowImages {
            replica: own.clone(),
            source_image: other.clone(),
        });
    }
}

pub(super) fn filters(
    replica: &Observation,
    source: &Observation,
    policy: ReplicationPolicy,
    found: &mut Compatibility,
) {
    let has_filters = |seen: &Observation| {
        seen.replication
            .as_ref()
            .is_some_and(|link| link.has_filters)
    };
    if policy.verifies_filters && has_filters(source) && !has_filters(replica) {
        found.obstacles.push(Obstacle::Filters {
            source_key: source.key.clone(),
        });
    }
}

pub(super) fn ids(replica: &Observation, source: &Observation, found: &mut Compatibility) {
    // A binlog server shows the ids of the server whose logs it keeps.
    if is_binlog_server(replica) {
        return;
    }
    let server_id = replica.identity.server_id;
    if server_id == source.identity.server_id {
        found.obstacles.push(Obstacle::SameServerId { server_id });
    }
    let server_uuid = &replica.identity.server_uuid;
    if !server_uuid.is_empty() && server_uuid.eq_ignore_ascii_case(&source.identity.server_uuid) {
        found.obstacles.push(Obstacle::SameServerUuid {
            server_uuid: server_uuid.clone(),
        });
    }
}

pub(super) fn delay(replica: &Observation, source: &Observation, found: &mut Compatibility) {
    let delay = |seen: &Observation| {
        seen.replication
            .as_ref()
            .map_or(Duration::ZERO, |link| link.delay)
    };
    let (own, other) = (delay(replica), delay(source));
    if own < other && other > DELAY_THAT_COUNTS {
        found.obstacles.push(Obstacle::LongerDelay {
            replica: own,
            source_delay: other,
        });
    }
}

/// `OFF` and `ON` accept only what is one step away (MySQL 8.4 manual, "Replication Mode Concepts"). A replica that
/// positions itself by GTID needs `ON` at its source.
pub(super) fn gtid_modes(replica: &Observation, source: &Observation, found: &mut Compatibility) {
    if is_mariadb(replica) || is_binlog_server(replica) || is_binlog_server(source) {
        return;
    }
    let source_mode = match is_mariadb(source) {
        true => "OFF",
        false => source.gtid.mode.as_str(),
    };
    let own_mode = replica.gtid.mode.as_str();
    let step = |mode: &str| GTID_MODES.iter().position(|known| *known == mode);
    let (Some(own), Some(other)) = (step(own_mode), step(source_mode)) else {
        return;
    };
    let is_refused = (own == 0 && other >= 2) || (own == 3 && other <= 1);
    if is_refused {
        found.obstacles.push(Obstacle::GtidModes {
            replica: own_mode.to_owned(),
            source_mode: source_mode.to_owned(),
        });
    } else if other < 3
        && replica
            .replication
            .as_ref()
            .is_some_and(|link| link.uses_oracle_gtid)
    {
        found.cautions.push(Caution::LosesAutoPosition {
            source_mode: source_mode.to_owned(),
        });
    }
}

pub(super) fn groups(replica: &Observation, source: &Observation, found: &mut Compatibility) {
    if let Some(group) = &source.group
        && group.state != "ONLINE"
    {
        found.cautions.push(Caution::GroupMemberNotOnline {
            state: group.state.clone(),
        });
    }
    let Some(own) = &replica.group else {
        return;
    };
    let group = own.group_name.clone();
    let is_shared = source
        .group
        .as_ref()
        .is_some_and(|other| other.group_name == group);
    if is_shared && replica.key != source.key {
        found.obstacles.push(Obstacle::SameGroup { group });
    } else if own.is_single_primary && own.role != "PRIMARY" {
        found.obstacles.push(Obstacle::GroupSecondary { group });
    }
}

fn is_binlog_server(seen: &Observation) -> bool {
    seen.identity.flavor == Flavor::MaxScale
}

fn is_mariadb(seen: &Observation) -> bool {
    seen.identity.flavor == Flavor::MariaDb
}

fn format_rank(format: &str) -> Option<usize> {
    ["STATEMENT", "MIXED", "ROW"]
        .iter()
        .position(|known| *known == format)
}

/// Major, minor, patch of a version text. The one place here that reads versions.
fn release(version: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = version.split('.').map(|part| {
        let digits = part.split(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|digits| digits.parse::<u32>().ok())
    });
    let (major, minor) = (numbers.next()??, numbers.next()??);
    Some((major, minor, numbers.next().flatten().unwrap_or(0)))
}

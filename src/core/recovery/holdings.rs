use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::gtid::{MariadbPosition, OracleGtidSet, Relation};
use crate::domain::{Flavor, LogCoordinates, Observation, ThreadState};

/// By what the replicas of one server are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ground {
    /// GTID sets of MySQL.
    Oracle,
    /// GTID positions of MariaDB.
    Mariadb,
    /// Positions in the binary log of their common source. They say who is ahead, and nobody can be moved by them here.
    Positions,
}

impl Ground {
    /// The best one that all of them share.
    pub fn common<'a>(replicas: impl IntoIterator<Item = &'a Observation>) -> Self {
        let mut grounds = replicas.into_iter().map(Self::of);
        let first = grounds.next().unwrap_or(Self::Positions);
        match grounds.all(|ground| ground == first) {
            true => first,
            false => Self::Positions,
        }
    }

    /// The best one of a replica. On MySQL `gtid_mode` counts: a link without auto-position can be given it.
    pub fn of(seen: &Observation) -> Self {
        let is_mysql = matches!(
            seen.identity.flavor,
            Flavor::MySql | Flavor::Percona | Flavor::Unknown
        );
        let link = seen.replication.as_ref();
        if is_mysql && seen.gtid.mode == "ON" {
            Self::Oracle
        } else if link.is_some_and(|link| link.uses_mariadb_gtid) {
            Self::Mariadb
        } else {
            Self::Positions
        }
    }
}

/// What a replica has received, and how much of it it has applied. An acknowledgement of semi-sync says "received".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holdings {
    /// Sets of MySQL. Received holds all that is applied.
    Oracle {
        /// In relay logs or applied.
        received: OracleGtidSet,
        /// `gtid_executed`.
        applied: OracleGtidSet,
    },
    /// Positions of MariaDB. Received is at or after what is applied.
    Mariadb {
        /// In relay logs or applied.
        received: MariadbPosition,
        /// `gtid_current_pos`.
        applied: MariadbPosition,
    },
    /// Positions in the source's binary log.
    Positions {
        /// End of what was received.
        received: LogCoordinates,
        /// End of what is applied.
        applied: LogCoordinates,
    },
}

/// How much of what was received is not applied. Ordered: less first; the order says something only between servers that
/// have received the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Unapplied {
    /// Nothing.
    Nothing,
    /// So many transactions; of MariaDB at most so many.
    Transactions(u128),
    /// A stretch of the source's binary log.
    Log {
        /// Files between the two positions.
        files: u32,
        /// Bytes between them in one file; in several, how far the applied one is from the end of the largest file.
        bytes: u64,
    },
}

impl Holdings {
    /// From what was seen of a replica; `None` when that cannot be read, or it is no replica.
    pub fn read(seen: &Observation, ground: Ground) -> Option<Self> {
        let link = seen.replication.as_ref()?;
        match ground {
            Ground::Oracle => {
                let applied = OracleGtidSet::parse(&seen.gtid.executed).ok()?;
                let received = OracleGtidSet::parse(&link.retrieved).ok()?.union(&applied);
                Some(Self::Oracle { received, applied })
            }
            Ground::Mariadb => {
                let applied = MariadbPosition::parse(&seen.gtid.mariadb_current).ok()?;
                let got = MariadbPosition::parse(&link.mariadb_received).ok()?;
                let received = got.union(&applied);
                Some(Self::Mariadb { received, applied })
            }
            Ground::Positions => {
                let read = |at: &crate::domain::BinlogPosition| {
                    LogCoordinates::new(&at.file, at.offset).ok()
                };
                let (received, applied) = (read(&link.received)?, read(&link.applied)?);
                Some(Self::Positions { received, applied })
            }
        }
    }

    /// Whether another server, which need not be a replica, has applied everything that the replica `own` has received.
    /// Positions of two servers do not compare, so by them the answer is no.
    pub fn is_all_applied_at(own: &Observation, other: &Observation, ground: Ground) -> bool {
        match Self::read(own, ground) {
            Some(Self::Oracle { received, .. }) => OracleGtidSet::parse(&other.gtid.executed)
                .is_ok_and(|applied| applied.contains(&received)),
            Some(Self::Mariadb { received, .. }) => {
                MariadbPosition::parse(&other.gtid.mariadb_current)
                    .is_ok_and(|applied| applied.contains(&received))
            }
            Some(Self::Positions { .. }) | None => false,
        }
    }

    /// How far it has received, compared with another; `None` when each has what the other lacks, or nothing is known.
    pub fn compare_received(&self, other: &Self) -> Option<Ordering> {
        let relation = match (self, other) {
            (Self::Oracle { received: a, .. }, Self::Oracle { received: b, .. }) => a.relation(b),
            (Self::Mariadb { received: a, .. }, Self::Mariadb { received: b, .. }) => a.relation(b),
            (Self::Positions { received: a, .. }, Self::Positions { received: b, .. }) => {
                return a.compare(b);
            }
            _ => return None,
        };
        match relation {
            Relation::Equal => Some(Ordering::Equal),
            Relation::Ahead { .. } => Some(Ordering::Greater),
            Relation::Behind { .. } => Some(Ordering::Less),
            Relation::Neither { .. } => None,
        }
    }

    /// Whether it is known in GTIDs, by which a replica finds its place below any server.
    pub fn is_by_gtid(&self) -> bool {
        !matches!(self, Self::Positions { .. })
    }

    /// Whether it has received everything that the other has.
    pub fn covers(&self, other: &Self) -> bool {
        self.compare_received(other).is_some_and(Ordering::is_ge)
    }

    /// Whether it has *applied* everything that the other has received.
    pub fn has_applied_all_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Oracle { applied, .. }, Self::Oracle { received, .. }) => {
                applied.contains(received)
            }
            (Self::Mariadb { applied, .. }, Self::Mariadb { received, .. }) => {
                applied.contains(received)
            }
            (Self::Positions { applied, .. }, Self::Positions { received, .. }) => {
                applied.has_reached(received)
            }
            _ => false,
        }
    }

    /// How much it has yet to apply.
    pub fn unapplied(&self) -> Unapplied {
        let transactions = match self {
            Self::Oracle { received, applied } => received.subtract(applied).count(),
            Self::Mariadb { received, applied } => {
                let gaps = received.missing_in(applied);
                gaps.iter().map(|gap| u128::from(gap.count())).sum()
            }
            Self::Positions { received, applied } => return log_between(applied, received),
        };
        match transactions {
            0 => Unapplied::Nothing,
            count => Unapplied::Transactions(count),
        }
    }

    /// What it has received and the other has not, for an operator.
    pub fn missing_in(&self, other: &Self) -> String {
        match (self, other) {
            (Self::Oracle { received: a, .. }, Self::Oracle { received: b, .. }) => {
                a.subtract(b).summary().to_string()
            }
            (Self::Mariadb { received: a, .. }, Self::Mariadb { received: b, .. }) => {
                let gaps = a.missing_in(b);
                let gaps = gaps.iter().map(ToString::to_string);
                gaps.collect::<Vec<_>>().join(", ")
            }
            (Self::Positions { received: a, .. }, Self::Positions { received: b, .. }) => {
                format!("what lies between {b} and {a}")
            }
            _ => "what cannot be compared".to_owned(),
        }
    }
}

/// Whether starting the applier would discard what was received: MariaDB begins relay logs anew with the first thread that
/// starts while none runs (measured on 10.11).
pub(super) fn loses_relay_logs_when_started(seen: &Observation) -> bool {
    let link = seen.replication.as_ref();
    seen.identity.flavor == Flavor::MariaDb
        && link.is_some_and(|link| {
            link.receiver == ThreadState::Stopped && link.applier == ThreadState::Stopped
        })
}

fn log_between(applied: &LogCoordinates, received: &LogCoordinates) -> Unapplied {
    if applied.has_reached(received) {
        return Unapplied::Nothing;
    }
    let files = received.file.files_after(&applied.file);
    match files.and_then(|files| u32::try_from(files).ok()) {
        Some(0) => Unapplied::Log {
            files: 0,
            bytes: received.offset.saturating_sub(applied.offset),
        },
        Some(files) => Unapplied::Log {
            files,
            bytes: u64::MAX - applied.offset,
        },
        // Files of two logs: nothing is known, so it counts as everything.
        None => Unapplied::Log {
            files: u32::MAX,
            bytes: u64::MAX,
        },
    }
}

impl fmt::Display for Unapplied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Transactions(1) => f.write_str("1 transaction"),
            Self::Transactions(count) => write!(f, "{count} transactions"),
            Self::Log { files: 0, bytes } => write!(f, "{bytes} bytes of binary log"),
            Self::Log { files, .. } => write!(f, "binary log across {files} or more files"),
        }
    }
}

#[cfg(test)]
mod tests;

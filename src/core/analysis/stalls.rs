use std::time::Duration;

use imbl::OrdMap;

use crate::domain::{BinlogPosition, InstanceKey, Observation, Picture, Timestamp};

/// Which primaries wait for semi-sync acknowledgements, and since when the end of their binary log has not moved.
///
/// A picture holds one observation of each server, so that a log stands still is seen only by keeping where it stood.
/// This is the whole memory of analysis; who calls [`analyze`](super::analyze) keeps it from one picture to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stalls {
    watched: OrdMap<InstanceKey, (BinlogPosition, Timestamp)>,
}

impl Stalls {
    /// What is known after `picture` too. A server that no longer waits, or whose log moved, begins anew.
    #[must_use]
    pub fn after(&self, picture: &Picture) -> Self {
        let watched = picture.records().filter_map(|record| {
            let seen = record
                .observation
                .as_deref()
                .filter(|seen| is_waiting(seen))?;
            let position = seen.binlog.position.clone()?;
            let since = match self.watched.get(&record.key) {
                Some((before, since)) if *before == position => *since,
                _ => seen.observed_at,
            };
            Some((record.key.clone(), (position, since)))
        });
        Self {
            watched: watched.collect(),
        }
    }

    /// Sets since when the log of `key` has stood at `position`: for a memory that is restored.
    #[must_use]
    pub fn with(mut self, key: InstanceKey, position: BinlogPosition, since: Timestamp) -> Self {
        self.watched.insert(key, (position, since));
        self
    }

    /// For how long the log of `seen` has been seen not to move; `None` when it is not watched or has moved since.
    pub fn stalled_for(&self, seen: &Observation) -> Option<Duration> {
        let (position, since) = self.watched.get(&seen.key)?;
        (seen.binlog.position.as_ref() == Some(position)).then(|| seen.observed_at.since(*since))
    }
}

/// Whether a primary waits for more semi-sync replicas than are connected.
fn is_waiting(seen: &Observation) -> bool {
    let semi_sync = &seen.semi_sync;
    semi_sync.source_enabled
        && semi_sync.source_status
        && semi_sync.source_clients < semi_sync.wait_for_replica_count
}

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use imbl::OrdMap;
use orchestrator_core::domain::{InstanceKey, InstanceRecord, Picture, Timestamp};
use orchestrator_core::ports::PictureReader;

use super::lock::lock;
use super::write_behind::{Change, WriteBuffer};
use super::{Config, WriteBehindState};

/// Owns the picture. Readers take the latest value without waiting for anybody; writers change it one at a time, and
/// each change but [`PictureKeeper::mark_probing`] is also queued for the store.
pub struct PictureKeeper {
    current: Mutex<Picture>,
    published: ArcSwap<Picture>,
    buffer: Arc<WriteBuffer>,
}

impl PictureKeeper {
    /// An empty picture. What waits for the store is bounded by twice the number of instances that may be known: one
    /// change for each of them, and the removals of as many forgotten ones.
    pub fn new(config: &Config) -> Self {
        let limit = config.capacity().saturating_mul(2);
        Self {
            current: Mutex::new(Picture::default()),
            published: ArcSwap::default(),
            buffer: Arc::new(WriteBuffer::new(limit, config.batch())),
        }
    }

    /// Fills the picture with what the store kept, before discovery starts. Records keep their times, so their age is
    /// true; no probe is under way. Left out, and removed from the store, is what was last seen no later than the mark
    /// of forgetting it. Returns how many instances were restored.
    pub fn restore(
        &self,
        records: Vec<InstanceRecord>,
        forgotten: &OrdMap<InstanceKey, Timestamp>,
    ) -> usize {
        let (gone, kept): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| {
            let last_known = record.last_seen_at.unwrap_or(record.known_since);
            forgotten
                .get(&record.key)
                .is_some_and(|mark| last_known <= *mark)
        });
        let removals = gone.into_iter().map(|record| (record.key, Change::Remove));
        self.buffer.push(removals);
        let restored = kept.len();
        let mut current = lock(&self.current);
        for record in kept {
            current.put(InstanceRecord {
                probing_since: None,
                ..record
            });
        }
        self.publish(&current);
        restored
    }

    /// How writing to the store goes.
    pub fn write_behind_state(&self) -> WriteBehindState {
        self.buffer.state()
    }

    pub(super) fn buffer(&self) -> Arc<WriteBuffer> {
        self.buffer.clone()
    }

    /// Makes several changes as one: readers see all of them or none.
    pub(super) fn change<T>(&self, make: impl FnOnce(&mut Edit<'_>) -> T) -> T {
        let mut current = lock(&self.current);
        let version = current.version();
        let mut edit = Edit {
            picture: &mut current,
            writes: Vec::new(),
        };
        let made = make(&mut edit);
        let writes = std::mem::take(&mut edit.writes);
        if current.version() != version {
            self.publish(&current);
        }
        if !writes.is_empty() {
            // Still under the lock, so that the store sees changes of an instance in the order readers do.
            self.buffer.push(writes);
        }
        made
    }

    /// Shows that a probe of `key` is under way. It is not stored: no probe survives a restart.
    pub(super) fn mark_probing(&self, key: &InstanceKey, since: Timestamp, add_if_unknown: bool) {
        let mut current = lock(&self.current);
        let record = match current.get(key) {
            Some(known) => InstanceRecord::clone(known),
            None if add_if_unknown => InstanceRecord::heard_of(key.clone(), since),
            None => return,
        };
        current.put(InstanceRecord {
            probing_since: Some(since),
            ..record
        });
        self.publish(&current);
    }

    fn publish(&self, current: &Picture) {
        self.published.store(Arc::new(current.clone()));
    }
}

impl PictureReader for PictureKeeper {
    fn picture(&self) -> Arc<Picture> {
        self.published.load_full()
    }
}

/// Changes being made to the picture.
pub(super) struct Edit<'a> {
    picture: &'a mut Picture,
    writes: Vec<(InstanceKey, Change)>,
}

impl Edit<'_> {
    /// The picture so far.
    pub(super) fn picture(&self) -> &Picture {
        self.picture
    }

    /// Adds or replaces a record.
    pub(super) fn put(&mut self, record: InstanceRecord) {
        let key = record.key.clone();
        self.picture.put(record);
        if let Some(record) = self.picture.get(&key) {
            self.writes.push((key, Change::Put(record.clone())));
        }
    }

    /// Removes a record; returns it when there was one.
    pub(super) fn remove(&mut self, key: &InstanceKey) -> Option<Arc<InstanceRecord>> {
        let removed = self.picture.remove(key)?;
        self.writes.push((key.clone(), Change::Remove));
        Some(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, seen_at: Option<i64>) -> InstanceRecord {
        let key = InstanceKey::parse(name, 3306).unwrap();
        let mut record = InstanceRecord::heard_of(key, Timestamp::from_seconds(10));
        record.last_seen_at = seen_at.map(Timestamp::from_seconds);
        record.last_checked_at = record.last_seen_at;
        record
    }

    #[test]
    fn restored_records_keep_their_times_and_no_probe_is_under_way() {
        let keeper = PictureKeeper::new(&Config::default());
        let mut kept = record("a", Some(50));
        kept.probing_since = Some(Timestamp::from_seconds(51));
        assert_eq!(keeper.restore(vec![kept], &OrdMap::new()), 1);
        let shown = keeper.picture();
        let shown = shown.records().next().unwrap();
        assert_eq!(shown.last_seen_at, Some(Timestamp::from_seconds(50)));
        assert_eq!(shown.probing_since, None);
        assert_eq!(
            keeper.write_behind_state().pending,
            0,
            "the store has it already"
        );
    }

    #[test]
    fn what_was_forgotten_after_it_was_seen_is_not_restored() {
        let keeper = PictureKeeper::new(&Config::default());
        let mark = Timestamp::from_seconds(50);
        let records = vec![
            record("before", Some(49)),
            record("at", Some(50)),
            record("after", Some(51)),
            record("never", None),
            record("other", Some(1)),
        ];
        let forgotten = records[..4]
            .iter()
            .map(|record| (record.key.clone(), mark))
            .collect();
        assert_eq!(keeper.restore(records, &forgotten), 2);
        let names: Vec<_> = keeper
            .picture()
            .records()
            .map(|record| record.key.host().to_string())
            .collect();
        assert_eq!(names, ["after", "other"]);
        assert_eq!(
            keeper.write_behind_state().pending,
            3,
            "the store drops the others"
        );
    }

    #[test]
    fn readers_keep_the_value_they_took_and_see_several_changes_as_one() {
        let keeper = PictureKeeper::new(&Config::default());
        let before = keeper.picture();
        keeper.change(|edit| {
            edit.put(record("old", Some(1)));
            assert!(keeper.picture().is_empty(), "not shown half done");
            edit.remove(&record("old", None).key);
            edit.put(record("new", Some(1)));
        });
        assert!(before.is_empty());
        assert_eq!(keeper.picture().len(), 1);
        assert!(keeper.picture().version() > before.version());
    }
}

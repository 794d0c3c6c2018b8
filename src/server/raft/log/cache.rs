use std::collections::VecDeque;

use super::super::types::Entry;

/// Entries that stay in memory: enough for followers a few seconds behind at any rate, and about a megabyte of usual
/// commands.
const ENTRIES_MAX: usize = 8_192;

/// Bytes of payload that stay in memory, for when commands are large.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// The latest entries, without a gap. Those that are not on disk yet are never dropped.
pub(super) struct Cache {
    first: u64,
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Entries below this index are on disk.
    flushed_end: u64,
}

/// About how much memory an entry takes beyond its place.
pub(in super::super) fn size_of(entry: &Entry) -> usize {
    const PLACE: usize = 64;
    match &entry.payload {
        openraft::EntryPayload::Normal(payload) => PLACE + payload.bytes.len(),
        openraft::EntryPayload::Blank | openraft::EntryPayload::Membership(_) => PLACE,
    }
}

impl Cache {
    /// An empty one; the entry at `first` is the next.
    pub fn starting_at(first: u64) -> Self {
        Self {
            first,
            entries: VecDeque::new(),
            bytes: 0,
            flushed_end: first,
        }
    }

    /// Index of the first entry in memory, or of the next one.
    pub fn first(&self) -> u64 {
        self.first
    }

    pub fn get(&self, index: u64) -> Option<&Entry> {
        let position = index.checked_sub(self.first)?;
        self.entries.get(usize::try_from(position).ok()?)
    }

    /// Entries from `first` on, before `end`, as far as they are here.
    pub fn range(&self, first: u64, end: u64) -> Vec<Entry> {
        let position = |index: u64| {
            usize::try_from(index.saturating_sub(self.first))
                .unwrap_or(usize::MAX)
                .min(self.entries.len())
        };
        let (from, to) = (position(first), position(end));
        self.entries.range(from..to.max(from)).cloned().collect()
    }

    /// Adds the next entry. One that follows a gap, as after a snapshot, begins anew.
    pub fn push(&mut self, entry: Entry) {
        let next = self.first + self.entries.len() as u64;
        if entry.log_id.index != next {
            *self = Self::starting_at(entry.log_id.index);
        }
        self.bytes += size_of(&entry);
        self.entries.push_back(entry);
    }

    /// Entries up to our index `last` (one more than the library's) are on disk.
    pub fn flushed_to(&mut self, last: u64) {
        self.flushed_end = self.flushed_end.max(last);
        while (self.entries.len() > ENTRIES_MAX || self.bytes > BYTES_MAX)
            && self.first < self.flushed_end
        {
            self.drop_first();
        }
    }

    pub fn truncate_from(&mut self, index: u64) {
        while self.first + self.entries.len() as u64 > index {
            let Some(entry) = self.entries.pop_back() else {
                // Everything here is gone, and what comes next has this index.
                self.first = index;
                break;
            };
            self.bytes -= size_of(&entry);
        }
        self.flushed_end = self.flushed_end.min(index);
    }

    pub fn purge_to(&mut self, index: u64) {
        while self.first <= index && !self.entries.is_empty() {
            self.drop_first();
        }
        self.first = self.first.max(index + 1);
    }

    fn drop_first(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= size_of(&entry);
            self.first += 1;
        }
    }
}

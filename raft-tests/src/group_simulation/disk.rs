//! A disk under a node's log: what was not synced is gone after a crash.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator::raft::disk::{LogDisk, OnDisk};
use orchestrator::raft::v1;
use orchestrator::store::{Error, GroupLogEntry, Mark};
use orchestrator::wire::Envelope;
use prost::Message as _;

/// Longer than syncs take that are not made slow.
const SYNC_OF_A_GOOD_ONE: Duration = Duration::from_millis(1);

/// What would be there after a power cut now.
#[derive(Clone, Debug, Default)]
pub struct Synced {
    /// Entries by index: kind, envelope.
    pub entries: BTreeMap<u64, (u8, Vec<u8>)>,
    /// Marks by name.
    pub marks: BTreeMap<&'static str, Vec<u8>>,
    /// Entries up to this index were purged: a snapshot has them.
    pub purged: u64,
}

impl Synced {
    /// The entry at `index`, decoded.
    pub fn entry(&self, index: u64) -> Option<Envelope> {
        let (_, bytes) = self.entries.get(&index)?;
        Envelope::from_bytes(bytes).ok()
    }

    /// Whether it has this entry, or a snapshot that has it.
    pub fn holds(&self, index: u64, (term, leader): (u64, u64)) -> bool {
        let held = || self.entry(index).map(|entry| (entry.term, entry.leader));
        self.purged >= index || held() == Some((term, leader))
    }

    /// The vote, as term and node.
    pub fn vote(&self) -> Option<(u64, u64)> {
        let vote = v1::Vote::decode(self.marks.get("vote")?.as_slice()).ok()?;
        Some((vote.term, vote.node))
    }
}

struct Write {
    entries: Arc<Vec<GroupLogEntry>>,
    marks: Vec<Mark>,
    answer: OnDisk,
}

#[derive(Default)]
struct State {
    synced: Synced,
    waiting: VecDeque<Write>,
    /// Indices that became durable since somebody looked.
    fresh: Vec<u64>,
    is_syncing: bool,
    /// How long a sync takes now.
    sync: Duration,
    /// Syncs fail from now on.
    fails: bool,
    /// One has failed since the node was started.
    has_failed: bool,
    /// There is no space from now on: what is appended waits, and marks are refused.
    is_full: bool,
    /// Who writes to it panics from now on.
    panics: bool,
    /// Which start of the node may write; what an earlier one still does has no effect.
    start: u64,
    /// Callbacks of a crashed node, which are never called; kept until its tasks are gone.
    unanswered: Vec<OnDisk>,
    wiped: u64,
    /// What was durable when it was wiped last.
    before_wipe: Synced,
}

/// The disk of one node; it outlives the node's starts.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the next start of its node.
    pub fn mount(&self) -> Mounted {
        let mut state = self.lock();
        state.start += 1;
        state.fails = false;
        state.has_failed = false;
        state.panics = false;
        state.is_full = false;
        state.is_syncing = false;
        state.unanswered.clear();
        Mounted {
            disk: self.clone(),
            start: state.start,
            runtime: tokio::runtime::Handle::current(),
        }
    }

    /// Ends what the running node may do: of the writes that wait, the first `kept` reach the disk, and the others are lost.
    /// Returns how many are lost.
    pub fn crash(&self, kept: u64) -> usize {
        let mut state = self.lock();
        state.start += 1;
        let kept = usize::try_from(kept)
            .unwrap_or(usize::MAX)
            .min(state.waiting.len());
        let mut waiting = std::mem::take(&mut state.waiting);
        let lost = waiting.len() - kept;
        for (number, write) in waiting.drain(..).enumerate() {
            if number < kept {
                apply(&mut state, &write.entries, write.marks);
            }
            state.unanswered.push(write.answer);
        }
        lost
    }

    /// Takes everything.
    pub fn wipe(&self) {
        let mut state = self.lock();
        state.before_wipe = std::mem::take(&mut state.synced);
        state.fresh.clear();
        state.wiped += 1;
    }

    /// How often it was wiped.
    pub fn wiped(&self) -> u64 {
        self.lock().wiped
    }

    /// Looks at what was durable when it was wiped last.
    pub fn look_before_wipe<T>(&self, look: impl FnOnce(&Synced) -> T) -> T {
        look(&self.lock().before_wipe)
    }

    /// Syncs take this long from now on.
    pub fn set_sync(&self, sync: Duration) {
        self.lock().sync = sync;
    }

    /// Syncs fail from now on, until the node is started again.
    pub fn fail(&self) {
        self.lock().fails = true;
    }

    /// Whether there is no space from now on, until the node is started again. The real one tries for 30 s; here a write that is waited
    /// for is refused at once, because time would stand still.
    pub fn set_full(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    fn is_full_for(&self, start: u64) -> bool {
        let state = self.lock();
        state.is_full && state.start == start
    }

    /// Who hands entries to it panics from now on, until the node is started again.
    pub fn panic(&self) {
        self.lock().panics = true;
    }

    /// Whether a sync has failed since the node was started.
    pub fn has_failed(&self) -> bool {
        self.lock().has_failed
    }

    /// What ails it now, for a trace.
    pub fn faults(&self) -> String {
        let state = self.lock();
        let mut faults = match state.sync > SYNC_OF_A_GOOD_ONE {
            true => format!(", syncs take {:?}", state.sync),
            false => String::new(),
        };
        for (is_so, what) in [
            (state.is_full, ", full"),
            (state.fails, ", syncs fail"),
            (state.has_failed, ", a sync has failed"),
        ] {
            if is_so {
                faults.push_str(what);
            }
        }
        if !state.waiting.is_empty() {
            faults.push_str(", writes wait");
        }
        faults
    }

    /// Looks at what is durable.
    pub fn look<T>(&self, look: impl FnOnce(&Synced) -> T) -> T {
        look(&self.lock().synced)
    }

    /// Indices that became durable since the last call.
    pub fn fresh(&self) -> Vec<u64> {
        std::mem::take(&mut self.lock().fresh)
    }
}

fn apply(state: &mut State, entries: &[GroupLogEntry], marks: Vec<Mark>) {
    for entry in entries {
        state
            .synced
            .entries
            .insert(entry.index, (entry.kind, entry.envelope.clone()));
        state.fresh.push(entry.index);
    }
    state.synced.marks.extend(marks);
}

/// A [`Disk`], as one start of its node has it.
pub struct Mounted {
    disk: Disk,
    start: u64,
    runtime: tokio::runtime::Handle,
}

/// Time between two tries of a full disk.
const TRIED_EVERY: Duration = Duration::from_millis(50);

fn full() -> Error {
    Error::Full {
        store: "the simulated disk".to_owned(),
    }
}

fn failed() -> Error {
    Error::Damaged {
        store: "the simulated disk".to_owned(),
        detail: "a sync failed".to_owned(),
    }
}

impl Mounted {
    /// Syncs what waits, and answers.
    fn sync(disk: &Disk, start: u64) {
        let answers: Vec<(OnDisk, bool)> = {
            let mut state = disk.lock();
            state.is_syncing &= state.start != start;
            if state.start != start {
                return;
            }
            let waiting = std::mem::take(&mut state.waiting);
            let fails = state.fails;
            state.has_failed |= fails && !waiting.is_empty();
            let writes = waiting.into_iter().map(|write| {
                if !fails {
                    apply(&mut state, &write.entries, write.marks);
                }
                (write.answer, fails)
            });
            writes.collect()
        };
        for (answer, fails) in answers {
            answer(if fails { Err(failed()) } else { Ok(()) });
        }
    }

    /// A write that is durable when it returns, after all that waited before it.
    fn write(&self, change: impl FnOnce(&mut Synced)) -> Result<(), Error> {
        if self.disk.is_full_for(self.start) {
            self.disk.lock().has_failed = true;
            return Err(full());
        }
        Self::sync(&self.disk, self.start);
        let mut state = self.disk.lock();
        if state.start != self.start {
            // What is left of a crashed node must not go on as if it had been written.
            return Err(failed());
        }
        if state.fails {
            state.has_failed = true;
            return Err(failed());
        }
        change(&mut state.synced);
        Ok(())
    }
}

impl LogDisk for Mounted {
    fn place(&self) -> &'static str {
        "the simulated disk"
    }

    fn trouble(&self) -> Option<String> {
        let state = self.disk.lock();
        let waits = state.is_full && state.start == self.start && !state.waiting.is_empty();
        waits.then(|| full().to_string())
    }

    fn append(
        &self,
        entries: Arc<Vec<GroupLogEntry>>,
        marks: Vec<Mark>,
        answer: OnDisk,
    ) -> Result<(), Error> {
        let mut state = self.disk.lock();
        if state.start != self.start {
            state.unanswered.push(answer);
            return Ok(());
        }
        assert!(!state.panics, "the simulated disk was told to panic");
        state.waiting.push_back(Write {
            entries,
            marks,
            answer,
        });
        if !state.is_syncing {
            state.is_syncing = true;
            let (disk, start, length) = (self.disk.clone(), self.start, state.sync);
            self.runtime.spawn(async move {
                tokio::time::sleep(length).await;
                while disk.is_full_for(start) {
                    tokio::time::sleep(TRIED_EVERY).await;
                }
                Self::sync(&disk, start);
            });
        }
        Ok(())
    }

    fn truncate_from(&self, index: u64) -> Result<(), Error> {
        self.write(|synced| {
            synced.entries.split_off(&index);
        })
    }

    fn purge_to(&self, index: u64, marks: Vec<Mark>) -> Result<(), Error> {
        self.write(|synced| {
            synced.entries = synced.entries.split_off(&(index + 1));
            synced.purged = synced.purged.max(index);
            synced.marks.extend(marks);
        })
    }

    fn put(&self, marks: Vec<Mark>) -> Result<(), Error> {
        self.write(|synced| synced.marks.extend(marks))
    }

    fn mark(&self, name: &'static str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.disk.look(|synced| synced.marks.get(name).cloned()))
    }

    fn bounds(&self) -> Result<Option<(u64, u64)>, Error> {
        Ok(self.disk.look(|synced| {
            let first = synced.entries.first_key_value()?;
            let last = synced.entries.last_key_value()?;
            Some((*first.0, *last.0))
        }))
    }

    fn entries(&self, first: u64, last: u64, max: usize) -> Result<Vec<Vec<u8>>, Error> {
        if first > last {
            return Ok(Vec::new());
        }
        Ok(self.disk.look(|synced| {
            let range = synced.entries.range(first..=last).take(max);
            range.map(|(_, (_, bytes))| bytes.clone()).collect()
        }))
    }

    fn last_of_kind(&self, kind: u8, index: u64) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.disk.look(|synced| {
            let mut range = synced.entries.range(..=index).rev();
            range
                .find(|(_, (other, _))| *other == kind)
                .map(|(_, (_, bytes))| bytes.clone())
        }))
    }
}

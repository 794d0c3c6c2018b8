//! The log as the raft library wants it, over the bytes of a [`LogDisk`].
//!
//! What was handed in is readable at once, from memory, and acknowledged when it is on disk. The latest entries stay in
//! memory for the nodes that follow closely and for apply; older ones are read from the file.

mod cache;
mod under_way;

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use orchestrator_core::planted::{Bug, is_planted};
use prost::Message as _;
use tokio::sync::{Notify, watch};

use self::cache::Cache;
pub(super) use self::cache::size_of;
use self::under_way::UnderWay;
use super::convert;
use super::disk::LogDisk;
use super::seal::{self, seal};
use super::timing::SYNC_COUNTED_MAX;
use super::types::{
    Entry, GroupCell, LogId, TypeConfig, Vote, decode_entry, index_of, to_envelope,
};
use super::v1;
use crate::store::{self, GroupLogEntry, Mark};
use crate::wire::{Envelope, Kind};

#[cfg(test)]
mod tests;

const VOTE: &str = "vote";
const PURGED: &str = "purged";
const COMMITTED: &str = "committed";

/// How often it is written down what is committed: a page more in each sync is as much as a command.
const MARKED_EVERY: Duration = Duration::from_secs(1);

/// Most bytes of payload in one message to a follower. One command is at most 64 KiB; more in a message only delays the
/// commands behind it.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Pause before a full writer's queue is tried again, and how often: 35 seconds in all, which is longer than the disk itself is tried. One
/// that takes nothing for that long is broken, and the library is told so.
const FULL_PAUSE: Duration = Duration::from_millis(5);
const FULL_TRIES: u32 = 7_000;

/// Entries that are read at once when all are looked at.
const LOOKED_AT_MAX: usize = 512;

/// The log of this node. Clones share it.
#[derive(Clone)]
pub struct LogStore {
    disk: Arc<dyn LogDisk>,
    /// Apart from the file: the file's own thread holds it and must not be what closes the file.
    memory: Arc<Memory>,
}

/// How far the log is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OnDiskTo {
    /// Entries up to this index of ours are.
    index: u64,
    /// Nothing is to be waited for any more: a sync failed, or the library is stopped.
    is_over: bool,
}

/// Lets what applies entries wait until they are on this node's own disk.
#[derive(Clone)]
pub(super) struct Flushed(watch::Sender<OnDiskTo>);

impl Flushed {
    fn starting_at(index: u64) -> Self {
        Self(watch::Sender::new(OnDiskTo {
            index,
            is_over: false,
        }))
    }

    /// Completes when entries up to our `index` are on disk. A majority of other nodes may commit an entry before that, and
    /// a store that had it would be ahead of its log after a crash.
    ///
    /// # Errors
    /// When that does not happen any more: a sync failed, or the library was stopped.
    pub async fn wait_for(&self, index: u64) -> io::Result<()> {
        let mut now = self.0.subscribe();
        let seen = now.wait_for(|now| now.is_over || now.index >= index).await;
        match seen {
            Ok(now) if now.index >= index => Ok(()),
            Ok(_) | Err(_) => Err(io::Error::other(format!(
                "log entry {index} is not on this node's disk"
            ))),
        }
    }

    fn grow_to(&self, index: u64) {
        self.0.send_if_modified(|now| {
            let grows = index > now.index;
            now.index = now.index.max(index);
            grows
        });
    }

    fn shrink_to(&self, index: u64) {
        self.0.send_modify(|now| now.index = now.index.min(index));
    }

    fn set_over(&self, is_over: bool) {
        self.0.send_modify(|now| now.is_over = is_over);
    }
}

struct Memory {
    group: GroupCell,
    /// Tells whoever waits for entries that there are more.
    grew: Notify,
    flushed: Flushed,
    state: Mutex<State>,
    /// How long the last syncs took, for the timing.
    sync: super::timing::Smoothed,
    /// What the disk was asked for and has not answered.
    under_way: UnderWay,
    clock: Arc<dyn orchestrator_core::ports::Clock>,
}

struct State {
    cache: Cache,
    /// The last of our indices that was found missing between entries.
    gap: Option<u64>,
    vote: Option<Vote>,
    last: Option<LogId>,
    purged: Option<LogId>,
    committed: Option<LogId>,
    /// Whether `committed` is newer than its mark on disk, which goes with the next entries.
    is_committed_unsaved: bool,
    /// When that mark was written the last time (monotonic).
    marked_at: Option<Duration>,
}

impl State {
    fn read(disk: &dyn LogDisk, group: &GroupCell) -> io::Result<Self> {
        let mark = |name: &'static str| -> io::Result<Option<Vec<u8>>> {
            let bytes = disk.mark(name).map_err(failed)?;
            if let Some(bytes) = &bytes {
                seal::check(bytes).map_err(|error| damaged(disk, &format!("its {name}"), error))?;
            }
            Ok(bytes)
        };
        let position = |name| -> io::Result<Option<LogId>> {
            let bytes = mark(name)?;
            bytes
                .map(|bytes| convert::position_from_bytes(&bytes))
                .transpose()
        };
        let vote = mark(VOTE)?;
        let purged = position(PURGED)?;
        let (gap, last) = match disk.bounds().map_err(failed)? {
            None => (None, purged),
            Some((first, last)) => (
                look_at_all(disk, first, last)?,
                Some(entry_at(disk, group, last)?.log_id),
            ),
        };
        Ok(Self {
            cache: Cache::starting_at(last.map_or(0, |last| last.index + 1)),
            gap,
            vote: vote
                .map(|bytes| v1::Vote::decode(bytes.as_slice()))
                .transpose()
                .map_err(io::Error::other)?
                .map(convert::vote_from),
            last,
            purged,
            committed: position(COMMITTED)?,
            is_committed_unsaved: false,
            marked_at: None,
        })
    }
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(error: store::Error) -> io::Error {
    io::Error::other(error)
}

/// What is wrong with `part` of the log on `disk`.
fn damaged(disk: &dyn LogDisk, part: &str, error: impl std::fmt::Display) -> io::Error {
    failed(store::Error::DamagedLog {
        store: disk.place().to_owned(),
        detail: format!("{part}: {error}"),
    })
}

/// An entry that this node wrote, if it is still what it wrote.
fn decode_written(disk: &dyn LogDisk, group: &GroupCell, bytes: &[u8]) -> io::Result<Entry> {
    seal::check(bytes).map_err(|error| damaged(disk, "an entry", error))?;
    decode_entry(group.get(), bytes)
}

/// Whether all entries from `first` to `last` are what was written, before anything relies on them. Returns the last index that is missing
/// between them.
fn look_at_all(disk: &dyn LogDisk, first: u64, last: u64) -> io::Result<Option<u64>> {
    let (mut next, mut gap) = (first, None);
    while next <= last {
        let found = disk.entries(next, last, LOOKED_AT_MAX).map_err(failed)?;
        if found.is_empty() {
            return Ok(Some(last));
        }
        for bytes in found {
            let broken = |error| damaged(disk, &format!("entry {next} or one after it"), error);
            seal::check(&bytes).map_err(broken)?;
            // A kind or a format that is too new is judged elsewhere.
            let index = Envelope::from_bytes(&bytes).map_or(next, |envelope| envelope.index);
            if index < next {
                let reason = format!("entry {index} is in its place");
                return Err(damaged(disk, &format!("entry {next}"), reason));
            }
            if index > next {
                gap = Some(index - 1);
            }
            next = index + 1;
        }
    }
    Ok(gap)
}

impl LogStore {
    /// Over this file.
    ///
    /// # Errors
    /// When what it holds cannot be read or makes no sense.
    pub fn open(
        disk: Arc<dyn LogDisk>,
        group: GroupCell,
        clock: Arc<dyn orchestrator_core::ports::Clock>,
    ) -> io::Result<Self> {
        let state = State::read(disk.as_ref(), &group)?;
        Ok(Self {
            disk,
            memory: Arc::new(Memory {
                group,
                grew: Notify::new(),
                flushed: Flushed::starting_at(state.last.map_or(0, |last| index_of(last.index))),
                state: Mutex::new(state),
                sync: super::timing::Smoothed::default(),
                under_way: UnderWay::default(),
                clock,
            }),
        })
    }

    /// The bytes under it.
    pub(super) fn disk(&self) -> &dyn LogDisk {
        self.disk.as_ref()
    }

    /// Reads it again, because the directory is another node's now; nothing runs on it yet. Blocks.
    ///
    /// # Errors
    /// As [`LogStore::open`].
    pub(super) fn reload(&self) -> io::Result<()> {
        let state = State::read(self.disk(), &self.memory.group)?;
        let last = state.last.map_or(0, |last| index_of(last.index));
        *self.lock() = state;
        self.memory.flushed.shrink_to(0);
        self.memory.flushed.grow_to(last);
        Ok(())
    }

    /// How far the log is on disk, to wait for.
    pub(super) fn flushed(&self) -> Flushed {
        self.memory.flushed.clone()
    }

    /// Whoever waits for entries to be on disk gives up, until [`LogStore::resume`]: the library is stopped, and must not
    /// wait for a disk that hangs.
    pub fn give_up(&self) {
        self.memory.flushed.set_over(true);
    }

    /// The library is started.
    pub fn resume(&self) {
        self.memory.flushed.set_over(false);
    }

    /// Refuses a log that lacks entries which no snapshot has: `snapshot` is the place up to which there is one.
    ///
    /// # Errors
    /// When entries are missing.
    pub fn refuse_gap(&self, snapshot: Option<LogId>) -> io::Result<()> {
        let covered = snapshot.map_or(0, |last| index_of(last.index));
        let gap = self.lock().gap;
        match gap.filter(|missing| *missing > covered) {
            Some(missing) => Err(damaged(
                self.disk(),
                &format!("entry {missing}"),
                "it is missing",
            )),
            None => Ok(()),
        }
    }

    /// Makes the log go on after `place`, up to which a snapshot has everything. The library removes what a snapshot has
    /// after it was installed, in a step of its own; a crash in between leaves entries of another history in the log, which
    /// the library would take for those of the snapshot when their term is greater, or when they end at its place. Returns
    /// whether there was something to mend. Blocks; for the start.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn follow_snapshot(&self, place: LogId) -> io::Result<bool> {
        if self.id_at(place.index)? == Some(place) {
            return Ok(false);
        }
        let (last, purged) = {
            let state = self.lock();
            (state.last, state.purged)
        };
        if purged.is_some_and(|purged| purged.index >= place.index) {
            return Ok(false);
        }
        if last.is_some_and(|last| last.index > place.index) {
            let first_gone = index_of(place.index) + 1;
            self.disk.truncate_from(first_gone).map_err(failed)?;
        }
        let mark = seal(convert::position(place).encode_to_vec());
        self.disk
            .purge_to(index_of(place.index), vec![(PURGED, mark)])
            .map_err(failed)?;
        let mut state = self.lock();
        state.cache = Cache::starting_at(place.index + 1);
        state.last = Some(place);
        state.purged = Some(place);
        drop(state);
        self.memory.flushed.shrink_to(0);
        self.memory.flushed.grow_to(index_of(place.index));
        Ok(true)
    }

    /// Since when (monotonic) the disk owes an answer; `None` while it owes none.
    pub fn stuck_since(&self) -> Option<Duration> {
        self.memory.under_way.oldest()
    }

    /// How long a sync takes of late; zero before the first.
    pub fn sync_time(&self) -> Duration {
        self.memory.sync.get()
    }

    /// The last entry, as its place.
    pub fn last(&self) -> Option<LogId> {
        self.lock().last
    }

    /// Whether it has come to this place or behind it, on disk or not. Entries of an earlier leader are before it, however many they are.
    pub fn reaches(&self, place: LogId) -> bool {
        self.last() >= Some(place)
    }

    /// Completes when it does.
    pub async fn until_it_reaches(&self, place: LogId) {
        loop {
            let mut grew = std::pin::pin!(self.memory.grew.notified());
            // Before looking, so that nothing is missed between a look and the wait.
            grew.as_mut().enable();
            if self.reaches(place) {
                return;
            }
            grew.await;
        }
    }

    /// Up to where it is known to be committed, as far as that was written down.
    pub fn committed(&self) -> Option<LogId> {
        self.lock().committed
    }

    /// The vote that this node has given.
    pub fn vote(&self) -> Option<Vote> {
        self.lock().vote
    }

    /// Entries from `first` on, by our index, at most `max`. Blocks; reads the file only, for when nothing runs.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn entries_from(&self, first: u64, max: usize) -> io::Result<Vec<Entry>> {
        let found = self.disk.entries(first, u64::MAX, max).map_err(failed)?;
        found.iter().map(|bytes| self.decode(bytes)).collect()
    }

    /// Place of the entry at the library's `index`, also of the last purged one. Blocks.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn id_at(&self, index: u64) -> io::Result<Option<LogId>> {
        {
            let state = self.lock();
            if let Some(purged) = state.purged.filter(|purged| purged.index == index) {
                return Ok(Some(purged));
            }
            if let Some(entry) = state.cache.get(index) {
                return Ok(Some(entry.log_id));
            }
        }
        let found = self
            .disk
            .entries(index_of(index), index_of(index), 1)
            .map_err(failed)?;
        let entry = found.first().map(|bytes| self.decode(bytes));
        Ok(entry.transpose()?.map(|entry| entry.log_id))
    }

    /// The last change of the members up to the library's `index`. Blocks; reads the file only, for the start.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn last_membership(&self, index: u64) -> io::Result<Option<Entry>> {
        let found = self
            .disk
            .last_of_kind(kind_number(Kind::Membership), index_of(index))
            .map_err(failed)?;
        found.map(|bytes| self.decode(&bytes)).transpose()
    }

    fn decode(&self, bytes: &[u8]) -> io::Result<Entry> {
        decode_written(self.disk(), &self.memory.group, bytes)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.memory.lock()
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn LogDisk) -> Result<T, store::Error> + Send + 'static,
    ) -> io::Result<T> {
        let disk = Arc::clone(&self.disk);
        tokio::task::spawn_blocking(move || work(disk.as_ref()))
            .await
            .map_err(io::Error::other)?
            .map_err(failed)
    }

    /// A write that is waited for.
    async fn write(
        &self,
        work: impl FnOnce(&dyn LogDisk) -> Result<(), store::Error> + Send + 'static,
    ) -> io::Result<()> {
        let memory = Arc::clone(&self.memory);
        let asked = memory.under_way.begin(memory.clock.monotonic());
        let written = self.blocking(work).await;
        memory.under_way.end(asked);
        written
    }

    async fn read(&self, first: u64, end: u64) -> io::Result<Vec<Entry>> {
        if first >= end {
            return Ok(Vec::new());
        }
        let cached = {
            let state = self.lock();
            if first >= state.cache.first() {
                return Ok(state.cache.range(first, end));
            }
            let from = state.cache.first().min(end);
            (from, state.cache.range(from, end))
        };
        let (older_end, mut newer) = cached;
        let bytes = self
            .blocking(move |disk| disk.entries(index_of(first), older_end, usize::MAX))
            .await?;
        let mut entries: Vec<Entry> = bytes
            .iter()
            .map(|bytes| self.decode(bytes))
            .collect::<io::Result<_>>()?;
        entries.append(&mut newer);
        Ok(entries)
    }

    /// Hands entries to the disk; waits while its queue is full.
    async fn enqueue(
        &self,
        entries: Arc<Vec<GroupLogEntry>>,
        marks: Vec<Mark>,
        callback: IOFlushed<TypeConfig>,
    ) -> io::Result<()> {
        let callback = Arc::new(Mutex::new(Some(callback)));
        let asked = self.memory.under_way.begin(self.memory.clock.monotonic());
        for _ in 0..FULL_TRIES {
            let last = entries.last().map(|entry| entry.index);
            let answer = self.answer(last, asked, Arc::clone(&callback));
            match self
                .disk
                .append(Arc::clone(&entries), marks.clone(), Box::new(answer))
            {
                Ok(()) => return Ok(()),
                Err(store::Error::Busy { .. }) => self.memory.clock.sleep(FULL_PAUSE).await,
                Err(error) => return Err(failed(error)),
            }
        }
        Err(io::Error::other(
            "the disk of the log took nothing for 35 seconds",
        ))
    }

    /// What is done when entries up to our index `last` are on disk.
    fn answer(
        &self,
        last: Option<u64>,
        asked: u64,
        callback: Arc<Mutex<Option<IOFlushed<TypeConfig>>>>,
    ) -> impl FnOnce(Result<(), store::Error>) + Send + 'static {
        let memory = Arc::clone(&self.memory);
        let began = memory.clock.monotonic();
        move |result| {
            memory.under_way.end(asked);
            match (&result, last) {
                (Ok(()), Some(last)) => {
                    memory.lock().cache.flushed_to(last);
                    memory.flushed.grow_to(last);
                    let took = memory.clock.monotonic().saturating_sub(began);
                    if took < SYNC_COUNTED_MAX {
                        memory.sync.note(took);
                    }
                }
                (Ok(()), None) => {}
                (Err(_), _) => memory.flushed.set_over(true),
            }
            let callback = callback
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(callback) = callback {
                callback.io_completed(result.map_err(failed));
            }
        }
    }
}

/// The marks of a log without entries that goes on after `place`, of a node that gave this vote.
pub(super) fn marks_after(place: LogId, vote: &Vote) -> Vec<Mark> {
    let position = seal(convert::position(place).encode_to_vec());
    vec![
        (VOTE, seal(convert::vote(vote).encode_to_vec())),
        (PURGED, position.clone()),
        (COMMITTED, position),
    ]
}

fn entry_at(disk: &dyn LogDisk, group: &GroupCell, index: u64) -> io::Result<Entry> {
    let found = disk.entries(index, index, 1).map_err(failed)?;
    let bytes = found
        .first()
        .ok_or_else(|| io::Error::other(format!("log entry {index} is missing")))?;
    decode_written(disk, group, bytes)
}

/// The number of a kind, as the file's column has it.
const fn kind_number(kind: Kind) -> u8 {
    match kind {
        Kind::Blank => 1,
        Kind::Command => 2,
        Kind::Membership => 3,
        Kind::Founding => 4,
    }
}

fn record(envelope: &Envelope) -> GroupLogEntry {
    GroupLogEntry {
        index: envelope.index,
        kind: kind_number(envelope.kind),
        envelope: seal(envelope.to_bytes()),
    }
}

/// First index, and the one after the last.
fn bounds_of(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let first = match range.start_bound() {
        Bound::Included(first) => *first,
        Bound::Excluded(before) => before + 1,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last + 1,
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (first, end)
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let (first, end) = bounds_of(&range);
        let end = end.min(self.lock().last.map_or(0, |last| last.index + 1));
        self.read(first, end).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.lock().vote)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        let mut entries = self.try_get_log_entries(start..end).await?;
        let mut bytes = 0;
        let fits = entries.iter().take_while(|entry| {
            let is_first = bytes == 0;
            bytes += cache::size_of(entry);
            is_first || bytes <= MESSAGE_BYTES_MAX
        });
        let fits = fits.count();
        entries.truncate(fits);
        Ok(entries)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let state = self.lock();
        Ok(LogState {
            last_purged_log_id: state.purged,
            last_log_id: state.last,
        })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let bytes = seal(convert::vote(vote).encode_to_vec());
        self.write(move |disk| disk.put(vec![(VOTE, bytes)]))
            .await?;
        self.lock().vote = Some(*vote);
        Ok(())
    }

    /// Goes to disk with the next entries, and not with all of them: it only saves a restarted node from waiting for a
    /// leader.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let mut state = self.lock();
        state.committed = committed;
        state.is_committed_unsaved = true;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.lock().committed)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: IOFlushed<TypeConfig>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let group = self.memory.group.get();
        let (records, marks) = {
            let mut state = self.lock();
            let mut records = Vec::new();
            for entry in entries {
                records.push(record(&to_envelope(group, &entry)?));
                state.last = Some(entry.log_id);
                state.cache.push(entry);
            }
            let mut marks = Vec::new();
            let now = self.memory.clock.monotonic();
            let is_due = |at: Duration| now.saturating_sub(at) >= MARKED_EVERY;
            if state.is_committed_unsaved
                && state.marked_at.is_none_or(is_due)
                && let Some(committed) = state.committed
            {
                state.is_committed_unsaved = false;
                state.marked_at = Some(now);
                let bytes = seal(convert::position(committed).encode_to_vec());
                marks.push((COMMITTED, bytes));
            }
            (records, marks)
        };
        self.memory.grew.notify_waiters();
        if is_planted(Bug::AcknowledgedBeforeSynced) {
            callback.io_completed(Ok(()));
            let last = records.last().map_or(0, |record| record.index);
            let flushed = self.memory.flushed.clone();
            let answer = move |result: Result<(), store::Error>| {
                if result.is_ok() {
                    flushed.grow_to(last);
                }
            };
            return self
                .disk
                .append(Arc::new(records), marks, Box::new(answer))
                .map_err(failed);
        }
        self.enqueue(Arc::new(records), marks, callback).await
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let first_gone = last_log_id.map_or(0, |last| last.index + 1);
        self.write(move |disk| disk.truncate_from(index_of(first_gone)))
            .await?;
        // `first_gone` is the library's index of the first that is gone, so ours of the last that is left.
        self.memory.flushed.shrink_to(first_gone);
        let mut state = self.lock();
        state.cache.truncate_from(first_gone);
        if state.last.is_some_and(|last| last.index >= first_gone) {
            state.last = last_log_id;
        }
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        let mark = seal(convert::position(log_id).encode_to_vec());
        self.write(move |disk| disk.purge_to(index_of(log_id.index), vec![(PURGED, mark)]))
            .await?;
        self.memory.flushed.grow_to(index_of(log_id.index));
        let mut state = self.lock();
        state.cache.purge_to(log_id.index);
        state.purged = Some(log_id);
        if state.last.is_none_or(|last| last.index < log_id.index) {
            state.last = Some(log_id);
        }
        Ok(())
    }
}

//! Writing the picture behind: changes are gathered, one per instance, and stored in batches.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, InstanceRecord, Timestamp};
use orchestrator_core::ports::{Clock, ObservationStore, ObservationWrite, StoreError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::Config;
use super::lock::lock;

/// First pause after a store failed; doubled each time, so that a busy store gets air.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause: soon enough after somebody made room on the disk.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Pause after a failure that the store says will not go away by itself.
const HOPELESS_PAUSE: Duration = Duration::from_secs(30);

/// How long the last flush may take when the service stops. What it does not store is probed again after the start.
pub(super) const LAST_FLUSH_BOUND: Duration = Duration::from_secs(5);

/// How writing behind goes, for health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBehindState {
    /// Instances whose latest change is not stored yet.
    pub pending: usize,
    /// When a batch was last stored.
    pub written_at: Option<Timestamp>,
    /// Since when the store fails; `None` while it works.
    pub failing_since: Option<Timestamp>,
    /// What the store last said; `None` while it works.
    pub error: Option<StoreError>,
    /// Changes given up since the start because too many waited; their instances are stored again after a later probe.
    pub dropped: u64,
}

/// The latest change of one instance.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Put(Arc<InstanceRecord>),
    Remove,
}

/// Changes that wait to be stored: at most one per instance and at most `limit`.
#[derive(Debug)]
pub(super) struct WriteBuffer {
    inner: Mutex<Inner>,
    some: Notify,
    enough: Notify,
}

#[derive(Debug)]
struct Inner {
    pending: HashMap<InstanceKey, Change>,
    limit: usize,
    enough: usize,
    state: WriteBehindState,
}

impl WriteBuffer {
    /// A buffer of at most `limit` changes that asks to be flushed early when `enough` wait.
    pub(super) fn new(limit: usize, enough: usize) -> Self {
        Self {
            inner: Mutex::new(Inner {
                pending: HashMap::new(),
                limit,
                enough,
                state: WriteBehindState::default(),
            }),
            some: Notify::new(),
            enough: Notify::new(),
        }
    }

    /// Adds changes; a later one of an instance replaces an earlier one.
    pub(super) fn push(&self, changes: impl IntoIterator<Item = (InstanceKey, Change)>) {
        let mut inner = lock(&self.inner);
        for (key, change) in changes {
            inner.add(key, change, true);
        }
        self.some.notify_one();
        if inner.pending.len() >= inner.enough {
            self.enough.notify_one();
        }
    }

    /// How writing goes.
    pub(super) fn state(&self) -> WriteBehindState {
        let inner = lock(&self.inner);
        let mut state = inner.state.clone();
        state.pending += inner.pending.len();
        state
    }

    /// Takes everything; `state` goes on counting it until it is stored or put back.
    fn take(&self) -> Vec<(InstanceKey, Change)> {
        let mut inner = lock(&self.inner);
        let taken: Vec<_> = std::mem::take(&mut inner.pending).into_iter().collect();
        inner.state.pending = taken.len();
        taken
    }

    fn stored(&self, count: usize, at: Timestamp) -> Option<StoreError> {
        let mut inner = lock(&self.inner);
        inner.state.pending -= count;
        inner.state.written_at = Some(at);
        inner.state.failing_since = None;
        inner.state.error.take()
    }

    /// Puts changes back that were not stored, unless a newer one of the instance came meanwhile.
    fn failed(&self, rest: &[(InstanceKey, Change)], error: StoreError, at: Timestamp) -> bool {
        let mut inner = lock(&self.inner);
        for (key, change) in rest {
            inner.add(key.clone(), change.clone(), false);
        }
        inner.state.pending = 0;
        let is_new = inner.state.error.is_none();
        inner.state.failing_since.get_or_insert(at);
        inner.state.error = Some(error);
        is_new
    }
}

impl Inner {
    fn add(&mut self, key: InstanceKey, change: Change, is_newer: bool) {
        let has_room = self.pending.len() < self.limit;
        match self.pending.entry(key) {
            Entry::Occupied(mut waiting) if is_newer => drop(waiting.insert(change)),
            Entry::Occupied(_) => {}
            Entry::Vacant(place) if has_room => drop(place.insert(change)),
            Entry::Vacant(_) => self.state.dropped += 1,
        }
    }
}

/// Stores what the buffer gathers, until it is told to stop.
pub(super) struct Flusher {
    pub(super) buffer: Arc<WriteBuffer>,
    pub(super) store: Arc<dyn ObservationStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) config: watch::Receiver<Arc<Config>>,
    pub(super) stop: CancellationToken,
}

impl Flusher {
    /// Runs until stopped; then flushes a last time, within a bound.
    pub(super) async fn run(self) {
        let last_call = async {
            self.stop.cancelled().await;
            self.clock.sleep(LAST_FLUSH_BOUND).await;
        };
        tokio::select! {
            () = self.work() => {}
            () = last_call => {}
        }
        let left = self.buffer.state().pending;
        if left > 0 {
            tracing::warn!(
                instances = left,
                "stopped before these observations were stored; they are probed again after the start"
            );
        }
    }

    async fn work(&self) {
        let mut pause = None;
        while !self.stop.is_cancelled() {
            match pause {
                None => self.gather().await,
                Some(pause) => self.unless_stopped(self.clock.sleep(pause)).await,
            }
            pause = match self.flush().await {
                Ok(()) => None,
                Err(is_retryable) => Some(next_pause(pause, is_retryable)),
            };
        }
        // Stopped between a flush and here, something may have come in.
        if pause.is_none() {
            self.flush().await.ok();
        }
    }

    /// Waits until something is there, then until the flush interval is over or a batch is full.
    async fn gather(&self) {
        let interval = self.config.borrow().flush();
        self.unless_stopped(async {
            self.buffer.some.notified().await;
            tokio::select! {
                () = self.clock.sleep(interval) => {}
                () = self.buffer.enough.notified() => {}
            }
        })
        .await;
    }

    async fn unless_stopped(&self, wait: impl Future<Output = ()>) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = wait => {}
        }
    }

    /// Stores everything that waits. The error says whether trying again soon makes sense.
    async fn flush(&self) -> Result<(), bool> {
        let taken = self.buffer.take();
        let batch = self.config.borrow().batch();
        let mut done = 0;
        for changes in taken.chunks(batch) {
            match self
                .store
                .write(changes.iter().map(to_write).collect())
                .await
            {
                Ok(()) => self.report_stored(changes.len()),
                Err(error) => {
                    let is_retryable = error.is_retryable;
                    self.report_failed(&taken[done..], error);
                    return Err(is_retryable);
                }
            }
            done += changes.len();
        }
        Ok(())
    }

    fn report_stored(&self, count: usize) {
        if let Some(error) = self.buffer.stored(count, self.clock.now()) {
            tracing::info!(after = %error, "observations are stored again");
        }
    }

    fn report_failed(&self, rest: &[(InstanceKey, Change)], error: StoreError) {
        let text = error.to_string();
        if self.buffer.failed(rest, error, self.clock.now()) {
            tracing::warn!(
                error = text,
                "observations cannot be stored; probing goes on and storing is tried again"
            );
        } else {
            tracing::debug!(error = text, "observations still cannot be stored");
        }
    }
}

fn next_pause(last: Option<Duration>, is_retryable: bool) -> Duration {
    if !is_retryable {
        return HOPELESS_PAUSE;
    }
    last.map_or(FIRST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE))
}

fn to_write((key, change): &(InstanceKey, Change)) -> ObservationWrite {
    match change {
        Change::Put(record) => ObservationWrite::Put(Box::new(InstanceRecord::clone(record))),
        Change::Remove => ObservationWrite::Remove(key.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> InstanceKey {
        InstanceKey::parse(&format!("db{n}"), 3306).unwrap()
    }

    fn put(n: usize, failures: u32) -> (InstanceKey, Change) {
        let mut record = InstanceRecord::heard_of(key(n), Timestamp::from_seconds(1));
        record.failures_in_a_row = failures;
        (key(n), Change::Put(Arc::new(record)))
    }

    fn error() -> StoreError {
        StoreError {
            operation: "write".to_owned(),
            reason: "disk full".to_owned(),
            is_retryable: true,
        }
    }

    #[test]
    fn many_changes_of_one_instance_become_its_latest() {
        let buffer = WriteBuffer::new(10, 100);
        buffer.push((0..1_000).map(|n| put(1, n)));
        let taken = buffer.take();
        assert!(
            matches!(&taken[..], [(_, Change::Put(record))] if record.failures_in_a_row == 999)
        );
    }

    #[test]
    fn what_could_not_be_stored_never_replaces_something_newer() {
        let buffer = WriteBuffer::new(10, 100);
        let at = Timestamp::from_seconds(9);
        buffer.push([put(1, 1), put(2, 1)]);
        let taken = buffer.take();
        buffer.push([(key(1), Change::Remove)]);
        assert!(buffer.failed(&taken, error(), at), "a new failure");
        assert_eq!(buffer.state().pending, 2);
        assert_eq!(buffer.state().failing_since, Some(at));
        let again = buffer.take();
        assert!(!buffer.failed(&again, error(), at), "the same one");
        let last = buffer.take();
        assert!(
            last.iter()
                .any(|(k, change)| *k == key(1) && matches!(change, Change::Remove))
        );
        assert_eq!(buffer.stored(2, at), Some(error()));
        assert_eq!(
            buffer.state(),
            WriteBehindState {
                written_at: Some(at),
                ..WriteBehindState::default()
            }
        );
    }

    #[test]
    fn a_full_buffer_gives_up_new_instances_and_counts_them() {
        let buffer = WriteBuffer::new(10, 100);
        buffer.push((0..25).map(|n| put(n, 0)));
        assert_eq!((buffer.state().pending, buffer.state().dropped), (10, 15));
        buffer.push([put(3, 7)]);
        assert_eq!(buffer.state().dropped, 15, "known ones still coalesce");
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        let mut pause = None;
        for expected in [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000] {
            pause = Some(next_pause(pause, true));
            assert_eq!(pause, Some(Duration::from_millis(expected)));
        }
        assert_eq!(next_pause(pause, false), HOPELESS_PAUSE);
    }
}

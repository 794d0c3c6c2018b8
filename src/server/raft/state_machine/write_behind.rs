//! The store, written behind apply.
//!
//! What is applied is in this node's log already, so neither proposers nor readers wait for the store: rows are written in
//! larger transactions, a moment later. A crash loses what was not written yet, and the next start applies it again from
//! the log. So the log is purged no further than the store is: see [`WriteBehind::wait_for`].

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator_core::decided::Snapshot;
use orchestrator_core::ports::Clock;
use tokio::sync::{Notify, watch};

use super::store_writer::StoreWriter;
use crate::store::{AppliedEntry, DecisionStore, InstallMode};

/// Most entries in one transaction.
const TRANSACTION_MAX: usize = 1_024;

/// Pause between two transactions in which more entries gather, unless somebody waits for them or owes effects to them: as
/// many transactions as nobody notices, and a start after a crash has no more than this to apply again.
const GATHERED_FOR: Duration = Duration::from_millis(50);

/// Entries that wait when apply waits, too: a second of a busy group.
const WAITING_MAX: usize = 4_096;

/// Their bytes, for when commands are large.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Hands what was applied to the store. Clones share it.
#[derive(Clone)]
pub(super) struct WriteBehind(Arc<Inner>);

struct Inner {
    writer: StoreWriter,
    clock: Arc<dyn Clock>,
    waiting: Mutex<Waiting>,
    /// The last entry that the store has.
    stored: watch::Sender<u64>,
    /// Why nothing is written any more.
    broken: watch::Sender<Option<String>>,
    /// Since when (monotonic) somebody waits for room.
    full_since: watch::Sender<Option<Duration>>,
    /// Ends a pause.
    hurry: Notify,
}

#[derive(Default)]
struct Waiting {
    entries: Vec<AppliedEntry>,
    bytes: usize,
    /// Whether a task writes, which takes what comes meanwhile.
    is_being_written: bool,
}

impl Waiting {
    /// What goes into the next transaction; empty when the task that writes may end.
    fn take(&mut self) -> Vec<AppliedEntry> {
        let rest = self.entries.len().min(TRANSACTION_MAX);
        let rest = self.entries.split_off(rest);
        let next = std::mem::replace(&mut self.entries, rest);
        self.bytes -= next.iter().map(size_of).sum::<usize>();
        self.is_being_written = !next.is_empty();
        next
    }
}

fn size_of(entry: &AppliedEntry) -> usize {
    entry.envelope.len()
}

impl WriteBehind {
    /// Over this store, which has entries up to `stored`.
    pub fn new(store: Arc<dyn DecisionStore>, clock: Arc<dyn Clock>, stored: u64) -> Self {
        Self(Arc::new(Inner {
            writer: StoreWriter::new(store, Arc::clone(&clock)),
            clock,
            waiting: Mutex::default(),
            stored: watch::Sender::new(stored),
            broken: watch::Sender::new(None),
            full_since: watch::Sender::new(None),
            hurry: Notify::new(),
        }))
    }

    /// Since when writing fails (monotonic).
    pub fn failing(&self) -> watch::Receiver<Option<Duration>> {
        self.0.writer.failing()
    }

    /// Since when a write is under way (monotonic).
    pub fn writing(&self) -> watch::Receiver<Option<Duration>> {
        self.0.writer.writing()
    }

    /// What the last write failed with, while writing fails.
    pub fn trouble(&self) -> Option<String> {
        self.0.writer.trouble()
    }

    /// Since when (monotonic) more waits than may, so that whoever applies waits, too.
    pub fn full_since(&self) -> watch::Receiver<Option<Duration>> {
        self.0.full_since.subscribe()
    }

    /// The last entry that the store has, as it grows.
    pub fn stored(&self) -> watch::Receiver<u64> {
        self.0.stored.subscribe()
    }

    /// Why the store takes nothing any more, once that is so.
    pub fn broken(&self) -> watch::Receiver<Option<String>> {
        self.0.broken.subscribe()
    }

    /// Completes when more entries may be pushed: not while too much waits already. While writing fails it goes on: what is applied
    /// is in the log of a majority, so that whoever waits for an answer need not wait for this node's store as well.
    ///
    /// # Errors
    /// When nothing is written any more.
    pub async fn wait_for_room(&self) -> io::Result<()> {
        if self.has_room() && self.0.broken.borrow().is_none() {
            return Ok(());
        }
        self.0
            .full_since
            .send_replace(Some(self.0.clock.monotonic()));
        let waited = self.wait_until(Self::has_room).await;
        self.0.full_since.send_replace(None);
        waited
    }

    /// Takes entries that were applied, in order.
    pub fn push(&self, entries: Vec<AppliedEntry>) {
        if entries.is_empty() {
            return;
        }
        let owes_effects = entries.iter().any(|entry| !entry.effects.is_empty());
        let must_start = {
            let mut waiting = self.lock();
            waiting.bytes += entries.iter().map(size_of).sum::<usize>();
            waiting.entries.extend(entries);
            !std::mem::replace(&mut waiting.is_being_written, true)
        };
        if must_start {
            tokio::spawn(self.clone().write());
        } else if owes_effects {
            self.0.hurry.notify_one();
        }
    }

    /// Completes when the store has entries up to `index`.
    ///
    /// # Errors
    /// When nothing is written any more.
    pub async fn wait_for(&self, index: u64) -> io::Result<()> {
        self.0.hurry.notify_one();
        self.wait_until(|this| *this.0.stored.borrow() >= index)
            .await
    }

    /// Completes when the store has everything that was taken.
    ///
    /// # Errors
    /// When nothing is written any more.
    pub async fn wait_for_all(&self) -> io::Result<()> {
        self.0.hurry.notify_one();
        self.wait_until(|this| !this.lock().is_being_written).await
    }

    /// Puts a snapshot in the place of everything; completes when the store has it.
    ///
    /// # Errors
    /// When it did not come about.
    pub async fn install(&self, snapshot: Arc<Snapshot>, mode: InstallMode) -> io::Result<()> {
        self.wait_for_all().await?;
        let last = snapshot.decided().applied_index;
        self.0.writer.install(snapshot, mode).await?;
        self.0.stored.send_replace(last);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self) -> bool {
        let waiting = self.lock();
        !waiting.is_being_written
            || waiting.entries.len() < WAITING_MAX && waiting.bytes < BYTES_MAX
    }

    /// `stored` is sent whenever `is_so` or `broken` may have changed.
    async fn wait_until(&self, is_so: impl Fn(&Self) -> bool) -> io::Result<()> {
        let mut stored = self.0.stored.subscribe();
        loop {
            // Before looking, so that nothing is missed between a look and the wait.
            stored.mark_unchanged();
            if let Some(reason) = self.0.broken.borrow().as_ref() {
                return Err(io::Error::other(reason.clone()));
            }
            if is_so(self) {
                return Ok(());
            }
            self.0.hurry.notify_one();
            // Its sender is in `self`.
            let _ = stored.changed().await;
        }
    }

    /// Writes until nothing waits.
    async fn write(self) {
        loop {
            let next = self.lock().take();
            let Some(last) = next.last().map(|entry| entry.index) else {
                self.0.stored.send_modify(|_| {});
                return;
            };
            if let Err(error) = self.0.writer.commit(next).await {
                self.0.broken.send_replace(Some(error.to_string()));
                self.0.stored.send_modify(|_| {});
                return;
            }
            self.0.stored.send_replace(last);
            let gather = self.0.clock.sleep(GATHERED_FOR);
            tokio::select! {
                () = gather => {}
                () = self.0.hurry.notified() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_core::decided::{Decided, Effect, GroupId};
    use orchestrator_core::domain::InstanceKey;

    use super::super::faulty::{Faulty, Next, entry, full};
    use super::*;
    use crate::effects::fakes::{FakeClock, until};

    fn behind(next: Vec<Next>) -> (WriteBehind, Arc<Faulty>, Arc<FakeClock>) {
        let (store, clock) = (Faulty::open(next, false), FakeClock::new());
        let behind = WriteBehind::new(store.clone(), clock.clone(), 0);
        (behind, store, clock)
    }

    async fn take(behind: &WriteBehind, entries: Vec<AppliedEntry>) -> io::Result<()> {
        behind.wait_for_room().await?;
        behind.push(entries);
        Ok(())
    }

    fn stored(store: &Faulty) -> u64 {
        store.applied_index().unwrap()
    }

    #[tokio::test]
    async fn the_first_is_written_at_once_and_what_comes_soon_after_it_together() {
        let (behind, store, clock) = behind(vec![]);
        take(&behind, vec![entry(1)]).await.unwrap();
        until("it is stored", || *behind.stored().borrow() == 1).await;
        clock.until_somebody_sleeps().await;
        for index in 2..=9 {
            take(&behind, vec![entry(index)]).await.unwrap();
        }
        assert_eq!(stored(&store), 1);
        clock.advance(1);
        until("all are stored", || *behind.stored().borrow() == 9).await;
        assert_eq!(store.tried(), 2);
        assert_eq!(stored(&store), 9);
    }

    #[tokio::test]
    async fn whoever_waits_and_whoever_owes_effects_does_not_wait_for_more() {
        let (behind, store, _) = behind(vec![]);
        take(&behind, vec![entry(1)]).await.unwrap();
        take(&behind, vec![entry(2)]).await.unwrap();
        behind.wait_for(2).await.unwrap();
        assert_eq!(stored(&store), 2);
        take(&behind, vec![entry(3), entry(4)]).await.unwrap();
        behind.wait_for_all().await.unwrap();
        assert_eq!(stored(&store), 4);
        take(&behind, vec![entry(5)]).await.unwrap();
        let mut owing = entry(6);
        let key = InstanceKey::parse("db1", 3306).unwrap();
        owing.effects = vec![Effect::Forget(key)];
        take(&behind, vec![owing]).await.unwrap();
        until("what owes effects is stored", || stored(&store) == 6).await;
    }

    #[tokio::test]
    async fn while_the_store_fails_entries_are_taken_until_too_much_waits() {
        let (behind, store, clock) = behind(vec![Next::Refuses(full())]);
        take(&behind, vec![entry(1)]).await.unwrap();
        let mut failing = behind.failing();
        failing.wait_for(Option::is_some).await.unwrap();
        assert!(behind.trouble().unwrap().contains("its disk is full"));
        let many = WAITING_MAX as u64 + 1;
        take(&behind, (2..=many).map(entry).collect())
            .await
            .unwrap();
        assert_eq!(*behind.full_since().borrow(), None);
        let one_more = {
            let behind = behind.clone();
            tokio::spawn(async move { take(&behind, vec![entry(many + 1)]).await })
        };
        let mut full = behind.full_since();
        full.wait_for(Option::is_some).await.unwrap();
        clock.until_somebody_sleeps().await;
        assert!(!one_more.is_finished());
        clock.advance(1);
        one_more.await.unwrap().unwrap();
        assert_eq!(*behind.full_since().borrow(), None);
        behind.wait_for_all().await.unwrap();
        assert_eq!(stored(&store), many + 1);
        assert_eq!(behind.trouble(), None);
    }

    #[tokio::test]
    async fn a_store_that_takes_nothing_any_more_is_told_to_everybody() {
        let damaged = crate::store::Error::Damaged {
            store: "here".to_owned(),
            detail: "torn".to_owned(),
        };
        let (behind, ..) = behind(vec![Next::Refuses(damaged)]);
        take(&behind, vec![entry(1)]).await.unwrap();
        let waited = behind.wait_for(1).await.unwrap_err();
        assert!(waited.to_string().contains("torn"), "{waited}");
        assert!(take(&behind, vec![entry(2)]).await.is_err());
        assert!(behind.wait_for_all().await.is_err());
        let reason = behind.broken().borrow().clone();
        assert!(reason.is_some_and(|reason| reason.contains("torn")));
    }

    #[tokio::test]
    async fn a_snapshot_comes_after_what_was_taken_before_it() {
        let (behind, store, _) = behind(vec![]);
        take(&behind, vec![entry(1)]).await.unwrap();
        take(&behind, vec![entry(2)]).await.unwrap();
        let state = Decided {
            applied_index: 9,
            ..Decided::default()
        };
        let snapshot = Snapshot::of(GroupId::from_number(1), &state, Vec::new());
        behind
            .install(Arc::new(snapshot), InstallMode::Adopt)
            .await
            .unwrap();
        assert_eq!((stored(&store), *behind.stored().borrow()), (9, 9));
        take(&behind, vec![entry(10)]).await.unwrap();
        behind.wait_for(10).await.unwrap();
    }
}

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orchestrator_core::decided::Snapshot;
use orchestrator_core::ports::Clock;
use tokio::sync::watch;

use crate::store::{AppliedEntry, DecisionStore, Error, ErrorKind, InstallMode};

/// How long a store that fails is tried: a disk may be full for a moment, or another program may hold it. A node that
/// does not apply is worth nothing to the group, so then its process ends, and the start says why.
const TRIED_FOR: Duration = Duration::from_secs(30);

/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// Writes to the store what was applied, trying again while the store fails.
#[derive(Clone)]
pub(super) struct StoreWriter {
    store: Arc<dyn DecisionStore>,
    clock: Arc<dyn Clock>,
    /// Since when (monotonic) writing fails; `None` while it works.
    failing: watch::Sender<Option<Duration>>,
    /// Since when (monotonic) a write is under way; `None` while there is none.
    writing: watch::Sender<Option<Duration>>,
    /// What it fails with.
    trouble: Arc<Mutex<Option<String>>>,
}

impl StoreWriter {
    pub fn new(store: Arc<dyn DecisionStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            failing: watch::Sender::new(None),
            writing: watch::Sender::new(None),
            trouble: Arc::default(),
        }
    }

    /// Since when writing fails.
    pub fn failing(&self) -> watch::Receiver<Option<Duration>> {
        self.failing.subscribe()
    }

    /// Since when a write is under way: one that does not end is not seen to fail.
    pub fn writing(&self) -> watch::Receiver<Option<Duration>> {
        self.writing.subscribe()
    }

    /// What writing fails with.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Writes applied entries.
    pub async fn commit(&self, entries: Vec<AppliedEntry>) -> io::Result<()> {
        let Some(last) = entries.last().map(|entry| entry.index) else {
            return Ok(());
        };
        self.persist(last, move |store| store.commit(entries.clone()))
            .await
    }

    /// Puts a snapshot in the place of everything.
    pub async fn install(&self, snapshot: Arc<Snapshot>, mode: InstallMode) -> io::Result<()> {
        let last = snapshot.decided().applied_index;
        self.persist(last, move |store| store.install(&snapshot, mode))
            .await
    }

    async fn persist(
        &self,
        last: u64,
        write: impl Fn(&dyn DecisionStore) -> Result<(), Error> + Send + Sync + 'static,
    ) -> io::Result<()> {
        let began = self.clock.monotonic();
        self.writing.send_replace(Some(began));
        let persisted = self.try_until_stored(began, last, write).await;
        self.writing.send_replace(None);
        persisted
    }

    /// `last` is the applied index when `write` took effect.
    async fn try_until_stored(
        &self,
        began: Duration,
        last: u64,
        write: impl Fn(&dyn DecisionStore) -> Result<(), Error> + Send + Sync + 'static,
    ) -> io::Result<()> {
        let write = Arc::new(write);
        loop {
            let (store, attempt) = (Arc::clone(&self.store), Arc::clone(&write));
            let result =
                tokio::task::spawn_blocking(move || settle(store.as_ref(), last, &*attempt))
                    .await
                    .map_err(io::Error::other)?;
            let error = match result {
                Ok(()) => {
                    self.set_trouble(None);
                    self.failing
                        .send_if_modified(|since| since.take().is_some());
                    return Ok(());
                }
                Err(error) => error,
            };
            let failing_for = self.clock.monotonic().saturating_sub(began);
            let is_hopeless = matches!(error.kind(), ErrorKind::Fatal | ErrorKind::Invalid);
            if is_hopeless || failing_for >= TRIED_FOR {
                return Err(io::Error::other(error));
            }
            self.set_trouble(Some(error.to_string()));
            if self.failing.borrow().is_none() {
                tracing::error!(%error, "what was decided cannot be stored; trying again for 30 s");
                self.failing.send_replace(Some(began));
            }
            self.clock.sleep(PAUSE).await;
        }
    }
}

/// One attempt. What an earlier one of unknown outcome wrote after all is not written again.
fn settle(
    store: &dyn DecisionStore,
    last: u64,
    write: &dyn Fn(&dyn DecisionStore) -> Result<(), Error>,
) -> Result<(), Error> {
    match write(store) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::OutcomeUnknown => match store.applied_index() {
            Ok(index) if index == last => Ok(()),
            Ok(_) | Err(_) => Err(error),
        },
        Err(error @ Error::Gap { applied, .. }) if applied == last => {
            tracing::debug!(%error, "an earlier try had taken effect");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::faulty::{Faulty, Next, entry, full, unknown};
    use super::*;
    use crate::effects::fakes::FakeClock;

    fn faulty(next: Vec<Next>, refuses: bool) -> (StoreWriter, Arc<Faulty>, Arc<FakeClock>) {
        let store = Faulty::open(next, refuses);
        let clock = FakeClock::new();
        let writer = StoreWriter::new(store.clone(), clock.clone());
        (writer, store, clock)
    }

    #[tokio::test]
    async fn a_store_that_refuses_for_a_while_is_tried_until_it_takes_the_write() {
        let refusals = (0..3).map(|_| Next::Refuses(full())).collect();
        let (writer, store, clock) = faulty(refusals, false);
        let (failing, under_way) = (writer.failing(), writer.writing());
        let writing = tokio::spawn(async move { writer.commit(vec![entry(1)]).await });
        for tried in 1..=3 {
            store.refused(tried, &clock).await;
            assert_eq!(*failing.borrow(), Some(Duration::ZERO));
            assert_eq!(*under_way.borrow(), Some(Duration::ZERO));
            clock.advance(1);
        }
        writing.await.unwrap().unwrap();
        assert_eq!(store.applied_index().unwrap(), 1);
        assert_eq!((*failing.borrow(), *under_way.borrow()), (None, None));
    }

    #[tokio::test]
    async fn after_thirty_seconds_it_is_given_up_with_the_stores_reason() {
        let (writer, store, clock) = faulty(Vec::new(), true);
        let writing = tokio::spawn(async move { writer.commit(vec![entry(1)]).await });
        store.refused(1, &clock).await;
        clock.advance(29);
        store.refused(2, &clock).await;
        assert!(!writing.is_finished());
        clock.advance(1);
        let error = writing.await.unwrap().unwrap_err().to_string();
        assert!(error.contains("its disk is full"), "{error}");
        assert_eq!(store.applied_index().unwrap(), 0);
    }

    #[tokio::test]
    async fn what_no_trying_mends_is_not_tried_again() {
        let damaged = Error::Damaged {
            store: "here".to_owned(),
            detail: "torn".to_owned(),
        };
        let (writer, store, _) = faulty(vec![Next::Refuses(damaged)], false);
        let error = writer.commit(vec![entry(1)]).await.unwrap_err();
        assert!(error.to_string().contains("torn"), "{error}");
        assert_eq!(store.applied_index().unwrap(), 0);
    }

    #[tokio::test]
    async fn a_write_of_unknown_outcome_is_looked_up_and_not_made_twice() {
        let (writer, store, _) = faulty(vec![Next::Unknown], false);
        writer.commit(vec![entry(1), entry(2)]).await.unwrap();
        assert_eq!(store.applied_index().unwrap(), 2);
        assert_eq!(store.log_tail(9).unwrap().len(), 2);
        // Nothing of it was written: it is tried again.
        let (writer, store, clock) = faulty(vec![Next::Refuses(unknown())], false);
        let writing = tokio::spawn(async move { writer.commit(vec![entry(1)]).await });
        store.refused(1, &clock).await;
        clock.advance(1);
        writing.await.unwrap().unwrap();
        assert_eq!(store.applied_index().unwrap(), 1);
    }
}

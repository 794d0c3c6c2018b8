use std::io;
use std::sync::Arc;
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
}

impl StoreWriter {
    pub fn new(store: Arc<dyn DecisionStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            failing: watch::Sender::new(None),
        }
    }

    /// Since when writing fails.
    pub fn failing(&self) -> watch::Receiver<Option<Duration>> {
        self.failing.subscribe()
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

    /// `last` is the applied index when `write` took effect.
    async fn persist(
        &self,
        last: u64,
        write: impl Fn(&dyn DecisionStore) -> Result<(), Error> + Send + Sync + 'static,
    ) -> io::Result<()> {
        let write = Arc::new(write);
        let began = self.clock.monotonic();
        loop {
            let (store, attempt) = (Arc::clone(&self.store), Arc::clone(&write));
            let result =
                tokio::task::spawn_blocking(move || settle(store.as_ref(), last, &*attempt))
                    .await
                    .map_err(io::Error::other)?;
            let error = match result {
                Ok(()) => {
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

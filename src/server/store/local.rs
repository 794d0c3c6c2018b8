use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use orchestrator_core::decided::{Decided, Proposal};
use orchestrator_core::ports::{
    BoxFuture, Clock, Committed, DecisionReader, ProposeError, Proposer,
};
use tokio::sync::{oneshot, watch};

use super::recent::RecentRequests;
use super::{DecisionStore, Error};

mod gathering;
mod worker;

use worker::{Request, Worker};

/// Bounds of a [`LocalProposer`].
#[derive(Clone, Copy, Debug)]
pub struct LocalOptions {
    /// Most proposals that wait. At a thousand commits a second, which any disk reaches with several in one
    /// transaction, the last of them waits a second.
    pub queue_max: usize,
    /// Most proposals in one transaction, so that the first does not wait long for the last.
    pub batch_max: usize,
    /// Longest wait of a batch for requests that are likely to come at once; a quarter of what a commit takes, where that is less. A disk
    /// of the slowest kind syncs in four times this.
    pub gather_max: Duration,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            queue_max: 1_024,
            batch_max: 256,
            gather_max: Duration::from_millis(5),
        }
    }
}

/// Decided state of a single node: applies proposals one after another on one thread, and answers when the store has
/// them on disk. Proposals that wait together share a transaction.
///
/// A request whose id was answered within the last ten minutes (and 10,000 requests), also before a restart, is
/// answered as before and takes no effect again.
pub struct LocalProposer {
    shared: Arc<Shared>,
    queue: Mutex<Option<SyncSender<Request>>>,
    ended: watch::Receiver<()>,
}

/// What the worker publishes.
struct Shared {
    decided: ArcSwap<Decided>,
    applied: watch::Sender<u64>,
    /// Written by the worker alone.
    recent: Mutex<RecentRequests>,
}

impl Shared {
    fn recent(&self) -> MutexGuard<'_, RecentRequests> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalProposer {
    /// Reads the store and starts the thread.
    ///
    /// # Errors
    /// [`Error`] when the store cannot be read.
    pub fn start(
        store: Arc<dyn DecisionStore>,
        clock: Arc<dyn Clock>,
        options: LocalOptions,
    ) -> Result<Self, Error> {
        let state = store.load()?;
        let shared = Arc::new(Shared {
            applied: watch::Sender::new(state.applied_index),
            decided: ArcSwap::from_pointee(state),
            recent: Mutex::default(),
        });
        let (sender, queue) = sync_channel(options.queue_max);
        let (alive, ended) = watch::channel(());
        let place = store.place();
        let mut worker = Worker::new(store, Arc::clone(&shared), clock, options)?;
        std::thread::Builder::new()
            .name("decide".to_owned())
            .spawn(move || {
                worker.run(&queue);
                // In this order: whoever waited for the end may open the store again.
                drop(worker);
                drop(alive);
            })
            .map_err(|error| Error::Io {
                store: place,
                detail: error.to_string(),
            })?;
        Ok(Self {
            shared,
            queue: Mutex::new(Some(sender)),
            ended,
        })
    }

    /// The last applied index, as it grows.
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.shared.applied.subscribe()
    }

    /// Takes no more proposals, and completes when those that wait are answered. Cancel-safe; may be called again.
    pub async fn stop(&self) {
        drop(self.lock_queue().take());
        let mut ended = self.ended.clone();
        // The only change is that the thread's end is gone.
        while ended.changed().await.is_ok() {}
    }

    fn lock_queue(&self) -> MutexGuard<'_, Option<SyncSender<Request>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(
        &self,
        proposal: Proposal,
    ) -> Result<oneshot::Receiver<Result<Committed, ProposeError>>, ProposeError> {
        let (answer, answered) = oneshot::channel();
        let guard = self.lock_queue();
        let queue = guard.as_ref().ok_or_else(stopping)?;
        match queue.try_send(Request { proposal, answer }) {
            Ok(()) => Ok(answered),
            Err(TrySendError::Full(_)) => Err(ProposeError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(ProposeError::Store {
                reason: "the thread that stores changes ended; restart orchestrator".to_owned(),
            }),
        }
    }
}

fn stopping() -> ProposeError {
    ProposeError::Store {
        reason: "the service is stopping".to_owned(),
    }
}

impl DecisionReader for LocalProposer {
    fn decided(&self) -> Arc<Decided> {
        self.shared.decided.load_full()
    }
}

impl Proposer for LocalProposer {
    fn propose(&self, proposal: Proposal) -> BoxFuture<'_, Result<Committed, ProposeError>> {
        let queued = self.enqueue(proposal);
        Box::pin(async move {
            queued?.await.unwrap_or_else(|_| {
                Err(ProposeError::Unknown {
                    reason: "the thread that stores changes ended".to_owned(),
                })
            })
        })
    }

    fn earlier(&self, request: u128) -> Option<Committed> {
        self.shared.recent().get(request).cloned()
    }
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;

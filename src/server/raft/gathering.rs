//! Proposals that come while others are under way wait for each other, and go as one.
//!
//! A batch of entries costs every node a sync, messages and the waking of several threads, however many entries it has. The library
//! takes what it finds when it looks, and then has the first one travel alone and all others wait for it. So where several are under way
//! the next ones are held together until the batch before is answered.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openraft::errors::{ClientWriteError, RaftError};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt as _;

use super::core::{Core, Engine, MESSAGE_ENTRIES_MAX};
use super::types::{Outcome, Payload, TypeConfig};

/// With no more than so many under way a proposal goes at once: that few fill no batch, and each would only wait for the others.
const FEW: usize = 4;

/// Longest that a proposal waits for the batch before it, which a lost follower may hold up: some syncs of a disk.
const WAITS_FOR: Duration = Duration::from_millis(5);

/// What came of a proposal.
pub(super) enum Written {
    /// It was applied.
    Applied(Outcome),
    /// Nothing was written: this node does not lead.
    NotLeading,
    /// It may take effect or not.
    Unknown(String),
}

impl Written {
    fn of(failed: &ClientWriteError<TypeConfig>) -> Self {
        match failed {
            ClientWriteError::ForwardToLeader(_) => Self::NotLeading,
            other => Self::Unknown(other.to_string()),
        }
    }
}

/// A proposal that waits for others.
struct Waiting {
    payload: Payload,
    tell: oneshot::Sender<Written>,
}

/// Proposals on their way to the library.
pub(super) struct Gathering {
    under_way: AtomicUsize,
    /// As many as there are permits for proposals at most.
    sender: mpsc::UnboundedSender<Waiting>,
    receiver: Mutex<Option<mpsc::UnboundedReceiver<Waiting>>>,
}

impl Default for Gathering {
    fn default() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            under_way: AtomicUsize::new(0),
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }
}

/// While it lives, a proposal is under way.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Core {
    /// Has the library write a proposal, and waits until it is applied. Dropping it does not take the proposal back.
    pub(super) async fn write(&self, engine: &Engine, payload: Payload) -> Written {
        let gathering = &self.gathering;
        let before = gathering.under_way.fetch_add(1, Ordering::Relaxed);
        let _under_way = UnderWay(&gathering.under_way);
        if before < FEW {
            return match engine.client_write(payload).await {
                Ok(written) => Written::Applied(written.data),
                Err(RaftError::APIError(failed)) => Written::of(&failed),
                Err(failed) => Written::Unknown(failed.to_string()),
            };
        }
        let (tell, told) = oneshot::channel();
        if gathering.sender.send(Waiting { payload, tell }).is_err() {
            return Written::NotLeading;
        }
        let ended = || Written::Unknown("this node is stopping".to_owned());
        told.await.unwrap_or_else(|_| ended())
    }

    /// Hands over what gathers, until this node stops.
    pub(super) async fn gather(self: Arc<Self>) {
        let receiver = self.gathering.receiver.lock();
        let receiver = receiver.unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut proposals) = receiver else {
            return;
        };
        // Completes with the first answer to the batch before.
        let mut before: Option<oneshot::Receiver<()>> = None;
        loop {
            let first = tokio::select! {
                first = proposals.recv() => first,
                () = self.stop.cancelled() => return,
            };
            let Some(first) = first else {
                return;
            };
            if let Some(answered) = before.take() {
                tokio::select! {
                    _ = answered => {}
                    () = self.sleep(WAITS_FOR) => {}
                }
            }
            let mut batch = vec![first];
            while batch.len() < MESSAGE_ENTRIES_MAX as usize
                && let Ok(next) = proposals.try_recv()
            {
                batch.push(next);
            }
            before = self.hand_over_batch(batch).await;
        }
    }

    async fn hand_over_batch(&self, batch: Vec<Waiting>) -> Option<oneshot::Receiver<()>> {
        let (payloads, tells): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|waiting| (waiting.payload, waiting.tell))
            .unzip();
        let tell_all = |tells: Vec<oneshot::Sender<Written>>, what: &dyn Fn() -> Written| {
            for tell in tells {
                // Its proposer has waited for long enough.
                drop(tell.send(what()));
            }
        };
        let Some(engine) = self.engine() else {
            tell_all(tells, &|| Written::NotLeading);
            return None;
        };
        let mut answers = match engine.client_write_many(payloads).await {
            Ok(answers) => answers,
            Err(fatal) => {
                tell_all(tells, &|| Written::Unknown(fatal.to_string()));
                return None;
            }
        };
        let (answered, is_answered) = oneshot::channel();
        let mut answered = Some(answered);
        self.tasks.spawn(async move {
            for tell in tells {
                let written = match answers.next().await {
                    Some(Ok(Ok(written))) => Written::Applied(written.response),
                    Some(Ok(Err(failed))) => Written::of(&failed),
                    Some(Err(fatal)) => Written::Unknown(fatal.to_string()),
                    None => Written::Unknown("the core of the group has ended".to_owned()),
                };
                if let Some(answered) = answered.take() {
                    // Whoever waited for it may have waited for long enough.
                    let _ = answered.send(());
                }
                drop(tell.send(written));
            }
        });
        Some(is_answered)
    }
}

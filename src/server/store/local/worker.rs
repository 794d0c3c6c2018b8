use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use orchestrator_core::decided::{Decided, GroupId, Proposal, apply};
use orchestrator_core::domain::Timestamp;
use orchestrator_core::ports::{Clock, Committed, ProposeError};
use tokio::sync::oneshot;

use super::super::recent::RecentRequests;
use super::super::{AppliedEntry, DecisionStore, Error, ErrorKind, LOG_ENTRIES_KEPT};
use super::gathering::Gathering;
use super::{LocalOptions, Shared};
use crate::wire::Envelope;

/// One proposal and where its answer goes.
pub(super) struct Request {
    pub proposal: Proposal,
    pub answer: oneshot::Sender<Result<Committed, ProposeError>>,
}

/// The thread that decides.
pub(super) struct Worker {
    store: Arc<dyn DecisionStore>,
    shared: Arc<Shared>,
    group: GroupId,
    batch_max: usize,
    gathering: Gathering,
    /// Requests that came during the last commit: the next batch begins with them.
    next: Vec<Request>,
    /// Whether a commit may have taken effect that memory does not know of.
    in_doubt: bool,
}

/// Proposals that were applied to a copy of the state and wait for their commit.
struct Batch {
    state: Decided,
    entries: Vec<AppliedEntry>,
    decided: HashMap<u128, (Timestamp, Committed)>,
    waiting: Vec<(oneshot::Sender<Result<Committed, ProposeError>>, Committed)>,
}

impl Worker {
    pub fn new(
        store: Arc<dyn DecisionStore>,
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        options: LocalOptions,
    ) -> Result<Self, Error> {
        *shared.recent() = remembered(store.as_ref())?;
        Ok(Self {
            group: store.identity()?.group,
            store,
            shared,
            batch_max: options.batch_max,
            gathering: Gathering::new(clock, options.gather_max),
            next: Vec::new(),
            in_doubt: false,
        })
    }

    /// Decides until nobody can propose any more.
    pub fn run(&mut self, queue: &Receiver<Request>) {
        loop {
            let mut requests = std::mem::take(&mut self.next);
            if requests.is_empty() {
                match queue.recv() {
                    Ok(first) => requests.push(first),
                    Err(_) => return,
                }
            }
            let more = self.batch_max.saturating_sub(requests.len());
            requests.extend(queue.try_iter().take(more));
            self.gathering.gather(queue, &mut requests, self.batch_max);
            self.settle(requests, queue);
        }
    }

    fn settle(&mut self, requests: Vec<Request>, queue: &Receiver<Request>) {
        if let Err(error) = self.resolve_doubt() {
            let answers = requests.into_iter().map(|request| request.answer);
            refuse(answers, &error);
            return;
        }
        let mut batch = self.apply_all(requests);
        let last = batch.state.applied_index;
        let began = self.gathering.now();
        let committed = self.store.commit(std::mem::take(&mut batch.entries));
        match committed {
            Ok(()) => {
                // Before the answers, after which the same clients ask again.
                self.next = queue.try_iter().take(self.batch_max.max(1)).collect();
                let (answered, waiting) = (batch.waiting.len(), self.next.len());
                self.gathering.committed(began, answered, waiting);
                self.publish(batch);
            }
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                self.gathering.failed();
                match self.store.applied_index() {
                    Ok(index) if index == last => self.publish(batch),
                    Ok(_) => refuse(senders(batch), &not_written(error)),
                    Err(_) => {
                        self.in_doubt = true;
                        leave_open(senders(batch), &error);
                    }
                }
            }
            Err(error) => {
                self.gathering.failed();
                refuse(senders(batch), &error);
            }
        }
    }

    /// Reads the state back after a commit of unknown outcome. Deciding anything on a state that may be behind the store
    /// would be wrong.
    fn resolve_doubt(&mut self) -> Result<(), Error> {
        if !self.in_doubt {
            return Ok(());
        }
        let state = self.store.load()?;
        *self.shared.recent() = remembered(self.store.as_ref())?;
        self.shared.applied.send_replace(state.applied_index);
        self.shared.decided.store(Arc::new(state));
        self.in_doubt = false;
        Ok(())
    }

    /// Applies each proposal to what the one before it left. What cannot be stored is answered at once.
    fn apply_all(&self, requests: Vec<Request>) -> Batch {
        let mut batch = Batch {
            state: self.shared.decided.load().as_ref().clone(),
            entries: Vec::new(),
            decided: HashMap::new(),
            waiting: Vec::new(),
        };
        for Request { proposal, answer } in requests {
            match self.earlier_or_new(&mut batch, &proposal) {
                Ok(committed) => batch.waiting.push((answer, committed)),
                Err(error) => refuse([answer], &error),
            }
        }
        batch
    }

    fn earlier_or_new(&self, batch: &mut Batch, proposal: &Proposal) -> Result<Committed, Error> {
        let in_batch = batch.decided.get(&proposal.request).map(|(_, known)| known);
        let earlier = in_batch
            .cloned()
            .or_else(|| self.shared.recent().get(proposal.request).cloned());
        if let Some(earlier) = earlier {
            return Ok(earlier);
        }
        let index = batch.state.applied_index + 1;
        let envelope =
            Envelope::local(self.group, index, proposal).map_err(|error| Error::Unstorable {
                detail: error.to_string(),
            })?;
        let applied = apply(&batch.state, proposal);
        batch
            .state
            .absorb(index, applied.decided_at, &applied.changes);
        let committed = Committed {
            index,
            reply: applied.reply.clone(),
        };
        batch
            .decided
            .insert(proposal.request, (applied.decided_at, committed.clone()));
        batch.entries.push(AppliedEntry {
            index,
            envelope: envelope.to_bytes(),
            reply: applied.reply,
            changes: applied.changes,
            effects: applied.effects,
            decided_at: applied.decided_at,
        });
        Ok(committed)
    }

    /// The batch is on disk: everybody may see it.
    fn publish(&mut self, batch: Batch) {
        let mut decided: Vec<_> = batch.decided.into_iter().collect();
        decided.sort_by_key(|(_, (_, committed))| committed.index);
        {
            let mut recent = self.shared.recent();
            for (request, (at, committed)) in decided {
                recent.remember(request, at, committed);
            }
        }
        let applied = batch.state.applied_index;
        // Before the answers: who was answered reads what it asked for.
        self.shared.decided.store(Arc::new(batch.state));
        self.shared.applied.send_replace(applied);
        for (answer, committed) in batch.waiting {
            // Whoever asked may be gone; the change stands.
            let _ = answer.send(Ok(committed));
        }
    }
}

/// The error of a commit of which reading back showed that it did not take effect.
fn not_written(error: Error) -> Error {
    match error {
        Error::OutcomeUnknown { store, detail } => Error::Io { store, detail },
        other => other,
    }
}

fn senders(batch: Batch) -> impl Iterator<Item = oneshot::Sender<Result<Committed, ProposeError>>> {
    batch.waiting.into_iter().map(|(answer, _)| answer)
}

fn refuse(
    answers: impl IntoIterator<Item = oneshot::Sender<Result<Committed, ProposeError>>>,
    error: &Error,
) {
    for answer in answers {
        // Whoever asked may be gone; nothing changed.
        let _ = answer.send(Err(ProposeError::Store {
            reason: error.to_string(),
        }));
    }
}

fn leave_open(
    answers: impl IntoIterator<Item = oneshot::Sender<Result<Committed, ProposeError>>>,
    error: &Error,
) {
    for answer in answers {
        // Whoever asked may be gone; asking again with the same request id tells.
        let _ = answer.send(Err(ProposeError::Unknown {
            reason: error.to_string(),
        }));
    }
}

/// Answers of the log's last entries. An entry of a later release cannot be remembered; it is in the rows all the same.
fn remembered(store: &dyn DecisionStore) -> Result<RecentRequests, Error> {
    let mut recent = RecentRequests::default();
    let kept = usize::try_from(LOG_ENTRIES_KEPT).unwrap_or(usize::MAX);
    for entry in store.log_tail(kept)? {
        match Envelope::from_bytes(&entry.envelope).and_then(|envelope| envelope.proposal()) {
            Ok(proposal) => {
                let answer = Committed {
                    index: entry.index,
                    reply: entry.reply,
                };
                recent.remember(proposal.request, entry.decided_at, answer);
            }
            Err(error) => tracing::warn!(
                index = entry.index,
                %error,
                "a request in the log cannot be remembered; sent again, it would take effect again"
            ),
        }
    }
    Ok(recent)
}

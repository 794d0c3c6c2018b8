//! Clients that write, ask again elsewhere when they do not know what came of it, and keep a ledger of what was
//! acknowledged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator_core::decided::{Command, Origin, Proposal};
use orchestrator_core::domain::{InstanceKey, PromotionRule, Timestamp};
use orchestrator_core::ports::{Clock as _, Proposer as _};
use tokio::task::JoinSet;

use super::node::Running;
use crate::world::{SeededIds, SteppedClock};

/// Longest that a client waits for an answer before it asks somebody else.
const PATIENCE: u64 = 2_500;

/// Longest pause of a client between two writes. Shorter ones take longer to simulate and show nothing more.
const PAUSE: u64 = 400;

/// Where clients find nodes: those that run, by number.
pub type Reachable = Arc<Mutex<Vec<Option<Running>>>>;

/// An acknowledged command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The entry that took effect, as the answer said.
    pub index: u64,
    /// Which of its client's writes it was, where that can be seen in decided state.
    pub number: Option<(usize, u64)>,
}

/// What clients know.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By request.
    pub acknowledged: BTreeMap<u128, Acknowledged>,
    /// The greatest of their indices.
    pub last_index: u64,
    /// Answers that were repeated.
    pub repeated: u64,
    /// Answers "unknown", or none in time.
    pub unknown: u64,
    /// Clients that have an answer to all they asked.
    pub done: usize,
    /// The first answer that contradicts an earlier one.
    pub broken: Option<String>,
}

/// A ledger that all clients share.
pub type SharedLedger = Arc<Mutex<Ledger>>;

/// Locks what tasks of one thread share.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The instance whose downtime carries the number of the client's last write.
pub fn counter(client: usize) -> InstanceKey {
    InstanceKey::parse(&format!("counter{client}"), 3306).expect("a valid name")
}

/// One client.
pub struct Client {
    /// Its number.
    pub number: usize,
    /// Where nodes are.
    pub nodes: Reachable,
    /// What was acknowledged.
    pub ledger: SharedLedger,
    /// Time.
    pub clock: SteppedClock,
    /// What it draws.
    pub dice: SeededIds,
    /// No new writes from here on.
    pub stop: tokio_util::sync::CancellationToken,
}

impl Client {
    /// Writes until it is told to stop and has its last answer.
    pub async fn live(self) {
        let mut written = 0;
        while !self.stop.is_cancelled() {
            written += 1;
            let proposal = self.proposal(written);
            let number = (written % 3 != 0).then_some((self.number, written));
            self.write(&proposal, number).await;
            if self.dice.below(8) == 0 {
                // As if its caller had not heard the answer.
                self.write(&proposal, number).await;
            }
            tokio::time::sleep(Duration::from_millis(self.dice.below(PAUSE))).await;
        }
        lock(&self.ledger).done += 1;
    }

    fn proposal(&self, written: u64) -> Proposal {
        let now = self.clock.now();
        let later = now.plus(Duration::from_secs(86_400));
        let command = match written % 3 {
            0 => Command::RegisterCandidate {
                key: InstanceKey::parse(&format!("candidate{}", self.dice.below(20)), 3306)
                    .expect("a valid name"),
                rule: PromotionRule::Prefer,
                expires_at: later,
            },
            _ => Command::BeginDowntime {
                key: counter(self.number),
                owner: "client".to_owned(),
                reason: written.to_string(),
                ends_at: later,
            },
        };
        Proposal {
            request: (self.number as u128 + 1) << 64 | u128::from(written),
            proposed_at: Timestamp::from_seconds(now.as_micros() / 1_000_000),
            origin: Origin::default(),
            command,
        }
    }

    /// Asks until it is answered. An attempt that was given up goes on behind its back.
    async fn write(&self, proposal: &Proposal, number: Option<(usize, u64)>) {
        let mut attempts = JoinSet::new();
        loop {
            let pause = Duration::from_millis(5 + self.dice.below(40));
            let node = self.pick();
            let Some(running) = node else {
                tokio::time::sleep(pause).await;
                continue;
            };
            attempts.spawn(ask(running, Arc::clone(&self.nodes), proposal.clone()));
            let patience = Duration::from_millis(100 + self.dice.below(PATIENCE));
            let answer = tokio::time::timeout(patience, attempts.join_next()).await;
            match answer {
                Ok(Some(Ok(Ok(index)))) => {
                    self.note(proposal.request, Acknowledged { index, number });
                    // What is still under way may take effect, and must not take effect twice.
                    attempts.detach_all();
                    return;
                }
                // Nobody will do it before all members have the newer release. What is under way may take effect, and nobody counts on it.
                Ok(Some(Ok(Err(Unanswered::Refused)))) => {
                    attempts.detach_all();
                    return;
                }
                Ok(Some(Ok(Err(Unanswered::Nothing)))) => tokio::time::sleep(pause).await,
                _ => lock(&self.ledger).unknown += 1,
            }
        }
    }

    /// The node that says it leads, mostly; sometimes any.
    fn pick(&self) -> Option<(usize, Running)> {
        use orchestrator_core::ports::Leadership as _;
        let nodes = lock(&self.nodes);
        let running = || {
            nodes
                .iter()
                .enumerate()
                .filter_map(|(number, node)| Some((number, node.clone()?)))
        };
        let leading: Vec<_> = running()
            .filter(|(_, running)| running.group.fence().is_some())
            .collect();
        let from: Vec<_> = match leading.is_empty() || self.dice.below(10) == 0 {
            true => running().collect(),
            false => leading,
        };
        let chosen = self.dice.below(from.len() as u64);
        from.into_iter().nth(usize::try_from(chosen).ok()?)
    }

    fn note(&self, request: u128, answer: Acknowledged) {
        let mut ledger = lock(&self.ledger);
        ledger.last_index = ledger.last_index.max(answer.index);
        if let Some(earlier) = ledger.acknowledged.insert(request, answer) {
            ledger.repeated += 1;
            if earlier != answer {
                ledger.broken.get_or_insert(format!(
                    "request {request:x} was answered with entry {} first and with {} later",
                    earlier.index, answer.index
                ));
            }
        }
    }
}

enum Unanswered {
    /// Nothing was written.
    Nothing,
    /// It may have been.
    Unknown,
    /// A member has a release that does not know it.
    Refused,
}

async fn ask(
    (number, running): (usize, Running),
    nodes: Reachable,
    proposal: Proposal,
) -> Result<u64, Unanswered> {
    use orchestrator_core::ports::ProposeError;
    let answer = running.group.propose(proposal).await;
    // A node that crashed meanwhile says nothing.
    let lives = lock(&nodes)[number]
        .as_ref()
        .is_some_and(|now| now.start == running.start);
    match answer {
        _ if !lives => Err(Unanswered::Unknown),
        Ok(committed) => Ok(committed.index),
        Err(ProposeError::NotLeader { .. } | ProposeError::Busy) => Err(Unanswered::Nothing),
        Err(ProposeError::Store { .. }) => Err(Unanswered::Refused),
        Err(ProposeError::Unknown { .. }) => Err(Unanswered::Unknown),
    }
}

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::decided::{Command, Origin, Proposal, is_anything_due};
use orchestrator_core::ports::{Clock, DecisionReader, Ids, Leadership, Proposer};
use tokio_util::sync::CancellationToken;

/// How often it is looked whether something is over. Readers compare with their own time, so this only has to keep rows
/// from piling up.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A clock this much behind the time of decided state is said once: new downtimes shorter than the difference are
/// refused until it has caught up.
const CLOCK_BEHIND: Duration = Duration::from_secs(5);

/// The loop that proposes the removal of what is over: ended downtimes, expired promotion rules, old marks of
/// forgetting, access tokens.
pub struct Expiry {
    /// What is decided.
    pub decisions: Arc<dyn DecisionReader>,
    /// The way to decide.
    pub proposer: Arc<dyn Proposer>,
    /// Whether this node leads: the others leave it to the leader.
    pub leadership: Arc<dyn Leadership>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Request ids.
    pub ids: Arc<dyn Ids>,
    /// Name of this node, for the record of who asked.
    pub node_name: String,
}

impl Expiry {
    /// Looks every five seconds until told to stop; proposes only as leader, and when something is over.
    pub async fn run(self, stop: CancellationToken) {
        self.compare_clocks();
        let mut is_failing = false;
        while !stop.is_cancelled() {
            is_failing = self.look(is_failing).await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.clock.sleep(LOOK_EVERY) => {}
            }
        }
    }

    fn compare_clocks(&self) {
        let ahead = self.decisions.decided().decided_at.since(self.clock.now());
        if ahead > CLOCK_BEHIND {
            tracing::warn!(
                seconds = ahead.as_secs(),
                "this machine's clock is behind the last decided change; \
                 downtimes and registrations that end within the difference are refused until it has caught up"
            );
        }
    }

    /// Returns whether proposing fails; said when it begins, not every time.
    async fn look(&self, was_failing: bool) -> bool {
        if self.leadership.fence().is_none() {
            return false;
        }
        let now = self.clock.now();
        if !is_anything_due(&self.decisions.decided(), now) {
            return was_failing;
        }
        let proposal = Proposal {
            request: self.ids.unique(),
            proposed_at: now,
            origin: Origin {
                who: self.node_name.clone(),
                whence: String::new(),
            },
            command: Command::Expire,
        };
        match self.proposer.propose(proposal).await {
            Ok(committed) => {
                tracing::debug!(index = committed.index, "removed what is over");
                false
            }
            Err(error) => {
                if !was_failing {
                    tracing::warn!(%error, "what is over could not be removed; trying again");
                }
                true
            }
        }
    }
}

#[cfg(test)]
#[path = "expiry_tests.rs"]
mod tests;

//! Proposing a command until it is known what came of it.

use std::time::Duration;

use orchestrator_core::decided::{Command, Decided, Origin, Proposal, Refusal, Reply};
use orchestrator_core::domain::Fence;
use orchestrator_core::ports::ProposeError;

use super::Deps;

/// How long a command is proposed again while its outcome is not known. A group that has not decided by then has lost its
/// majority, and this node will hear that it does not lead.
const DECIDE_TIME: Duration = Duration::from_secs(30);

/// How long it waits before it proposes again.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a command has no good answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Undecided {
    /// Apply refused it.
    #[error("{0}")]
    Refused(Refusal),
    /// This node does not lead.
    #[error("this node does not lead any more")]
    NotLeading,
    /// Nothing was decided in time, or it is not known whether it was.
    #[error("{0}")]
    InVain(String),
}

impl Deps {
    /// Proposes a command under a leadership until its outcome is known: always as the same request, and `took_effect` reads
    /// from decided state whether an attempt that was not answered did.
    ///
    /// # Errors
    /// [`Undecided`].
    pub(super) async fn decide(
        &self,
        fence: Fence,
        origin: Origin,
        command: Command,
        took_effect: impl Fn(&Decided) -> bool + Send,
    ) -> Result<Reply, Undecided> {
        let proposal = Proposal {
            request: self.ids.unique(),
            proposed_at: self.clock.now(),
            origin,
            command,
        };
        let began = self.clock.monotonic();
        let mut was_unknown = false;
        loop {
            let why = match self.proposer.propose(proposal.clone()).await {
                // What refuses the second attempt may be the first one's effect.
                Ok(committed) => {
                    let is_first = was_unknown && took_effect(&self.decisions.decided());
                    return answer(committed.reply, is_first);
                }
                Err(ProposeError::NotLeader { .. }) => return Err(Undecided::NotLeading),
                Err(error) => {
                    was_unknown |= matches!(error, ProposeError::Unknown { .. });
                    error.to_string()
                }
            };
            if let Some(committed) = self.proposer.earlier(proposal.request) {
                return answer(committed.reply, false);
            }
            if was_unknown && took_effect(&self.decisions.decided()) {
                return Ok(Reply::Done);
            }
            if self.leadership.fence() != Some(fence) {
                return Err(Undecided::NotLeading);
            }
            if self.clock.monotonic().saturating_sub(began) >= DECIDE_TIME {
                return Err(Undecided::InVain(why));
            }
            tracing::debug!(%why, "a command is not decided yet; proposing it again");
            self.clock.sleep(PAUSE).await;
        }
    }

    /// This node, as the origin of what it does by itself.
    pub(super) fn own_origin(&self) -> Origin {
        Origin {
            who: self.node.clone(),
            whence: String::new(),
        }
    }
}

fn answer(reply: Reply, took_effect_before: bool) -> Result<Reply, Undecided> {
    match reply {
        Reply::Refused(_) if took_effect_before => Ok(Reply::Done),
        Reply::Refused(why) => Err(Undecided::Refused(why)),
        reply => Ok(reply),
    }
}

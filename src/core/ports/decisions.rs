use std::sync::Arc;

use super::BoxFuture;
use crate::decided::{Decided, Proposal, Reply};

/// Reads decided state as this node has applied it.
pub trait DecisionReader: Send + Sync {
    /// The latest applied state; never waits.
    fn decided(&self) -> Arc<Decided>;
}

/// A committed and applied command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its index in the log.
    pub index: u64,
    /// What apply answered.
    pub reply: Reply,
}

/// Why a proposal has no answer of apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Nothing was written: this node does not lead. Try the leader.
    #[error("this node is not the leader{}", leader.as_ref().map(|l| format!("; the leader is {l}")).unwrap_or_default())]
    NotLeader {
        /// HTTP address of the leader, when known.
        leader: Option<String>,
    },
    /// Nothing was written: too many proposals wait already. Try later.
    #[error("too many changes are waiting to be stored; try again")]
    Busy,
    /// Nothing was written: the store refused it.
    #[error("the change could not be stored: {reason}")]
    Store {
        /// What the store said.
        reason: String,
    },
    /// It may take effect or not: the answer did not come in time.
    #[error("the outcome of the change is unknown: {reason}")]
    Unknown {
        /// What is known.
        reason: String,
    },
}

/// The one way to change decided state.
pub trait Proposer: Send + Sync {
    /// Commits and applies a proposal, durable before it answers. Not cancel-safe: a dropped future leaves the outcome
    /// unknown. A proposal with the `request` of an earlier one may be answered with the earlier answer.
    ///
    /// # Errors
    /// [`ProposeError`]; only `Unknown` leaves open whether it took effect.
    fn propose(&self, proposal: Proposal) -> BoxFuture<'_, Result<Committed, ProposeError>>;

    /// The answer to an earlier proposal with this `request`, as far as this node has applied it and for as long as answers
    /// are remembered. From memory; never waits.
    fn earlier(&self, request: u128) -> Option<Committed>;
}

use std::sync::Arc;

use super::BoxFuture;
use crate::domain::{FindingCode, InstanceKey, RecoveryId, RecoveryOutcome, Timestamp};

/// Why nothing is being done about a finding now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NothingDone {
    /// What was found.
    pub code: FindingCode,
    /// With which server.
    pub subject: InstanceKey,
    /// Name of its cluster.
    pub cluster: String,
    /// The reason, one sentence.
    pub why: String,
    /// The recovery that holds this one back, where one does, as it is shown.
    pub blocked_by: Option<String>,
    /// Since when this has been the reason, by this node's clock.
    pub since: Timestamp,
}

/// What was found about a server from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeChange {
    /// When it was first found so, by this node's clock.
    pub at: Timestamp,
    /// What; `None` when there was no problem any more.
    pub code: Option<FindingCode>,
}

/// How findings about one server came and went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeChanges {
    /// The server.
    pub server: InstanceKey,
    /// Oldest first.
    pub changes: Vec<CodeChange>,
}

/// How much an operator wants a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insistence {
    /// It is asked for (`recover`): the server must be found dead.
    Asks,
    /// It is ordered (`force-master-failover`): the operator's word is enough.
    Orders,
}

/// A recovery that an operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryRequest {
    /// The server that failed.
    pub failed: InstanceKey,
    /// The server to be promoted, and no other.
    pub candidate: Option<InstanceKey>,
    /// How much it is wanted.
    pub insistence: Insistence,
    /// No hooks are run (`recover-lite`).
    pub skips_hooks: bool,
    /// Who asks.
    pub who: String,
    /// From where.
    pub whence: String,
}

/// What came of a recovery that an operator asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryAnswer {
    /// The recovery.
    pub id: RecoveryId,
    /// How it ended.
    pub outcome: RecoveryOutcome,
    /// The promoted server.
    pub successor: Option<InstanceKey>,
    /// What went wrong, one sentence each.
    pub errors: Vec<String>,
}

/// Why a recovery that an operator asked for has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// Nothing was done: this node does not lead.
    #[error("this node is not the leader")]
    NotLeader,
    /// Nothing was done, for this reason.
    #[error("{reason}")]
    Refused {
        /// One sentence.
        reason: String,
    },
    /// Nothing was done: too many requests wait.
    #[error("too many recoveries were asked for at once; try again")]
    Busy,
    /// It was begun, and goes on under another leadership or after the next start, or ends there.
    #[error("recovery {id} was begun, and this node does not carry it on: {reason}")]
    Unfinished {
        /// The recovery.
        id: RecoveryId,
        /// Why.
        reason: String,
    },
    /// The service is stopping. What was begun goes on with the next leader.
    #[error("the service is stopping")]
    Stopping,
}

/// The loop that recovers, as the edges see it.
pub trait Recoveries: Send + Sync {
    /// Why nothing is done now, a line for each finding that calls for something, by server; never waits. Empty where
    /// this node does not lead.
    fn nothing_done(&self) -> Arc<Vec<NothingDone>>;

    /// How findings about servers with replicas came and went while this node led, by server; never waits. Kept in memory.
    fn code_changes(&self) -> Vec<CodeChanges>;

    /// Recovers at an operator's request, and answers with the outcome; that takes as long as the recovery does. Dropping
    /// the future changes nothing: the recovery goes on.
    ///
    /// # Errors
    /// [`RecoverError`].
    fn recover(
        &self,
        request: RecoveryRequest,
    ) -> BoxFuture<'_, Result<RecoveryAnswer, RecoverError>>;

    /// Looks for something to do at once, and not at the next tick.
    fn look_now(&self);
}

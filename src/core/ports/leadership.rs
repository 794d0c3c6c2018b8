use super::BoxFuture;
use crate::domain::Fence;

/// A leadership that can no longer be relied on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this node does not lead any more, or cannot tell: {reason}")]
pub struct NotLeading {
    /// What is known.
    pub reason: String,
}

/// Whether this node leads. On a single node it always does, with a fence that grows with each start.
pub trait Leadership: Send + Sync {
    /// The fence under which this node leads as far as it knows; `None` when it does not. Never waits, proves nothing.
    fn fence(&self) -> Option<Fence>;

    /// Confirms that `fence` still leads at some moment after this call began: by the lease behind `leader-check`, else by
    /// one round to the members. Bounded by the adapter. Cancel-safe.
    ///
    /// # Errors
    /// [`NotLeading`] when it does not, or nobody answered in time.
    fn confirm(&self, fence: Fence) -> BoxFuture<'_, Result<(), NotLeading>>;

    /// Completes when [`Leadership::fence`] differs from `seen`. Cancel-safe.
    fn changed(&self, seen: Option<Fence>) -> BoxFuture<'_, ()>;
}

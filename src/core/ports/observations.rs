use super::BoxFuture;
use crate::domain::{InstanceKey, InstanceRecord};

/// One write of the observation store.
#[derive(Clone, Debug)]
pub enum ObservationWrite {
    /// Adds or replaces a record.
    Put(Box<InstanceRecord>),
    /// Removes a record.
    Remove(InstanceKey),
}

/// A store that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {reason}")]
pub struct StoreError {
    /// What was tried, with the place.
    pub operation: String,
    /// What went wrong.
    pub reason: String,
    /// Whether trying again may help (busy, full disk that is being cleaned).
    pub is_retryable: bool,
}

/// Keeps this node's picture over restarts. What it holds may be lost without harm: it is probed again.
pub trait ObservationStore: Send + Sync {
    /// All records. A record whose stored form cannot be read any more comes back as heard of only.
    fn load(&self) -> BoxFuture<'_, Result<Vec<InstanceRecord>, StoreError>>;

    /// Writes a batch in one transaction, in order.
    fn write(&self, batch: Vec<ObservationWrite>) -> BoxFuture<'_, Result<(), StoreError>>;
}

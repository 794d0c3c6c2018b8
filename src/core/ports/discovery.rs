use std::sync::Arc;

use super::BoxFuture;
use crate::domain::{InstanceKey, Observation, Picture, ProbeFailure, Timestamp};

/// Reads the picture.
pub trait PictureReader: Send + Sync {
    /// The picture as of now; never waits.
    fn picture(&self) -> Arc<Picture>;
}

/// Why an instance could not be discovered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoverError {
    /// The probe failed.
    #[error("{}", .0.message)]
    Probe(ProbeFailure),
    /// A filter of the configuration says not to probe it.
    #[error("{key} is left out by DiscoveryIgnoreHostnameFilters")]
    Ignored {
        /// The instance.
        key: InstanceKey,
    },
    /// It was forgotten while it was being probed, or is known under a name that was.
    #[error("{key} was forgotten a moment ago")]
    Forgotten {
        /// The instance.
        key: InstanceKey,
    },
    /// Too much waits to be probed.
    #[error(
        "too many instances wait to be probed (DiscoveryQueueCapacity is {capacity}); try again"
    )]
    Busy {
        /// The configured bound.
        capacity: usize,
    },
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopping,
}

/// How probing an instance goes, beyond what its record says; for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeState {
    /// The instance.
    pub key: InstanceKey,
    /// When the probe under way began, whatever it takes so far.
    pub probing_since: Option<Timestamp>,
    /// When the next probe is due.
    pub next_due_at: Option<Timestamp>,
    /// Whether it is on the queue of dead and hanging servers.
    pub is_on_slow_queue: bool,
}

/// The discovery loop, as the API sees it.
pub trait Discovery: Send + Sync {
    /// Probes now, keeps the instance known, and follows its source and replicas. Answers when the picture holds what
    /// was seen. A probe of this instance already under way is shared.
    ///
    /// # Errors
    /// [`DiscoverError`].
    fn discover(&self, key: InstanceKey) -> BoxFuture<'_, Result<Arc<Observation>, DiscoverError>>;

    /// The same in the background.
    ///
    /// # Errors
    /// [`DiscoverError`] when it cannot be queued.
    fn discover_soon(&self, key: InstanceKey) -> Result<(), DiscoverError>;

    /// Drops the instance from the picture and the store, and ignores it until three polls are over unless it is
    /// discovered on request. Returns whether it was known.
    fn forget(&self, key: &InstanceKey) -> bool;

    /// How probing goes, for every instance.
    fn probe_states(&self) -> Vec<ProbeState>;
}

use super::BoxFuture;
use crate::domain::HostName;

/// Why a name was not resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host name '{host}' could not be resolved: {reason}")]
pub struct ResolveError {
    /// The name.
    pub host: String,
    /// What the name service said.
    pub reason: String,
}

/// Normalises host names by the configured method.
pub trait Resolver: Send + Sync {
    /// The name under which `host` is known; `host` itself when the method is to leave names alone or the lookup failed
    /// a short while ago. Cached. Bounded by its own deadline.
    fn resolve(&self, host: HostName) -> BoxFuture<'_, Result<HostName, ResolveError>>;
}

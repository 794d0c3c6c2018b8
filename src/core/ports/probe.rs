use super::BoxFuture;
use crate::domain::{InstanceKey, Observation, ProbeFailure};

/// Probing of one instance over one connection that is kept between probes.
pub trait ProbeSession: Send {
    /// Asks the server everything once. Ends within the adapter's own deadlines. After an error the next call opens a
    /// new connection. Dropping the future closes the connection; nothing on the server is changed by a probe.
    ///
    /// The observation's key may differ from the session's: the server is known under another name.
    ///
    /// # Errors
    /// [`ProbeFailure`] saying which step failed; it holds no credential.
    fn probe(&mut self) -> BoxFuture<'_, Result<Observation, ProbeFailure>>;
}

/// Opens probe sessions.
pub trait Prober: Send + Sync {
    /// A session for `key`; connects at its first probe.
    fn session(&self, key: &InstanceKey) -> Box<dyn ProbeSession>;
}

use std::sync::Arc;
use std::time::Duration;

use super::BoxFuture;
use crate::domain::{InstanceKey, Timestamp};
use crate::isolation::Tried;

/// Finds out whether packets go to an address and come back.
pub trait Dialer: Send + Sync {
    /// Opens a connection to `host:port` and closes it, unused. One that is refused came back too. Bounded by `within`.
    fn dial<'a>(&'a self, address: &'a str, within: Duration) -> BoxFuture<'a, Tried>;
}

/// What the guard of a cut-off data centre knows and has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuardReport {
    /// Whether it is on (`IsolationGuard`).
    pub is_on: bool,
    /// This node's own data centre; empty where it is off.
    pub data_center: String,
    /// Since when nothing outside is heard or answers, by this node's clock; `None` while something is.
    pub cut_off_since: Option<Timestamp>,
    /// Why nothing is closed, one sentence; `None` where what is outside says nothing against it.
    pub why_not: Option<String>,
    /// Writable primaries of its own data centre that were looked at, and those that were closed, since it was cut off.
    pub primaries: Vec<GuardedPrimary>,
}

/// One primary, as the guard sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardedPrimary {
    /// Which.
    pub server: InstanceKey,
    /// When it was closed, by this node's clock; `None` where it was not, or that is not known.
    pub closed_at: Option<Timestamp>,
    /// Why it was not, one sentence; `None` where it was.
    pub why_not: Option<String>,
}

/// The guard, as the edges see it.
pub trait Guarding: Send + Sync {
    /// How it stands; from memory, never waits.
    fn report(&self) -> Arc<GuardReport>;
}

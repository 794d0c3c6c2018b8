//! The guard of a cut-off data centre: whether a node that hears nobody outside closes a writable primary beside it.
//!
//! It is the one change that a node without a majority makes, so the answer is no unless everything says yes: nobody and nothing outside
//! answers, replicas outside were seen at the primary before and are not there any more, and that has lasted. It proves nothing: the other
//! side may be dead, and not elsewhere. That is why it is off by default; `docs/operations/partitions.md` says what is gained and lost.
//!
//! * [`Surroundings`]: what this node knows of everything outside; [`surroundings`] says what of it speaks against.
//! * [`Beside`]: what it knows of one primary; [`judge`] says whether that is closed now, or why it is [`Spared`].

mod judge;
mod spared;
#[cfg(test)]
mod tests;

pub use judge::{judge, surroundings};
pub use spared::Spared;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::domain::InstanceKey;

/// What configuration says about the guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardPolicy {
    /// `IsolationGuardDataCenter`: this node's own, as its servers name it.
    pub data_center: String,
    /// `IsolationGuardAfterSeconds`: for how long all conditions must have held.
    pub after: Duration,
    /// `IsolationGuardMaxPrimaries`: how many primaries are closed at most while it is cut off.
    pub primaries_max: usize,
}

/// What came of trying to reach somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// Something came back, be it that the connection was refused: packets go there and come back.
    Answered,
    /// Nothing came back in time, or a router said that it cannot be reached.
    Nothing,
    /// It was not tried, for a reason of our own: not yet, no address for its name.
    Not {
        /// The reason.
        why: String,
    },
}

/// Another node of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherNode {
    /// Its name.
    pub name: String,
    /// How long ago anything came from it; `None` when never since this node was started.
    pub heard_ago: Option<Duration>,
    /// What came of calling its peer port and its HTTP service.
    pub tried: Tried,
}

/// A server that is not known to be in this node's own data centre.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// Which.
    pub key: InstanceKey,
    /// Where it is; empty when that is not known.
    pub data_center: String,
    /// What came of probing it and of a new connection, whichever says more.
    pub tried: Tried,
}

/// What this node knows of everything outside, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// It leads, or hears whoever does.
    pub has_leader: bool,
    /// It heard a leader since it was started. Else it may never have been connected.
    pub had_leader: bool,
    /// For how long nothing outside has been heard or answered.
    pub cut_off_for: Duration,
    /// The other nodes of the group.
    pub nodes: Vec<OtherNode>,
    /// All known servers that are not known to be in its own data centre.
    pub outside: Vec<Outside>,
}

/// What this node knows of one primary, all of it fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Which.
    pub key: InstanceKey,
    /// Where it is, as it says itself; empty when that is not known.
    pub data_center: String,
    /// It answered a moment ago, over a connection of ours.
    pub answers: bool,
    /// It takes writes.
    pub is_writable: bool,
    /// The other side may replace it by itself: its cluster is one that is recovered, and recoveries are not switched off.
    pub is_replaceable: bool,
    /// Whoever has put it in downtime, and why; `None` when nobody has.
    pub downtime: Option<String>,
    /// Replicas outside that it was seen to send to before this node was cut off.
    pub sent_to_before: BTreeSet<InstanceKey>,
    /// Replicas that it says it sends to now, each with its data centre; empty when that is not known.
    pub sends_to: BTreeMap<InstanceKey, String>,
}

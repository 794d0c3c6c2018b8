use std::time::Duration;

use crate::domain::InstanceKey;

/// Why the guard closes nothing, or not this primary; each is a sentence for an operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Spared {
    /// It is off.
    #[error("IsolationGuard is off")]
    Off,
    /// The process was started to change nothing.
    #[error("this orchestrator was started with -noop and changes nothing")]
    DryRun,
    /// There is no other node, so nobody could have moved on.
    #[error("this node is in no group with others, so nobody else replaces a primary")]
    Alone,
    /// It has, or hears, a leader.
    #[error("this node is connected: it leads, or hears the leader")]
    Connected,
    /// It never was connected.
    #[error(
        "this node has not heard a leader since it was started, so it cannot tell that it was cut off"
    )]
    NeverConnected,
    /// A node was heard.
    #[error("{name} was heard {} s ago", .ago.as_secs())]
    NodeHeard {
        /// Which.
        name: String,
        /// How long ago.
        ago: Duration,
    },
    /// A node answers.
    #[error("{name}, another node of the group, answers")]
    NodeAnswers {
        /// Which.
        name: String,
    },
    /// A node could not be tried.
    #[error("it is not known whether {name}, another node of the group, answers: {why}")]
    NodeNotTried {
        /// Which.
        name: String,
        /// Why not.
        why: String,
    },
    /// No server outside is known.
    #[error(
        "no server outside of data centre '{own}' is known: nothing could tell that this node is cut off"
    )]
    NothingOutside {
        /// This node's own.
        own: String,
    },
    /// A server outside answers.
    #[error("{server} in data centre '{data_center}' answers")]
    ServerAnswers {
        /// Which.
        server: InstanceKey,
        /// Where it is.
        data_center: String,
    },
    /// A server answers that may be outside.
    #[error("{server} answers, and in which data centre it is, is not known")]
    UnplacedAnswers {
        /// Which.
        server: InstanceKey,
    },
    /// A server outside was not tried.
    #[error("it is not known whether {server} answers: {why}")]
    ServerNotTried {
        /// Which.
        server: InstanceKey,
        /// Why not.
        why: String,
    },
    /// It has not lasted.
    #[error("nothing outside has answered for {} s; IsolationGuardAfterSeconds is {}", .so_far.as_secs(), .after.as_secs())]
    NotYet {
        /// For how long.
        so_far: Duration,
        /// How long it must be.
        after: Duration,
    },
    /// The primary does not answer.
    #[error("{server} does not answer this node")]
    Unreachable {
        /// Which.
        server: InstanceKey,
    },
    /// It takes no writes.
    #[error("{server} takes no writes")]
    ReadOnly {
        /// Which.
        server: InstanceKey,
    },
    /// It is elsewhere, or nobody knows where.
    #[error("{server} is in data centre '{data_center}', and this node in '{own}'")]
    Elsewhere {
        /// Which.
        server: InstanceKey,
        /// Where it is; empty when that is not known.
        data_center: String,
        /// This node's own.
        own: String,
    },
    /// Nobody replaces it by itself.
    #[error(
        "{server} is not replaced by itself: its cluster is in no RecoverMasterClusterFilters, or recoveries are disabled"
    )]
    NotReplaceable {
        /// Which.
        server: InstanceKey,
    },
    /// It is in downtime.
    #[error("{server} is in downtime: {why}")]
    Downtimed {
        /// Which.
        server: InstanceKey,
        /// By whom and why.
        why: String,
    },
    /// No replica outside was seen at it.
    #[error(
        "{server} was not seen to send to a replica outside while this node was connected: nobody could have been promoted there"
    )]
    NoReplicaOutside {
        /// Which.
        server: InstanceKey,
    },
    /// One still receives.
    #[error(
        "{server} says that {replica} receives from it still, and that is not in data centre '{own}'"
    )]
    Receives {
        /// The primary.
        server: InstanceKey,
        /// The replica.
        replica: InstanceKey,
        /// This node's own data centre.
        own: String,
    },
    /// So many were closed.
    #[error(
        "{closed} primaries were closed since this node was cut off, and IsolationGuardMaxPrimaries is {max}"
    )]
    TooMany {
        /// How many.
        closed: usize,
        /// How many may be.
        max: usize,
    },
}

use std::sync::Arc;
use std::time::Duration;

use super::BoxFuture;
use crate::decided::{Command, GroupId};

/// What a node is in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRole {
    /// It leads.
    Leader,
    /// It follows.
    Follower,
    /// It asks to be elected.
    Candidate,
    /// It catches up and has no vote yet.
    Learner,
    /// It is no member of a group yet: it waits for the others, or to be let in.
    Waiting,
    /// It has stopped.
    Stopped,
}

/// A member of the group, as one node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id: of a data directory, not of a name.
    pub id: u64,
    /// Its name: an entry of `RaftNodes`, normalised.
    pub name: String,
    /// Address of its peer port, `host:port`.
    pub address: String,
    /// Its HTTP address, `http://host:port`, as it said itself; `None` until it did.
    pub http: Option<String>,
    /// Whether it votes.
    pub is_voter: bool,
    /// Whether it is well: it answered a short while ago and its store takes writes. `None` where this node cannot know.
    pub is_healthy: Option<bool>,
    /// How long ago it was last heard, by this node's monotonic clock; `None` when never.
    pub heard_ago: Option<Duration>,
    /// Seconds until the certificate expires that it shows to other members (as this node saw it last), negative when it has; `None`
    /// where members show none, or none was seen.
    pub certificate_expires_in_seconds: Option<i64>,
    /// The last entry that it is known to have, where this node leads.
    pub matched_index: Option<u64>,
}

/// How the group is, as one node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// The group; `None` before the first start has been completed.
    pub group: Option<GroupId>,
    /// This node, as a member.
    pub me: GroupMember,
    /// Its role.
    pub role: GroupRole,
    /// Its term.
    pub term: u64,
    /// Whom it takes for the leader, with the id.
    pub leader: Option<u64>,
    /// All members, itself included, by name.
    pub members: Vec<GroupMember>,
    /// `RaftNodes` as configured here, normalised.
    pub configured: Vec<String>,
    /// The nodes that the group is to have, as decided.
    pub desired: Vec<String>,
    /// Last entry in the log.
    pub last_log_index: u64,
    /// Last entry known to be committed.
    pub committed_index: u64,
    /// Last entry applied.
    pub applied_index: u64,
    /// How old what this node has applied may be: time since it last heard a leader (or, as leader, a majority). `None`
    /// when never.
    pub age: Option<Duration>,
    /// Whom a waiting node waits for, and what else an operator must know; one sentence each.
    pub warnings: Vec<String>,
}

impl GroupStatus {
    /// The leader, where it is known and a member.
    pub fn leader_member(&self) -> Option<&GroupMember> {
        let id = self.leader?;
        self.members.iter().find(|member| member.id == id)
    }
}

/// Who is to lead after this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Successor {
    /// Whoever has most of the log.
    Anyone,
    /// The member with this name or address.
    Member(String),
    /// The first member whose name contains this text.
    NameContains(String),
}

/// How the nodes of the group are to change. Nodes are written as in `RaftNodes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodesChange {
    /// This one is to be a member too.
    Add(String),
    /// This one is to be no member any more.
    Remove(String),
    /// One takes the place of another.
    Replace {
        /// Who goes, once the other has joined.
        old: String,
        /// Who comes.
        new: String,
    },
}

/// Why the group did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// Only the leader does that.
    #[error("this node is not the leader")]
    NotLeader,
    /// No member fits.
    #[error("there is no other voting member {wanted}")]
    NoSuchMember {
        /// What was looked for.
        wanted: String,
    },
    /// It did not happen in time; it may still.
    #[error("it did not happen in time: {reason}")]
    Unknown {
        /// What is known.
        reason: String,
    },
    /// It failed.
    #[error("{reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}

/// A request that a follower passes on to the leader, with what it found out about its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedRequest {
    /// HTTP method.
    pub method: String,
    /// Path and query, without the scheme and host.
    pub target: String,
    /// Header lines that matter to the handler; never credentials.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Body.
    pub body: Vec<u8>,
    /// Who asks, as the follower decided; encoded by `api`, opaque to the group.
    pub caller: Vec<u8>,
}

/// The leader's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedResponse {
    /// HTTP status.
    pub status: u16,
    /// Header lines.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Body.
    pub body: Vec<u8>,
}

/// Why a request was not answered by the leader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// No leader is heard: nothing was sent.
    #[error("no leader is known")]
    NoLeader,
    /// This node leads itself: nothing was sent.
    #[error("this node leads")]
    IsLeader,
    /// It did not reach the leader: nothing changed.
    #[error("the leader could not be reached: {reason}")]
    NotSent {
        /// Why.
        reason: String,
    },
    /// It reached the leader perhaps: a change may have taken effect or not.
    #[error("the leader did not answer: {reason}")]
    Unknown {
        /// What is known.
        reason: String,
    },
}

/// Serves requests that followers passed on.
pub trait ForwardHandler: Send + Sync {
    /// Answers as if the caller had asked this node itself. The caller's rights are decided again here.
    fn handle(&self, request: ForwardedRequest) -> BoxFuture<'_, ForwardedResponse>;
}

/// The group of nodes that decides together, as the edges see it.
pub trait Group: Send + Sync {
    /// How it is; from memory, never waits.
    fn status(&self) -> Arc<GroupStatus>;

    /// Whether this node is the leader beyond doubt: a majority has acknowledged it within one shortest election
    /// timeout, counted by the monotonic clock from the sending of the acknowledged round, and it has applied all that was
    /// committed before its term. Never waits, and never makes a round.
    fn is_serving_leader(&self) -> bool;

    /// What keeps what this node has to keep (its log, its snapshots, its store) from its disk; one sentence. `None` while it is well.
    fn ails(&self) -> Option<String> {
        None
    }

    /// Hands leadership over. Completes when another node leads.
    ///
    /// # Errors
    /// [`GroupError`].
    fn hand_over(&self, to: Successor) -> BoxFuture<'_, Result<(), GroupError>>;

    /// The command by which the nodes of the group change, and the normalised name of the node that it is about. Once it is
    /// committed, members follow. Never waits.
    ///
    /// # Errors
    /// [`GroupError::Failed`] where that makes no sense: no such node, the last one, or too few of the rest reachable.
    fn change_nodes(&self, change: &NodesChange) -> Result<(String, Command), GroupError>;

    /// Writes a snapshot of decided state now.
    ///
    /// # Errors
    /// [`GroupError`].
    fn take_snapshot(&self) -> BoxFuture<'_, Result<(), GroupError>>;

    /// Passes a request on to the leader, over the peer port. Bounded by `within`.
    ///
    /// # Errors
    /// [`ForwardError`]; only `Unknown` leaves open whether it took effect.
    fn forward(
        &self,
        request: ForwardedRequest,
        within: Duration,
    ) -> BoxFuture<'_, Result<ForwardedResponse, ForwardError>>;
}

//! How nodes call each other, as the rest of the group sees it: over gRPC in the service, through memory in simulations.

use std::time::Duration;

use orchestrator_core::ports::{BoxFuture, Clock};
use prost::bytes::Bytes;

use super::super::types::NodeId;
use super::super::v1;

/// Whom to call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Callee {
    /// Its id; 0 when only its name is known.
    pub id: NodeId,
    /// Entry of `RaftNodes`, normalised.
    pub name: String,
    /// Where its peer port is.
    pub address: String,
}

/// What is asked of another node.
#[derive(Clone, Debug)]
pub enum Call {
    /// Who are you, and how are you?
    Hello(v1::HelloRequest),
    /// Append entries, or show that the leader is there.
    Append(v1::AppendRequest),
    /// Vote.
    Vote(v1::VoteRequest),
    /// Would you vote?
    PreVote(v1::VoteRequest),
    /// Ask to be elected.
    Transfer(v1::TransferRequest),
    /// Take over this state.
    Snapshot(v1::SnapshotHead, Bytes),
    /// Let this node in.
    Join(v1::JoinRequest),
    /// Send a beat to a primary.
    Beat(v1::BeatRequest),
    /// Answer this request of a client.
    Forward(v1::ForwardHead, Bytes),
}

/// What it answers, variant for variant.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To [`Call::Hello`].
    Hello(Box<v1::HelloResponse>),
    /// To [`Call::Append`].
    Append(v1::AppendResponse),
    /// To [`Call::Vote`].
    Vote(v1::VoteResponse),
    /// To [`Call::PreVote`].
    PreVote(v1::VoteResponse),
    /// To [`Call::Transfer`].
    Transfer(v1::TransferResponse),
    /// To [`Call::Snapshot`].
    Snapshot(v1::SnapshotResponse),
    /// To [`Call::Join`].
    Join(v1::JoinResponse),
    /// To [`Call::Beat`].
    Beat(v1::BeatResponse),
    /// To [`Call::Forward`]; `None` when the receiver does not lead and did nothing.
    Forward(Option<(v1::ForwardAnswerHead, Bytes)>),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No node runs there: the connection was refused, or the name does not exist. Nothing was carried out.
    #[error("{0}")]
    Absent(String),
    /// It could not be reached. Nothing was carried out.
    #[error("{0}")]
    NotSent(String),
    /// It answered that it will not.
    #[error("{0}")]
    Refused(String),
    /// It may have been carried out.
    #[error("{0}")]
    Unknown(String),
}

/// Calls other nodes.
pub trait Transport: Send + Sync + 'static {
    /// Calls a node. The caller bounds the time; dropping the future gives the call up.
    ///
    /// # Errors
    /// [`CallError`]; only `Unknown` leaves open whether it was carried out.
    fn call(&self, to: Callee, call: Call) -> BoxFuture<'static, Result<Answer, CallError>>;
}

/// Answers other nodes.
pub trait CallHandler: Send + Sync + 'static {
    /// Answers a call.
    ///
    /// # Errors
    /// One sentence why not.
    fn handle(&self, call: Call) -> BoxFuture<'_, Result<Answer, String>>;
}

/// A call with a deadline.
///
/// # Errors
/// [`CallError`].
pub async fn call_within(
    transport: &dyn Transport,
    clock: &dyn Clock,
    to: Callee,
    call: Call,
    within: Duration,
) -> Result<Answer, CallError> {
    let name = to.name.clone();
    tokio::select! {
        answer = transport.call(to, call) => answer,
        () = clock.sleep(within) => Err(CallError::Unknown(format!(
            "{name} did not answer within {} ms",
            within.as_millis()
        ))),
    }
}

/// An answer to another question: a bug, or a stranger.
pub(in super::super) fn mismatch() -> CallError {
    CallError::Unknown("the answer does not fit the question".to_owned())
}

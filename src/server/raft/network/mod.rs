//! The library's calls to other nodes, over a [`Transport`].

mod ahead;
pub mod grpc;
pub mod transport;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_core::Stream;
use openraft::base::BoxStream;
use openraft::errors::{
    NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable,
};
use openraft::network::{Backoff, RPCOption};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
    TransferLeaderRequest, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use orchestrator_core::ports::{BoxFuture, Clock};
use prost::bytes::Bytes;

use self::ahead::Ahead;
pub use self::ahead::UNDER_WAY_MAX;
use self::transport::{Answer, Call, CallError, Callee, Transport, call_within, mismatch};
use super::convert;
use super::lease::Acks;
use super::state_machine::head_of;
use super::types::{GroupCell, Member, NodeId, TypeConfig, Vote, to_envelope};
use super::v1;

/// Time for a message with entries: the follower syncs them, and a megabyte crosses a slow line. A follower that hangs
/// hinders nobody else.
const APPEND_WITHIN: Duration = Duration::from_secs(2);

/// Time for a snapshot: 64 MiB over 1 MB/s, and a minute to store it.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(120);

/// Time for the request to lead, which the receiver answers from memory.
const TRANSFER_WITHIN: Duration = Duration::from_secs(1);

/// Pause before a node that could not be reached is tried again: no longer than a restarted one should wait.
const BACKOFF: Duration = Duration::from_millis(100);

/// What all connections share.
pub(super) struct Shared {
    pub transport: Arc<dyn Transport>,
    pub clock: Arc<dyn Clock>,
    pub group: GroupCell,
    pub me: NodeId,
    pub acks: Arc<Acks>,
}

/// Makes connections for the library.
pub(super) struct Network(pub Arc<Shared>);

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: NodeId, node: &Member) -> Connection {
        Connection {
            shared: Arc::clone(&self.0),
            to: Callee {
                id: target,
                name: node.name.clone(),
                address: node.address.clone(),
            },
            takes_ahead: AtomicBool::new(false),
        }
    }
}

/// The library's way to one node.
pub(super) struct Connection {
    shared: Arc<Shared>,
    to: Callee,
    /// Whether it said with its last answer that it lets messages wait that come early.
    takes_ahead: AtomicBool,
}

type Rpc<T> = Result<T, RPCError<TypeConfig>>;

impl Connection {
    fn destination(&self) -> Option<v1::Destination> {
        Some(v1::Destination {
            group: group_bytes(&self.shared.group),
            to: self.to.id,
            from: self.shared.me,
        })
    }

    async fn call(&self, action: RPCTypes, call: Call, within: Duration) -> Rpc<Answer> {
        let shared = &self.shared;
        let answer = call_within(
            shared.transport.as_ref(),
            shared.clock.as_ref(),
            self.to.clone(),
            call,
            within,
        );
        match answer.await {
            Ok(answer) => {
                shared.acks.heard(self.to.id, shared.clock.monotonic());
                Ok(answer)
            }
            Err(error @ (CallError::Absent(_) | CallError::NotSent(_) | CallError::Refused(_))) => {
                Err(RPCError::Unreachable(Unreachable::from_string(error)))
            }
            Err(CallError::Unknown(reason)) if reason.contains("did not answer within") => {
                Err(RPCError::Timeout(Timeout {
                    action,
                    id: shared.me,
                    target: self.to.id,
                    timeout: within,
                }))
            }
            Err(error) => Err(RPCError::Network(NetworkError::from_string(error))),
        }
    }

    /// Whether messages may be sent to it before the one before them is answered.
    fn takes_ahead(&self) -> bool {
        self.takes_ahead.load(Ordering::Relaxed)
    }

    fn append_message(
        &self,
        request: &AppendEntriesRequest<TypeConfig>,
        is_sent_ahead: bool,
    ) -> io::Result<v1::AppendRequest> {
        let group = self.shared.group.get();
        let entries = request.entries.iter().map(|entry| {
            let envelope = to_envelope(group, entry)?;
            Ok(Bytes::from(envelope.to_bytes()))
        });
        Ok(v1::AppendRequest {
            destination: self.destination(),
            vote: Some(convert::vote(&request.vote)),
            previous: request.prev_log_id.map(convert::position),
            committed: request.leader_commit.map(convert::position),
            entries: entries.collect::<io::Result<_>>()?,
            is_sent_ahead,
        })
    }

    /// Notes the acknowledgement, which every answer is that does not know another leader.
    fn acknowledge(&self, vote: &Vote, sent_at: Duration, answer: &v1::AppendResponse) {
        if answer.outcome() != v1::append_response::Outcome::HigherVote {
            self.shared.acks.acknowledged(
                self.to.id,
                vote.leader_id.term,
                sent_at,
                Duration::from_millis(answer.election_milliseconds),
            );
        }
    }

    /// One message; `is_sent_ahead` when the one before it is not answered yet.
    async fn append(
        &self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
        is_sent_ahead: bool,
    ) -> Rpc<AppendEntriesResponse<TypeConfig>> {
        use v1::append_response::Outcome;
        let message = self
            .append_message(&request, is_sent_ahead)
            .map_err(network)?;
        let within = match message.entries.is_empty() {
            true => option.hard_ttl(),
            false => option.hard_ttl().max(APPEND_WITHIN),
        };
        let sent_at = self.shared.clock.monotonic();
        let call = Call::Append(message);
        let answer = self.call(RPCTypes::AppendEntries, call, within).await?;
        let Answer::Append(answer) = answer else {
            return Err(network(mismatch()));
        };
        self.acknowledge(&request.vote, sent_at, &answer);
        let takes_ahead = answer.lets_early_wait;
        self.takes_ahead.store(takes_ahead, Ordering::Relaxed);
        match answer.outcome() {
            Outcome::Accepted => Ok(AppendEntriesResponse::Success),
            Outcome::Partly => Ok(AppendEntriesResponse::PartialSuccess(
                convert::position_from_option(answer.accepted).map_err(network)?,
            )),
            Outcome::Conflict => Ok(AppendEntriesResponse::Conflict),
            Outcome::HigherVote => Ok(AppendEntriesResponse::HigherVote(
                convert::needed_vote(answer.higher).map_err(network)?,
            )),
            Outcome::Unspecified => Err(network(mismatch())),
        }
    }

    async fn ask_for_vote(
        &self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
        as_call: fn(v1::VoteRequest) -> Call,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        let call = as_call(v1::VoteRequest {
            destination: self.destination(),
            vote: Some(convert::vote(&request.vote)),
            last: request.last_log_id.map(convert::position),
            is_transfer: request.leadership_transfer,
        });
        let answer = self.call(RPCTypes::Vote, call, option.hard_ttl()).await?;
        let (Answer::Vote(answer) | Answer::PreVote(answer)) = answer else {
            return Err(network(mismatch()));
        };
        Ok(VoteResponse {
            vote: convert::needed_vote(answer.vote).map_err(network)?,
            vote_granted: answer.is_granted,
            last_log_id: convert::position_from_option(answer.last).map_err(network)?,
        })
    }
}

pub(super) fn group_bytes(group: &GroupCell) -> Bytes {
    group
        .get()
        .map(|group| Bytes::copy_from_slice(group.as_bytes()))
        .unwrap_or_default()
}

fn network(error: impl ToString) -> RPCError<TypeConfig> {
    RPCError::Network(NetworkError::from_string(error))
}

impl RaftNetworkV2<TypeConfig> for Connection {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<AppendEntriesResponse<TypeConfig>> {
        self.append(request, option, false).await
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Rpc<BoxStream<'s, Rpc<StreamAppendResult<TypeConfig>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        let answers: BoxStream<'s, _> = Box::pin(Ahead::new(self, input, option));
        Box::pin(std::future::ready(Ok(answers)))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        self.ask_for_vote(request, option, Call::Vote).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        self.ask_for_vote(request, option, Call::PreVote).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: openraft::alias::SnapshotOf<TypeConfig, Bytes>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let failed = |error: RPCError<TypeConfig>| StreamingError::from(error);
        let mut head = head_of(&snapshot.meta, snapshot.snapshot.len())
            .map_err(|error| failed(network(error)))?;
        head.destination = self.destination();
        head.vote = Some(convert::vote(&vote));
        let call = Call::Snapshot(head, snapshot.snapshot);
        let answer = tokio::select! {
            closed = cancel => return Err(StreamingError::Closed(closed)),
            answer = self.call(RPCTypes::InstallSnapshot, call, SNAPSHOT_WITHIN) => answer,
        };
        match answer.map_err(failed)? {
            Answer::Snapshot(answer) => {
                let vote = convert::needed_vote(answer.vote);
                Ok(SnapshotResponse::new(
                    vote.map_err(|error| failed(network(error)))?,
                ))
            }
            _ => Err(failed(network(mismatch()))),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Rpc<Result<(), openraft::raft::TransferLeaderError<TypeConfig>>> {
        let call = Call::Transfer(v1::TransferRequest {
            destination: self.destination(),
            from_leader: Some(convert::vote(request.from_leader())),
            last: request.last_log_id().copied().map(convert::position),
            successor: *request.to_node_id(),
        });
        match self
            .call(RPCTypes::TransferLeader, call, TRANSFER_WITHIN)
            .await?
        {
            Answer::Transfer(answer) if answer.refusal.is_empty() => Ok(Ok(())),
            Answer::Transfer(answer) => Err(network(answer.refusal)),
            _ => Err(network(mismatch())),
        }
    }

    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(BACKOFF)))
    }
}

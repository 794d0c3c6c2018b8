//! Calls over gRPC, on the links of [`super::super::peer`].

use std::collections::HashMap;
use std::error::Error as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use orchestrator_core::ports::BoxFuture;
use prost::bytes::{Bytes, BytesMut};
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use super::super::peer::{self, PeerAcceptor, PeerDialer, Target};
use super::super::v1::peer_client::PeerClient;
use super::super::v1::peer_server::{Peer, PeerServer};
use super::super::v1::{self, forward_answer_part, forward_part, snapshot_part};
use super::transport::{Answer, Call, CallError, CallHandler, Callee, Transport};

/// Largest message: one with entries has at most about a megabyte, or one large entry.
const MESSAGE_MAX: usize = 16 * 1024 * 1024;

/// Largest snapshot or body that is taken from another node.
const STREAMED_MAX: u64 = 80 * 1024 * 1024;

/// Bytes in one piece of a stream: small enough that heartbeats find a gap on the same line.
const PIECE: usize = 256 * 1024;

/// Calls members over gRPC. What is urgent (entries, votes) has a connection of its own, so that it never waits behind a
/// snapshot or a client's body.
pub struct GrpcTransport {
    dialer: PeerDialer,
    channels: Mutex<HashMap<(Callee, bool), PeerClient<Channel>>>,
}

/// Connections that are kept: members, and the names they had before, twice.
const CHANNELS_MAX: usize = 64;

impl GrpcTransport {
    /// Over this dialer.
    pub fn new(dialer: PeerDialer) -> Self {
        Self {
            dialer,
            channels: Mutex::default(),
        }
    }

    fn client(&self, to: &Callee, is_urgent: bool) -> PeerClient<Channel> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        // The id plays no part in where a call goes.
        let place = Callee {
            id: 0,
            ..to.clone()
        };
        let key = (place, is_urgent);
        if channels.len() >= CHANNELS_MAX && !channels.contains_key(&key) {
            channels.clear();
        }
        channels
            .entry(key)
            .or_insert_with(|| {
                let channel = self.dialer.channel(Target {
                    member: to.name.clone(),
                    address: to.address.clone(),
                });
                PeerClient::new(channel)
                    .max_decoding_message_size(MESSAGE_MAX)
                    .max_encoding_message_size(MESSAGE_MAX)
            })
            .clone()
    }
}

impl Transport for GrpcTransport {
    fn call(&self, to: Callee, call: Call) -> BoxFuture<'static, Result<Answer, CallError>> {
        let is_urgent = !matches!(
            call,
            Call::Snapshot(..) | Call::Forward(..) | Call::Join(_) | Call::Hello(_) | Call::Beat(_)
        );
        let client = self.client(&to, is_urgent);
        Box::pin(async move { send(client, call).await.map_err(failure) })
    }
}

async fn send(mut client: PeerClient<Channel>, call: Call) -> Result<Answer, Status> {
    Ok(match call {
        Call::Hello(message) => Answer::Hello(Box::new(client.hello(message).await?.into_inner())),
        Call::Append(message) => Answer::Append(client.append(message).await?.into_inner()),
        Call::Vote(message) => Answer::Vote(client.request_vote(message).await?.into_inner()),
        Call::PreVote(message) => {
            Answer::PreVote(client.request_pre_vote(message).await?.into_inner())
        }
        Call::Transfer(message) => {
            Answer::Transfer(client.transfer_leader(message).await?.into_inner())
        }
        Call::Join(message) => Answer::Join(client.join(message).await?.into_inner()),
        Call::Beat(message) => Answer::Beat(client.beat_primary(message).await?.into_inner()),
        Call::Snapshot(head, bytes) => {
            let parts = pieces(
                v1::SnapshotPart {
                    part: Some(snapshot_part::Part::Head(head)),
                },
                bytes,
                |piece| v1::SnapshotPart {
                    part: Some(snapshot_part::Part::Bytes(piece)),
                },
            );
            Answer::Snapshot(client.install_snapshot(parts).await?.into_inner())
        }
        Call::Forward(head, body) => {
            let parts = pieces(
                v1::ForwardPart {
                    part: Some(forward_part::Part::Head(head)),
                },
                body,
                |piece| v1::ForwardPart {
                    part: Some(forward_part::Part::Body(piece)),
                },
            );
            Answer::Forward(forward_answer(client.forward(parts).await?.into_inner()).await?)
        }
    })
}

/// A stream of the head, then the bytes in pieces.
fn pieces<P: Send + 'static>(
    head: P,
    bytes: Bytes,
    as_part: fn(Bytes) -> P,
) -> impl Stream<Item = P> + Send + 'static {
    let count = bytes.len().div_ceil(PIECE);
    let body = (0..count).map(move |number| {
        let from = number * PIECE;
        as_part(bytes.slice(from..bytes.len().min(from + PIECE)))
    });
    tokio_stream::iter(std::iter::once(head).chain(body))
}

async fn forward_answer(
    mut parts: Streaming<v1::ForwardAnswerPart>,
) -> Result<Option<(v1::ForwardAnswerHead, Bytes)>, Status> {
    use forward_answer_part::Part;
    let head = match parts.message().await?.and_then(|part| part.part) {
        Some(Part::Head(head)) => head,
        Some(Part::IsNotLeader(_)) => return Ok(None),
        Some(Part::Body(_)) | None => return Err(Status::data_loss("the answer has no head")),
    };
    let mut body = Body::expecting(head.body_length)?;
    while let Some(part) = parts.message().await? {
        match part.part {
            Some(Part::Body(piece)) => body.take(&piece)?,
            _ => return Err(Status::data_loss("the answer has a second head")),
        }
    }
    Ok(Some((head, body.whole()?)))
}

/// Bytes that come in pieces, of a length said before.
struct Body {
    length: usize,
    bytes: BytesMut,
}

impl Body {
    fn expecting(length: u64) -> Result<Self, Status> {
        if length > STREAMED_MAX {
            return Err(Status::resource_exhausted(format!(
                "{length} bytes are more than {STREAMED_MAX}"
            )));
        }
        let length = usize::try_from(length).map_err(|_| Status::resource_exhausted("too long"))?;
        Ok(Self {
            length,
            // Memory comes with what arrives, not with what is announced.
            bytes: BytesMut::new(),
        })
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), Status> {
        if self.bytes.len() + piece.len() > self.length {
            return Err(Status::data_loss("more came than was announced"));
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    fn whole(self) -> Result<Bytes, Status> {
        if self.bytes.len() < self.length {
            return Err(Status::data_loss("less came than was announced"));
        }
        Ok(self.bytes.freeze())
    }
}

/// What a failed call tells.
fn failure(status: Status) -> CallError {
    if let Some(dial) = status.source().and_then(peer::dial_failure) {
        return match dial.is_absent() {
            true => CallError::Absent(dial.to_string()),
            false => CallError::NotSent(dial.to_string()),
        };
    }
    match status.code() {
        tonic::Code::FailedPrecondition | tonic::Code::Unimplemented => {
            CallError::Refused(status.message().to_owned())
        }
        _ => CallError::Unknown(status.message().to_owned()),
    }
}

/// Answers calls that come over gRPC.
struct Service(Arc<dyn CallHandler>);

impl Service {
    async fn answer(&self, call: Call) -> Result<Answer, Status> {
        self.0
            .handle(call)
            .await
            .map_err(Status::failed_precondition)
    }
}

fn internal() -> Status {
    Status::internal("the answer does not fit the question")
}

macro_rules! unary {
    ($self:ident, $request:ident, $variant:ident) => {
        match $self.answer(Call::$variant($request.into_inner())).await? {
            Answer::$variant(answer) => Ok(Response::new(answer)),
            _ => Err(internal()),
        }
    };
}

#[tonic::async_trait]
impl Peer for Service {
    async fn hello(
        &self,
        request: Request<v1::HelloRequest>,
    ) -> Result<Response<v1::HelloResponse>, Status> {
        match self.answer(Call::Hello(request.into_inner())).await? {
            Answer::Hello(answer) => Ok(Response::new(*answer)),
            _ => Err(internal()),
        }
    }

    async fn append(
        &self,
        request: Request<v1::AppendRequest>,
    ) -> Result<Response<v1::AppendResponse>, Status> {
        unary!(self, request, Append)
    }

    async fn request_vote(
        &self,
        request: Request<v1::VoteRequest>,
    ) -> Result<Response<v1::VoteResponse>, Status> {
        unary!(self, request, Vote)
    }

    async fn request_pre_vote(
        &self,
        request: Request<v1::VoteRequest>,
    ) -> Result<Response<v1::VoteResponse>, Status> {
        unary!(self, request, PreVote)
    }

    async fn transfer_leader(
        &self,
        request: Request<v1::TransferRequest>,
    ) -> Result<Response<v1::TransferResponse>, Status> {
        unary!(self, request, Transfer)
    }

    async fn join(
        &self,
        request: Request<v1::JoinRequest>,
    ) -> Result<Response<v1::JoinResponse>, Status> {
        unary!(self, request, Join)
    }

    async fn beat_primary(
        &self,
        request: Request<v1::BeatRequest>,
    ) -> Result<Response<v1::BeatResponse>, Status> {
        unary!(self, request, Beat)
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<v1::SnapshotPart>>,
    ) -> Result<Response<v1::SnapshotResponse>, Status> {
        use snapshot_part::Part;
        let mut parts = request.into_inner();
        let Some(Part::Head(head)) = parts.message().await?.and_then(|part| part.part) else {
            return Err(Status::data_loss("the snapshot has no head"));
        };
        let mut body = Body::expecting(head.length)?;
        while let Some(part) = parts.message().await? {
            match part.part {
                Some(Part::Bytes(piece)) => body.take(&piece)?,
                _ => return Err(Status::data_loss("the snapshot has a second head")),
            }
        }
        match self.answer(Call::Snapshot(head, body.whole()?)).await? {
            Answer::Snapshot(answer) => Ok(Response::new(answer)),
            _ => Err(internal()),
        }
    }

    type ForwardStream =
        Pin<Box<dyn Stream<Item = Result<v1::ForwardAnswerPart, Status>> + Send + 'static>>;

    async fn forward(
        &self,
        request: Request<Streaming<v1::ForwardPart>>,
    ) -> Result<Response<Self::ForwardStream>, Status> {
        let mut parts = request.into_inner();
        let Some(forward_part::Part::Head(head)) =
            parts.message().await?.and_then(|part| part.part)
        else {
            return Err(Status::data_loss("the request has no head"));
        };
        let mut body = Body::expecting(head.body_length)?;
        while let Some(part) = parts.message().await? {
            match part.part {
                Some(forward_part::Part::Body(piece)) => body.take(&piece)?,
                _ => return Err(Status::data_loss("the request has a second head")),
            }
        }
        let Answer::Forward(answer) = self.answer(Call::Forward(head, body.whole()?)).await? else {
            return Err(internal());
        };
        let as_part = |part| v1::ForwardAnswerPart { part: Some(part) };
        let (head, body) = match answer {
            Some((head, body)) => (forward_answer_part::Part::Head(head), body),
            None => (forward_answer_part::Part::IsNotLeader(true), Bytes::new()),
        };
        let parts = pieces(as_part(head), body, |piece| v1::ForwardAnswerPart {
            part: Some(forward_answer_part::Part::Body(piece)),
        });
        Ok(Response::new(Box::pin(parts.map(Ok))))
    }
}

/// Serves members on the peer port until `stop`.
///
/// # Errors
/// When the server cannot go on.
pub async fn serve(
    acceptor: PeerAcceptor,
    handler: Arc<dyn CallHandler>,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let service = PeerServer::new(Service(handler))
        .max_decoding_message_size(MESSAGE_MAX)
        .max_encoding_message_size(MESSAGE_MAX);
    let incoming = acceptor.incoming(stop.clone());
    peer::server_builder()
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await
}

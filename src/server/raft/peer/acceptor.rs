use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::error::{Distrust, Error};
use super::exchange;
use super::io::{Bounded, Duplex, PeerIdentity, PeerIo};
use super::links::Shared;
use super::message::{Card, Reason, Trust};
use super::policy::Credentials;
use super::tls::{Holder, Material};
use crate::sockets::listen;

/// Wait after an accept that failed for want of descriptors, before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Identified connections that the server has not taken yet; it takes them at once.
const READY: usize = 64;
/// How long a refused connection is kept for its last bytes: closing over unread ones would reset it, and the other side
/// would lose the reason.
const LINGER: Duration = Duration::from_millis(200);
/// Bytes that are read away meanwhile.
const LINGER_BYTES: u64 = 4 * 1024;

/// Listens on the peer port.
pub struct PeerAcceptor {
    shared: Arc<Shared>,
    listener: TcpListener,
}

/// Connections of members, for `tonic::transport::Server::serve_with_incoming_shutdown`. Dropping it closes the port and
/// ends the connections that are being identified; those it gave out live on.
pub struct Incoming {
    ready: mpsc::Receiver<PeerIo>,
    _task: AbortOnDropHandle<()>,
}

impl Stream for Incoming {
    type Item = io::Result<PeerIo>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.ready.poll_recv(cx).map(|peer| peer.map(Ok))
    }
}

impl PeerAcceptor {
    pub(super) fn bind(shared: Arc<Shared>, address: SocketAddr) -> Result<Self, Error> {
        let listener = listen(address).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => Error::Taken { address },
            io::ErrorKind::AddrNotAvailable => Error::NotOurs { address },
            _ => Error::Listen { address, source },
        })?;
        Ok(Self { shared, listener })
    }

    /// The address it got.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Begins to accept, until `stop`.
    pub fn incoming(self, stop: CancellationToken) -> Incoming {
        let (teller, ready) = mpsc::channel(READY);
        let task = tokio::spawn(self.run(teller, stop));
        Incoming {
            ready,
            _task: AbortOnDropHandle::new(task),
        }
    }

    async fn run(self, ready: mpsc::Sender<PeerIo>, stop: CancellationToken) {
        let mut handshakes = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = ready.closed() => return,
                Some(ended) = handshakes.join_next() => pass_panic(ended),
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, from)) => {
                        handshakes.spawn(welcome(self.shared.clone(), stream, from, ready.clone()));
                    }
                    Err(error) => {
                        // Descriptors run out, or a client is gone already: neither ends the service.
                        tracing::warn!(%error, "a connection to the peer port could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }
}

/// A panic is a bug and ends what depends on it; a task that was aborted is of no interest.
fn pass_panic(ended: Result<(), JoinError>) {
    if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
        std::panic::resume_unwind(panic);
    }
}

/// From an accepted socket to a member, or to a line in the log.
async fn welcome(
    shared: Arc<Shared>,
    stream: TcpStream,
    from: SocketAddr,
    ready: mpsc::Sender<PeerIo>,
) {
    let stranger = shared.places.admit(from.ip());
    let within = shared.limits.identify;
    let outcome = tokio::select! {
        () = stranger.evicted.cancelled() => Err(Distrust::Crowded.into()),
        identified = tokio::time::timeout(within, identify(&shared, stream, from)) => {
            identified.unwrap_or_else(|_| Err(Distrust::Late { seconds: within.as_secs() }.into()))
        }
    };
    let known = match outcome {
        Ok(known) => known,
        Err(Refused { why, rest }) => {
            shared.refusals.note(from.ip(), &why);
            if let Some(rest) = rest {
                tokio::select! {
                    () = stranger.evicted.cancelled() => {}
                    () = linger(rest) => {}
                }
            }
            return;
        }
    };
    let Some(place) = stranger.identified() else {
        shared
            .refusals
            .note(from.ip(), &Distrust::WeRefuse(Reason::TooMany));
        return;
    };
    drop(stranger);
    metrics::counter!("orchestrator_raft_peer_accepted_total").increment(1);
    let expiry = known.expires_at.map(|at| shared.at_expiry(at));
    let peer = PeerIo::new(known.stream, known.identity, expiry, Some(place));
    // It fails when the server stops; then the connection ends with it.
    drop(ready.send(peer).await);
}

struct Known {
    stream: Box<dyn Duplex>,
    identity: PeerIdentity,
    expires_at: Option<i64>,
}

/// A connection that is not a member's.
struct Refused {
    why: Distrust,
    /// What the reason was told over, when it was told.
    rest: Option<Box<dyn Duplex>>,
}

impl From<Distrust> for Refused {
    fn from(why: Distrust) -> Self {
        Self { why, rest: None }
    }
}

async fn identify(shared: &Shared, stream: TcpStream, from: SocketAddr) -> Result<Known, Refused> {
    // Without it an answer waits for the other side's delayed acknowledgement of the one before: 40 ms on Linux.
    stream.set_nodelay(true).map_err(exchange::closed)?;
    let local = stream.local_addr().map_err(exchange::closed)?.ip();
    let policy = shared.policy.load_full();
    let me = shared.me(&policy);
    match &policy.credentials {
        Credentials::Certificates(material) => {
            let stream = Bounded::new(stream, shared.limits.tls_bytes);
            let (stream, holder) = tls(material, stream).await?;
            let mut names = holder.names.into_iter();
            let member = names.find(|name| shared.is_member(&policy, name));
            let veto = member.is_none().then_some(Reason::Name);
            let (mut stream, card) = accept(stream, &me, veto).await?;
            stream.get_mut().0.lift();
            if let Some(member) = &member {
                shared.note_certificate(member, holder.validity);
            }
            let identity = identity(from, Trust::Certificates, member, card);
            Ok(Known {
                stream: Box::new(stream),
                identity,
                expires_at: Some(holder.validity.expires_at),
            })
        }
        Credentials::Secrets(_) => plain(shared, stream, from, &me, None).await,
        Credentials::Addresses => {
            let is_known = shared.is_member_address(&policy, from.ip(), local).await;
            let veto = (!is_known).then_some(Reason::Address);
            plain(shared, stream, from, &me, veto).await
        }
    }
}

async fn plain(
    shared: &Shared,
    stream: TcpStream,
    from: SocketAddr,
    me: &exchange::Me<'_>,
    veto: Option<Reason>,
) -> Result<Known, Refused> {
    let stream = Bounded::new(stream, shared.limits.plain_bytes);
    let (mut stream, card) = accept(stream, me, veto).await?;
    stream.lift();
    Ok(Known {
        stream: Box::new(stream),
        identity: identity(from, me.card.trust, None, card),
        expires_at: None,
    })
}

fn identity(address: SocketAddr, trust: Trust, member: Option<String>, card: Card) -> PeerIdentity {
    PeerIdentity {
        address,
        trust,
        member,
        called: card.name,
        group: card.group,
    }
}

async fn accept<S: Duplex + 'static>(
    mut stream: S,
    me: &exchange::Me<'_>,
    veto: Option<Reason>,
) -> Result<(S, Card), Refused> {
    match exchange::accept(&mut stream, me, veto).await {
        Ok(card) => Ok((stream, card)),
        Err(why) => Err(Refused {
            why,
            rest: Some(Box::new(stream)),
        }),
    }
}

type TlsStream = tokio_rustls::server::TlsStream<Bounded<TcpStream>>;

async fn tls(
    material: &Material,
    stream: Bounded<TcpStream>,
) -> Result<(TlsStream, Holder), Refused> {
    let handshake = TlsAcceptor::from(material.server.clone()).accept(stream);
    match handshake.into_fallible().await {
        Ok(stream) => {
            let holder = Holder::of(stream.get_ref().1.peer_certificates());
            Ok((stream, holder))
        }
        Err((error, stream)) => Err(Refused {
            why: exchange::closed(error),
            rest: Some(Box::new(stream)),
        }),
    }
}

/// Lets the last bytes reach the other side.
async fn linger(mut stream: Box<dyn Duplex>) {
    let until_closed = async {
        drop(stream.shutdown().await);
        let mut rest = stream.take(LINGER_BYTES);
        drop(tokio::io::copy(&mut rest, &mut tokio::io::sink()).await);
    };
    // In vain when the other side keeps its end open; it is cut then.
    drop(tokio::time::timeout(LINGER, until_closed).await);
}

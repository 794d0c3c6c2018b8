use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::{Channel, Endpoint, Server, Uri};
use tower::service_fn;

use super::book::NoAddress;
use super::error::{DialError, Distrust};
use super::exchange;
use super::io::{Bounded, PeerIdentity, PeerIo};
use super::links::Shared;
use super::message::Reason;
use super::names::{HostPort, host_of};
use super::policy::{Credentials, Policy};
use super::tls::{Holder, Material};

/// Addresses of one name that are tried in one dial; a member has one, or one of each family.
const ADDRESSES: usize = 4;
/// Silence of a connection after which it is asked whether it lives. Five round trips of 60 ms, and less than an election
/// lasts on such a network.
const PING_AFTER: Duration = Duration::from_millis(500);
/// Time for the answer. Longer than a stop of 1.5 s, which must not part members; after a cut, the old connection would
/// repeat its bytes only after ever longer pauses, so it is given up for a new one.
const PONG_WITHIN: Duration = Duration::from_secs(2);
/// Time in which sent bytes have to be acknowledged (tcp(7), TCP_USER_TIMEOUT).
const UNACKNOWLEDGED: Duration = Duration::from_secs(3);
/// Bytes on the way in one stream, and in all of one connection: a snapshot over 60 ms moves at 30 MB/s with it, and at
/// 1 MB/s with the 64 KiB of HTTP/2.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// Age after which an accepted connection is ended in an orderly way, so that it is judged anew.
const CONNECTION_AGE: Duration = Duration::from_secs(3600);

/// Whom to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The member: an entry of `RaftNodes`, or its name by the log. A certificate has to have exactly its host.
    pub member: String,
    /// Where it is: `host:port`; the host is resolved on every dial.
    pub address: String,
}

/// Dials members.
#[derive(Clone)]
pub struct PeerDialer {
    shared: Arc<Shared>,
}

/// A server builder with settings that fit the dialing side.
pub fn server_builder() -> Server {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(PING_AFTER))
        .http2_keepalive_timeout(Some(PONG_WITHIN))
        .max_connection_age(CONNECTION_AGE)
}

/// Why a call failed, when it failed because the member could not be dialed: nothing was sent then.
pub fn dial_failure<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a DialError> {
    let chain = std::iter::successors(Some(error), |error| (*error).source());
    chain
        .into_iter()
        .find_map(|error| error.downcast_ref::<DialError>())
}

impl PeerDialer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// A channel to a member. It dials when it is first used and whenever it is used without a connection; a call that
    /// meets a dial fails with its error, see [`dial_failure`]. There is no growing pause between dials.
    pub fn channel(&self, target: Target) -> Channel {
        let dialer = self.clone();
        let (target, failed_at) = (Arc::new(target), Arc::new(Mutex::new(None)));
        let connector = service_fn(move |_: Uri| {
            let (dialer, target, failed_at) = (dialer.clone(), target.clone(), failed_at.clone());
            // A task of its own: the channel polls a dial only while somebody waits for it, and a caller with a short
            // deadline would leave it half done.
            let task = tokio::spawn(async move { dialer.paced(&target, &failed_at).await });
            let task = AbortOnDropHandle::new(task);
            async move {
                match task.await {
                    Ok(dialed) => dialed.map(TokioIo::new),
                    Err(error) => match error.try_into_panic() {
                        Ok(panic) => std::panic::resume_unwind(panic),
                        Err(_) => Err(DialError::Stopping),
                    },
                }
            }
        });
        endpoint().connect_with_connector_lazy(connector)
    }

    /// Keeps dials after a failure apart.
    async fn paced(
        &self,
        target: &Target,
        failed_at: &Mutex<Option<Duration>>,
    ) -> Result<PeerIo, DialError> {
        let clock = &self.shared.clock;
        let last = *failed_at.lock().expect("no holder of this lock panics");
        let since = last.map(|at| clock.monotonic().saturating_sub(at));
        let pause = since.and_then(|since| self.shared.limits.redial.checked_sub(since));
        if let Some(pause) = pause.filter(|pause| !pause.is_zero()) {
            clock.sleep(pause).await;
        }
        let dialed = self.connect(target).await;
        let failed = dialed.is_err().then(|| clock.monotonic());
        *failed_at.lock().expect("no holder of this lock panics") = failed;
        dialed
    }

    /// Connects to a member and makes sure of each other. Bounded by the limits; cancel-safe: nothing is left open.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn connect(&self, target: &Target) -> Result<PeerIo, DialError> {
        let dialed = self.try_connect(target).await;
        let outcome = match &dialed {
            Ok(_) => "connected",
            Err(error) => error.word(),
        };
        metrics::counter!("orchestrator_raft_peer_dials_total", "outcome" => outcome).increment(1);
        dialed
    }

    async fn try_connect(&self, target: &Target) -> Result<PeerIo, DialError> {
        let policy = self.shared.policy.load_full();
        let member = host_of(&target.member);
        let must_be_member = !matches!(policy.credentials, Credentials::Secrets(_));
        if must_be_member && !self.shared.is_member(&policy, &member) {
            return Err(DialError::NotMember {
                name: target.member.clone(),
            });
        }
        // While the secret is changed, whoever does not know the new one yet is shown the old one.
        let tries = match &policy.credentials {
            Credentials::Secrets(secrets) => secrets.len(),
            Credentials::Certificates(_) | Credentials::Addresses => 1,
        };
        let mut outcome = self.try_with(target, &member, &policy, 0).await;
        for number in 1..tries {
            let is_unknown = matches!(
                &outcome,
                Err(DialError::NotTrusted {
                    reason: Distrust::RefusedUs(Reason::WrongProof),
                    ..
                })
            );
            if !is_unknown {
                break;
            }
            outcome = self.try_with(target, &member, &policy, number).await;
        }
        outcome
    }

    /// One connection, on which the secret with this number is shown.
    async fn try_with(
        &self,
        target: &Target,
        member: &str,
        policy: &Policy,
        secret: usize,
    ) -> Result<PeerIo, DialError> {
        let (stream, address) = self.reach(target, policy).await?;
        let within = self.shared.limits.dial_handshake;
        let handshake = self.handshake(stream, address, member, policy, secret);
        let outcome = tokio::time::timeout(within, handshake).await;
        match outcome {
            Ok(Ok(peer)) => Ok(peer),
            Ok(Err(Distrust::Closed(reason))) => Err(DialError::Silent {
                address,
                reason: format!("it closed the connection during the handshake ({reason})"),
            }),
            Ok(Err(reason)) => Err(DialError::NotTrusted { address, reason }),
            Err(_) => Err(DialError::Silent {
                address,
                reason: format!("no handshake within {} ms", within.as_millis()),
            }),
        }
    }

    /// A TCP connection to the first address that takes one.
    async fn reach(
        &self,
        target: &Target,
        policy: &Policy,
    ) -> Result<(TcpStream, SocketAddr), DialError> {
        let HostPort { host, port } = HostPort::parse(&target.address, policy.config.default_port)
            .ok_or_else(|| DialError::BadAddress {
                address: target.address.clone(),
            })?;
        let found = self
            .shared
            .book
            .addresses(&host, self.shared.limits.look_up);
        let addresses = found.await.map_err(|why| match why {
            NoAddress::Unknown(reason) => DialError::UnknownName {
                address: target.address.clone(),
                reason,
            },
            NoAddress::Uncertain => DialError::NoNameService {
                address: target.address.clone(),
            },
        })?;
        let mut failure = None;
        for address in addresses.iter().take(ADDRESSES) {
            let address = SocketAddr::new(*address, port);
            match self.reach_one(address).await {
                Ok(stream) => return Ok((stream, address)),
                Err(error) => failure = Some(worse(failure, error)),
            }
        }
        Err(failure.unwrap_or(DialError::NoNameService {
            address: target.address.clone(),
        }))
    }

    async fn reach_one(&self, address: SocketAddr) -> Result<TcpStream, DialError> {
        let source = self.shared.source();
        if let Some(source) = source.filter(|source| !can_reach(*source, address.ip())) {
            return Err(DialError::WrongSource {
                address: address.to_string(),
                source_address: source,
            });
        }
        let within = self.shared.limits.connect;
        match tokio::time::timeout(within, open(source, address)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Err(DialError::Refused { address })
            }
            Ok(Err(error)) => Err(DialError::Silent {
                address,
                reason: error.to_string(),
            }),
            Err(_) => Err(DialError::Silent {
                address,
                reason: format!("no connection within {} ms", within.as_millis()),
            }),
        }
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        member: &str,
        policy: &Policy,
        secret: usize,
    ) -> Result<PeerIo, Distrust> {
        let mut me = self.shared.me(policy);
        me.secrets = me.secrets.get(secret..).unwrap_or_default();
        let identity = |member: Option<String>, card: super::message::Card| PeerIdentity {
            address,
            trust: me.card.trust,
            member,
            called: card.name,
            group: card.group,
        };
        let Credentials::Certificates(material) = &policy.credentials else {
            let mut stream = Bounded::new(stream, self.shared.limits.plain_bytes);
            let card = exchange::dial(&mut stream, &me).await?;
            stream.lift();
            return Ok(PeerIo::new(
                Box::new(stream),
                identity(None, card),
                None,
                None,
            ));
        };
        let stream = Bounded::new(stream, self.shared.limits.tls_bytes);
        let (mut stream, holder) = tls(material, stream, member).await?;
        let card = exchange::dial(&mut stream, &me).await?;
        stream.get_mut().0.lift();
        self.shared.note_certificate(member, holder.validity);
        let expiry = self.shared.at_expiry(holder.validity.expires_at);
        let identity = identity(Some(member.to_owned()), card);
        Ok(PeerIo::new(Box::new(stream), identity, Some(expiry), None))
    }
}

/// The address in it is never looked at: the connector knows whom to dial.
fn endpoint() -> Endpoint {
    Endpoint::from_static("http://peer")
        .http2_keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PONG_WITHIN)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
}

/// Of two failures the one that says less for certain: a member is absent only when all of its addresses say so.
fn worse(first: Option<DialError>, second: DialError) -> DialError {
    match first {
        Some(first) if !first.is_absent() => first,
        _ => second,
    }
}

/// Loopback reaches loopback only, and one family of addresses does not reach the other.
fn can_reach(source: IpAddr, to: IpAddr) -> bool {
    source.is_ipv4() == to.is_ipv4() && (!source.is_loopback() || to.is_loopback())
}

async fn open(source: Option<IpAddr>, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = match to {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.set_nodelay(true)?;
    SockRef::from(&socket).set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    socket.connect(to).await
}

type TlsStream = tokio_rustls::client::TlsStream<Bounded<TcpStream>>;

async fn tls(
    material: &Material,
    stream: Bounded<TcpStream>,
    member: &str,
) -> Result<(TlsStream, Holder), Distrust> {
    let name = ServerName::try_from(member.to_owned())
        .map_err(|_| Distrust::Tls(format!("'{member}' cannot be the name in a certificate")))?;
    let connector = TlsConnector::from(material.client.clone());
    let stream = connector
        .connect(name, stream)
        .await
        .map_err(exchange::closed)?;
    let holder = Holder::of(stream.get_ref().1.peer_certificates());
    // TLS has checked the name too, but takes patterns (*.example) as well; here only the name itself counts.
    match holder.names.iter().any(|name| name == member) {
        true => Ok((stream, holder)),
        false => Err(Distrust::WeRefuse(Reason::Name)),
    }
}

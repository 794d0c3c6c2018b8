use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use orchestrator_core::decided::GroupId;
use orchestrator_core::domain::Secret;
use orchestrator_core::ports::{BoxFuture, Clock};
use tokio_util::sync::CancellationToken;

use super::acceptor::PeerAcceptor;
use super::book::{AddressBook, LookUp, SystemLookUp};
use super::config::{Config, Limits, TlsFiles};
use super::dialer::PeerDialer;
use super::error::Error;
use super::exchange::Me;
use super::message::{Card, Trust, card_name};
use super::names::{HostPort, hosts_of};
use super::places::Places;
use super::policy::{Credentials, Policy};
use super::refusals::Refusals;
use super::tls::Validity;

/// How often the files of certificates are looked at: what renews them tells nobody. Renewals happen days before expiry; a person who has just copied
/// them wants to see it.
const FILES_LOOKED_AT: Duration = Duration::from_secs(10);

/// What both directions share: whom to trust, and how this node shows itself. Cheap to clone.
#[derive(Clone)]
pub struct PeerLinks(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub policy: ArcSwap<Policy>,
    /// Hosts of members by the log.
    members: ArcSwap<BTreeSet<String>>,
    group: ArcSwap<Option<GroupId>>,
    process: [u8; 16],
    /// `RaftBind`, resolved.
    bind: SocketAddr,
    pub limits: Limits,
    pub clock: Arc<dyn Clock>,
    pub book: Arc<AddressBook>,
    pub places: Arc<Places>,
    pub refusals: Refusals,
    /// How long the certificates hold that members have shown last.
    shown: Mutex<BTreeMap<String, Validity>>,
}

/// Another configuration that can be used, and is not in force yet.
pub struct Prepared(Policy);

/// By what members make sure of each other.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// `RaftSSLCertFile`, `RaftSSLPrivateKeyFile` and `RaftSSLCAFile`.
    pub tls: Option<TlsFiles>,
    /// `RaftSharedSecret`.
    pub shared_secrets: Vec<Secret>,
    /// `RaftRequireAuthentication`.
    pub require_authentication: bool,
}

/// Time between two lines of the log that say the same of an expiry.
const REMINDED_EVERY: Duration = Duration::from_secs(24 * 3600);

/// How the links are, for status, health and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Whom this node trusts.
    pub trust: Trust,
    /// What an operator must know, one sentence each.
    pub warnings: Vec<String>,
    /// Seconds until the certificate of this node expires, negative when it has; `None` without certificates.
    pub certificate_expires_in_seconds: Option<i64>,
    /// The same of the certificates that members have shown last, by host.
    pub shown_certificates_expire_in_seconds: BTreeMap<String, i64>,
    /// Connections of members that are open here.
    pub open: usize,
    /// Connections that are being identified.
    pub unidentified: usize,
    /// Connections refused since the start.
    pub refused: u64,
    /// The last refusal that was worth a line in the log.
    pub last_refusal: Option<String>,
}

impl PeerLinks {
    /// Links as configured; reads the files and resolves `RaftBind`, which may block for a moment at the start.
    ///
    /// # Errors
    /// [`Error`], a sentence for the operator.
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Self::with_names(config, clock, Arc::new(SystemLookUp))
    }

    /// The same with a name service of the caller's.
    ///
    /// # Errors
    /// [`Error`].
    pub fn with_names(
        config: Config,
        clock: Arc<dyn Clock>,
        names: Arc<dyn LookUp>,
    ) -> Result<Self, Error> {
        let bind = bind_address(&config)?;
        let limits = config.limits.clone();
        let policy = Policy::of(config, &clock)?;
        for warning in policy.warnings(&clock) {
            tracing::warn!("{warning}");
        }
        Ok(Self(Arc::new(Shared {
            policy: ArcSwap::from_pointee(policy),
            members: ArcSwap::default(),
            group: ArcSwap::default(),
            process: random(),
            bind,
            book: AddressBook::new(names, clock.clone()),
            places: Places::new(&limits),
            refusals: Refusals::new(clock.clone()),
            shown: Mutex::default(),
            limits,
            clock,
        })))
    }

    /// Listens on `RaftBind`.
    ///
    /// # Errors
    /// [`Error::Taken`], [`Error::NotOurs`] or [`Error::Listen`].
    pub fn listen(&self) -> Result<PeerAcceptor, Error> {
        PeerAcceptor::bind(self.0.clone(), self.0.bind)
    }

    /// What dials members.
    pub fn dialer(&self) -> PeerDialer {
        PeerDialer::new(self.0.clone())
    }

    /// Members by the log, as entries of `RaftNodes` or addresses; they are trusted beside those of `RaftNodes`. New
    /// connections are judged by the latest.
    pub fn set_members<'a>(&self, entries: impl IntoIterator<Item = &'a String>) {
        self.0.members.store(Arc::new(hosts_of(entries)));
    }

    /// The group of this node, once it has one.
    pub fn set_group(&self, group: Option<GroupId>) {
        self.0.group.store(Arc::new(group));
    }

    /// Takes another configuration, except for `RaftBind` and the limits; reads the files anew. New connections are judged
    /// by it. What was in force stays when it cannot be taken.
    ///
    /// # Errors
    /// [`Error`].
    pub fn reload(&self, config: Config) -> Result<(), Error> {
        let policy = Policy::of(config, &self.0.clock)?;
        self.take(Prepared(policy));
        Ok(())
    }

    /// Reads another list of `RaftNodes` and other credentials, without taking them. Blocks for the files.
    ///
    /// # Errors
    /// [`Error`]: they cannot be used, or would give up authentication.
    pub fn prepare(&self, nodes: Vec<String>, access: Access) -> Result<Prepared, Error> {
        let current = self.0.policy.load();
        let config = Config {
            nodes,
            tls: access.tls,
            shared_secrets: access.shared_secrets,
            require_authentication: access.require_authentication,
            ..current.config.clone()
        };
        let policy = Policy::of(config, &self.0.clock)?;
        let is_open = |policy: &Policy| policy.credentials.trust() == Trust::Addresses;
        match is_open(&policy) && !is_open(&current) {
            true => Err(Error::GivesUpAuthentication),
            false => Ok(Prepared(policy)),
        }
    }

    /// Takes what was prepared; new connections are judged by it.
    pub fn take(&self, prepared: Prepared) {
        let before = self.0.policy.load().credentials.trust();
        let after = prepared.0.credentials.trust();
        if before != after {
            tracing::warn!(
                %before, %after,
                "members make sure of each other in another way now; those that do it in another way are refused"
            );
        }
        let warnings = prepared.0.warnings(&self.0.clock);
        self.0.policy.store(Arc::new(prepared.0));
        for warning in warnings {
            tracing::warn!("{warning}");
        }
    }

    /// Reloads when one of the files has changed, until stopped. For a task of its own.
    pub async fn follow_files(&self, stop: CancellationToken) {
        let mut seen = self.stamps();
        let mut reminded_at = self.0.clock.monotonic();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.clock.sleep(FILES_LOOKED_AT) => {}
            }
            let status = self.status();
            if let Some(seconds) = status.certificate_expires_in_seconds {
                metrics::gauge!("orchestrator_raft_certificate_expires_in_seconds")
                    .set(seconds as f64);
            }
            for (member, seconds) in status.shown_certificates_expire_in_seconds {
                metrics::gauge!(
                    "orchestrator_raft_peer_certificate_expires_in_seconds",
                    "member" => member
                )
                .set(seconds as f64);
            }
            // What is said at the start and at a reload only is forgotten by the time that it matters.
            let now = self.0.clock.monotonic();
            if now.saturating_sub(reminded_at) >= REMINDED_EVERY {
                reminded_at = now;
                for warning in &status.warnings {
                    tracing::warn!("{warning}");
                }
            }
            let now = self.stamps();
            if now != seen {
                seen = now;
                self.reload_files();
            }
        }
    }

    fn reload_files(&self) {
        let config = self.0.policy.load().config.clone();
        match self.reload(config) {
            Ok(()) => {
                let seconds = self.status().certificate_expires_in_seconds;
                tracing::info!(
                    expires_in_seconds = seconds,
                    "the certificates of the peer port were read anew"
                );
            }
            Err(error) => tracing::error!(
                error = %WithSources(&error),
                "the certificates of the peer port have changed and cannot be used; the ones read before stay in force"
            ),
        }
    }

    /// When each file was last changed; three calls of stat(2) on local files, so not worth another thread.
    fn stamps(&self) -> Vec<Option<(SystemTime, u64)>> {
        let policy = self.0.policy.load();
        let files = policy.config.tls.iter();
        files
            .flat_map(|files| [&files.certificate, &files.private_key, &files.authority])
            .map(|path| {
                let meta = std::fs::metadata(path).ok()?;
                Some((meta.modified().ok()?, meta.len()))
            })
            .collect()
    }

    /// How the links are; from memory.
    pub fn status(&self) -> PeerStatus {
        let policy = self.0.policy.load();
        let (open, unidentified) = self.0.places.open();
        let (refused, last_refusal) = self.0.refusals.seen();
        let now = self.0.clock.now();
        let shown = self.0.shown_certificates(&policy);
        let mut warnings = policy.warnings(&self.0.clock);
        warnings.extend(shown.iter().filter_map(|(member, validity)| {
            let when = validity.warning(now)?;
            Some(format!(
                "the certificate that {member} showed last {when}: it is refused then, unless it has a new one by now"
            ))
        }));
        let shown = shown.into_iter();
        PeerStatus {
            trust: policy.credentials.trust(),
            warnings,
            certificate_expires_in_seconds: policy
                .validity()
                .map(|validity| validity.expires_in(now)),
            shown_certificates_expire_in_seconds: shown
                .map(|(member, validity)| (member, validity.expires_in(now)))
                .collect(),
            open,
            unidentified,
            refused,
            last_refusal,
        }
    }
}

/// An error with what it comes from, on one line.
struct WithSources<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for WithSources<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        match self.0.source() {
            Some(source) => write!(f, ": {}", WithSources(source)),
            None => Ok(()),
        }
    }
}

impl Shared {
    /// The address that dials leave from; `None` lets the system choose.
    pub(super) fn source(&self) -> Option<IpAddr> {
        let address = self.bind.ip();
        (!address.is_unspecified()).then_some(address)
    }

    /// How this node shows itself on a new connection.
    pub(super) fn me<'a>(&self, policy: &'a Policy) -> Me<'a> {
        let secrets = match &policy.credentials {
            Credentials::Secrets(secrets) => secrets.as_slice(),
            Credentials::Certificates(_) | Credentials::Addresses => &[],
        };
        Me {
            card: Card {
                trust: policy.credentials.trust(),
                process: self.process,
                group: **self.group.load(),
                nonce: random(),
                name: card_name(&policy.config.own_name),
            },
            secrets,
        }
    }

    /// A member has shown a certificate that holds so long.
    pub(super) fn note_certificate(&self, member: &str, validity: Validity) {
        self.shown().insert(member.to_owned(), validity);
    }

    /// What members have shown last; of those that are none any more it is forgotten.
    fn shown_certificates(&self, policy: &Policy) -> BTreeMap<String, Validity> {
        let mut shown = self.shown();
        match policy.credentials {
            Credentials::Certificates(_) => {
                shown.retain(|member, _| self.is_member(policy, member));
            }
            Credentials::Secrets(_) | Credentials::Addresses => shown.clear(),
        }
        shown.clone()
    }

    fn shown(&self) -> MutexGuard<'_, BTreeMap<String, Validity>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a host, canonical, is one of a member.
    pub(super) fn is_member(&self, policy: &Policy, host: &str) -> bool {
        policy.hosts.contains(host) || self.members.load().contains(host)
    }

    /// Whether a caller from `remote`, which reached us at `local`, calls from an address of a member. Callers on
    /// loopback may when the group lives there: some member is on loopback.
    pub(super) async fn is_member_address(
        &self,
        policy: &Policy,
        remote: IpAddr,
        local: IpAddr,
    ) -> bool {
        let remote = remote.to_canonical();
        let members = self.members.load_full();
        let hosts = policy.hosts.union(&members);
        let within = self.limits.look_up;
        if remote.is_loopback() {
            // From elsewhere such an address is forged.
            let is_local = local.to_canonical().is_loopback();
            return is_local && self.book.any_is_loopback(hosts, within).await;
        }
        self.book.any_has(hosts, remote, within).await
    }

    /// Completes when a certificate expires.
    pub(super) fn at_expiry(&self, expires_at: i64) -> BoxFuture<'static, ()> {
        // A timer counts on while the wall clock is set, so it is read again at least every hour.
        const AT_MOST: Duration = Duration::from_secs(3600);
        let clock = self.clock.clone();
        Box::pin(async move {
            loop {
                let left = expires_at.saturating_mul(1_000_000) - clock.now().as_micros();
                let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else {
                    return;
                };
                clock.sleep(Duration::from_micros(left).min(AT_MOST)).await;
            }
        })
    }
}

/// Bytes that nobody can foretell.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .expect("the system has a source of randomness; nothing is safe without");
    bytes
}

fn bind_address(config: &Config) -> Result<SocketAddr, Error> {
    let text = config.bind.trim();
    let bad = || Error::BadAddress {
        key: "RaftBind",
        text: config.bind.clone(),
    };
    if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::from(([0, 0, 0, 0], port)));
    }
    let HostPort { host, port } = HostPort::parse(text, config.default_port).ok_or_else(bad)?;
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, port));
    }
    let unresolved = |source| Error::Unresolved {
        bind: config.bind.clone(),
        source,
    };
    let mut found = (host.as_str(), port)
        .to_socket_addrs()
        .map_err(unresolved)?;
    found.next().ok_or_else(bad)
}

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, ProbeFailure, ProbeFailureKind};
use orchestrator_core::ports::Clock;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::failure::{failure, may_want_tls};
use super::tls_memory::TlsMemory;
use super::wire::{self, Conn, Login, TlsTarget, WireError};
use super::{Config, TlsConfig};

/// Addresses tried of a name that has several.
const MAX_ADDRESSES: usize = 4;

/// How long TLS files are used before they are read again, so that rotated certificates come into use by themselves.
const TLS_FILES_AGE: Duration = Duration::from_secs(60);

const FINDING: &str = "finding the address";
const CONNECTING: &str = "connecting";
const LOGGING_IN: &str = "logging in";

/// What a connection is for: it decides how long a login may take, and is told to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Probing.
    Probe,
    /// Beats of a primary.
    Beat,
    /// Changing something.
    Operation,
}

impl Purpose {
    /// `program_name` in the server's `performance_schema.session_connect_attrs`.
    const fn program(self) -> &'static str {
        match self {
            Self::Probe => "orchestrator probe",
            Self::Beat => "orchestrator beat",
            Self::Operation => "orchestrator",
        }
    }

    fn login_timeout(self, config: &Config) -> Duration {
        match self {
            Self::Probe | Self::Beat => config.read_timeout,
            Self::Operation => config.operation_timeout,
        }
    }
}

/// TLS material as it was read from its files.
struct LoadedTls {
    from: TlsConfig,
    at: Duration,
    config: Arc<ClientConfig>,
}

/// Opens connections to servers, as the configuration of the moment says. Shared by everything that talks to servers, so
/// that what was learnt about a server's TLS is known to all.
pub struct Connector {
    config: watch::Receiver<Arc<Config>>,
    clock: Arc<dyn Clock>,
    memory: TlsMemory,
    loaded: Mutex<Option<LoadedTls>>,
}

impl Connector {
    /// A connector that follows `config`.
    pub fn new(config: watch::Receiver<Arc<Config>>, clock: Arc<dyn Clock>) -> Self {
        Self {
            config,
            clock,
            memory: TlsMemory::default(),
            loaded: Mutex::new(None),
        }
    }

    /// The configuration of this moment.
    pub fn config(&self) -> Arc<Config> {
        self.config.borrow().clone()
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Connects and logs in. The name and the TCP connection are waited for at most `connect_timeout`, the login at most
    /// the time of its purpose. With mixed TLS a refused plain login is tried again encrypted, which is remembered for
    /// that server. Dropping the future closes what was opened.
    ///
    /// # Errors
    /// [`ProbeFailure`], never with a credential.
    pub async fn connect(&self, key: &InstanceKey, purpose: Purpose) -> Result<Conn, ProbeFailure> {
        let config = self.config();
        let always = config.tls.mutual;
        let may_learn = !always && config.tls.mixed;
        let now = self.clock.monotonic();
        if always || (may_learn && self.memory.wants_tls(key, now)) {
            return self.attempt(&config, key, purpose, true).await;
        }
        let refused = match self.attempt_plain(&config, key, purpose).await? {
            Ok(conn) => return Ok(conn),
            Err(refused) => refused,
        };
        let plain = failure(key, LOGGING_IN, &refused, false);
        if !may_learn || !may_want_tls(&refused) {
            return Err(plain);
        }
        match self.attempt(&config, key, purpose, true).await {
            Ok(conn) => {
                self.memory.remember(key, now, config.tls.memory);
                Ok(conn)
            }
            // The account was refused plainly, and TLS did not even come about: the first answer says more.
            Err(tls) if tls.kind == ProbeFailureKind::Tls && refused.code() == 1045 => Err(plain),
            Err(tls) => Err(tls),
        }
    }

    /// A plain attempt, whose refused login comes back as it was.
    async fn attempt_plain(
        &self,
        config: &Config,
        key: &InstanceKey,
        purpose: Purpose,
    ) -> Result<Result<Conn, WireError>, ProbeFailure> {
        let socket = open(config, key).await?;
        log_in(config, key, purpose, socket, None).await
    }

    async fn attempt(
        &self,
        config: &Config,
        key: &InstanceKey,
        purpose: Purpose,
        encrypted: bool,
    ) -> Result<Conn, ProbeFailure> {
        let target = if encrypted {
            let target = self
                .tls_config(&config.tls)
                .await
                .and_then(|tls| wire::target(tls, key.host().as_str()))
                .map_err(|e| failure(key, "preparing TLS", &e, false))?;
            Some(target)
        } else {
            None
        };
        let socket = open(config, key).await?;
        log_in(config, key, purpose, socket, target.as_ref())
            .await?
            .map_err(|e| failure(key, LOGGING_IN, &e, false))
    }

    /// The TLS configuration, from files read a short while ago.
    async fn tls_config(&self, tls: &TlsConfig) -> Result<Arc<ClientConfig>, WireError> {
        let now = self.clock.monotonic();
        let known = self
            .loaded()
            .as_ref()
            .filter(|loaded| loaded.from == *tls && now.saturating_sub(loaded.at) < TLS_FILES_AGE)
            .map(|loaded| loaded.config.clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let from = tls.clone();
        let config = tokio::task::spawn_blocking(move || wire::client_config(&from))
            .await
            .map_err(|_| WireError::Tls("reading the TLS files was interrupted".to_owned()))??;
        let config = Arc::new(config);
        *self.loaded() = Some(LoadedTls {
            from: tls.clone(),
            at: now,
            config: config.clone(),
        });
        Ok(config)
    }

    fn loaded(&self) -> std::sync::MutexGuard<'_, Option<LoadedTls>> {
        // Only whole values are ever put in.
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A TCP connection to the first address that takes one. The limit stays below that of a whole probe, so that an
/// unreachable host is not taken for a silent server.
async fn open(config: &Config, key: &InstanceKey) -> Result<TcpStream, ProbeFailure> {
    let limit = config.connect_timeout.min(config.read_timeout * 9 / 10);
    let opened = timeout(limit, async {
        let addresses = addresses(key).await?;
        let mut last = None;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(socket) => return Ok(socket),
                Err(e) => last = Some(e),
            }
        }
        let error = last.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into());
        Err(failure(key, CONNECTING, &WireError::Io(error), false))
    });
    let socket = match opened.await {
        Ok(opened) => opened?,
        Err(_) => {
            return Err(ProbeFailure {
                kind: ProbeFailureKind::Unreachable,
                code: 0,
                message: format!("{key}: {CONNECTING} failed: no answer within {limit:?}"),
                is_partial: false,
            });
        }
    };
    socket
        .set_nodelay(true)
        .map_err(|e| failure(key, CONNECTING, &WireError::Io(e), false))?;
    Ok(socket)
}

async fn addresses(key: &InstanceKey) -> Result<Vec<SocketAddr>, ProbeFailure> {
    if let Some(ip) = key.host().as_ip() {
        return Ok(vec![SocketAddr::new(ip, key.port())]);
    }
    let unknown = |reason: String| ProbeFailure {
        kind: ProbeFailureKind::UnknownHost,
        code: 0,
        message: format!("{key}: {FINDING} failed: {reason}"),
        is_partial: false,
    };
    let found: Vec<SocketAddr> = tokio::net::lookup_host((key.host().as_str(), key.port()))
        .await
        .map_err(|e| unknown(e.to_string()))?
        .take(MAX_ADDRESSES)
        .collect();
    if found.is_empty() {
        return Err(unknown("the name has no address".to_owned()));
    }
    Ok(found)
}

/// Logs in within the time of the purpose. The inner error is the server's or the protocol's.
async fn log_in(
    config: &Config,
    key: &InstanceKey,
    purpose: Purpose,
    socket: TcpStream,
    tls: Option<&TlsTarget>,
) -> Result<Result<Conn, WireError>, ProbeFailure> {
    let login = Login {
        user: &config.user,
        password: &config.password,
        tls,
        program: purpose.program(),
    };
    let limit = purpose.login_timeout(config);
    timeout(limit, wire::login(socket, &login))
        .await
        .map_err(|_| ProbeFailure {
            kind: ProbeFailureKind::Timeout,
            code: 0,
            message: format!("{key}: {LOGGING_IN} failed: no answer within {limit:?}"),
            is_partial: false,
        })
}

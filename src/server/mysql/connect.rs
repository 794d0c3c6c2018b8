use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, ProbeFailure, ProbeFailureKind};
use orchestrator_core::ports::Clock;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::driver::{self, Conn, DriverError, Login, Tls};
use super::failure::{failure, may_want_tls};
use super::tls_memory::TlsMemory;
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
    /// Keeping this node's own state there.
    Store,
}

/// Longest packet of a store: the largest value that is ever stored, with room for the statement around it.
const STORE_PACKET_LIMIT: usize = 160 * 1024 * 1024;

impl Purpose {
    /// `program_name` in the server's `performance_schema.session_connect_attrs`.
    pub(super) const fn program(self) -> &'static str {
        match self {
            Self::Probe => "orchestrator probe",
            Self::Beat => "orchestrator beat",
            Self::Operation => "orchestrator",
            Self::Store => "orchestrator store",
        }
    }

    fn login_timeout(self, config: &Config) -> Duration {
        match self {
            Self::Probe | Self::Beat => config.read_timeout,
            Self::Operation | Self::Store => config.operation_timeout,
        }
    }

    const fn packet_limit(self) -> usize {
        match self {
            Self::Probe | Self::Beat | Self::Operation => driver::PACKET_LIMIT,
            Self::Store => STORE_PACKET_LIMIT,
        }
    }
}

/// TLS material as it was read from its files.
struct LoadedTls {
    from: TlsConfig,
    at: Duration,
    tls: Tls,
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

    /// Whether a connection to this server is encrypted from the start, as far as is known.
    pub(super) fn wants_tls(&self, key: &InstanceKey) -> bool {
        let tls = &self.config.borrow().tls;
        tls.mutual || (tls.mixed && self.memory.wants_tls(key, self.clock.monotonic()))
    }

    /// Remembers that a server let us in over TLS only.
    pub(super) fn remember_tls(&self, key: &InstanceKey) {
        let memory = self.config.borrow().tls.memory;
        self.memory.remember(key, self.clock.monotonic(), memory);
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Connects and logs in. The name and the TCP connection are waited for at most `connect_timeout`, the login after it at
    /// most the time of its purpose. With mixed TLS a refused plain login is tried again encrypted, which is remembered for
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
            return self.encrypted(&config, key, purpose).await;
        }
        let refused = match self.log_in(&config, key, purpose, None).await? {
            Ok(conn) => return Ok(conn),
            Err(refused) => refused,
        };
        let plain = refusal(key, &refused);
        if !may_learn || !may_want_tls(&refused) {
            return Err(plain);
        }
        match self.encrypted(&config, key, purpose).await {
            Ok(conn) => {
                self.memory.remember(key, now, config.tls.memory);
                Ok(conn)
            }
            // The account was refused plainly, and TLS did not even come about: the first answer says more.
            Err(tls) if tls.kind == ProbeFailureKind::Tls && refused.code() == 1045 => Err(plain),
            Err(tls) => Err(tls),
        }
    }

    async fn encrypted(
        &self,
        config: &Config,
        key: &InstanceKey,
        purpose: Purpose,
    ) -> Result<Conn, ProbeFailure> {
        let tls = self
            .tls(&config.tls)
            .await
            .map_err(|e| failure(key, "preparing TLS", &e, false))?;
        self.log_in(config, key, purpose, Some(&tls))
            .await?
            .map_err(|e| refusal(key, &e))
    }

    /// Finds the address, connects and logs in within the deadlines. The inner error is the server's or the protocol's.
    async fn log_in(
        &self,
        config: &Config,
        key: &InstanceKey,
        purpose: Purpose,
        tls: Option<&Tls>,
    ) -> Result<Result<Conn, DriverError>, ProbeFailure> {
        // It stays below the limit of a whole probe, so that an unreachable host is not taken for a silent server.
        let limit = config.connect_timeout.min(config.read_timeout * 9 / 10);
        let began = self.clock.monotonic();
        let addresses = timeout(limit, addresses(key))
            .await
            .unwrap_or_else(|_| Err(unanswered(key, CONNECTING, limit)))?;
        let left = limit.saturating_sub(self.clock.monotonic().saturating_sub(began));
        let login = Login {
            host: key.host().as_str(),
            addresses: &addresses,
            port: key.port(),
            user: &config.user,
            password: &config.password,
            tls,
            program: purpose.program(),
            packet_limit: purpose.packet_limit(),
        };
        let mut login = pin!(driver::login(&login));
        tokio::select! {
            biased;
            outcome = &mut login => return Ok(outcome),
            reached = second_knock(key, &addresses, left) => match reached {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::TimedOut => {
                    return Err(unanswered(key, CONNECTING, limit));
                }
                Err(e) => return Err(failure(key, CONNECTING, &DriverError::Io(e), false)),
            },
        }
        let limit = purpose.login_timeout(config);
        timeout(limit, login)
            .await
            .map_err(|_| unanswered(key, LOGGING_IN, limit))
    }

    /// TLS, from files read a short while ago.
    ///
    /// # Errors
    /// [`DriverError::Tls`] with the file.
    pub(super) async fn tls(&self, tls: &TlsConfig) -> Result<Tls, DriverError> {
        let now = self.clock.monotonic();
        let known = self
            .loaded()
            .as_ref()
            .filter(|loaded| loaded.from == *tls && now.saturating_sub(loaded.at) < TLS_FILES_AGE)
            .map(|loaded| loaded.tls.clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let from = tls.clone();
        let read = tokio::task::spawn_blocking(move || Tls::read(&from))
            .await
            .map_err(|_| DriverError::Tls("reading the TLS files was interrupted".to_owned()))??;
        *self.loaded() = Some(LoadedTls {
            from: tls.clone(),
            at: now,
            tls: read.clone(),
        });
        Ok(read)
    }

    fn loaded(&self) -> std::sync::MutexGuard<'_, Option<LoadedTls>> {
        // Only whole values are ever put in.
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the server can be reached at all, asked when half of the limit has passed without a login. The driver connects
/// and logs in as one step and does not tell how far it came; a second TCP connection does, which is closed at once. Servers
/// that answer in time never see it, and of a silent one it takes a place among its waiting connections, as the first does.
async fn second_knock(key: &InstanceKey, addresses: &[IpAddr], limit: Duration) -> io::Result<()> {
    sleep(limit / 2).await;
    let targets: Vec<SocketAddr> = addresses
        .iter()
        .map(|ip| SocketAddr::new(*ip, key.port()))
        .collect();
    timeout(limit / 2, TcpStream::connect(&targets[..])).await??;
    Ok(())
}

/// A failed login, in the words of the step that failed: these errors are of sockets that never were connected.
fn refusal(key: &InstanceKey, error: &DriverError) -> ProbeFailure {
    use io::ErrorKind::*;
    let step = match error {
        DriverError::Io(e) => match e.kind() {
            ConnectionRefused | HostUnreachable | NetworkUnreachable | NetworkDown
            | AddrNotAvailable | TimedOut | PermissionDenied => CONNECTING,
            _ => LOGGING_IN,
        },
        _ => LOGGING_IN,
    };
    failure(key, step, error, false)
}

fn unanswered(key: &InstanceKey, step: &str, limit: Duration) -> ProbeFailure {
    ProbeFailure {
        kind: match step {
            LOGGING_IN => ProbeFailureKind::Timeout,
            _ => ProbeFailureKind::Unreachable,
        },
        code: 0,
        message: format!("{key}: {step} failed: no answer within {limit:?}"),
        is_partial: false,
    }
}

/// The addresses of a host, a few at most.
///
/// # Errors
/// `UnknownHost`.
pub(super) async fn addresses(key: &InstanceKey) -> Result<Vec<IpAddr>, ProbeFailure> {
    if let Some(ip) = key.host().as_ip() {
        return Ok(vec![ip]);
    }
    let unknown = |reason: String| ProbeFailure {
        kind: ProbeFailureKind::UnknownHost,
        code: 0,
        message: format!("{key}: {FINDING} failed: {reason}"),
        is_partial: false,
    };
    let found: Vec<IpAddr> = tokio::net::lookup_host((key.host().as_str(), key.port()))
        .await
        .map_err(|e| unknown(e.to_string()))?
        .map(|address| address.ip())
        .take(MAX_ADDRESSES)
        .collect();
    if found.is_empty() {
        return Err(unknown("the name has no address".to_owned()));
    }
    Ok(found)
}

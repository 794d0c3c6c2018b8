use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, ProbeFailure, ProbeFailureKind};
use orchestrator_core::ports::{BeatLine, Beater, BoxFuture, NoLine, Vigil};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::driver_line::DriverLine;
use super::line::WireLine;
use super::login::{Account, NoLogin, ask_for_tls, log_in};
use super::vigil;
use super::wire::{Wire, error_number};
use crate::mysql::connect::addresses;
use crate::mysql::driver::caught;
use crate::mysql::{Connector, Purpose};

/// Opens connections for beats by the account and TLS of probes.
pub struct MysqlBeater {
    connector: Arc<Connector>,
    /// Addresses of names, as they were last found: a name service that fails must not hide a dead primary, nor make one. One
    /// entry for each server that was ever asked, as many as there are primaries.
    found: Mutex<HashMap<InstanceKey, Vec<IpAddr>>>,
}

/// How long a name is looked up before it is taken as it was last found.
const LOOKUP_WITHIN: Duration = Duration::from_millis(200);

/// What came of a connection of our own.
enum Own {
    Plain(Wire<TcpStream>),
    Encrypted(Box<Wire<TlsStream<TcpStream>>>),
    /// The driver is to try.
    NotSpoken,
}

/// What a login tells of the server.
fn logged_in(login: Result<(), NoLogin>, own: impl FnOnce() -> Own) -> Result<Own, NoLine> {
    match login {
        Ok(()) => Ok(own()),
        Err(NoLogin::NotSpoken) => Ok(Own::NotSpoken),
        Err(NoLogin::Refused(number)) => Err(NoLine::Answered {
            refusal: Some(number),
        }),
        // It said something, and then no more, or closed the connection: the next attempt tells which.
        Err(NoLogin::Io | NoLogin::NoTls) => Err(NoLine::Answered { refusal: None }),
    }
}

impl MysqlBeater {
    /// A beater that logs in as `connector` does.
    pub fn new(connector: Arc<Connector>) -> Self {
        Self {
            connector,
            found: Mutex::default(),
        }
    }

    /// The addresses of a server: found now, or else as they were last found.
    async fn addresses(&self, key: &InstanceKey) -> Result<Vec<IpAddr>, NoLine> {
        let unfound = match timeout(LOOKUP_WITHIN, addresses(key)).await {
            Ok(Ok(found)) => {
                if key.host().as_ip().is_none() {
                    self.remembered().insert(key.clone(), found.clone());
                }
                return Ok(found);
            }
            Ok(Err(failure)) => not_tried(failure),
            Err(_) => NoLine::NotTried {
                why: format!("{key}: the name service does not answer"),
            },
        };
        self.remembered().get(key).cloned().ok_or(unfound)
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<InstanceKey, Vec<IpAddr>>> {
        // Only whole values are ever put in.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn line(&self, key: &InstanceKey, within: Duration) -> Result<Box<dyn BeatLine>, NoLine> {
        match self.own(key, within).await? {
            Own::Plain(wire) => Ok(Box::new(WireLine::new(wire))),
            Own::Encrypted(wire) => Ok(Box::new(WireLine::new(*wire))),
            Own::NotSpoken => self.by_driver(key, within).await,
        }
    }

    async fn vigil(&self, key: &InstanceKey, within: Duration) -> Result<Vigil, NoLine> {
        let vigil = match self.own(key, within).await? {
            Own::Plain(wire) => vigil::open(wire).await,
            Own::Encrypted(wire) => vigil::open(*wire).await,
            Own::NotSpoken => {
                return Err(NoLine::NotTried {
                    why: format!("{key}: its login is not spoken here"),
                });
            }
        };
        // It said something, and then no more, or closed the connection: the next attempt tells which.
        vigil.map_err(|_| NoLine::Answered { refusal: None })
    }

    /// A connection of our own, logged in; encrypted where that is wanted, by us or, as far as is known or found, by the server.
    async fn own(&self, key: &InstanceKey, within: Duration) -> Result<Own, NoLine> {
        if self.connector.wants_tls(key) {
            return self.encrypted(key, within).await;
        }
        let refused = match self.plain(key, within).await {
            // TLS may be wanted of everybody, or of the account.
            Err(NoLine::Answered {
                refusal: refusal @ Some(1045 | 3159),
            }) if self.connector.config().tls.mixed => NoLine::Answered { refusal },
            other => return other,
        };
        match self.encrypted(key, within).await {
            Ok(own) => {
                if matches!(own, Own::Encrypted(_)) {
                    self.connector.remember_tls(key);
                }
                Ok(own)
            }
            // The first answer says more.
            Err(_) => Err(refused),
        }
    }

    async fn plain(&self, key: &InstanceKey, within: Duration) -> Result<Own, NoLine> {
        let (mut wire, greeting) = self.met(key, within).await?;
        // The library that reads packets expects them to be long enough.
        let logging_in = caught(self.log_in(&mut wire, &greeting, false));
        let login = timeout(within, logging_in).await;
        match login.map(|login| login.unwrap_or(Err(NoLogin::NotSpoken))) {
            Ok(outcome) => logged_in(outcome, || Own::Plain(wire)),
            Err(_) => logged_in(Err(NoLogin::Io), || Own::NotSpoken),
        }
    }

    async fn encrypted(&self, key: &InstanceKey, within: Duration) -> Result<Own, NoLine> {
        let not_tried = |why: &dyn std::fmt::Display| NoLine::NotTried {
            why: format!("{key}: {why}"),
        };
        let config = self.connector.config();
        let tls = self.connector.tls(&config.tls).await;
        let connector = TlsConnector::from(tls.map_err(|why| not_tried(&why))?.client());
        let name = ServerName::try_from(key.host().as_str().to_owned());
        let name = name.map_err(|why| not_tried(&why))?;
        let (mut wire, greeting) = self.met(key, within).await?;
        let logging_in = caught(async {
            ask_for_tls(&mut wire, &greeting).await?;
            let becoming = async |stream: TcpStream| connector.connect(name, stream).await;
            let mut wire = wire.become_of(becoming).await.map_err(|_| NoLogin::Io)?;
            self.log_in(&mut wire, &greeting, true).await?;
            Ok::<_, NoLogin>(wire)
        });
        let login = timeout(within, logging_in).await;
        match login.map(|login| login.unwrap_or(Err(NoLogin::NotSpoken))) {
            Ok(Ok(wire)) => Ok(Own::Encrypted(Box::new(wire))),
            Ok(Err(why)) => logged_in(Err(why), || Own::NotSpoken),
            Err(_) => logged_in(Err(NoLogin::Io), || Own::NotSpoken),
        }
    }

    /// A connection with the server's greeting.
    async fn met(
        &self,
        key: &InstanceKey,
        within: Duration,
    ) -> Result<(Wire<TcpStream>, Vec<u8>), NoLine> {
        let found = self.addresses(key).await?;
        let met = timeout(within, greeted(key, found)).await;
        let (wire, greeting) = met.unwrap_or(Err(NoLine::Silent))?;
        match error_number(&greeting) {
            None => Ok((wire, greeting)),
            refusal => Err(NoLine::Answered { refusal }),
        }
    }

    async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        greeting: &[u8],
        is_encrypted: bool,
    ) -> Result<(), NoLogin> {
        let config = self.connector.config();
        let account = Account {
            user: &config.user,
            password: config.password.expose(),
            program: Purpose::Beat.program(),
            is_encrypted,
        };
        log_in(wire, greeting, &account).await
    }

    async fn by_driver(
        &self,
        key: &InstanceKey,
        within: Duration,
    ) -> Result<Box<dyn BeatLine>, NoLine> {
        let connected = timeout(within * 2, self.connector.connect(key, Purpose::Beat)).await;
        match connected {
            Ok(Ok(conn)) => return Ok(Box::new(DriverLine::new(conn))),
            Ok(Err(failure)) => match by_failure(&failure) {
                NoLine::Silent => {}
                why => return Err(why),
            },
            Err(_) => {}
        }
        // The driver does not tell how far it came, and a server that begins a login is not silent.
        let found = self.addresses(key).await?;
        match timeout(within, greeted(key, found)).await {
            Ok(Ok(_)) => Err(NoLine::Answered { refusal: None }),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(NoLine::Silent),
        }
    }
}

impl Beater for MysqlBeater {
    fn connect<'a>(
        &'a self,
        key: &'a InstanceKey,
        within: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn BeatLine>, NoLine>> {
        Box::pin(self.line(key, within))
    }

    fn vigil<'a>(
        &'a self,
        key: &'a InstanceKey,
        within: Duration,
    ) -> BoxFuture<'a, Result<Vigil, NoLine>> {
        Box::pin(self.vigil(key, within))
    }
}

/// A connection with the server's first packet.
async fn greeted(
    key: &InstanceKey,
    found: Vec<IpAddr>,
) -> Result<(Wire<TcpStream>, Vec<u8>), NoLine> {
    let targets: Vec<SocketAddr> = found
        .into_iter()
        .map(|ip| SocketAddr::new(ip, key.port()))
        .collect();
    let stream = TcpStream::connect(&targets[..])
        .await
        .map_err(unconnected)?;
    // Without it packets come a little later, and that is all.
    stream.set_nodelay(true).ok();
    let mut wire = Wire::new(stream);
    let greeting = wire.read().await.map_err(|error| match error.kind() {
        // It is no MySQL server; the probe says what is wrong with it.
        io::ErrorKind::InvalidData => NoLine::Answered { refusal: None },
        _ => NoLine::Refused,
    })?;
    Ok((wire, greeting))
}

fn not_tried(failure: ProbeFailure) -> NoLine {
    NoLine::NotTried {
        why: failure.message,
    }
}

/// What a failed connection tells of the server. Without a socket of our own nothing was tried. That there is no way to its network is what a
/// router says of a data centre that is cut off; where it is said of all servers, it is our own link, and counted as such.
pub(super) fn unconnected(error: io::Error) -> NoLine {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted => NoLine::Refused,
        io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => NoLine::Silent,
        _ => NoLine::NotTried {
            why: error.to_string(),
        },
    }
}

fn by_failure(failure: &ProbeFailure) -> NoLine {
    match failure.kind {
        ProbeFailureKind::Refused => NoLine::Refused,
        ProbeFailureKind::Unreachable | ProbeFailureKind::Timeout => NoLine::Silent,
        ProbeFailureKind::UnknownHost => not_tried(failure.clone()),
        ProbeFailureKind::AccessDenied
        | ProbeFailureKind::RefusesUs
        | ProbeFailureKind::Tls
        | ProbeFailureKind::InvalidAnswer
        | ProbeFailureKind::Statement => NoLine::Answered {
            refusal: Some(failure.code).filter(|code| *code != 0),
        },
    }
}

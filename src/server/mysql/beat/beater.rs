use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, ProbeFailure, ProbeFailureKind};
use orchestrator_core::ports::{BeatLine, Beater, BoxFuture, NoLine, Vigil};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::driver_line::DriverLine;
use super::line::PlainLine;
use super::login::{Account, NoLogin, log_in};
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

/// What came of a plain connection.
enum Plain {
    In(Wire<TcpStream>),
    /// The driver is to try.
    NotSpoken,
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
        if !self.connector.wants_tls(key) {
            match self.plain(key, within).await {
                Ok(Plain::In(wire)) => return Ok(Box::new(PlainLine::new(wire))),
                Ok(Plain::NotSpoken) => {}
                // TLS may be wanted of the account.
                Err(NoLine::Answered {
                    refusal: Some(1045 | 3159),
                }) if self.connector.config().tls.mixed => {}
                Err(why) => return Err(why),
            }
        }
        self.by_driver(key, within).await
    }

    async fn vigil(&self, key: &InstanceKey, within: Duration) -> Result<Vigil, NoLine> {
        let not_possible = || NoLine::NotTried {
            why: format!("{key}: its connections are encrypted, or its login is not spoken here"),
        };
        if self.connector.wants_tls(key) {
            return Err(not_possible());
        }
        match self.plain(key, within).await? {
            Plain::In(wire) => {
                // It said something, and then no more, or closed the connection: the next attempt tells which.
                let none = NoLine::Answered { refusal: None };
                vigil::open(wire).await.map_err(|_| none)
            }
            Plain::NotSpoken => Err(not_possible()),
        }
    }

    /// A plain connection, logged in.
    async fn plain(&self, key: &InstanceKey, within: Duration) -> Result<Plain, NoLine> {
        let found = self.addresses(key).await?;
        let stream = timeout(within, greeted(key, found));
        let (mut wire, greeting) = stream.await.unwrap_or(Err(NoLine::Silent))?;
        if let Some(refusal) = error_number(&greeting) {
            let refusal = Some(refusal);
            return Err(NoLine::Answered { refusal });
        }
        let config = self.connector.config();
        let account = Account {
            user: &config.user,
            password: config.password.expose(),
            program: Purpose::Beat.program(),
        };
        // The library that reads packets expects them to be long enough.
        let logging_in = caught(log_in(&mut wire, &greeting, &account));
        let login = timeout(within, logging_in).await;
        match login.map(|login| login.unwrap_or(Err(NoLogin::NotSpoken))) {
            Ok(Ok(())) => Ok(Plain::In(wire)),
            Ok(Err(NoLogin::NotSpoken)) => Ok(Plain::NotSpoken),
            Ok(Err(NoLogin::Refused(number))) => {
                let refusal = Some(number);
                Err(NoLine::Answered { refusal })
            }
            // It said something, and then no more, or closed the connection: the next attempt tells which.
            Ok(Err(NoLogin::Io)) | Err(_) => Err(NoLine::Answered { refusal: None }),
        }
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

/// What a failed connection tells of the server. Without a route or a socket of our own nothing was tried.
fn unconnected(error: io::Error) -> NoLine {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted => NoLine::Refused,
        io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable => NoLine::Silent,
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

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, Secret};
use orchestrator_core::ports::Clock;
use tokio::sync::watch;

use super::super::LOG_ENTRIES_KEPT;
use crate::mysql::{Config, Connector, TlsConfig};

/// Wait for a login, where not even a connection may take longer: a server that hangs must not hold up each new try for as long as a
/// statement.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How a MySQL store is opened.
#[derive(Clone, Debug)]
pub struct MysqlOptions {
    /// The server (`MySQLOrchestratorHost`, `MySQLOrchestratorPort`).
    pub server: InstanceKey,
    /// The database on it, made when it is missing (`MySQLOrchestratorDatabase`).
    pub database: String,
    /// User (`MySQLOrchestratorUser`).
    pub user: String,
    /// Its password (`MySQLOrchestratorPassword`).
    pub password: Secret,
    /// TLS; `mutual` decides whether it is used (`MySQLOrchestratorUseMutualTLS`).
    pub tls: TlsConfig,
    /// Longest wait for a name and a TCP connection (`MySQLConnectTimeoutSeconds`).
    pub connect_timeout: Duration,
    /// Longest wait for an answer (`MySQLOrchestratorReadTimeoutSeconds`).
    pub read_timeout: Duration,
    /// Most connections (`MySQLOrchestratorMaxPoolConnections`); two are used, one will do.
    pub connections_max: usize,
    /// Leave a server that turns out to be read-only, so that the next try looks its name up anew
    /// (`MySQLOrchestratorRejectReadOnly`).
    pub leaves_read_only: bool,
    /// What this node is called in the row that says who has the database; the same after a restart.
    pub node: String,
    /// How many entries of the log are kept.
    pub log_entries_kept: u64,
    /// Whether everything is in a durable log elsewhere: see [`SqliteOptions::is_derived`](crate::store::SqliteOptions).
    pub is_derived: bool,
}

impl MysqlOptions {
    /// A store in `database` of `server`, with default deadlines and without TLS.
    pub fn new(server: InstanceKey, database: &str, node: &str) -> Self {
        Self {
            server,
            database: database.to_owned(),
            user: String::new(),
            password: Secret::default(),
            tls: TlsConfig {
                mutual: false,
                mixed: false,
                ..TlsConfig::default()
            },
            connect_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_secs(30),
            connections_max: 128,
            leaves_read_only: false,
            node: node.to_owned(),
            log_entries_kept: LOG_ENTRIES_KEPT,
            is_derived: false,
        }
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        format!("mysql://{}/{}", self.server, self.database)
    }

    /// What connects to the server.
    pub(in crate::store) fn connector(&self, clock: Arc<dyn Clock>) -> Arc<Connector> {
        let config = Config {
            user: self.user.clone(),
            password: self.password.clone(),
            tls: self.tls.clone(),
            connect_timeout: self.connect_timeout,
            read_timeout: self.read_timeout,
            operation_timeout: self.connect_timeout.max(LOGIN_TIMEOUT),
            ..Config::default()
        };
        // Nothing of it changes while the process runs, so nobody holds the sender.
        let (_, config) = watch::channel(Arc::new(config));
        Arc::new(Connector::new(config, clock))
    }
}

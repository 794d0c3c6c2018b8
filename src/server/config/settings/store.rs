use std::path::PathBuf;
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, Secret};

use super::TopologyTls;
use crate::config::table;
use crate::config::values::Values;

/// Wait for an answer where the configuration sets none: the predecessor's default.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The word of `SQLite3DataFile` for no file.
const MEMORY: &str = ":memory:";

/// Where decided state is kept. `place` decides the path.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// What the files say about it.
    pub choice: StoreChoice,
    /// Where else the predecessor's tables may be: the file that `SQLite3DataFile` names, wherever the store is.
    pub old_file: Option<PathBuf>,
    /// The same for the database of the keys `MySQLOrchestrator…`, where one of them is set.
    pub old_database: Option<Box<MysqlStoreSettings>>,
}

/// What the files say about the place of the store.
#[derive(Clone, Debug)]
pub enum StoreChoice {
    /// This SQLite file (`SQLite3DataFile`).
    File(PathBuf),
    /// In memory only (`SQLite3DataFile` is `:memory:`).
    Memory,
    /// A file in this directory (`RaftDataDir`).
    Directory(PathBuf),
    /// Nothing.
    Unsaid,
    /// A database on a MySQL server.
    Mysql(Box<MysqlStoreSettings>),
}

/// A store on a MySQL or MariaDB server.
#[derive(Clone, Debug)]
pub struct MysqlStoreSettings {
    /// The server (`MySQLOrchestratorHost`, `MySQLOrchestratorPort`).
    pub server: InstanceKey,
    /// The database (`MySQLOrchestratorDatabase`).
    pub database: String,
    /// User (`MySQLOrchestratorUser`, or from the credentials file).
    pub user: String,
    /// Password (`MySQLOrchestratorPassword`, or from the credentials file or the environment).
    pub password: Secret,
    /// Whether TLS is used (`MySQLOrchestratorUseMutualTLS`).
    pub uses_tls: bool,
    /// Certificates, when it is.
    pub tls: TopologyTls,
    /// Longest time to connect, never 0 (`MySQLConnectTimeoutSeconds`).
    pub connect_timeout: Duration,
    /// Longest wait for an answer, never 0 (`MySQLOrchestratorReadTimeoutSeconds`).
    pub read_timeout: Duration,
    /// Most connections, never 0 (`MySQLOrchestratorMaxPoolConnections`).
    pub connections_max: usize,
    /// Leave a server that is read-only (`MySQLOrchestratorRejectReadOnly`).
    pub rejects_read_only: bool,
}

impl MysqlStoreSettings {
    /// `None` when the server has no valid name, which the rules report.
    fn resolve(values: &Values) -> Option<Self> {
        let port = u16::try_from(values.integer("MySQLOrchestratorPort")).ok()?;
        let host = values.text("MySQLOrchestratorHost");
        let read_timeout = values.seconds("MySQLOrchestratorReadTimeoutSeconds");
        let connections = values.size("MySQLOrchestratorMaxPoolConnections");
        Some(Self {
            server: InstanceKey::from_parts(host.trim(), &port.to_string()).ok()?,
            database: values.text("MySQLOrchestratorDatabase"),
            user: values.text("MySQLOrchestratorUser"),
            password: values.secret("MySQLOrchestratorPassword"),
            uses_tls: values.boolean("MySQLOrchestratorUseMutualTLS"),
            tls: TopologyTls::of_store(values),
            connect_timeout: values.seconds("MySQLConnectTimeoutSeconds"),
            read_timeout: match read_timeout.is_zero() {
                true => READ_TIMEOUT,
                false => read_timeout,
            },
            connections_max: match connections {
                0 => usize::MAX,
                some => some,
            },
            rejects_read_only: values.boolean("MySQLOrchestratorRejectReadOnly"),
        })
    }
}

impl StoreSettings {
    pub(super) fn resolve(values: &Values) -> Self {
        let old_database = Self::first_mysql_key(values)
            .and(MysqlStoreSettings::resolve(values))
            .map(Box::new);
        let file = values.path("SQLite3DataFile");
        let old_file = file.filter(|path| path.as_os_str() != MEMORY);
        Self {
            choice: Self::choose(values),
            old_file,
            old_database,
        }
    }

    fn choose(values: &Values) -> StoreChoice {
        let mysql = Self::key_asking_for_mysql(values).and(MysqlStoreSettings::resolve(values));
        if let Some(mysql) = mysql {
            return StoreChoice::Mysql(Box::new(mysql));
        }
        match (values.path("SQLite3DataFile"), values.path("RaftDataDir")) {
            (Some(path), _) if path.as_os_str() == MEMORY => StoreChoice::Memory,
            (Some(path), _) => StoreChoice::File(path),
            (None, Some(directory)) => StoreChoice::Directory(directory),
            (None, None) => StoreChoice::Unsaid,
        }
    }

    fn first_mysql_key(values: &Values) -> Option<&'static str> {
        table::keys()
            .find(|key| key.name.starts_with("MySQLOrchestrator") && values.is_changed(key))
            .map(|key| key.name)
    }

    /// The key because of which the store is a MySQL server: `BackendDB`, or without it the first
    /// `MySQLOrchestrator…` key that is set to other than its default.
    pub(in crate::config) fn key_asking_for_mysql(values: &Values) -> Option<&'static str> {
        match values.text("BackendDB").as_str() {
            "mysql" => Some("BackendDB"),
            "" => Self::first_mysql_key(values),
            _ => None,
        }
    }
}

use std::path::PathBuf;
use std::time::Duration;

use orchestrator_core::domain::Secret;

use crate::config::values::Values;

/// How MySQL servers are reached.
#[derive(Clone, Debug)]
pub struct TopologyConnection {
    /// User (`MySQLTopologyUser`, or from the credentials file).
    pub user: String,
    /// Password (`MySQLTopologyPassword`, or from the credentials file or the environment).
    pub password: Secret,
    /// When TLS is used.
    pub tls: TlsPolicy,
    /// Longest time to connect, never 0 (`MySQLConnectTimeoutSeconds`).
    pub connect_timeout: Duration,
    /// Longest wait for an answer while probing, never 0 (`MySQLDiscoveryReadTimeoutSeconds`).
    pub probe_read_timeout: Duration,
    /// Age at which a connection is replaced; none keeps it (`MySQLConnectionLifetimeSeconds`).
    pub connection_life: Option<Duration>,
}

/// When TLS is used with a MySQL server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPolicy {
    /// Never.
    Never,
    /// When the server refuses us without: error 3159 (`ER_SECURE_TRANSPORT_REQUIRED`), or access denied
    /// (`MySQLTopologyUseMixedTLS`).
    WhenRefused,
    /// Always (`MySQLTopologyUseMutualTLS`, which wins).
    Always,
}

/// Certificates for connections to MySQL servers: those of topologies, or the one that has the store. Files that are named exist, and the
/// key is private.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyTls {
    /// Private key and certificate of ours, both or none (`MySQLTopologySSLPrivateKeyFile`, `…CertFile`, and the same of `MySQLOrchestrator…`).
    pub identity: Option<TopologyIdentity>,
    /// Authorities that servers are checked against (`MySQLTopologySSLCAFile`); none takes those of the system.
    pub ca: Option<PathBuf>,
    /// Accept any certificate (`MySQLTopologySSLSkipVerify`).
    pub skips_verification: bool,
}

/// Our certificate towards MySQL servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyIdentity {
    /// PEM file with the private key.
    pub private_key: PathBuf,
    /// PEM file with the certificate.
    pub certificate: PathBuf,
}

impl TopologyConnection {
    pub(super) fn resolve(values: &Values) -> Self {
        Self {
            user: values.text("MySQLTopologyUser"),
            password: values.secret("MySQLTopologyPassword"),
            tls: TlsPolicy::resolve(values),
            connect_timeout: values.seconds("MySQLConnectTimeoutSeconds"),
            probe_read_timeout: values.seconds("MySQLDiscoveryReadTimeoutSeconds"),
            connection_life: Some(values.seconds("MySQLConnectionLifetimeSeconds"))
                .filter(|life| !life.is_zero()),
        }
    }
}

impl TlsPolicy {
    fn resolve(values: &Values) -> Self {
        match (
            values.boolean("MySQLTopologyUseMutualTLS"),
            values.boolean("MySQLTopologyUseMixedTLS"),
        ) {
            (true, _) => Self::Always,
            (false, true) => Self::WhenRefused,
            (false, false) => Self::Never,
        }
    }
}

impl TopologyTls {
    pub(super) fn resolve(values: &Values) -> Self {
        let files = values
            .path("MySQLTopologySSLPrivateKeyFile")
            .zip(values.path("MySQLTopologySSLCertFile"));
        Self {
            identity: files.map(TopologyIdentity::from),
            ca: values.path("MySQLTopologySSLCAFile"),
            skips_verification: values.boolean("MySQLTopologySSLSkipVerify"),
        }
    }

    /// Those for the server that has the store.
    pub(super) fn of_store(values: &Values) -> Self {
        let files = values
            .path("MySQLOrchestratorSSLPrivateKeyFile")
            .zip(values.path("MySQLOrchestratorSSLCertFile"));
        Self {
            identity: files.map(TopologyIdentity::from),
            ca: values.path("MySQLOrchestratorSSLCAFile"),
            skips_verification: values.boolean("MySQLOrchestratorSSLSkipVerify"),
        }
    }
}

impl From<(PathBuf, PathBuf)> for TopologyIdentity {
    fn from((private_key, certificate): (PathBuf, PathBuf)) -> Self {
        Self {
            private_key,
            certificate,
        }
    }
}

//! The configuration as the rest of the service uses it: typed, checked, with every default filled in.
//!
//! [`Startup`] holds what is read once; [`Live`] holds what a reload may replace, so that the type says what can change
//! under a running process. Every field's meaning, bounds and default is that of its key in the table, named here
//! where the name differs.

mod auth;
mod detection;
mod discovery;
mod filters;
mod http;
mod kv;
mod naming;
mod network;
mod raft;
mod recovery;
mod store;
mod topology;

pub use auth::{Auth, AuthMethod};
pub use detection::{ClusterAlias, Detection};
pub use discovery::{Discovery, Workers};
pub use filters::{ClusterFilter, ClusterFilters};
pub use http::{HttpAccess, Listen, ListenAddress, Routes, ServiceTls};
pub use kv::{Consul, KeyValueStores};
pub use naming::{HostNameResolve, Naming, ServerName};
pub use network::Network;
pub use raft::{RaftCredentials, RaftMember, RaftSettings, RaftTls};
pub use recovery::{Hooks, Recovery, UnappliedRelayLog};
pub use store::{MysqlStoreSettings, StoreChoice, StoreSettings};
pub use topology::{TlsPolicy, TopologyConnection, TopologyIdentity, TopologyTls};

use std::path::PathBuf;
use std::time::Duration;

use orchestrator_core::domain::HostFilters;

use self::filters::host_filters;
use super::report::Report;
use super::values::Values;

/// Everything the service is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Read once, at the start of the process.
    pub startup: Startup,
    /// Replaced by a reload.
    pub live: Live,
}

/// What counts from the start of the process to its end: listeners, paths of the service, files of TLS, store, raft,
/// and numbers of workers.
#[derive(Clone, Debug)]
pub struct Startup {
    /// Where the HTTP service listens.
    pub listen: Listen,
    /// Paths of the HTTP service.
    pub routes: Routes,
    /// Certificates of the HTTP service, when it serves TLS.
    pub tls: Option<ServiceTls>,
    /// Certificates for connections to MySQL servers.
    pub topology_tls: TopologyTls,
    /// Where decided state is kept.
    pub store: StoreSettings,
    /// The raft group.
    pub raft: RaftSettings,
    /// How much is probed at the same time.
    pub workers: Workers,
    /// File that requests to change something are appended to (`AuditLogFile`).
    pub audit_file: Option<PathBuf>,
}

/// What a reload may replace.
#[derive(Clone, Debug)]
pub struct Live {
    /// Logging.
    pub log: Log,
    /// Who may speak to the HTTP service, and whether anything may change.
    pub http: HttpAccess,
    /// Users and their rights.
    pub auth: Auth,
    /// How MySQL servers are reached. Counts from the next connection.
    pub mysql: TopologyConnection,
    /// What is probed, and when.
    pub discovery: Discovery,
    /// Names of servers.
    pub naming: Naming,
    /// What else is found out about servers.
    pub detection: Detection,
    /// What counts as a problem.
    pub problems: Problems,
    /// Registered promotion rules.
    pub candidates: Candidates,
    /// Recoveries.
    pub recovery: Recovery,
    /// Commands at moments of recoveries.
    pub hooks: Hooks,
    /// Consul and ZooKeeper. Not in effect in this release.
    pub kv: KeyValueStores,
    /// Reading the configuration again.
    pub reload: ReloadSettings,
    /// All members of the group, as written (`RaftNodes`).
    pub raft_nodes: Vec<String>,
    /// By what members of the group make sure of each other.
    pub raft_credentials: RaftCredentials,
}

/// Logging.
#[derive(Clone, Debug)]
pub struct Log {
    /// Log at level DEBUG (`Debug`); the command line's `-quiet` wins.
    pub is_debug: bool,
}

/// What counts as a problem.
#[derive(Clone, Debug)]
pub struct Problems {
    /// Lag above which a replica is a problem (`ReasonableReplicationLagSeconds`).
    pub lag_max: Duration,
    /// Servers left out of the list of problems (`ProblemIgnoreHostnameFilters`).
    pub ignore: HostFilters,
    /// Servers left out of lists for online schema changes (`OSCIgnoreHostnameFilters`).
    pub osc_ignore: HostFilters,
}

/// Registered promotion rules.
#[derive(Clone, Debug)]
pub struct Candidates {
    /// How long one counts (`CandidateInstanceExpireMinutes`).
    pub expire_after: Duration,
}

/// Reading the configuration again.
#[derive(Clone, Debug)]
pub struct ReloadSettings {
    /// Directories that may hold one further file (`ConfigReloadDirectories`).
    pub directories: Vec<PathBuf>,
}

impl Settings {
    /// Makes settings of the values, reporting those that are no settings; these count as their defaults.
    pub(super) fn resolve(values: &Values, report: &mut Report) -> Self {
        Self {
            startup: Startup::resolve(values, report),
            live: Live::resolve(values, report),
        }
    }
}

/// What holds without any file.
impl Default for Settings {
    fn default() -> Self {
        Self::resolve(&Values::default(), &mut Report::default())
    }
}

impl Startup {
    fn resolve(values: &Values, report: &mut Report) -> Self {
        Self {
            listen: Listen::resolve(values, report),
            routes: Routes::resolve(values, report),
            tls: ServiceTls::resolve(values),
            topology_tls: TopologyTls::resolve(values),
            store: StoreSettings::resolve(values),
            raft: RaftSettings::resolve(values),
            workers: Workers::resolve(values),
            audit_file: values.path("AuditLogFile"),
        }
    }
}

impl Live {
    fn resolve(values: &Values, report: &mut Report) -> Self {
        Self {
            log: Log {
                is_debug: values.boolean("Debug"),
            },
            http: HttpAccess::resolve(values),
            auth: Auth::resolve(values, report),
            mysql: TopologyConnection::resolve(values),
            discovery: Discovery::resolve(values, report),
            naming: Naming::resolve(values),
            detection: Detection::resolve(values),
            problems: Problems {
                lag_max: values.seconds("ReasonableReplicationLagSeconds"),
                ignore: host_filters(values, "ProblemIgnoreHostnameFilters"),
                osc_ignore: host_filters(values, "OSCIgnoreHostnameFilters"),
            },
            candidates: Candidates {
                expire_after: values.minutes("CandidateInstanceExpireMinutes"),
            },
            recovery: Recovery::resolve(values),
            hooks: Hooks::resolve(values),
            kv: KeyValueStores::resolve(values),
            raft_nodes: values.texts("RaftNodes"),
            raft_credentials: RaftCredentials::resolve(values),
            reload: ReloadSettings {
                directories: values
                    .texts("ConfigReloadDirectories")
                    .into_iter()
                    .map(PathBuf::from)
                    .collect(),
            },
        }
    }
}

use std::path::PathBuf;
use std::time::Duration;

use orchestrator_core::domain::Secret;

use crate::config::values::Values;

/// The raft group.
#[derive(Clone, Debug)]
pub struct RaftSettings {
    /// Directory of the node's own data (`RaftDataDir`).
    pub data_dir: Option<PathBuf>,
    /// Address told to members, as written (`RaftAdvertise`, or `RaftBind`); health answers show it.
    pub advertise: String,
    /// What a member of a group is told; `None` on a single node.
    pub group: Option<RaftMember>,
}

/// What a member of a group is told. Texts are as written.
#[derive(Clone, Debug)]
pub struct RaftMember {
    /// Directory of its own data (`RaftDataDir`).
    pub data_dir: PathBuf,
    /// Where it listens (`RaftBind`).
    pub bind: String,
    /// Its own entry among the nodes, or an address of it (`RaftAdvertise`, else `RaftBind`).
    pub advertise: String,
    /// Port of addresses written without one (`DefaultRaftPort`); 0 adds none.
    pub default_port: u16,
    /// All members (`RaftNodes`).
    pub nodes: Vec<String>,
    /// Fixed time between heartbeats (`RaftHeartbeatMilliseconds`).
    pub heartbeat: Option<Duration>,
    /// Fixed silence before an election (`RaftElectionMilliseconds`).
    pub election: Option<Duration>,
    /// URL of this node for the others (`HTTPAdvertise`), without a path.
    pub http: Option<String>,
}

/// By what members make sure of each other. A reload may replace it.
#[derive(Clone, Debug, Default)]
pub struct RaftCredentials {
    /// Certificates between members.
    pub tls: Option<RaftTls>,
    /// Secrets of the members, the one that is shown first (`RaftSharedSecret`).
    pub shared_secrets: Vec<Secret>,
    /// Refuse to run without certificates or secret (`RaftRequireAuthentication`).
    pub requires_authentication: bool,
}

/// Files of TLS between members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftTls {
    /// `RaftSSLCertFile`.
    pub certificate: PathBuf,
    /// `RaftSSLPrivateKeyFile`.
    pub private_key: PathBuf,
    /// `RaftSSLCAFile`.
    pub authority: PathBuf,
}

impl RaftSettings {
    pub(super) fn resolve(values: &Values) -> Self {
        Self {
            data_dir: values.path("RaftDataDir"),
            advertise: advertise(values),
            group: values
                .boolean("RaftEnabled")
                .then(|| RaftMember::resolve(values)),
        }
    }
}

fn advertise(values: &Values) -> String {
    values
        .some_text("RaftAdvertise")
        .unwrap_or_else(|| values.text("RaftBind"))
}

impl RaftMember {
    fn resolve(values: &Values) -> Self {
        let fixed = |name| Some(values.milliseconds(name)).filter(|length| !length.is_zero());
        Self {
            // A missing one is reported by the rule that it is needed.
            data_dir: values.path("RaftDataDir").unwrap_or_default(),
            bind: values.text("RaftBind"),
            advertise: advertise(values),
            default_port: u16::try_from(values.count("DefaultRaftPort")).unwrap_or(0),
            nodes: values.texts("RaftNodes"),
            heartbeat: fixed("RaftHeartbeatMilliseconds"),
            election: fixed("RaftElectionMilliseconds"),
            http: values.some_text("HTTPAdvertise"),
        }
    }
}

impl RaftCredentials {
    pub(super) fn resolve(values: &Values) -> Self {
        Self {
            tls: RaftTls::resolve(values),
            shared_secrets: values.secrets("RaftSharedSecret"),
            requires_authentication: values.boolean("RaftRequireAuthentication"),
        }
    }
}

impl RaftTls {
    fn resolve(values: &Values) -> Option<Self> {
        // Some without the others are reported by a rule.
        Some(Self {
            certificate: values.path("RaftSSLCertFile")?,
            private_key: values.path("RaftSSLPrivateKeyFile")?,
            authority: values.path("RaftSSLCAFile")?,
        })
    }
}

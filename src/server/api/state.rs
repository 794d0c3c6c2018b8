use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::analysis::AnalysisPolicy;
use orchestrator_core::domain::HostFilters;
use orchestrator_core::ports::{
    BeatReader, BoxFuture, Clock, DecisionReader, Discovery, Group, Guarding, Ids, Importing,
    PictureReader, Proposer, Recoveries, Resolver,
};
use orchestrator_core::recovery::RecoveryPolicy;
use regex::Regex;
use tokio::sync::watch;

use super::once::Answers;
use super::view::{Examined, ExaminedCache, View, ViewCache};

/// What handlers need to know of the configuration. Replaced as a whole when configuration is reloaded.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Path before all routes but a custom status endpoint; empty or `/prefix`.
    pub url_prefix: String,
    /// `StatusEndpoint`, `/api/status` by default; another value is served verbatim, without the prefix.
    pub status_endpoint: String,
    /// Port taken where a request names a host only.
    pub default_instance_port: u16,
    /// `InstancePollSeconds`: within this an instance is up to date; within five times this, recently checked.
    pub poll_interval: Duration,
    /// Lag above this is a problem.
    pub reasonable_lag: Duration,
    /// `ReasonableMaintenanceReplicationLagSeconds`: lag above this is shown as such in the topology text.
    pub maintenance_lag: Duration,
    /// How long a registered promotion rule holds.
    pub candidate_lifetime: Duration,
    /// Length of a downtime whose request names none.
    pub default_downtime: Duration,
    /// Instances left out of the list of problems: regular expressions on `host:port`, or exact addresses.
    pub problem_ignore: HostFilters,
    /// Instances left out of the lists of control replicas.
    pub osc_ignore: HostFilters,
    /// Aliases by pattern on the cluster name, in the order of the configuration.
    pub cluster_name_to_alias: Vec<(Regex, String)>,
    /// `RecoverMasterClusterFilters`, as written.
    pub recover_primary_filters: Vec<String>,
    /// `RecoverIntermediateMasterClusterFilters`, as written.
    pub recover_intermediate_filters: Vec<String>,
    /// Name of this node's host.
    pub node_name: String,
    /// Version shown to clients.
    pub version: &'static str,
    /// Where the store is, for health answers.
    pub store_place: String,
    /// Times of access tokens; `None` unless `AuthenticationMethod` is `token`.
    pub tokens: Option<TokenTimes>,
    /// Whether this service itself speaks TLS.
    pub serves_tls: bool,
    /// `RecoveryIgnoreHostnameFilters`, as written.
    pub recovery_ignored_hosts: Vec<String>,
    /// What analysis goes by.
    pub analysis: AnalysisPolicy,
    /// What recoveries go by.
    pub recovery: RecoveryPolicy,
}

/// Times of access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenTimes {
    /// How long a token waits to be claimed (`AccessTokenUseExpirySeconds`).
    pub claim_within: Duration,
    /// How long a claimed token is worth something (`AccessTokenExpiryMinutes`).
    pub life: Duration,
}

/// How this node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthReport {
    /// Whether its last write to the store worked, a short while ago, and what its group keeps on disk gets there.
    pub is_healthy: bool,
    /// Why not; one sentence.
    pub error: Option<String>,
    /// What else an operator must know, one sentence each.
    pub warnings: Vec<String>,
    /// Whether this node leads, where no group says so: always, on a single node.
    pub is_leader: bool,
    /// Random id of this process: 64 hexadecimal digits.
    pub token: String,
    /// When it began to be active.
    pub active_since: orchestrator_core::domain::Timestamp,
    /// When its health was last found good.
    pub checked_at: orchestrator_core::domain::Timestamp,
}

/// Tells how this node is; from memory, never waits.
pub trait Health: Send + Sync {
    /// The latest report.
    fn report(&self) -> HealthReport;
}

/// Reads configuration again.
pub trait Reload: Send + Sync {
    /// Reads the files given at start, and `extra` after them. On an error nothing has changed.
    ///
    /// # Errors
    /// One sentence for each thing that is wrong.
    fn reload(&self, extra: Option<PathBuf>) -> BoxFuture<'_, Result<Vec<String>, Vec<String>>>;
}

/// Everything handlers use.
pub struct Deps {
    /// What is known of instances.
    pub picture: Arc<dyn PictureReader>,
    /// What primaries say between probes.
    pub beats: Arc<dyn BeatReader>,
    /// What is decided.
    pub decisions: Arc<dyn DecisionReader>,
    /// The way to decide something.
    pub proposer: Arc<dyn Proposer>,
    /// The discovery loop.
    pub discovery: Arc<dyn Discovery>,
    /// Names.
    pub resolver: Arc<dyn Resolver>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Request ids.
    pub ids: Arc<dyn Ids>,
    /// How this node is.
    pub health: Arc<dyn Health>,
    /// Reading configuration again.
    pub reload: Arc<dyn Reload>,
    /// The group that this node is in; `None` for a single node.
    pub group: Option<Arc<dyn Group>>,
    /// The loop that recovers; `None` where this node carries out no recoveries.
    pub recoveries: Option<Arc<dyn Recoveries>>,
    /// Takes over what the predecessor decided; `None` where this node does not.
    pub importing: Option<Arc<dyn Importing>>,
    /// The guard of a cut-off data centre; `None` where there is none.
    pub guarding: Option<Arc<dyn Guarding>>,
    /// Configuration.
    pub config: watch::Receiver<Arc<ApiConfig>>,
}

/// Shared state of all handlers; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

struct Shared {
    deps: Deps,
    views: ViewCache,
    answers: Arc<Answers>,
    examined: ExaminedCache,
}

impl AppState {
    /// State over these.
    pub fn new(deps: Deps) -> Self {
        Self(Arc::new(Shared {
            deps,
            views: ViewCache::default(),
            answers: Arc::default(),
            examined: ExaminedCache::default(),
        }))
    }

    /// What is known and decided now, with all that follows from it.
    pub fn view(&self) -> Arc<View> {
        self.0.views.current(self)
    }

    /// Answers of changes that had an idempotency key.
    pub(super) fn answers(&self) -> &Arc<Answers> {
        &self.0.answers
    }

    /// What analysis says of it.
    pub fn examined(&self) -> Arc<Examined> {
        self.0.examined.current(
            self.view(),
            self.0.deps.beats.beats(),
            self.0.deps.clock.now(),
        )
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<ApiConfig> {
        self.0.deps.config.borrow().clone()
    }
}

impl Deref for AppState {
    type Target = Deps;
    fn deref(&self) -> &Deps {
        &self.0.deps
    }
}

//! What the parts of a node share, and the running library inside of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::{Raft, RaftMetrics, ServerState, SnapshotPolicy};
use orchestrator_core::domain::Fence;
use orchestrator_core::planted::{Bug, is_planted};
use orchestrator_core::ports::{BeatsOnRequest, BoxFuture, ForwardHandler};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::brought::Brought;
use super::config::{GroupConfig, GroupDeps};
use super::exchange::{OldMember, Reports};
use super::fitness::Fitness;
use super::identity::Identity;
use super::lease::Acks;
use super::log::LogStore;
use super::network::{Network, Shared as NetworkShared, UNDER_WAY_MAX};
use super::state_machine::Machine;
use super::timing::Timing;
use super::types::{NodeId, TypeConfig};

/// The library, running.
pub(super) type Engine = Raft<TypeConfig, Machine>;
/// What it says about itself.
pub(super) type Metrics = RaftMetrics<TypeConfig>;

/// Most proposals that wait. At six thousand a second, which several in one sync reach, the last of them waits a sixth of
/// a second.
const PROPOSALS_MAX: usize = 1_024;

/// Most messages that wait for the one before them: what one leader has under way, and what the one before it had.
const EARLY_MAX: usize = 2 * UNDER_WAY_MAX;

/// Purged entries at once; each purge is a write of its own.
const PURGE_BATCH: u64 = 1_000;

/// Entries in one message; their bytes are bounded by the log.
const MESSAGE_ENTRIES_MAX: u64 = 512;

/// How long leadership that was given away is not taken for ours again in the same term: until long after any late message
/// of that transfer.
const YIELDED_FOR: Duration = Duration::from_secs(10);

/// Everything of a node.
pub(super) struct Core {
    pub config: GroupConfig,
    pub deps: GroupDeps,
    pub identity: Identity,
    pub log: LogStore,
    pub machine: Machine,
    pub acks: Arc<Acks>,
    pub reports: Reports,
    pub timing: ArcSwap<Timing>,
    pub fence: watch::Sender<Option<Fence>>,
    pub failed: watch::Sender<Option<String>>,
    pub forward: OnceLock<Arc<dyn ForwardHandler>>,
    pub beats: OnceLock<Arc<dyn BeatsOnRequest>>,
    pub proposals: Semaphore,
    /// Places for messages that wait for the one before them.
    pub early: Semaphore,
    pub stop: CancellationToken,
    pub tasks: TaskTracker,
    /// Why this node waits, or what is wrong; one sentence each.
    pub waiting: Mutex<Vec<String>>,
    pub alarms: Mutex<Vec<String>>,
    /// Members whose decided state differs from this node's.
    pub differing: Mutex<BTreeSet<String>>,
    /// The member that reads the fewest formats of commands, where those are fewer than this release writes.
    pub oldest: ArcSwapOption<OldMember>,
    /// Taken while a member is let in.
    pub admission: tokio::sync::Mutex<()>,
    pub is_stopping: AtomicBool,
    /// What keeps the members, as leader, from being those that are wanted.
    pub following: Mutex<Option<String>>,
    /// To whom the links listen, and since when somebody is no member any more.
    pub trusted: Mutex<BTreeMap<String, Option<Duration>>>,
    /// `RaftNodes`, normalised, sorted, each once, as last read.
    pub nodes: ArcSwap<Vec<String>>,
    /// A store without the log that it came from, until it is settled what becomes of it.
    pub brought: Mutex<Option<Brought>>,
    /// Names this process: two with one id hold copies of one data directory.
    pub process: u128,
    /// When this node last looked whether another process holds a copy of its directory (monotonic).
    pub looked_at: Mutex<Option<Duration>>,
    /// Whether it is fit to lead.
    pub fitness: Mutex<Fitness>,
    /// Since when (monotonic) the store gives no sign of life.
    pub store_error_since: Mutex<Option<Duration>>,
    me: AtomicU64,
    engine: ArcSwapOption<Engine>,
    engine_changed: watch::Sender<u64>,
    /// Monotonic moment from which this node helps to elect anybody.
    votes_from: Mutex<Duration>,
    /// A term that was given away, and when.
    yielded: Mutex<Option<(u64, Duration)>>,
}

impl Core {
    pub fn new(
        config: GroupConfig,
        deps: GroupDeps,
        identity: Identity,
        log: LogStore,
        machine: Machine,
        timing: Timing,
        brought: Option<Brought>,
    ) -> Self {
        Self {
            nodes: ArcSwap::from_pointee(config.nodes.clone()),
            brought: Mutex::new(brought),
            process: deps.ids.unique(),
            looked_at: Mutex::default(),
            acks: Arc::default(),
            reports: Reports::default(),
            timing: ArcSwap::from_pointee(timing),
            fence: watch::Sender::new(None),
            failed: watch::Sender::new(None),
            forward: OnceLock::new(),
            beats: OnceLock::new(),
            proposals: Semaphore::new(PROPOSALS_MAX),
            early: Semaphore::new(EARLY_MAX),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            waiting: Mutex::default(),
            alarms: Mutex::default(),
            differing: Mutex::default(),
            oldest: ArcSwapOption::empty(),
            admission: tokio::sync::Mutex::default(),
            is_stopping: AtomicBool::new(false),
            following: Mutex::default(),
            trusted: Mutex::default(),
            fitness: Mutex::default(),
            store_error_since: Mutex::default(),
            me: AtomicU64::new(0),
            engine: ArcSwapOption::empty(),
            engine_changed: watch::Sender::new(0),
            votes_from: Mutex::new(Duration::ZERO),
            yielded: Mutex::new(None),
            config,
            deps,
            identity,
            log,
            machine,
        }
    }

    /// This node's id; 0 before it has one.
    pub fn me(&self) -> NodeId {
        self.me.load(Ordering::Relaxed)
    }

    pub fn now(&self) -> Duration {
        self.deps.clock.monotonic()
    }

    pub fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        self.deps.clock.sleep(length)
    }

    /// The library, once this node has an id.
    pub fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.load_full()
    }

    /// Changes when the library was started anew.
    pub fn engine_changes(&self) -> watch::Receiver<u64> {
        self.engine_changed.subscribe()
    }

    pub fn metrics(&self) -> Option<Metrics> {
        self.look_at_metrics(Metrics::clone)
    }

    /// What `look` makes of the metrics, which are not cloned for it. It must be quick: the library waits.
    fn look_at_metrics<T>(&self, look: impl FnOnce(&Metrics) -> T) -> Option<T> {
        let engine = self.engine.load();
        let metrics = engine.as_ref()?.metrics();
        let metrics = metrics.borrow_watched();
        Some(look(&metrics))
    }

    /// This process has to end, for this reason. The first one counts.
    pub fn fail(&self, reason: String) {
        self.failed.send_if_modified(|failed| {
            let is_first = failed.is_none();
            if is_first {
                tracing::error!(reason, "this node leaves its group");
                *failed = Some(reason);
            }
            is_first
        });
        self.fence.send_replace(None);
    }

    /// Starts the library for node `me`.
    pub async fn start_engine(&self, me: NodeId) -> Result<Arc<Engine>, String> {
        self.me.store(me, Ordering::Relaxed);
        self.machine.set_me(me);
        let timing = *self.timing.load_full();
        let network = Network(Arc::new(NetworkShared {
            transport: Arc::clone(&self.deps.transport),
            clock: Arc::clone(&self.deps.clock),
            group: self.identity.group().clone(),
            me,
            acks: Arc::clone(&self.acks),
        }));
        let config = self.library_config(&timing).map_err(|e| e.to_string())?;
        self.log.resume();
        let engine = Raft::new(
            me,
            Arc::new(config),
            network,
            self.log.clone(),
            self.machine.for_new_engine(),
        );
        let engine = Arc::new(engine.await.map_err(|error| error.to_string())?);
        self.engine.store(Some(Arc::clone(&engine)));
        self.engine_changed.send_modify(|count| *count += 1);
        Ok(engine)
    }

    /// Ends the library; calls of other nodes are refused until it is started again.
    pub async fn stop_engine(&self) {
        let engine = self.engine.swap(None);
        self.log.give_up();
        if let Some(engine) = engine
            && let Err(error) = engine.shutdown().await
        {
            tracing::error!(%error, "the raft core did not end in order");
        }
    }

    fn library_config(&self, timing: &Timing) -> Result<openraft::Config, openraft::ConfigError> {
        let millis = |length: Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        openraft::Config {
            cluster_name: "orchestrator".to_owned(),
            heartbeat_interval: millis(timing.heartbeat),
            election_timeout_min: millis(timing.election_min),
            election_timeout_max: millis(timing.election_max),
            enable_pre_vote: Some(true),
            // A leader that was restarted has to be elected again: meanwhile others may have been.
            enable_leader_restore: Some(false),
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.config.snapshot_every),
            max_in_snapshot_log_to_keep: self.config.entries_kept,
            purge_batch_size: PURGE_BATCH.min(self.config.entries_kept.max(1)),
            max_payload_entries: MESSAGE_ENTRIES_MAX,
            ..openraft::Config::default()
        }
        .validate()
    }

    /// From when on this node helps to elect anybody.
    pub fn set_votes_from(&self, at: Duration) {
        let mut votes_from = lock(&self.votes_from);
        *votes_from = (*votes_from).max(at);
    }

    pub fn votes_from(&self) -> Duration {
        *lock(&self.votes_from)
    }

    /// Why this node gives no vote now; `None` when it may.
    pub fn vote_refusal(&self) -> Option<&'static str> {
        if self.now() < self.votes_from() {
            return Some(
                "it was started a moment ago, and an earlier leader may still count on it",
            );
        }
        self.identity
            .is_joining()
            .then_some("its data directory is new, and it has yet to catch up with the group")
    }

    /// Sets of voters that decide, as this node knows them.
    pub fn voters(metrics: &Metrics) -> &Vec<BTreeSet<NodeId>> {
        metrics.membership_config.membership().get_joint_config()
    }

    /// The leadership of this node that `metrics` and the state machine agree about.
    pub fn leadership(&self, metrics: &Metrics) -> Option<(u64, Fence)> {
        let leading = self.machine.leading()?;
        let is_leader = metrics.running_state.is_ok()
            && metrics.state == ServerState::Leader
            && metrics.current_leader == Some(self.me())
            && metrics.current_term == leading.term;
        (is_leader && !self.is_yielded(leading.term))
            .then(|| (leading.term, Fence::from_number(leading.fence)))
    }

    /// Whether a majority has acknowledged this leader so lately that nobody else can lead.
    pub fn is_serving_leader(&self) -> bool {
        if self.failed.borrow().is_some() {
            return false;
        }
        let leads = self.look_at_metrics(|metrics| {
            let (term, fence) = self.leadership(metrics)?;
            // Who is told that this node leads finds that it does.
            if *self.fence.borrow() != Some(fence) {
                return None;
            }
            if is_planted(Bug::StaleReadByOldLeader) {
                return Some(true);
            }
            let voters = Self::voters(metrics);
            let until = self.acks.holds_until(voters, self.me(), term)?;
            Some(self.now() < until)
        });
        leads.flatten().unwrap_or(false)
    }

    /// Leadership of `term` is given away: this node does not claim it any more, whatever comes of it.
    pub fn yield_term(&self, term: u64) {
        *lock(&self.yielded) = Some((term, self.now()));
        self.refresh_fence();
    }

    fn is_yielded(&self, term: u64) -> bool {
        let yielded = *lock(&self.yielded);
        yielded.is_some_and(|(yielded, at)| {
            // While the log hangs the core does not learn who leads.
            let lasts =
                || self.now().saturating_sub(at) < YIELDED_FOR || self.log_ailment().is_some();
            yielded == term && lasts()
        })
    }

    /// Tells those who wait for it whether this node leads.
    pub fn refresh_fence(&self) {
        let fence = self
            .look_at_metrics(|metrics| self.leadership(metrics))
            .flatten()
            .filter(|_| self.failed.borrow().is_none())
            .map(|(_, fence)| fence);
        self.fence.send_if_modified(|known| {
            let changed = *known != fence;
            if changed {
                match fence {
                    Some(fence) => tracing::info!(%fence, "this node leads the group"),
                    None => tracing::info!("this node does not lead the group any more"),
                }
            }
            *known = fence;
            changed
        });
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

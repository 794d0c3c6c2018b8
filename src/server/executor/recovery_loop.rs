use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator_core::analysis::rules::Registration;
use orchestrator_core::analysis::{Changes, Finding, Stalls};
use orchestrator_core::beats::Standing;
use orchestrator_core::domain::{Fence, InstanceKey, RecoveryId, Timestamp};
use orchestrator_core::ports::{
    BoxFuture, FindingChanges, NothingDone, RecoverError, Recoveries, RecoveryAnswer,
    RecoveryRequest,
};
use orchestrator_core::recovery::{Blocked, Demand, beats_say_no, recovery_for};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::begin::{Wanted, recover};
use super::canary::{self, Canary};
use super::demanded::{self, DEMANDS_MAX, Demanded};
use super::look::View;
use super::reasons::{Reasons, nothing_done};
use super::resume::resume;
use super::{Config, Deps, WhyNot, detection, left_stopped, lost, metrics, own_link};

/// How many polls a start waits at most until every known server was asked once.
const START_POLLS: u32 = 3;

/// How often servers may be connected to ahead for one primary.
const CONNECT_AHEAD_AT_MOST_ONCE_IN: Duration = Duration::from_secs(10);

/// What the loop and its tasks share.
pub(super) struct Shared {
    pub deps: Arc<Deps>,
    config: watch::Receiver<Arc<Config>>,
    pub reasons: Reasons,
    /// What was found since this node leads, each time it became something else.
    changes: Mutex<Changes>,
    /// What is being worked on here.
    at_work: Arc<Mutex<BTreeSet<Work>>>,
    look: Notify,
    /// When leadership was last handed over, or was to be, because of this node's own link; over all its leaderships.
    handed_over_at: Mutex<Option<Duration>>,
}

/// Something that one task at a time works on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    /// A finding about this server.
    Finding(InstanceKey),
    /// A recovery.
    Recovery(RecoveryId),
    /// An old primary after its recovery.
    OldPrimary(InstanceKey),
    /// A server that was left with a stopped receiver.
    LeftStopped(InstanceKey),
    /// A lost server that is well again.
    Release(InstanceKey),
    /// Whether it is this node's own link.
    OwnLink,
}

/// Held while something is worked on.
pub(super) struct AtWork {
    work: Work,
    all: Arc<Mutex<BTreeSet<Work>>>,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        locked(&self.all).remove(&self.work);
    }
}

/// What it guards is changed in whole steps.
fn locked<T>(all: &Mutex<T>) -> MutexGuard<'_, T> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The configuration as of now.
    pub fn config(&self) -> Arc<Config> {
        self.config.borrow().clone()
    }

    /// Claims a recovery for the task that asks; `None` when another has it.
    pub fn own(&self, id: RecoveryId) -> Option<AtWork> {
        self.enter(Work::Recovery(id))
    }

    /// How many recoveries are carried out here.
    pub fn running(&self) -> usize {
        let all = locked(&self.at_work);
        all.iter()
            .filter(|work| matches!(work, Work::Recovery(_)))
            .count()
    }

    /// Makes the loop look at once.
    pub fn look_again(&self) {
        self.look.notify_one();
    }

    /// Whether leadership may be handed over now because of this node's own link; true once within that time.
    pub fn may_hand_over(&self, now: Duration, within: Duration) -> bool {
        let mut last = locked(&self.handed_over_at);
        let may = last.is_none_or(|at| now.saturating_sub(at) >= within);
        if may {
            *last = Some(now);
        }
        may
    }

    fn enter(&self, work: Work) -> Option<AtWork> {
        let is_new = locked(&self.at_work).insert(work.clone());
        is_new.then(|| AtWork {
            work,
            all: Arc::clone(&self.at_work),
        })
    }
}

/// The loop that recovers. It runs on every node, and acts while its node leads.
pub struct RecoveryLoop {
    shared: Arc<Shared>,
    demands: mpsc::Sender<Demanded>,
    demanded: Mutex<Option<mpsc::Receiver<Demanded>>>,
}

impl RecoveryLoop {
    /// A loop that does nothing until [`RecoveryLoop::run`].
    pub fn new(deps: Deps, config: watch::Receiver<Arc<Config>>) -> Arc<Self> {
        let (demands, demanded) = mpsc::channel(DEMANDS_MAX);
        Arc::new(Self {
            shared: Arc::new(Shared {
                deps: Arc::new(deps),
                config,
                reasons: Reasons::default(),
                changes: Mutex::default(),
                at_work: Arc::default(),
                look: Notify::new(),
                handed_over_at: Mutex::default(),
            }),
            demands,
            demanded: Mutex::new(Some(demanded)),
        })
    }

    /// Looks and acts until told to stop. Dropping the future ends all its tasks: nothing more is changed, and whoever leads next
    /// goes on.
    ///
    /// # Panics
    /// When it is called twice, or outside of a tokio runtime.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let demanded = self
            .demanded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .expect("the loop runs once");
        let mut rounds = Rounds {
            started_at: self.shared.deps.clock.now(),
            started: self.shared.deps.clock.monotonic(),
            shared: Arc::clone(&self.shared),
            tasks: JoinSet::new(),
            reconnecting: JoinSet::new(),
            stalls: Stalls::default(),
            canaries: BTreeMap::new(),
            connected_ahead: BTreeMap::new(),
            beats_seen: 0,
            has_started: false,
            fence: None,
            demanded,
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = rounds.go_on() => {}
        }
    }
}

impl Recoveries for RecoveryLoop {
    fn nothing_done(&self) -> Arc<Vec<NothingDone>> {
        self.shared.reasons.all()
    }

    fn finding_changes(&self) -> Vec<FindingChanges> {
        let changes = locked(&self.shared.changes);
        let all = changes.all().map(|(server, changes)| FindingChanges {
            server: server.clone(),
            changes: changes.iter().map(|one| (one.at, one.code)).collect(),
        });
        all.collect()
    }

    fn recover(
        &self,
        request: RecoveryRequest,
    ) -> BoxFuture<'_, Result<RecoveryAnswer, RecoverError>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let demanded = Demanded { request, answer };
            self.demands.try_send(demanded).map_err(|why| match why {
                mpsc::error::TrySendError::Full(_) => RecoverError::Busy,
                mpsc::error::TrySendError::Closed(_) => RecoverError::Stopping,
            })?;
            answered.await.unwrap_or(Err(RecoverError::NotLeader))
        })
    }

    fn look_now(&self) {
        self.shared.look_again();
    }
}

/// The loop's own state.
struct Rounds {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    /// Replicas that are being told to reconnect. They go on when leadership is lost: nobody else knows their sessions, so each has to
    /// end its own statement at its deadline.
    reconnecting: JoinSet<()>,
    stalls: Stalls,
    /// When a replica of a silent primary was told to reconnect, by primary.
    canaries: BTreeMap<InstanceKey, Duration>,
    /// When servers were connected to ahead of a recovery, by primary.
    connected_ahead: BTreeMap<InstanceKey, Duration>,
    /// The version of beats that was looked at last.
    beats_seen: u64,
    started_at: Timestamp,
    started: Duration,
    /// Every known server was asked once since the start, or that took too long.
    has_started: bool,
    /// The leadership that the tasks work under.
    fence: Option<Fence>,
    demanded: mpsc::Receiver<Demanded>,
}

impl Rounds {
    async fn go_on(&mut self) {
        loop {
            let fence = self.shared.deps.leadership.fence();
            if fence != self.fence {
                self.change_leadership(fence).await;
            }
            // Before they are read, so that a change meanwhile is looked at too; and by who does not lead, who has nothing to look at.
            self.beats_seen = self.shared.deps.beats.version();
            if let Some(fence) = fence {
                self.round(fence);
            }
            self.wait(fence).await;
        }
    }

    /// Whatever was done under another leadership is stopped at once.
    async fn change_leadership(&mut self, fence: Option<Fence>) {
        self.tasks.shutdown().await;
        self.shared.reasons.retain(|_| false);
        *locked(&self.shared.changes) = Changes::default();
        self.fence = fence;
        match fence {
            Some(fence) => tracing::info!(fence = fence.number(), "this node leads"),
            None => tracing::info!("this node does not lead"),
        }
    }

    async fn wait(&mut self, fence: Option<Fence>) {
        let deps = Arc::clone(&self.shared.deps);
        let shared = Arc::clone(&self.shared);
        let pause = deps.clock.sleep(shared.config().look_every);
        tokio::pin!(pause);
        let turned = deps.beats.changed(self.beats_seen);
        tokio::pin!(turned);
        loop {
            tokio::select! {
                biased;
                () = deps.leadership.changed(fence) => return,
                Some(demanded) = self.demanded.recv() => self.take(fence, demanded),
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => {}
                () = shared.look.notified() => return,
                () = &mut turned => return,
                () = &mut pause => return,
            }
        }
    }

    fn take(&mut self, fence: Option<Fence>, demanded: Demanded) {
        match fence {
            // Whoever asked may be gone.
            Some(_) if self.shared.config().changes_nothing => {
                let reason = WhyNot::DryRun.to_string();
                drop(demanded.answer.send(Err(RecoverError::Refused { reason })));
            }
            Some(fence) => {
                let (shared, stalls) = (Arc::clone(&self.shared), self.stalls.clone());
                self.tasks
                    .spawn(demanded::carry_out(shared, fence, stalls, demanded));
            }
            None => drop(demanded.answer.send(Err(RecoverError::NotLeader))),
        }
    }

    fn round(&mut self, fence: Fence) {
        let config = self.shared.config();
        if !config.changes_nothing {
            self.resume_unfinished(fence);
        }
        let view = View::take(&self.shared.deps, &self.stalls);
        self.stalls = view.stalls.clone();
        if !config.changes_nothing {
            self.watch_lost(fence, &view);
        }
        let analysis = view.analysis(&config);
        let (picture, kept_for) = (&view.picture, config.changes_kept_for);
        locked(&self.shared.changes).note(&analysis, picture, &view.topology, view.now, kept_for);
        let findings = analysis.findings;
        let calling: Vec<&Finding> = findings
            .iter()
            .filter(|finding| finding.registration != Registration::None)
            .filter(|finding| !is_being_recovered(&view, &finding.subject))
            .collect();
        let is_found = |subject: &InstanceKey| calling.iter().any(|one| one.subject == *subject);
        self.shared.reasons.retain(is_found);
        let left = self.left_to_ask(&view, &config);
        for finding in &calling {
            self.let_reconnect(fence, &view, finding, &config, left);
            match self.judge(&view, finding, &config, left) {
                Some(why) => self.keep(finding, &why, view.now),
                None => self.consider(fence, finding),
            }
        }
        self.foresee(fence, &view, &config, left);
        if !config.changes_nothing {
            self.settle_own_link(fence, &view);
        }
        metrics::looked(self.shared.running(), self.shared.reasons.all().len());
    }

    /// Why nothing is begun about a finding in this round; `None` when something is.
    fn judge(
        &self,
        view: &View,
        finding: &Finding,
        config: &Config,
        left: usize,
    ) -> Option<WhyNot> {
        if config.changes_nothing {
            return Some(WhyNot::DryRun);
        }
        if left > 0 {
            return Some(WhyNot::Starting { left });
        }
        if let Some(muted) = &finding.muted {
            return Some(Blocked::Muted(muted.clone()).into());
        }
        if let Some(why) = beats_hold_back(finding) {
            return Some(why);
        }
        let why = view.gate(finding, config, false).err()?;
        // What may not be acted on is written down all the same, once.
        let is_written = detection::active(&view.decided, finding, view.now).is_some();
        is_written.then_some(why)
    }

    fn keep(&self, finding: &Finding, why: &WhyNot, now: Timestamp) {
        self.shared.reasons.keep(nothing_done(finding, why, now));
    }

    /// Lets replicas of primaries that will be silent in a moment reconnect now: what comes of it is known when they are.
    fn foresee(&mut self, fence: Fence, view: &View, config: &Config, left: usize) {
        let Some(ahead) = view.foreseen() else {
            return;
        };
        let is_mute = |finding: &Finding| {
            let beat = view.beats.of(&finding.subject);
            beat.is_some_and(|beat| beat.standing == Standing::Mute)
        };
        let findings = ahead.analysis(config).findings.into_iter();
        for finding in findings.filter(|finding| is_mute(finding)) {
            if !is_being_recovered(view, &finding.subject) {
                self.let_reconnect(fence, &ahead, &finding, config, left);
            }
        }
    }

    /// Lets a replica of a silent primary reconnect, where nothing else can tell whether it lives.
    fn let_reconnect(
        &mut self,
        fence: Fence,
        view: &View,
        finding: &Finding,
        config: &Config,
        left: usize,
    ) {
        let now = self.shared.deps.clock.monotonic();
        self.canaries
            .retain(|_, at| now.saturating_sub(*at) < canary::AT_MOST_ONCE_IN);
        let may = !config.changes_nothing && left == 0;
        if !may || self.canaries.contains_key(&finding.subject) {
            return;
        }
        let Some(replica) = canary::replica_for(view, finding, config) else {
            return;
        };
        self.canaries.insert(finding.subject.clone(), now);
        let written = detection::active(&view.decided, finding, view.now);
        let canary = Canary {
            deps: Arc::clone(&self.shared.deps),
            fence,
            primary: finding.subject.clone(),
            replica,
            detection: written.map(|known| known.recovery),
        };
        while self.reconnecting.try_join_next().is_some() {}
        self.reconnecting.spawn(canary.fly());
    }

    /// Finds out whether primaries that fell silent with most others are gone, or it is this node's own link.
    fn settle_own_link(&mut self, fence: Fence, view: &View) {
        let primaries = own_link::to_be_settled(&view.beats);
        if primaries.is_empty() {
            return;
        }
        if let Some(at_work) = self.shared.enter(Work::OwnLink) {
            let shared = Arc::clone(&self.shared);
            self.tasks.spawn(async move {
                let _at_work = at_work;
                own_link::settle(shared, fence, primaries).await;
            });
        }
    }

    fn consider(&mut self, fence: Fence, finding: &Finding) {
        let shared = Arc::clone(&self.shared);
        let Some(at_work) = shared.enter(Work::Finding(finding.subject.clone())) else {
            return;
        };
        // What kept it from being done the last time is shown until something else is known.
        if !shared.reasons.has(&finding.subject) {
            self.keep(finding, &WhyNot::UnderWay, shared.deps.clock.now());
        }
        let (stalls, finding) = (self.stalls.clone(), finding.clone());
        let wanted = Wanted {
            subject: finding.subject.clone(),
            demand: Demand::default(),
            who: String::new(),
            whence: String::new(),
            connects_ahead: self.may_connect_ahead(&finding.subject),
        };
        self.tasks.spawn(async move {
            let _at_work = at_work;
            if let Err(why) = recover(Arc::clone(&shared), fence, wanted, stalls).await {
                let now = shared.deps.clock.now();
                shared.reasons.keep(nothing_done(&finding, &why, now));
            }
        });
    }

    /// Whether servers may be connected to before it is known that a recovery begins. Where it does not, it is tried again with each look, and
    /// servers would be logged in to each time.
    fn may_connect_ahead(&mut self, subject: &InstanceKey) -> bool {
        let now = self.shared.deps.clock.monotonic();
        self.connected_ahead
            .retain(|_, at| now.saturating_sub(*at) < CONNECT_AHEAD_AT_MOST_ONCE_IN);
        let may = !self.connected_ahead.contains_key(subject);
        if may {
            self.connected_ahead.insert(subject.clone(), now);
        }
        may
    }

    /// How many known servers were not asked since the start; none once it is over.
    fn left_to_ask(&mut self, view: &View, config: &Config) -> usize {
        if self.has_started {
            return 0;
        }
        let since = self.started_at;
        let was_asked = |at: Option<Timestamp>| at.is_some_and(|at| at >= since);
        let records = view.picture.records();
        let left = records
            .filter(|record| !was_asked(record.last_checked_at))
            .count();
        let passed = (self.shared.deps.clock.monotonic()).saturating_sub(self.started);
        let is_late = passed >= config.analysis.instance_poll * START_POLLS;
        self.has_started = left == 0 || is_late;
        match self.has_started {
            true => 0,
            false => left,
        }
    }

    fn resume_unfinished(&mut self, fence: Fence) {
        let decided = self.shared.deps.decisions.decided();
        for (id, _) in decided.unfinished_recoveries() {
            let Some(at_work) = self.shared.own(id) else {
                continue;
            };
            let shared = Arc::clone(&self.shared);
            let span = tracing::info_span!("recovery", id = %id, fence = fence.number());
            let resumed = async move {
                let _at_work = at_work;
                match resume(Arc::clone(&shared), fence, id).await {
                    Ok(_) => shared.look_again(),
                    Err(lost) => tracing::warn!(%lost, "the recovery is not carried on here"),
                }
            };
            self.tasks.spawn(resumed.instrument(span));
        }
    }

    fn watch_lost(&mut self, fence: Fence, view: &View) {
        for (key, id) in lost::to_be_watched(&view.decided, view.now) {
            if let Some(at_work) = self.shared.enter(Work::OldPrimary(key.clone())) {
                let deps = Arc::clone(&self.shared.deps);
                self.tasks.spawn(async move {
                    let _at_work = at_work;
                    lost::watch(deps, fence, key, id).await;
                });
            }
        }
        for (key, id) in left_stopped::to_be_started(&view.decided) {
            if let Some(at_work) = self.shared.enter(Work::LeftStopped(key.clone())) {
                let deps = Arc::clone(&self.shared.deps);
                self.tasks.spawn(async move {
                    let _at_work = at_work;
                    left_stopped::start(deps, fence, key, id).await;
                });
            }
        }
        for key in lost::well_again(&view.decided, &view.picture, view.now) {
            if let Some(at_work) = self.shared.enter(Work::Release(key.clone())) {
                let deps = Arc::clone(&self.shared.deps);
                self.tasks.spawn(async move {
                    let _at_work = at_work;
                    lost::release(deps, fence, key).await;
                });
            }
        }
    }
}

/// Whether something is done about a server: a recovery of it is under way.
fn is_being_recovered(view: &View, subject: &InstanceKey) -> bool {
    let mut unfinished = view.decided.unfinished_recoveries();
    unfinished.any(|(_, recovery)| recovery.subject == *subject)
}

/// Why a finding is not even written down yet: what its beats say is not the last word.
fn beats_hold_back(finding: &Finding) -> Option<WhyNot> {
    if let Some(why) = beats_say_no(finding) {
        return Some(why.into());
    }
    let is_asking = finding.facts.beat.as_ref()?.is_asking;
    (is_asking && recovery_for(finding.code).is_none()).then_some(WhyNot::Asking)
}

//! One registered recovery, from wherever it is to its end.
//!
//! [`Run`] is a loop in one task: hear what was seen, ask the core for what comes next, order it. Each server has a task of its
//! own ([`hand`]), the old primary too ([`old_primary`]), and hooks as well. They report to the loop and share nothing else.

mod ending;
mod hand;
mod hear;
mod old_primary;
mod pending;
mod phases;
mod replan;
mod report;
mod steps;
mod stopping;
mod undo;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use orchestrator_core::analysis::{Scene, Stalls};
use orchestrator_core::beats::Beats;
use orchestrator_core::domain::{
    InstanceKey, InstanceRecord, Observation, Picture, Recovery, RecoveryOutcome, RecoverySessionId,
};
use orchestrator_core::recovery::plan::{Action, Next, OldPrimary, Plan, Progress, next};
use orchestrator_core::recovery::ranking::Ranking;
use orchestrator_core::topology::Topology;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tracing::Instrument as _;

pub(super) use self::pending::{Pending, is_decided};
use self::report::Report;
use self::steps::Server;
use super::scope::{Lost, Scope};
use super::sessions::Looking;

/// How often it asks what comes next while nothing is heard: deadlines pass unheard.
const TICK: Duration = Duration::from_millis(50);

/// Reports that may wait; whoever has more to tell waits too.
const REPORTS_MAX: usize = 256;

/// How many hands connect at once: what a loop of one process starts in a few milliseconds.
const CONNECT_AT_ONCE: usize = 64;

/// What a run begins with.
pub(super) struct Beginning {
    pub scope: Scope,
    /// As it is decided.
    pub recovery: Arc<Recovery>,
    pub plan: Plan,
    pub progress: Progress,
    /// Connections that were opened for it, and are written down.
    pub sessions: BTreeMap<InstanceKey, Looking>,
    /// Connections of earlier runs, to be ended first.
    pub stale: Vec<RecoverySessionId>,
    /// How the replicas stood; `None` where an earlier leadership made the plan.
    pub ranking: Option<Ranking>,
    /// What was last seen of the dead primary.
    pub dead_seen: Option<Arc<Observation>>,
    /// An earlier run has worked on it.
    pub is_resumed: bool,
    /// It is written down that a receiver may have been stopped, ahead of that: whoever takes it over believes it, and this run knows better.
    pub stop_is_recorded: bool,
}

/// How a recovery ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub outcome: RecoveryOutcome,
    pub successor: Option<InstanceKey>,
    pub errors: Vec<String>,
}

/// Hooks of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Running,
    Over,
}

/// What is to be done after a turn.
enum Turn {
    Again,
    Wait,
    Ended(Ended),
}

/// A recovery under way.
pub(super) struct Run {
    scope: Scope,
    recovery: Arc<Recovery>,
    plan: Plan,
    progress: Progress,
    ranking: Option<Ranking>,
    dead_seen: Option<Arc<Observation>>,
    /// What was seen over the recovery's own connections, and nothing else.
    seen: Picture,
    servers: BTreeMap<InstanceKey, Server>,
    old: Old,
    pending: Pending,
    reports: mpsc::Receiver<Report>,
    reporter: mpsc::Sender<Report>,
    tasks: JoinSet<()>,
    halt: Arc<AtomicBool>,
    /// Something is being decided, and nothing that is seen meanwhile leads to anything: hands that are not looking wait.
    holds: Arc<AtomicBool>,
    connecting: Arc<Semaphore>,
    stale: BTreeMap<InstanceKey, Vec<u64>>,
    /// It is written down that a receiver may have been stopped.
    stop_is_recorded: bool,
    hooks_before: Stage,
    hooks_after: Stage,
    /// How it ends, once that is known; hooks may still run.
    ending: Option<ending::Ending>,
    replans: u32,
}

/// The old primary, as the run knows it.
struct Old {
    /// It was tried, or that took too long to be waited for.
    is_tried: bool,
    connection: Option<u64>,
    is_recorded: bool,
    close: watch::Sender<Option<u64>>,
    /// Since when it answers without being closed.
    answers_since: Option<Duration>,
    said: String,
    was_closed: bool,
    /// It answers and cannot be closed; the recovery goes on all the same.
    is_given_up: bool,
}

impl Run {
    /// Starts the tasks.
    pub fn new(beginning: Beginning) -> Self {
        let (reporter, reports) = mpsc::channel(REPORTS_MAX);
        let (close, to_close) = watch::channel(None);
        let mut stale: BTreeMap<InstanceKey, Vec<u64>> = BTreeMap::new();
        for one in beginning.stale {
            let of_server = stale.entry(one.server).or_default();
            of_server.push(one.connection_id);
        }
        let is_resumed = beginning.is_resumed;
        let has_steps = !beginning.progress.steps.is_empty();
        let is_past_first = beginning.recovery.phase > orchestrator_core::domain::Phase::Registered;
        let mut run = Self {
            stop_is_recorded: beginning.stop_is_recorded
                || stop_is_recorded(&beginning.plan, &beginning.progress),
            scope: beginning.scope,
            recovery: beginning.recovery,
            plan: beginning.plan,
            progress: beginning.progress,
            ranking: beginning.ranking,
            dead_seen: beginning.dead_seen,
            seen: Picture::default(),
            servers: BTreeMap::new(),
            old: Old {
                is_tried: !is_resumed,
                connection: None,
                is_recorded: false,
                close,
                answers_since: None,
                said: String::new(),
                was_closed: false,
                is_given_up: false,
            },
            pending: Pending::default(),
            reports,
            reporter,
            tasks: JoinSet::new(),
            halt: Arc::new(AtomicBool::new(false)),
            holds: Arc::new(AtomicBool::new(false)),
            connecting: Arc::new(Semaphore::new(CONNECT_AT_ONCE)),
            stale,
            // Steps are begun after these hooks have run, and never before.
            hooks_before: match is_past_first || has_steps {
                true => Stage::Over,
                false => Stage::Open,
            },
            hooks_after: Stage::Open,
            ending: None,
            replans: 0,
        };
        run.watch_old_primary(to_close);
        run.hire(beginning.sessions);
        run
    }

    /// Starts a task that ends with the run; its lines in the log carry the recovery's id too.
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task.in_current_span());
    }

    fn watch_old_primary(&mut self, close: watch::Receiver<Option<u64>>) {
        let watcher = old_primary::Watcher {
            scope: self.scope.clone(),
            dead: self.plan.dead.clone(),
            stale: self.stale.remove(&self.plan.dead).unwrap_or_default(),
            reports: self.reporter.clone(),
            halt: Arc::clone(&self.halt),
            close,
            told: None,
        };
        self.spawn(watcher.work());
    }

    /// Gives every server of the plan a hand, unless it has one.
    fn hire(&mut self, mut sessions: BTreeMap<InstanceKey, Looking>) {
        let wanted: BTreeSet<InstanceKey> =
            self.plan.steps.iter().map(|step| step.on.clone()).collect();
        for server in wanted {
            if self.servers.contains_key(&server) {
                continue;
            }
            let looking = sessions.remove(&server);
            let connection = looking.as_ref().map(|looking| looking.connection_id);
            let (orders, to_do) = mpsc::channel(hand::ORDERS_MAX);
            let hand = hand::Hand {
                scope: self.scope.clone(),
                server: server.clone(),
                stale: self.stale.remove(&server).unwrap_or_default(),
                orders: to_do,
                reports: self.reporter.clone(),
                halt: Arc::clone(&self.halt),
                holds: Arc::clone(&self.holds),
                connecting: Arc::clone(&self.connecting),
            };
            self.spawn(hand.work(looking));
            self.servers.insert(server, Server::new(orders, connection));
        }
    }

    /// Carries it out. Dropping the future ends all its tasks and closes its connections; nothing more is changed then.
    ///
    /// # Errors
    /// [`Lost`]: it goes on elsewhere, or with another attempt.
    pub async fn carry_out(mut self) -> Result<Ended, Lost> {
        loop {
            while let Ok(report) = self.reports.try_recv() {
                self.hear(report)?;
            }
            self.scope.is_current()?;
            match self.turn().await? {
                Turn::Again => {}
                Turn::Wait => self.wait().await?,
                Turn::Ended(ended) => return Ok(ended),
            }
        }
    }

    async fn wait(&mut self) -> Result<(), Lost> {
        self.let_look();
        let deps = Arc::clone(&self.scope.deps);
        let report = tokio::select! {
            biased;
            () = deps.leadership.changed(Some(self.scope.fence)) => {
                return Err(Lost::Leadership("another node leads, or none".to_owned()));
            }
            report = self.reports.recv() => report,
            () = deps.clock.sleep(TICK) => None,
        };
        report.map_or(Ok(()), |report| self.hear(report))
    }

    async fn turn(&mut self) -> Result<Turn, Lost> {
        if self.ending.is_some() {
            return self.finish().await;
        }
        let next = self.next();
        if self.is_held(&next) {
            return Ok(Turn::Wait);
        }
        match next {
            Next::Record(outcomes) => {
                self.write_down(outcomes);
                Ok(Turn::Again)
            }
            Next::Do(steps) => {
                self.begin(&steps);
                self.order(&steps).await?;
                Ok(Turn::Again)
            }
            Next::Wait => {
                self.order_again().await?;
                Ok(Turn::Wait)
            }
            Next::CloseOldPrimary => self.close_old_primary().await,
            Next::Advance(phase) => self.advance(phase).await,
            Next::CallOff => self.call_off(),
            Next::Replan(why) => self.replan(&why).await,
            Next::End(end) => self.end_as(end),
        }
    }

    fn next(&self) -> Next {
        if self.old.is_given_up {
            let progress = Progress {
                old_primary: OldPrimary::Silent,
                ..self.progress.clone()
            };
            return self.over_scene(|scene| next(&self.plan, &progress, scene));
        }
        self.over_scene(|scene| next(&self.plan, &self.progress, scene))
    }

    /// Asks something about what is seen now.
    fn over_scene<T>(&self, ask: impl FnOnce(&Scene<'_>) -> T) -> T {
        let decided = self.scope.deps.decisions.decided();
        let (topology, stalls) = (Topology::default(), Stalls::default());
        // What is seen over own connections counts, and nothing else.
        let beats = Beats::default();
        let scene = Scene {
            picture: &self.seen,
            topology: &topology,
            decided: &decided,
            stalls: &stalls,
            beats: &beats,
            now: self.scope.now(),
        };
        ask(&scene)
    }

    /// Whether what comes next has to wait: for hooks that run before anybody is touched, and for the first try of the old
    /// primary where an earlier run has worked.
    fn is_held(&mut self, next: &Next) -> bool {
        if matches!(next, Next::CallOff) {
            return false;
        }
        if self.hooks_before == Stage::Open {
            self.run_hooks_before();
        }
        self.hooks_before == Stage::Running || !self.old.is_tried
    }

    /// Keeps what was seen of a server over the recovery's own connection.
    fn put(&mut self, seen: Observation) {
        self.seen.put(record_of(Arc::new(seen)));
    }
}

/// A record of what was seen, as a good probe leaves it.
fn record_of(seen: Arc<Observation>) -> InstanceRecord {
    let at = seen.observed_at;
    InstanceRecord {
        last_checked_at: Some(at),
        last_seen_at: Some(at),
        observation: Some(Arc::clone(&seen)),
        ..InstanceRecord::heard_of(seen.key.clone(), at)
    }
}

fn stop_is_recorded(plan: &Plan, progress: &Progress) -> bool {
    let mut numbers = progress.steps.keys();
    numbers.any(|number| {
        let step = plan.steps.get(*number);
        step.is_some_and(|step| step.action == Action::StopReceiver)
    })
}

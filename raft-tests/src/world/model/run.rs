use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator::beats::{self, BeatLoop};
use orchestrator::executor::{Config, Deps, HookLists, RecoveryLoop};
use orchestrator_core::decided::{Acknowledged, Command, Origin, Proposal};
use orchestrator_core::domain::{InstanceKey, Recovery, RecoveryOutcome, Timestamp};
use orchestrator_core::legacy::hooks::HookList;
use orchestrator_core::ports::Clock;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::faults::{Fault, Planned};
use super::outcome::{Outcome, Verdict};
use super::scenario::{Aim, Scenario};
use super::view::View;
use crate::invariants::{Invariant, Violation, all};
use crate::world::group::{SharedGroup, SimGroup, SimMember, SimOthers};
use crate::world::mysql::{
    Applier, Fleet, Link, Place, Power, Receiver, ServerId, SharedFleet, SimBeater, SimServers,
};
use crate::world::node::{HookLog, SimDiscovery, SimHooks, SimPicture};
use crate::world::{Gate, NodeClock, SeededIds, SteppedClock, Trace};

/// The alias that the cluster of every run has.
pub const ALIAS: &str = "shop";
/// One step of simulated time.
pub const TICK: Duration = Duration::from_millis(20);
/// How long the group may take to finish what it began, once all is mended.
const CALM_WITHIN: Duration = Duration::from_secs(60);
/// How long everything is left alone then.
const QUIET: Duration = Duration::from_secs(4);
/// How long the second failover may take.
const SECOND_WITHIN: Duration = Duration::from_secs(60);
/// How long a well replica takes at most, to fetch or to apply one transaction.
const WELL: Duration = Duration::from_millis(10);
/// Fewer acknowledged transactions than this show nothing.
const TRAFFIC_FLOOR: usize = 20;

/// Lives through the scenario of a seed.
pub fn run(seed: u64) -> Outcome {
    let scenario = Scenario::draw(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without IO can be made");
    runtime.block_on(async { Run::new(scenario).live().await })
}

/// That somebody gives the cluster an alias, before anything else is decided.
fn alias_of(scenario: &Scenario) -> Proposal {
    let head = scenario.servers.iter().find(|server| server.link.is_none());
    let head = head.expect("a topology has a head");
    Proposal {
        request: 1,
        proposed_at: Timestamp::default(),
        origin: Origin::default(),
        command: Command::SetClusterAlias {
            cluster: head.key.to_string(),
            alias: ALIAS.to_owned(),
            by: "ann".to_owned(),
        },
    }
}

struct Node {
    clock: Arc<NodeClock>,
    tasks: Vec<JoinHandle<()>>,
}

struct Run {
    scenario: Scenario,
    clock: SteppedClock,
    fleet: SharedFleet,
    group: SharedGroup,
    nodes: Vec<Node>,
    hooks: HookLog,
    /// What each node has seen; it survives the process, as the store does.
    pictures: Vec<Arc<SimPicture>>,
    ids: Arc<SeededIds>,
    /// For beats alone, so that they change no other draw.
    beat_ids: Arc<SeededIds>,
    trace: Trace,
    invariants: Vec<Box<dyn Invariant>>,
    next_fault: usize,
    /// What an ambush has in store still, once it was sprung.
    ambushed: Option<VecDeque<Planned>>,
    mended_at: Option<Duration>,
}

/// Why a run ends early.
type Ended = Violation;

impl Run {
    fn new(scenario: Scenario) -> Self {
        let trace = Trace::default();
        let seed = scenario.seed;
        let servers = scenario.servers.clone();
        let mut fleet = Fleet::new(servers, scenario.tuning, seed ^ 1, trace.clone());
        fleet.network.delay = scenario.delay;
        fleet.writers.clone_from(&scenario.writers);
        let mut group = SimGroup::new(scenario.nodes, scenario.group, seed ^ 2, trace.clone());
        group.append(&alias_of(&scenario), 0, Duration::ZERO);
        Self {
            clock: SteppedClock::start(),
            fleet: fleet.shared(),
            group: Arc::new(Mutex::new(group)),
            nodes: Vec::new(),
            hooks: HookLog::default(),
            pictures: Vec::new(),
            ids: Arc::new(SeededIds::new(seed ^ 3)),
            beat_ids: Arc::new(SeededIds::new(seed ^ 4)),
            trace,
            invariants: all(),
            next_fault: 0,
            ambushed: None,
            mended_at: None,
            scenario,
        }
    }

    async fn live(mut self) -> Outcome {
        self.describe();
        let ended = self.through_both_phases().await;
        for node in &self.nodes {
            node.tasks.iter().for_each(JoinHandle::abort);
        }
        let verdict = match ended {
            Ok(None) => Verdict::Good,
            Ok(Some(why)) => Verdict::ShowsNothing(why),
            Err(violation) => Verdict::Violation {
                promise: violation.promise,
                at: self.now(),
                what: violation.what,
            },
        };
        let recoveries = self.recoveries();
        let good = recoveries.iter().filter(|one| is_good(one)).count();
        let acknowledged = self
            .fleet
            .lock()
            .expect("it is ours")
            .ledger
            .acknowledged
            .len();
        Outcome {
            seed: self.scenario.seed,
            verdict,
            trace: self.trace.text(),
            recoveries: (recoveries.len(), good),
            acknowledged,
        }
    }

    fn describe(&self) {
        let scenario = &self.scenario;
        let line = |text: String| self.trace.line(Duration::ZERO, &text);
        line(format!(
            "seed {} {:?} nodes {} poll {:?} mended at {:?} writers {}",
            scenario.seed,
            scenario.aim,
            scenario.nodes,
            scenario.poll,
            scenario.mended_at,
            scenario.writers.len()
        ));
        line(format!("{:?} {:?}", scenario.tuning, scenario.group));
        for server in &scenario.servers {
            line(format!(
                "{} {} {:?} supervised {:?} below {:?} rule {:?} dc {}",
                server.key,
                server.product.version,
                server.file,
                server.supervised,
                server.link.as_ref().map(|link| (link.source, link.delay)),
                server.rule,
                server.data_center
            ));
        }
        for planned in &scenario.faults {
            line(format!("at {:?}: {:?}", planned.at, planned.fault));
        }
        if let Some(ambush) = &scenario.ambush {
            line(format!("{ambush:?}"));
        }
    }

    /// Both phases; what makes the run show nothing, if anything.
    async fn through_both_phases(&mut self) -> Result<Option<String>, Ended> {
        (0..self.scenario.nodes).for_each(|node| {
            self.pictures.push(self.new_picture(node));
            let node = self.new_node(node);
            self.nodes.push(node);
        });
        self.pass_until(self.scenario.mended_at).await?;
        let in_chaos = self.recoveries().len();
        self.mend();
        let is_calm = self.until(CALM_WITHIN, Self::is_calm).await?;
        if !is_calm {
            return Err(self.violation(
                "F7",
                "a minute after all was mended, the group still works or has no leader",
            ));
        }
        self.pass_until(self.now() + QUIET).await?;
        let last = self.recoveries().pop();
        let failed = last.as_ref().is_some_and(|one| {
            (one.end.as_ref()).is_some_and(|end| end.outcome == RecoveryOutcome::Failed)
        });
        if !failed {
            self.second_failover().await?;
        }
        self.at_end()?;
        Ok(self.shows_nothing(in_chaos, failed))
    }

    fn shows_nothing(&self, in_chaos: usize, failed: bool) -> Option<String> {
        let acknowledged = self
            .fleet
            .lock()
            .expect("it is ours")
            .ledger
            .acknowledged
            .len();
        if acknowledged < TRAFFIC_FLOOR {
            return Some(format!("{acknowledged} transactions were acknowledged"));
        }
        if failed {
            return None;
        }
        (self.scenario.aim == Aim::PrimaryLost && in_chaos == 0)
            .then(|| "no recovery was begun".to_owned())
    }

    fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    fn violation(&self, promise: &'static str, what: &str) -> Violation {
        Violation {
            promise,
            what: what.to_owned(),
        }
    }

    fn recoveries(&self) -> Vec<Arc<Recovery>> {
        let group = self.group.lock().expect("it is ours");
        let mut all: Vec<Arc<Recovery>> =
            group.log().latest().recoveries.values().cloned().collect();
        all.sort_by_key(|one| one.number);
        all
    }

    fn new_picture(&self, node: usize) -> Arc<SimPicture> {
        let servers = self.scenario.servers.iter();
        let keys: Vec<_> = servers.map(|server| server.key.clone()).collect();
        let clock = NodeClock::new(self.clock, self.scenario.clocks[node], Gate::default());
        Arc::new(SimPicture::of(&keys, clock.now()))
    }

    fn new_node(&self, node: usize) -> Node {
        let gate = self.group.lock().expect("it is ours").members[node]
            .gate
            .clone();
        let ahead = self.scenario.clocks[node];
        let clock = Arc::new(NodeClock::new(self.clock, ahead, gate.clone()));
        let servers = SimServers::new(self.fleet.clone(), node, clock.clone(), gate.clone());
        let member = SimMember::new(
            self.group.clone(),
            self.fleet.clone(),
            node,
            clock.clone(),
            gate.clone(),
        );
        let keys: Vec<_> = self
            .scenario
            .servers
            .iter()
            .map(|s| s.key.clone())
            .collect();
        let picture = self.pictures[node].clone();
        let hooks = SimHooks {
            node,
            log: self.hooks.clone(),
            fleet: self.fleet.clone(),
            clock: clock.clone(),
            gate: gate.clone(),
            draws: self.ids.clone(),
            takes_max: self.scenario.hook_max,
            trace: self.trace.clone(),
        };
        let poll = self.scenario.poll;
        let mut tasks = Vec::new();
        for key in keys {
            let micros = u64::try_from(poll.as_micros()).expect("polls are short");
            let first = Duration::from_micros(self.ids.below(micros));
            let keeps = picture
                .clone()
                .keep(servers.clone(), clock.clone(), key, first, poll);
            tasks.push(tokio::spawn(keeps));
        }
        let reached = servers.clone();
        let discovery = SimDiscovery {
            to: Arc::new(move |_| reached.clone()),
            picture: picture.clone(),
            clock: clock.clone(),
        };
        let member = Arc::new(member);
        let beater = SimBeater::new(self.fleet.clone(), node, clock.clone(), gate);
        let (config, beats_config) = watch::channel(Arc::new(beats::Config::default()));
        let beats = BeatLoop::new(
            beats::Deps {
                beater: Arc::new(beater),
                discovery: Arc::new(discovery.clone()),
                picture: picture.clone(),
                clock: clock.clone(),
                ids: self.beat_ids.clone(),
                decisions: member.clone(),
            },
            beats_config,
        );
        let runs = beats.clone();
        tasks.push(tokio::spawn(async move {
            // Kept for as long as the loop runs.
            let _config = config;
            runs.run(CancellationToken::new()).await;
        }));
        let deps = Deps {
            histories: Arc::new(servers.clone()),
            servers: Arc::new(servers),
            leadership: member.clone(),
            proposer: member.clone(),
            decisions: member,
            picture,
            beats,
            others: Arc::new(SimOthers::new(
                self.group.clone(),
                self.fleet.clone(),
                node,
                clock.clone(),
            )),
            discovery: Arc::new(discovery),
            hooks: Arc::new(hooks),
            clock: clock.clone(),
            ids: self.ids.clone(),
            node: format!("node{node}"),
        };
        let (sender, config) = watch::channel(Arc::new(self.config()));
        let recoveries = RecoveryLoop::new(deps, config);
        tasks.push(tokio::spawn(async move {
            // Kept for as long as the loop runs.
            let _sender = sender;
            recoveries.run(CancellationToken::new()).await;
        }));
        Node { clock, tasks }
    }

    fn config(&self) -> Config {
        let scenario = &self.scenario;
        let line = |text: &str| vec![text.to_owned()];
        let mut lines = vec![(HookList::AfterFailover, line("publish"))];
        if scenario.has_hooks_before {
            lines.push((HookList::OnDetection, line("detected")));
            lines.push((HookList::BeforeFailover, line("before")));
        }
        Config {
            look_every: scenario.look_every,
            analysis: scenario.policies.analysis.clone(),
            recovery: scenario.policies.recovery.clone(),
            hooks: HookLists {
                lines,
                timeout: Some(Duration::from_secs(5)),
            },
            ..Config::default()
        }
    }

    async fn pass_until(&mut self, at: Duration) -> Result<(), Ended> {
        while self.now() < at {
            self.step().await?;
        }
        Ok(())
    }

    /// Lets time pass until something holds; whether it did within the bound.
    async fn until(
        &mut self,
        within: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> Result<bool, Ended> {
        let end = self.now() + within;
        while !holds(self) {
            if self.now() >= end {
                return Ok(false);
            }
            self.step().await?;
        }
        Ok(true)
    }

    async fn step(&mut self) -> Result<(), Ended> {
        tokio::time::sleep(TICK).await;
        let now = self.now();
        while let Some(planned) = self.scenario.faults.get(self.next_fault)
            && planned.at <= now
            && self.mended_at.is_none()
        {
            let fault = planned.fault.clone();
            self.next_fault += 1;
            self.inflict(&fault, now);
        }
        self.ambush(now);
        {
            let mut group = self.group.lock().expect("it is ours");
            let mut fleet = self.fleet.lock().expect("it is ours");
            fleet.step(now);
            group.step(now, &fleet.network);
        }
        self.look(now)
    }

    fn ambush(&mut self, now: Duration) {
        let Some(ambush) = self
            .scenario
            .ambush
            .as_ref()
            .filter(|_| self.mended_at.is_none())
        else {
            return;
        };
        if self.ambushed.is_none() {
            let group = self.group.lock().expect("it is ours");
            self.ambushed = ambush.sprung(&group, now).map(VecDeque::from);
        }
        while let Some(planned) = self
            .ambushed
            .as_mut()
            .and_then(|left| left.pop_front_if(|next| next.at <= now))
        {
            self.inflict(&planned.fault, now);
        }
    }

    fn look(&mut self, now: Duration) -> Result<(), Ended> {
        for (number, node) in self.nodes.iter().enumerate() {
            if node.tasks.iter().any(JoinHandle::is_finished) {
                let what = format!("a task of node{number} has panicked");
                return Err(self.violation("F13", &what));
            }
        }
        self.ask(now, |invariant, view| invariant.look(view))
    }

    fn at_end(&mut self) -> Result<(), Ended> {
        self.ask(self.now(), |invariant, view| invariant.at_end(view))
    }

    fn ask(
        &mut self,
        now: Duration,
        question: impl Fn(&mut dyn Invariant, &View<'_>) -> Result<(), Violation>,
    ) -> Result<(), Ended> {
        let group = self.group.lock().expect("it is ours");
        let fleet = self.fleet.lock().expect("it is ours");
        let hooks = self.hooks.lock().expect("it is ours");
        let view = View {
            now,
            scenario: &self.scenario,
            fleet: &fleet,
            group: &group,
            hooks: &hooks,
            mended_at: self.mended_at,
        };
        for invariant in &mut self.invariants {
            question(invariant.as_mut(), &view)?;
        }
        Ok(())
    }

    fn inflict(&mut self, fault: &Fault, now: Duration) {
        self.trace.line(now, &format!("fault {fault:?}"));
        match fault {
            Fault::StopNode(node) => self.stop_node(*node, now),
            Fault::StartNode(node) => self.start_node(*node, now),
            Fault::StopLeader => {
                if let Some(node) = self.leader() {
                    self.stop_node(node, now);
                }
            }
            Fault::FreezeLeader => {
                if let Some(node) = self.leader() {
                    self.group.lock().expect("it is ours").freeze(node, now);
                }
            }
            Fault::FreezeNode(node) => self.group.lock().expect("it is ours").freeze(*node, now),
            Fault::ThawNode(node) => self.group.lock().expect("it is ours").thaw(*node, now),
            Fault::ThawNodes => {
                let mut group = self.group.lock().expect("it is ours");
                (0..self.scenario.nodes).for_each(|node| group.thaw(node, now));
            }
            Fault::Depose => self.group.lock().expect("it is ours").depose(now),
            Fault::Acknowledge => self.operator(acknowledge_all()),
            Fault::Disable => self.operator(Command::DisableRecoveries {
                by: "operator".to_owned(),
            }),
            Fault::Enable => self.operator(Command::EnableRecoveries),
            fault => inflict_on_fleet(&mut self.fleet.lock().expect("it is ours"), fault),
        }
    }

    fn leader(&self) -> Option<usize> {
        let group = self.group.lock().expect("it is ours");
        group.leader.map(|(node, _)| node)
    }

    fn stop_node(&mut self, node: usize, now: Duration) {
        let mut group = self.group.lock().expect("it is ours");
        if !group.members[node].is_up {
            return;
        }
        group.stop(node, now);
        let tasks = std::mem::take(&mut self.nodes[node].tasks);
        tasks.iter().for_each(JoinHandle::abort);
    }

    fn start_node(&mut self, node: usize, now: Duration) {
        {
            let mut group = self.group.lock().expect("it is ours");
            if group.members[node].is_up {
                return;
            }
            group.start(node, now);
        }
        if self.scenario.loses_pictures {
            self.pictures[node] = self.new_picture(node);
        }
        self.nodes[node] = self.new_node(node);
    }

    /// An operator asks the leader for something, until it is done.
    fn operator(&self, command: Command) {
        let (group, fleet) = (self.group.clone(), self.fleet.clone());
        let clocks: Vec<Arc<NodeClock>> =
            self.nodes.iter().map(|node| node.clock.clone()).collect();
        let request = orchestrator_core::ports::Ids::unique(self.ids.as_ref());
        tokio::spawn(async move {
            loop {
                let leader = group.lock().expect("no test panics with it").leader;
                if let Some((node, _)) = leader {
                    let clock = clocks[node].clone();
                    let gate = group.lock().expect("as above").members[node].gate.clone();
                    let proposal = Proposal {
                        request,
                        proposed_at: clock.now(),
                        origin: Origin::default(),
                        command: command.clone(),
                    };
                    let member = SimMember::new(group.clone(), fleet.clone(), node, clock, gate);
                    let proposed = orchestrator_core::ports::Proposer::propose(&member, proposal);
                    if proposed.await.is_ok() {
                        return;
                    }
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
    }

    /// Takes all faults away.
    fn mend(&mut self) {
        let now = self.now();
        self.trace.line(now, "all is mended");
        self.mended_at = Some(now);
        for node in 0..self.scenario.nodes {
            self.start_node(node, now);
            self.group.lock().expect("it is ours").thaw(node, now);
        }
        {
            let mut group = self.group.lock().expect("it is ours");
            group.tuning.slow_per_mille = 0;
            group.tuning.lost_answers_per_mille = 0;
        }
        let mut fleet = self.fleet.lock().expect("it is ours");
        fleet.tuning.slow_per_mille = 0;
        fleet.tuning.lost_answers_per_mille = 0;
        fleet.tuning.refused_per_mille = 0;
        fleet.tuning.apply_time = fleet.tuning.apply_time.min(WELL);
        fleet.tuning.fetch_lag = fleet.tuning.fetch_lag.min(WELL);
        fleet.network.join_all();
        for id in 0..fleet.servers.len() {
            fleet.thaw(id);
            if matches!(fleet.servers[id].power, Power::Down { .. }) {
                fleet.start(id);
            }
            let is_up = fleet.servers[id].is_up();
            if let Some(link) = fleet.servers[id].link.as_mut().filter(|_| is_up) {
                repair(link, now);
                let delay = link.delay;
                (link.relay.iter_mut()).for_each(|one| one.due = one.due.min(now + delay));
            }
        }
        drop(fleet);
        self.operator(Command::EnableRecoveries);
    }

    /// Somebody leads, and nothing is under way.
    fn is_calm(&self) -> bool {
        let group = self.group.lock().expect("it is ours");
        group.leader.is_some()
            && group
                .log()
                .latest()
                .unfinished_recoveries()
                .next()
                .is_none()
    }

    /// The primary, as the last good recovery left it.
    fn head(&self) -> ServerId {
        let fleet = self.fleet.lock().expect("it is ours");
        let successors = self.recoveries();
        let mut successors = successors.iter().rev().filter(|one| is_good(one));
        let successor = successors.find_map(|one| one.end.as_ref()?.successor.clone());
        successor.and_then(|key| fleet.find(&key)).unwrap_or(0)
    }

    async fn second_failover(&mut self) -> Result<(), Ended> {
        let head = self.head();
        let has_heir = {
            let group = self.group.lock().expect("it is ours");
            let fleet = self.fleet.lock().expect("it is ours");
            let downtimes = &group.log().latest().downtimes;
            has_heir(&fleet, head, |key| downtimes.contains_key(key))
        };
        if !has_heir {
            self.trace.line(
                self.now(),
                "nobody could succeed the primary: no second failover",
            );
            // What began a moment ago may end.
            self.until(SECOND_WITHIN, Self::is_calm).await?;
            return Ok(());
        }
        // An order of before, which waited for a leader, may have switched them off again.
        self.operator(Command::EnableRecoveries);
        self.operator(acknowledge_all());
        self.pass_until(self.now() + QUIET).await?;
        let before = self.recoveries().len();
        {
            let mut fleet = self.fleet.lock().expect("it is ours");
            fleet.servers[head].supervised = None;
            fleet.crash(head);
        }
        let key = self.scenario.servers[head].key.clone();
        let is_done = self
            .until(SECOND_WITHIN, |run| {
                let new = run.recoveries().split_off(before);
                new.iter().any(|one| one.subject == key && is_good(one)) && run.is_calm()
            })
            .await?;
        if !is_done {
            let what =
                format!("the loss of {key}, after all was mended, was not followed by a failover");
            return Err(self.violation("F10", &what));
        }
        self.pass_until(self.now() + QUIET).await
    }
}

fn acknowledge_all() -> Command {
    Command::AcknowledgeRecoveries {
        which: Acknowledged::All,
        by: "operator".to_owned(),
        comment: String::new(),
    }
}

fn is_good(recovery: &Recovery) -> bool {
    let end = recovery.end.as_ref();
    end.is_some_and(|end| end.outcome == RecoveryOutcome::Succeeded)
}

/// Whether some replica is in a state to be promoted without any doubt.
fn has_heir(fleet: &Fleet, head: ServerId, is_out: impl Fn(&InstanceKey) -> bool) -> bool {
    let version = fleet.servers[head].product.version;
    fleet.servers[head].is_up()
        && fleet.servers.iter().any(|one| {
            let link = one.link.as_ref();
            one.is_up()
                && !is_out(&one.key)
                && one.file.has_binlog
                && one.file.logs_updates
                && one.rule.is_none()
                && one.product.version == version
                && one.data_center == fleet.servers[head].data_center
                && link.is_some_and(|link| {
                    link.source == head
                        && !link.is_detached
                        && link.delay.is_zero()
                        && link.applies()
                        && matches!(link.receiver, Receiver::Running { .. })
                })
        })
}

fn inflict_on_fleet(fleet: &mut Fleet, fault: &Fault) {
    let now = fleet.now;
    match *fault {
        Fault::Crash(id) => fleet.crash(id),
        Fault::Start(id) => {
            if matches!(fleet.servers[id].power, Power::Down { .. }) {
                fleet.start(id);
            }
        }
        Fault::Freeze(id) => fleet.freeze(id),
        Fault::Thaw(id) => fleet.thaw(id),
        Fault::Isolate(place) => each_other(fleet, place)
            .into_iter()
            .for_each(|other| fleet.network.cut(place, other)),
        Fault::Rejoin(place) => each_other(fleet, place)
            .into_iter()
            .for_each(|other| fleet.network.join(place, other)),
        Fault::Cut(one, other) => fleet.network.cut(one, other),
        Fault::CutOneWay(from, to) => fleet.network.cut_one_way(from, to),
        Fault::Join(one, other) => fleet.network.join(one, other),
        _ => inflict_on_link(fleet, fault, now),
    }
}

fn inflict_on_link(fleet: &mut Fleet, fault: &Fault, now: Duration) {
    let (Fault::BreakApplier(id)
    | Fault::StopReceiver(id)
    | Fault::StopApplier(id)
    | Fault::Repair(id)) = *fault
    else {
        return;
    };
    let is_up = fleet.servers[id].is_up();
    let Some(link) = fleet.servers[id].link.as_mut().filter(|_| is_up) else {
        return;
    };
    match fault {
        Fault::BreakApplier(_) => link.breaks_next = true,
        // Whoever finds it stopped already does not think that it was him.
        Fault::StopReceiver(_) if !link.receiver.is_started() => {}
        Fault::StopApplier(_) if !link.applies() => {}
        Fault::StopReceiver(_) => {
            link.receiver = Receiver::Stopped { errno: 0 };
            link.is_stopped_by_hand = true;
        }
        Fault::StopApplier(_) => {
            link.applier = Applier::Stopped { errno: 0 };
            link.is_stopped_by_hand = true;
        }
        _ => repair(link, now),
    }
}

/// What operators do: they start whatever was stopped by hand or by an error, unless a recovery has been at work since.
fn repair(link: &mut Link, now: Duration) {
    let is_broken = matches!(link.applier, Applier::Stopped { errno } if errno != 0);
    link.breaks_next = false;
    if !link.is_stopped_by_hand && !is_broken {
        return;
    }
    // The applier first, so that nothing is lost.
    link.applier = Applier::Running;
    if link.is_stopped_by_hand && !link.receiver.is_started() {
        link.receiver = Receiver::Connecting {
            errno: 0,
            next_try: now,
        };
    }
    link.is_stopped_by_hand = false;
}

fn each_other(fleet: &Fleet, place: Place) -> Vec<Place> {
    let servers = (0..fleet.servers.len()).map(Place::Server);
    let nodes = (0..3).map(Place::Node);
    let all = servers.chain(nodes).chain([Place::Clients]);
    all.filter(|other| *other != place).collect()
}

//! One run: things break as the seed says, then all is mended and the group must serve and agree.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::decided::Digest;
use orchestrator_core::ports::{
    Clock as _, DecisionReader as _, Group as _, GroupRole, GroupStatus, Leadership as _,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::clients::{Client, Reachable, SharedLedger, lock};
use super::invariants::{Invariant, NodeView, Seen, View, Violation, all, broken};
use super::members::Away;
use super::network::{Counts, Net};
use super::node::{Node, World};
use super::recorder::{Recorder, keep};
use super::scenario::Scenario;
use super::store::Mood;
use crate::world::{SeededIds, SteppedClock};

/// Time between two looks: shorter than any lease, so that two leaders that serve at once are seen.
const STEP: Duration = Duration::from_millis(10);

/// Steps between two looks at what nodes say of themselves at length.
const STATUS_STEPS: u64 = 5;

/// Steps between two looks at digests, which take longer.
const DIGEST_STEPS: u64 = 25;

/// How long a sync of a healthy disk takes.
const SYNC: Duration = Duration::from_micros(300);

/// R7: all mended, a leader serves within this.
const LEADER_WITHIN: Duration = Duration::from_secs(3);

/// R7: and all have the same within this. A wiped node is let in 10 s after its old directory was heard last.
const CONVERGED_WITHIN: Duration = Duration::from_secs(30);

/// Writes go on for so long after all is mended.
const WRITES_AFTER: Duration = Duration::from_secs(1);

/// A node that begins to run again may first have to wait for as long as it promised before; then the group has its time.
const STARTED_WITHIN: Duration = Duration::from_secs(2);

/// Who was ill asks to be elected after so long.
const WELL_FOR: Duration = Duration::from_secs(10);

/// Until a write that waits is tried again, and a node looks how it is.
const FOUND_OUT_WITHIN: Duration = Duration::from_millis(400);

/// Fewer acknowledged writes show nothing.
const ACKNOWLEDGED_MIN: usize = 50;

/// Lines of the trace in a report.
const TRACE_LINES: usize = 60;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every promise held.
    Good,
    /// Too little happened.
    ShowsNothing(String),
    /// A promise was broken.
    Violation {
        /// Which.
        promise: &'static str,
        /// How.
        what: String,
        /// When.
        at: Duration,
    },
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// How it ended.
    pub verdict: Verdict,
    /// Acknowledged writes.
    pub acknowledged: usize,
    /// Writes whose outcome was unknown for a while.
    pub unknown: u64,
    /// Acknowledgements that came twice.
    pub repeated: u64,
    /// Writes to disks that were lost.
    pub lost_writes: usize,
    /// What the network did.
    pub net: Counts,
    /// Leaderships that served.
    pub leaderships: usize,
    /// What happened, a line each.
    pub trace: String,
    /// What all nodes showed in the last seconds before a promise was broken; empty where none was.
    pub story: String,
    /// What the seed decided.
    pub scenario: String,
}

impl Outcome {
    /// For people: what was broken, how to see it again, and the end of the trace. Writes the story to a file, and says where.
    pub fn report(&self) -> String {
        let lines: Vec<&str> = self.trace.lines().collect();
        let from = lines.len().saturating_sub(TRACE_LINES);
        format!(
            "{}\n…\n{}\nseed {}: {:?}\nthe last seconds of all nodes: {}\nagain: GROUP_SEED={} cargo nextest run -P long -p raft-tests --test group_simulation --no-capture one_seed\n",
            self.scenario,
            lines[from..].join("\n"),
            self.seed,
            self.verdict,
            keep(&self.seed.to_string(), &self.story),
            self.seed
        )
    }
}

/// Runs a seed, to the first broken promise.
pub fn run(seed: u64) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets starts");
    runtime.block_on(async {
        let mut run = Run::new(seed, Scenario::of(seed));
        let (end, at) = (run.all().await, run.now());
        run.end().await;
        run.outcome(end, at)
    })
}

/// A tmpfs where there is one: no test needs what it leaves.
fn directory() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    let made = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    made.expect("a temporary directory can be made")
}

pub(super) struct Run {
    seed: u64,
    pub(super) scenario: Scenario,
    pub(super) names: Vec<String>,
    pub(super) nodes: Vec<Node>,
    pub(super) world: World,
    reachable: Reachable,
    ledger: SharedLedger,
    stop_clients: CancellationToken,
    invariants: Vec<Box<dyn Invariant>>,
    /// Nodes to start again, and when.
    starts: Vec<(Duration, usize)>,
    /// Nodes whose disk failed, and until when they have to end.
    pub(super) failing: Vec<(Duration, usize)>,
    /// Nodes whose store is full, and until when.
    pub(super) full: Vec<(Duration, usize)>,
    /// Nodes whose log has no space, and until when.
    pub(super) full_disks: Vec<(Duration, usize)>,
    /// Nodes that have a reason to end by themselves.
    pub(super) may_end: BTreeSet<usize>,
    /// A node that is out of the group.
    pub(super) away: Option<Away>,
    /// What was last looked at and takes a while to look at.
    looked: Vec<Looked>,
    pub(super) orders: JoinSet<()>,
    steps: u64,
    lost_writes: usize,
    last_leader: Option<String>,
    leaderships: usize,
    pub(super) trace: String,
    pub(super) recorder: Recorder,
    _directory: tempfile::TempDir,
}

/// What takes a while to look at, as it was last.
#[derive(Default)]
struct Looked {
    status: Option<(u64, Arc<GroupStatus>)>,
    digest: Option<(u64, u64)>,
}

pub(super) type Checked = Result<(), Violation>;

impl Run {
    pub(super) fn new(seed: u64, scenario: Scenario) -> Self {
        let directory = directory();
        let names: Vec<String> = (1..=scenario.nodes)
            .map(|number| format!("node{number}:10008"))
            .collect();
        let nodes: Vec<Node> = names
            .iter()
            .zip(&scenario.old_starts)
            .map(|(name, old)| Node::new(name, directory.path(), *old))
            .collect();
        for (node, ahead) in nodes.iter().zip(&scenario.ahead) {
            node.disk.set_sync(SYNC);
            node.set_clock(*ahead);
        }
        let nodes_count = nodes.len();
        let disks = nodes.iter().map(|node| node.disk.clone()).collect();
        let net = Net::new(names.clone(), disks, seed, scenario.late, scenario.twice);
        Self {
            seed,
            reachable: Arc::new(std::sync::Mutex::new(vec![None; nodes.len()])),
            world: World {
                net,
                clock: SteppedClock::start(),
                ids: Arc::new(SeededIds::new(seed ^ 0x1d5)),
            },
            names,
            nodes,
            scenario,
            ledger: SharedLedger::default(),
            stop_clients: CancellationToken::new(),
            invariants: all(),
            starts: Vec::new(),
            failing: Vec::new(),
            full: Vec::new(),
            full_disks: Vec::new(),
            may_end: BTreeSet::new(),
            away: None,
            looked: (0..nodes_count).map(|_| Looked::default()).collect(),
            orders: JoinSet::new(),
            steps: 0,
            lost_writes: 0,
            last_leader: None,
            leaderships: 0,
            trace: String::new(),
            recorder: Recorder::default(),
            _directory: directory,
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.world.clock.monotonic()
    }

    pub(super) fn note(&mut self, what: impl std::fmt::Display) {
        let now = self.now();
        // Writing to a string does not fail.
        let _ = writeln!(self.trace, "{:>6} ms  {what}", now.as_millis());
        self.recorder.note(now, what.to_string());
    }

    async fn all(&mut self) -> Checked {
        self.first_starts().await?;
        let faults = self.scenario.faults.clone();
        for (after, fault) in faults {
            self.pass(after).await?;
            self.look()?;
            self.carry_out(fault);
        }
        self.mend().await?;
        self.heals().await
    }

    pub(super) async fn first_starts(&mut self) -> Checked {
        if let Some(some) = self.scenario.cut_at_start.clone() {
            self.part(&some);
        }
        let mut clients = JoinSet::new();
        for number in 0..self.scenario.clients {
            let client = Client {
                number,
                nodes: Arc::clone(&self.reachable),
                ledger: Arc::clone(&self.ledger),
                clock: self.world.clock,
                dice: SeededIds::new(self.seed.wrapping_add(number as u64 * 977)),
                stop: self.stop_clients.clone(),
            };
            clients.spawn(client.live());
        }
        clients.detach_all();
        for (node, after) in self.scenario.starts.clone() {
            self.pass(after).await?;
            self.start(node)?;
        }
        if self.scenario.cut_at_start.is_some() {
            self.pass(Duration::from_secs(2)).await?;
            self.note("the network is whole");
            self.world.net.mend();
        }
        Ok(())
    }

    pub(super) fn start(&mut self, number: usize) -> Checked {
        if self.nodes[number].running.is_some() {
            return Ok(());
        }
        let started =
            self.nodes[number].start(number, &self.names, &self.scenario.tuning, &self.world);
        let name = &self.names[number];
        match started {
            Ok(()) => {
                lock(&self.reachable)[number] = self.nodes[number].running.clone();
                self.note(format!("{name} starts"));
                Ok(())
            }
            Err(why) => broken("R7", format!("{name} does not start: {why}")),
        }
    }

    pub(super) fn crash(&mut self, number: usize, kept: u64, why: &str) {
        lock(&self.reachable)[number] = None;
        self.may_end.remove(&number);
        let lost = self.nodes[number].crash(number, kept, &self.world.net);
        self.lost_writes += lost;
        let name = &self.names[number];
        self.note(format!("{name} {why}, {lost} writes lost"));
    }

    pub(super) fn part(&mut self, some: &[usize]) {
        for a in some.iter().copied() {
            for b in (0..self.nodes.len()).filter(|b| !some.contains(b)) {
                self.world.net.cut(a, b);
                self.world.net.cut(b, a);
            }
        }
        self.note(format!("cut from the others: {some:?}"));
    }

    pub(super) fn leader(&self) -> Option<usize> {
        self.nodes.iter().position(|node| {
            let running = node.running.as_ref();
            running.is_some_and(|running| running.group.is_serving_leader())
        })
    }

    /// Whether all run and vote, and nobody is being let in or out: then one may lose everything. While two sets of voters decide, a
    /// majority of the former ones is needed too, and that of two, or of three of which one is gone, bears no loss.
    pub(super) fn is_whole(&self) -> bool {
        self.starts.is_empty()
            && self.nodes.iter().all(|node| {
                node.running.as_ref().is_some_and(|running| {
                    let role = running.group.status().role;
                    matches!(role, GroupRole::Leader | GroupRole::Follower)
                        && !running.group.is_changing_voters()
                })
            })
    }

    pub(super) fn start_after(&mut self, node: usize, after: Duration) {
        self.starts.push((self.now() + after, node));
    }

    /// Lets time pass, and looks at everything at each step.
    pub(super) async fn pass(&mut self, length: Duration) -> Checked {
        let end = self.now() + length;
        while self.now() < end {
            tokio::time::sleep(STEP).await;
            self.end_failed()?;
            self.end_full_and_old();
            self.follow_members();
            let now = self.now();
            for (_, node) in self.full.extract_if(.., |(until, _)| *until <= now) {
                self.nodes[node].set_store(Mood::Well);
            }
            let nodes = &self.nodes;
            let due: Vec<usize> = self
                .starts
                .extract_if(.., |(at, node)| *at <= now && nodes[*node].is_ended())
                .map(|(_, node)| node)
                .collect();
            for node in due {
                self.start(node)?;
            }
            self.look()?;
        }
        Ok(())
    }

    fn look(&mut self) -> Checked {
        self.steps += 1;
        if let Some(what) = self.world.net.broken() {
            return broken("R6", what);
        }
        let with_status = self.steps.is_multiple_of(STATUS_STEPS);
        let with_digests = self.steps.is_multiple_of(DIGEST_STEPS);
        let ledger = Arc::clone(&self.ledger);
        let ledger = lock(&ledger);
        let now = self.now();
        let view = view(
            &self.nodes,
            &mut self.looked,
            now,
            &ledger,
            (with_status, with_digests),
        );
        if with_status {
            let net = &self.world.net;
            self.recorder.look(&view, &self.nodes, || net.ways());
        }
        self.invariants
            .iter_mut()
            .try_for_each(|invariant| invariant.look(&view))?;
        let serves =
            |node: &NodeView<'_>| node.running.as_ref().is_some_and(|seen| seen.is_serving);
        let leader = view.nodes.iter().position(serves);
        let ended = view.nodes.iter().enumerate().find_map(|(number, node)| {
            let seen = node.running.as_ref()?;
            let is_ended = seen.status.role == GroupRole::Stopped;
            (is_ended && !self.may_end.contains(&number))
                .then(|| format!("{} ended: {}", node.name, seen.status.warnings.join("; ")))
        });
        drop(view);
        if let Some(what) = ended {
            return broken("R7", what);
        }
        let leader = leader.map(|leader| self.names[leader].clone());
        if leader.is_some() && leader != self.last_leader {
            self.leaderships += 1;
            let name = leader.clone().unwrap_or_default();
            self.note(format!("{name} serves"));
            self.last_leader = leader;
        }
        Ok(())
    }

    /// All faults off, all nodes up.
    async fn mend(&mut self) -> Checked {
        self.note("all is mended");
        self.world.net.mend();
        self.world.net.calm();
        for (node, ahead) in self.nodes.iter().zip(&self.scenario.ahead) {
            node.disk.set_sync(SYNC);
            node.set_clock(*ahead);
            node.set_store(Mood::Well);
            node.disk.set_full(false);
        }
        self.full.clear();
        self.full_disks.clear();
        self.starts.clear();
        for (_, node) in std::mem::take(&mut self.failing) {
            if self.nodes[node].running.is_some() {
                self.crash(node, 0, "gets a new disk");
            }
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].running.is_some() {
                continue;
            }
            if let Err(what) = self.nodes[node].ended().await {
                return broken("R7", what);
            }
            self.start(node)?;
        }
        Ok(())
    }

    /// R7, and what holds at the end.
    async fn heals(&mut self) -> Checked {
        // Who was ill has to be well for a while before it is elected, and may be the only one that can be. One whose disk or store took
        // nothing until now may find that out a moment later.
        self.pass(FOUND_OUT_WITHIN).await?;
        let are_all_fit = self.nodes.iter().all(|node| {
            let running = node.running.as_ref();
            running.is_some_and(|running| running.group.may_be_elected())
        });
        let quiet = if are_all_fit {
            Duration::ZERO
        } else {
            WELL_FOR
        };
        self.pass_until(
            STARTED_WITHIN + LEADER_WITHIN + quiet - FOUND_OUT_WITHIN,
            "R7: no leader serves",
            |run| run.leader().is_some(),
        )
        .await?;
        let mended = self.now();
        self.pass(WRITES_AFTER).await?;
        self.stop_clients.cancel();
        let left = |run: &Self| CONVERGED_WITHIN.saturating_sub(run.now() - mended);
        let clients = self.scenario.clients;
        self.pass_until(left(self), "R7: writes are not answered", |run| {
            lock(&run.ledger).done == clients
        })
        .await?;
        self.pass_until(left(self), "R7: nodes do not converge", Self::is_converged)
            .await?;
        self.note("all have the same");
        let ledger = Arc::clone(&self.ledger);
        let ledger = lock(&ledger);
        let now = self.now();
        let view = view(&self.nodes, &mut self.looked, now, &ledger, (true, true));
        self.invariants
            .iter_mut()
            .try_for_each(|invariant| invariant.at_end(&view))
    }

    fn is_converged(&self) -> bool {
        let states: std::collections::BTreeSet<(u64, String)> = self
            .nodes
            .iter()
            .filter_map(|node| {
                let state = node.running.as_ref()?.group.decided();
                Some((state.applied_index, Digest::of(&state).to_string()))
            })
            .collect();
        self.is_whole() && states.len() == 1
    }

    pub(super) async fn pass_until(
        &mut self,
        within: Duration,
        otherwise: &str,
        condition: impl Fn(&Self) -> bool,
    ) -> Checked {
        let end = self.now() + within;
        while !condition(self) {
            if self.now() > end {
                let statuses = self.statuses();
                return broken(
                    "R7",
                    format!("{otherwise} within {} s: {statuses}", within.as_secs_f32()),
                );
            }
            self.pass(STEP).await?;
        }
        Ok(())
    }

    /// For a report: how each node sees the group.
    fn statuses(&self) -> String {
        let lines = self.nodes.iter().map(|node| match &node.running {
            None => format!("\n  {} does not run", node.name),
            Some(running) => {
                let status = running.group.status();
                format!(
                    "\n  {} {:?} term {} leader {:?} log {} committed {} applied {} {:?}",
                    node.name,
                    status.role,
                    status.term,
                    status.leader,
                    status.last_log_index,
                    status.committed_index,
                    status.applied_index,
                    status.warnings
                )
            }
        });
        lines.collect()
    }

    /// Ends all tasks.
    pub(super) async fn end(&mut self) {
        self.stop_clients.cancel();
        self.orders.abort_all();
        lock(&self.reachable).fill(None);
        for number in 0..self.nodes.len() {
            self.nodes[number].crash(number, 0, &self.world.net);
            // A run that failed may leave tasks that hang; the report says what failed.
            drop(self.nodes[number].ended().await);
        }
    }

    fn outcome(self, end: Checked, at: Duration) -> Outcome {
        let ledger = lock(&self.ledger);
        let acknowledged = ledger.acknowledged.len();
        let verdict = match end {
            Err(Violation { promise, what }) => Verdict::Violation { promise, what, at },
            Ok(()) if acknowledged < ACKNOWLEDGED_MIN => {
                Verdict::ShowsNothing(format!("{acknowledged} acknowledged writes"))
            }
            Ok(()) if self.leaderships < 2 => {
                Verdict::ShowsNothing("one leader all the time".to_owned())
            }
            Ok(()) => Verdict::Good,
        };
        let story = match &verdict {
            Verdict::Violation { promise, what, .. } => self
                .recorder
                .tell(&format!("{promise}: {what}\n{:?}", self.scenario)),
            _ => String::new(),
        };
        Outcome {
            seed: self.seed,
            verdict,
            story,
            acknowledged,
            unknown: ledger.unknown,
            repeated: ledger.repeated,
            lost_writes: self.lost_writes,
            net: self.world.net.counts(),
            leaderships: self.leaderships,
            trace: self.trace.clone(),
            scenario: format!("{:?}", self.scenario),
        }
    }
}

fn view<'a>(
    nodes: &'a [Node],
    looked: &mut [Looked],
    now: Duration,
    ledger: &'a super::clients::Ledger,
    (with_status, with_digests): (bool, bool),
) -> View<'a> {
    let see = |running: &super::node::Running, looked: &mut Looked| {
        let group = &running.group;
        let start = running.start;
        let decided = group.decided();
        let place = (start, decided.applied_index);
        let digests = match with_digests && looked.digest != Some(place) {
            true => vec![(decided.applied_index, *Digest::of(&decided).as_bytes())],
            false => Vec::new(),
        };
        if !digests.is_empty() {
            looked.digest = Some(place);
        }
        let known = looked.status.take().filter(|(of, _)| *of == start);
        let status = match known {
            Some((_, status)) if !with_status => status,
            _ => group.status(),
        };
        looked.status = Some((start, Arc::clone(&status)));
        Seen {
            start,
            status,
            fence: group.fence(),
            is_serving: group.is_serving_leader(),
            decided,
            digests,
        }
    };
    let nodes = nodes.iter().zip(looked);
    View {
        now,
        nodes: nodes
            .map(|(node, looked)| NodeView {
                name: &node.name,
                disk: &node.disk,
                running: node.running.as_ref().map(|running| see(running, looked)),
            })
            .collect(),
        ledger,
    }
}

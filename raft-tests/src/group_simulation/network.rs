//! The network of a simulated group: cut both ways or one way, slow, with late and repeated messages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator::raft::transport::{Answer, Call, CallError, CallHandler, Callee, Transport};
use orchestrator_core::ports::BoxFuture;

use super::disk::Disk;
use super::invariants::durable;
use crate::world::SeededIds;

/// Longest delay of an answer that is late: long after the leader gave it up.
const LATE_MAX: u64 = 1_500;

/// Longest that an answer is under way: late, over a slow link, and then counted, applied, and looked at.
pub(super) const UNDER_WAY_MAX: Duration = Duration::from_millis(LATE_MAX + 300);

/// Silence after which a connection is given up, as the dialer of real ones has it: what is sent in the meantime, such as a snapshot,
/// fails then, however long it may take on a link that works.
const GIVEN_UP_AFTER: Duration = Duration::from_millis(2_500);

struct State {
    running: Vec<Option<(u64, Arc<dyn CallHandler>)>>,
    /// Ways that are cut: from, to.
    cut: BTreeSet<(usize, usize)>,
    /// Nodes that are slow to reach, by this much each way.
    slow: Vec<Duration>,
    /// Of a thousand answers, so many are late, and so many calls arrive twice.
    late: u64,
    twice: u64,
    counts: Counts,
    ways: Ways,
    broken: Option<String>,
}

/// What became of calls so far, for each way, from and to.
#[derive(Clone, Debug, Default)]
pub struct Ways(BTreeMap<(usize, usize), Way>);

#[derive(Clone, Copy, Debug, Default)]
struct Way {
    sent: u64,
    answered: u64,
    refused: u64,
}

impl Ways {
    /// What was added until `later`, for a trace: `1>2 20 of 24, 3 refused`. What was neither is under way, lost, or given up.
    pub fn until(&self, later: &Self) -> String {
        let ways = later.0.iter().map(|((from, to), now)| {
            let before = self.0.get(&(*from, *to)).copied().unwrap_or_default();
            let (sent, answered) = (now.sent - before.sent, now.answered - before.answered);
            let refused = match now.refused - before.refused {
                0 => String::new(),
                refused => format!(", {refused} refused"),
            };
            format!("{}>{} {answered} of {sent}{refused}", from + 1, to + 1)
        });
        ways.collect::<Vec<_>>().join("; ")
    }
}

/// What the network did to messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Calls that arrived.
    pub calls: u64,
    /// Calls and answers that were lost.
    pub lost: u64,
    /// Answers that came late.
    pub late: u64,
    /// Calls that arrived a second time.
    pub twice: u64,
    /// Snapshots that were sent and taken.
    pub snapshots: u64,
}

/// The network. Clones share it.
#[derive(Clone)]
pub struct Net {
    names: Arc<Vec<String>>,
    disks: Arc<Vec<Disk>>,
    state: Arc<Mutex<State>>,
    dice: Arc<SeededIds>,
}

impl Net {
    /// Between these nodes.
    pub fn new(names: Vec<String>, disks: Vec<Disk>, seed: u64, late: u64, twice: u64) -> Self {
        let count = names.len();
        Self {
            names: Arc::new(names),
            disks: Arc::new(disks),
            state: Arc::new(Mutex::new(State {
                running: vec![None; count],
                cut: BTreeSet::new(),
                slow: vec![Duration::ZERO; count],
                late,
                twice,
                counts: Counts::default(),
                ways: Ways::default(),
                broken: None,
            })),
            dice: Arc::new(SeededIds::new(seed)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node answers from now on.
    pub fn run(&self, node: usize, start: u64, handler: Arc<dyn CallHandler>) {
        self.lock().running[node] = Some((start, handler));
    }

    /// A node refuses connections from now on; what it was about to say is never heard.
    pub fn crash(&self, node: usize) {
        self.lock().running[node] = None;
    }

    /// Cuts one way.
    pub fn cut(&self, from: usize, to: usize) {
        self.lock().cut.insert((from, to));
    }

    /// A node is slow to reach.
    pub fn slow(&self, node: usize, by: Duration) {
        self.lock().slow[node] = by;
    }

    /// All ways are open and quick again.
    pub fn mend(&self) {
        let mut state = self.lock();
        state.cut.clear();
        state.slow.fill(Duration::ZERO);
    }

    /// From now on nothing is late or repeated.
    pub fn calm(&self) {
        let mut state = self.lock();
        state.late = 0;
        state.twice = 0;
    }

    /// What it did.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// What became of calls so far.
    pub fn ways(&self) -> Ways {
        self.lock().ways.clone()
    }

    /// The first answer that promised more than its node's disk holds.
    pub fn broken(&self) -> Option<String> {
        self.lock().broken.clone()
    }

    /// The end of a node's wires.
    pub fn end(&self, node: usize, start: u64) -> End {
        End {
            net: self.clone(),
            node,
            start,
        }
    }

    fn count(&self, from: usize, to: usize, change: impl FnOnce(&mut Way)) {
        change(self.lock().ways.0.entry((from, to)).or_default());
    }

    fn is_cut(&self, from: usize, to: usize) -> bool {
        self.lock().cut.contains(&(from, to))
    }

    fn is_running(&self, node: usize, start: u64) -> bool {
        let state = self.lock();
        state.running[node]
            .as_ref()
            .is_some_and(|(running, _)| *running == start)
    }

    fn delay(&self, from: usize, to: usize) -> Duration {
        let slow = {
            let state = self.lock();
            state.slow[from].max(state.slow[to])
        };
        slow + Duration::from_micros(200 + self.dice.below(2_000))
    }

    fn happens(&self, of_a_thousand: u64) -> bool {
        self.dice.below(1_000) < of_a_thousand
    }

    /// What arrives at a node and what it says; `None` when it does not run, or ended before it answered.
    async fn deliver(&self, to: usize, call: Call) -> Option<Result<Answer, String>> {
        let (start, handler) = self.lock().running[to].clone()?;
        self.lock().counts.calls += 1;
        let asked = call.clone();
        // It works on when the caller has given up.
        let work = tokio::spawn(async move { handler.handle(call).await });
        let answer = work.await.ok()?;
        if !self.is_running(to, start) {
            return None;
        }
        let mut state = self.lock();
        if let Ok(answer) = &answer {
            let promise = self.disks[to].look(|synced| durable::check(&asked, answer, synced));
            if let Err(what) = promise {
                let name = &self.names[to];
                state.broken.get_or_insert(format!("{name}: {what}"));
            }
            state.counts.snapshots += u64::from(matches!(answer, Answer::Snapshot(_)));
        }
        Some(answer)
    }

    /// What is lost on the way is never answered. Most callers give up long before the connection is found dead and given up.
    async fn lose(&self) -> Result<Answer, CallError> {
        self.lock().counts.lost += 1;
        tokio::time::sleep(GIVEN_UP_AFTER).await;
        let why = "the connection was given up: its other end is silent";
        Err(CallError::Unknown(why.to_owned()))
    }

    fn repeat(&self, to: usize, call: &Call) {
        let twice = self.lock().twice;
        if !self.happens(twice) {
            return;
        }
        let (net, call) = (self.clone(), call.clone());
        let after = Duration::from_millis(self.dice.below(LATE_MAX));
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            net.lock().counts.twice += 1;
            net.deliver(to, call).await
        });
    }

    async fn carry(&self, from: usize, to: usize, call: Call) -> Result<Answer, CallError> {
        tokio::time::sleep(self.delay(from, to)).await;
        if self.is_cut(from, to) {
            return self.lose().await;
        }
        self.repeat(to, &call);
        let is_there = self.lock().running[to].is_some();
        let answer = self.deliver(to, call).await;
        if self.is_cut(to, from) {
            return self.lose().await;
        }
        let late = self.lock().late;
        if self.happens(late) {
            self.lock().counts.late += 1;
            tokio::time::sleep(Duration::from_millis(self.dice.below(LATE_MAX))).await;
        }
        tokio::time::sleep(self.delay(to, from)).await;
        match answer {
            Some(answer) => answer.map_err(CallError::Refused),
            None if is_there => Err(CallError::Unknown("the connection was reset".to_owned())),
            None => Err(CallError::Absent(format!(
                "{} refuses connections",
                self.names[to]
            ))),
        }
    }
}

/// The end of the network at one start of a node.
pub struct End {
    net: Net,
    node: usize,
    start: u64,
}

impl Transport for End {
    fn call(&self, to: Callee, call: Call) -> BoxFuture<'static, Result<Answer, CallError>> {
        let (net, from, start) = (self.net.clone(), self.node, self.start);
        Box::pin(async move {
            let Some(to) = net.names.iter().position(|name| *name == to.name) else {
                return Err(CallError::Absent(format!("{} does not exist", to.name)));
            };
            if !net.is_running(from, start) {
                return net.lose().await;
            }
            net.count(from, to, |way| way.sent += 1);
            let answer = net.carry(from, to, call).await;
            net.count(from, to, |way| match &answer {
                Ok(_) => way.answered += 1,
                Err(CallError::Unknown(_)) => {}
                Err(_) => way.refused += 1,
            });
            answer
        })
    }
}

//! A simulated group that a test leads through one story by hand; every promise is asked after every step all the same.

use std::time::Duration;

use orchestrator::raft::RaftGroup;
use orchestrator_core::decided::{Command, Origin, Proposal};
use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::{Clock as _, Group as _, GroupRole, GroupStatus, Proposer as _};

use super::invariants::Violation;
use super::node::Loss;
use super::recorder::keep;
use super::run::{Checked, Run};
use super::scenario::{Scenario, Tuning};
use super::store::Mood;

/// How a step of a story ends: a promise that is broken ends it.
pub type Told<T = ()> = Result<T, Violation>;

/// Time for a group to come together.
const TOGETHER_WITHIN: Duration = Duration::from_secs(30);

/// A group that runs and does nothing by itself.
pub struct Story {
    run: Run,
    requests: u128,
}

/// Starts a group of so many nodes, waits for its leader, and tells it `story`.
///
/// # Panics
/// With the trace, when the story ends in a broken promise.
pub fn tell(nodes: usize, story: impl AsyncFnOnce(&mut Story) -> Told) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets starts");
    runtime.block_on(async {
        let mut all = Story {
            run: Run::new(1, quiet(nodes)),
            requests: 0,
        };
        let mut end = all.begin().await;
        if end.is_ok() {
            end = story(&mut all).await;
        }
        let trace = all.run.trace.clone();
        let seconds = all.run.recorder.tell("");
        all.run.end().await;
        if let Err(Violation { promise, what }) = end {
            let seconds = keep("story", &seconds);
            panic!("{trace}\n{promise}: {what}\nthe last seconds of all nodes: {seconds}");
        }
    });
}

fn quiet(nodes: usize) -> Scenario {
    Scenario {
        nodes,
        starts: (0..nodes).map(|node| (node, Duration::ZERO)).collect(),
        cut_at_start: None,
        ahead: vec![Duration::ZERO; nodes],
        tuning: Tuning {
            heartbeat: None,
            snapshot_every: 1_000,
            entries_kept: 10,
        },
        clients: 0,
        late: 0,
        twice: 0,
        faults: Vec::new(),
        old_starts: vec![0; nodes],
    }
}

impl Story {
    async fn begin(&mut self) -> Checked {
        self.run.first_starts().await?;
        let together = |run: &Run| run.leader().is_some() && run.is_whole();
        self.run
            .pass_until(
                TOGETHER_WITHIN,
                "the group does not come together",
                together,
            )
            .await
    }

    /// Who serves.
    ///
    /// # Panics
    /// When nobody does.
    pub fn leader(&self) -> usize {
        self.run.leader().expect("somebody serves")
    }

    /// Whether a node answers that it leads.
    pub fn serves(&self, node: usize) -> bool {
        self.group(node).is_serving_leader()
    }

    /// Whether somebody serves.
    pub fn is_led(&self) -> bool {
        self.run.leader().is_some()
    }

    /// Whether somebody serves, and not this node.
    pub fn is_led_by_another_than(&self, node: usize) -> bool {
        self.run.leader().is_some_and(|leader| leader != node)
    }

    /// A node that runs.
    ///
    /// # Panics
    /// When it does not.
    pub fn group(&self, node: usize) -> &RaftGroup {
        let running = self.run.nodes[node].running.as_ref();
        &running.expect("it runs").group
    }

    /// What a node says of itself.
    pub fn status(&self, node: usize) -> std::sync::Arc<GroupStatus> {
        self.group(node).status()
    }

    /// Why a node has to end, when it has.
    pub fn ended(&self, node: usize) -> Option<String> {
        let status = self.status(node);
        (status.role == GroupRole::Stopped).then(|| status.warnings.join("; "))
    }

    /// This node has a reason to end by itself.
    pub fn may_end(&mut self, node: usize) {
        self.run.may_end.insert(node);
    }

    /// What the store of a node does with writes from now on.
    pub fn set_store(&mut self, node: usize, mood: Mood) {
        self.run.note(format!("store of {node}: {mood:?}"));
        self.run.nodes[node].set_store(mood);
    }

    /// How far the wall clock of a node is ahead from now on.
    pub fn set_clock(&mut self, node: usize, ahead: Duration) {
        self.run.note(format!("clock of {node}: {ahead:?} ahead"));
        self.run.nodes[node].set_clock(ahead);
    }

    /// Whether the disk of a node's log has no space from now on.
    pub fn set_full_disk(&mut self, node: usize, is_full: bool) {
        self.run.note(format!("disk of {node} full: {is_full}"));
        self.run.nodes[node].disk.set_full(is_full);
    }

    /// Whether a node would ask to be elected if nobody led.
    pub fn may_be_elected(&self, node: usize) -> bool {
        self.group(node).may_be_elected()
    }

    /// What goes to a node and comes from it takes so long from now on.
    pub fn slow(&mut self, node: usize, by: Duration) {
        self.run.note(format!("{node} is slow by {by:?}"));
        self.run.world.net.slow(node, by);
    }

    /// A node crashes as by a power cut, and stays down.
    pub fn crash(&mut self, node: usize) {
        self.run.crash(node, 0, "crashes");
    }

    /// Syncs of a node's log fail from now on.
    pub fn fail_disk(&mut self, node: usize) {
        self.run.nodes[node].disk.fail();
    }

    /// Syncs of a node's log take so long from now on.
    pub fn set_sync(&mut self, node: usize, sync: Duration) {
        self.run.nodes[node].disk.set_sync(sync);
    }

    /// Whatever hands entries to a node's log panics from now on.
    pub fn panic_disk(&mut self, node: usize) {
        self.run.nodes[node].disk.panic();
    }

    /// A node crashes as by a power cut, and is started again when nothing of it is left.
    ///
    /// # Errors
    /// When it does not start, or hangs.
    pub async fn restart(&mut self, node: usize) -> Told {
        self.run.crash(node, 0, "crashes");
        self.start(node).await
    }

    /// A node crashes, and is started again with nothing of what it had.
    ///
    /// # Errors
    /// When it does not start, or hangs.
    pub async fn wipe(&mut self, node: usize) -> Told {
        self.run.nodes[node].lose(Loss::Everything);
        self.restart(node).await
    }

    /// Whether the voters are being changed, as a node sees it.
    pub fn is_changing_voters(&self, node: usize) -> bool {
        self.group(node).is_changing_voters()
    }

    /// How many sets of voters decide, as a node sees it: two in the middle of a change.
    pub fn voter_sets(&self, node: usize) -> usize {
        self.group(node).voter_sets().len()
    }

    /// A node that runs not is started.
    ///
    /// # Errors
    /// When it does not start, or hangs.
    pub async fn start(&mut self, node: usize) -> Told {
        if let Err(what) = self.run.nodes[node].ended().await {
            return Err(Violation {
                promise: "R7",
                what,
            });
        }
        self.run.start(node)
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// A promise that is broken meanwhile.
    pub async fn pass(&mut self, length: Duration) -> Told {
        self.run.pass(length).await
    }

    /// Lets time pass until `condition` holds, and says how long that took.
    ///
    /// # Errors
    /// When it does not within that time, or a promise is broken meanwhile.
    pub async fn until(
        &mut self,
        what: &str,
        within: Duration,
        condition: impl Fn(&Self) -> bool,
    ) -> Told<Duration> {
        let began = self.run.now();
        while !condition(self) {
            if self.run.now() - began > within {
                return Err(Violation {
                    promise: "story",
                    what: format!("in vain waited {within:?} until {what}"),
                });
            }
            self.run.pass(Duration::from_millis(10)).await?;
        }
        Ok(self.run.now() - began)
    }

    /// Orders a change at a node; its answer is not waited for.
    pub fn order(&mut self, node: usize) -> tokio::task::JoinHandle<bool> {
        self.requests += 1;
        let proposal = Proposal {
            request: self.requests << 64,
            proposed_at: self.run.world.clock.now(),
            origin: Origin::default(),
            command: Command::Forget {
                key: InstanceKey::parse(&format!("db{}", self.requests), 3306)
                    .expect("a valid name"),
            },
        };
        let group = self.group(node).clone();
        tokio::spawn(async move { group.propose(proposal).await.is_ok() })
    }

    /// Orders a change where somebody serves, and waits for its answer.
    ///
    /// # Errors
    /// When it is not acknowledged.
    pub async fn write(&mut self) -> Told {
        let answer = self.order(self.leader());
        self.until("a change is answered", TOGETHER_WITHIN, |_| {
            answer.is_finished()
        })
        .await?;
        match answer.await {
            Ok(true) => Ok(()),
            other => Err(Violation {
                promise: "story",
                what: format!("a change was not acknowledged: {other:?}"),
            }),
        }
    }
}

use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::decided::{Command, Proposal, RecoveryNews, RecoveryStepCommand, Reply};
use orchestrator_core::domain::{Fence, RecoveryId, RecoverySessionId};
use tokio::sync::oneshot;

use super::Member;
use super::log::{Entry, Log};
use crate::world::mysql::{Network, Place};
use crate::world::{SeededIds, Trace};

/// How quick and how unreliable a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTuning {
    /// How long a leader must be out of reach before another is elected.
    pub election: Duration,
    /// The longest time in which a replaced leader that nobody can tell goes on believing.
    pub disbelief: Duration,
    /// The longest time until another node has applied an entry.
    pub apply_lag: Duration,
    /// The longest usual time for a commit.
    pub commit: Duration,
    /// Commits that take up to two seconds, of a thousand.
    pub slow_per_mille: u64,
    /// Commits whose answer is lost, of a thousand.
    pub lost_answers_per_mille: u64,
    /// Commands of recoveries that arrive once more when it is too late, of a thousand.
    pub late_copies_per_mille: u64,
}

impl Default for GroupTuning {
    fn default() -> Self {
        Self {
            election: Duration::from_millis(500),
            disbelief: Duration::from_secs(2),
            apply_lag: Duration::from_millis(50),
            commit: Duration::from_millis(10),
            slow_per_mille: 0,
            lost_answers_per_mille: 0,
            late_copies_per_mille: 0,
        }
    }
}

/// How late a copy of a command arrives at most.
const LATE_MAX: Duration = Duration::from_secs(10);

/// What a proposer hears.
#[derive(Debug)]
pub(super) enum Heard {
    Committed(u64, Reply),
    NotLeader,
    Unknown,
}

#[derive(Debug)]
struct Pending {
    node: usize,
    fence: Fence,
    proposal: Proposal,
    due: Duration,
    reply: oneshot::Sender<Heard>,
}

/// A group as the simulated ports share it.
pub type SharedGroup = Arc<Mutex<SimGroup>>;

/// The group.
#[derive(Debug)]
pub struct SimGroup {
    /// Its nodes.
    pub members: Vec<Member>,
    /// Who leads, in truth.
    pub leader: Option<(usize, Fence)>,
    /// How quick and how unreliable.
    pub tuning: GroupTuning,
    /// What went wrong that must not: digests that differ.
    pub violations: Vec<String>,
    /// All leaderships: since when, who, with which fence, and until when.
    pub reigns: Vec<(Duration, usize, Fence, Option<Duration>)>,
    log: Log,
    last_fence: u64,
    leaderless_since: Option<Duration>,
    pending: Vec<Pending>,
    /// Copies of commands that arrive once more, when their recovery has ended, as by a request that was retried for too
    /// long.
    late: Vec<(Duration, usize, Proposal)>,
    /// Proposals of lost leaders that the next one commits.
    orphans: Vec<(usize, Proposal)>,
    draws: SeededIds,
    trace: Trace,
}

impl SimGroup {
    /// A group of so many nodes, none of which leads yet.
    pub fn new(nodes: usize, tuning: GroupTuning, seed: u64, trace: Trace) -> Self {
        Self {
            members: (0..nodes).map(|_| Member::new()).collect(),
            leader: None,
            tuning,
            violations: Vec::new(),
            reigns: Vec::new(),
            log: Log::default(),
            last_fence: 0,
            leaderless_since: Some(Duration::ZERO),
            pending: Vec::new(),
            late: Vec::new(),
            orphans: Vec::new(),
            draws: SeededIds::new(seed),
            trace,
        }
    }

    /// Committed entries, and the latest state.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The entries after the first `count`.
    pub fn entries_after(&self, count: usize) -> &[Entry] {
        self.log.entries().get(count..).unwrap_or_default()
    }

    /// What is proposed and not decided yet.
    pub fn proposed(&self) -> impl Iterator<Item = &Command> {
        self.pending.iter().map(|one| &one.proposal.command)
    }

    /// Puts an entry into the log, whoever leads: for histories made by hand.
    pub fn append(&mut self, proposal: &Proposal, by: usize, at: Duration) {
        self.commit(proposal, by, at);
    }

    /// Lets everything happen that is due.
    pub fn step(&mut self, now: Duration, network: &Network) {
        self.note_majorities(now, network);
        self.elect_if_needed(now, network);
        self.tell_replaced_leaders(now, network);
        self.commit_due(now, network);
        self.commit_late(now);
        self.apply(now, network);
    }

    fn note_majorities(&mut self, now: Duration, network: &Network) {
        for node in 0..self.members.len() {
            let has_quorum = self.has_quorum(node, network);
            let stretches = &mut self.members[node].cut_off;
            match (has_quorum, stretches.last_mut()) {
                (true, Some((_, until @ None))) => *until = Some(now),
                (true, _) | (false, Some((_, None))) => {}
                (false, _) => stretches.push((now, None)),
            }
        }
    }

    /// Whether a node runs and talks with a majority, itself counted.
    pub fn has_quorum(&self, node: usize, network: &Network) -> bool {
        let talks = |other: usize| {
            other == node
                || (self.members[other].is_well()
                    && network.talks(Place::Node(node), Place::Node(other)))
        };
        let count = (0..self.members.len())
            .filter(|other| talks(*other))
            .count();
        self.members[node].is_well() && count > self.members.len() / 2
    }

    /// Whether `fence` leads, in truth, from `node`.
    pub fn leads(&self, node: usize, fence: Fence) -> bool {
        self.leader == Some((node, fence))
    }

    /// Ends the process of a node.
    pub fn stop(&mut self, node: usize, now: Duration) {
        self.trace.line(now, &format!("node{node} dies"));
        self.members[node].is_up = false;
        self.members[node].believe(None);
        self.abandon(node, now);
    }

    /// Starts it again.
    pub fn start(&mut self, node: usize, now: Duration) {
        self.trace.line(now, &format!("node{node} starts"));
        self.members[node].is_up = true;
    }

    /// Stops the process of a node for a while.
    pub fn freeze(&mut self, node: usize, now: Duration) {
        if self.members[node].gate.is_open() {
            self.trace.line(now, &format!("node{node} freezes"));
            self.members[node].gate.set_open(false);
            self.members[node].stood_still.push((now, None));
        }
    }

    /// Lets it go on.
    pub fn thaw(&mut self, node: usize, now: Duration) {
        if !self.members[node].gate.is_open() {
            self.trace.line(now, &format!("node{node} thaws"));
            self.members[node].gate.set_open(true);
            if let Some((_, until)) = self.members[node].stood_still.last_mut() {
                *until = Some(now);
            }
        }
    }

    /// Takes leadership away from whoever has it, as after a moment of bad network.
    pub fn depose(&mut self, now: Duration) {
        if let Some((node, _)) = self.leader {
            self.abandon(node, now);
        }
    }

    fn abandon(&mut self, node: usize, now: Duration) {
        let Some((_, fence)) = self.leader.filter(|(leader, _)| *leader == node) else {
            return;
        };
        self.trace.line(
            now,
            &format!("node{node} leads no more under fence {fence}"),
        );
        self.leader = None;
        self.leaderless_since = Some(now);
        if let Some(reign) = self.reigns.last_mut() {
            reign.3 = Some(now);
        }
        let disbelief = self.draw_length(self.tuning.disbelief);
        self.members[node].believes_until = Some(now + disbelief);
    }

    fn elect_if_needed(&mut self, now: Duration, network: &Network) {
        if let Some((node, _)) = self.leader {
            match self.has_quorum(node, network) {
                true => self.leaderless_since = None,
                false => {
                    let since = *self.leaderless_since.get_or_insert(now);
                    if now - since >= self.tuning.election {
                        self.abandon(node, now);
                        self.leaderless_since = Some(since);
                    }
                }
            }
        }
        let Some(since) = self.leaderless_since.filter(|_| self.leader.is_none()) else {
            return;
        };
        if now - since < self.tuning.election {
            return;
        }
        let able: Vec<usize> = (0..self.members.len())
            .filter(|node| self.has_quorum(*node, network))
            .collect();
        if let Some(node) =
            able.get(usize::try_from(self.draws.below(8)).unwrap_or(0) % able.len().max(1))
        {
            self.elect(*node, now);
        }
    }

    fn elect(&mut self, node: usize, now: Duration) {
        self.last_fence += 1 + self.draws.below(3);
        let fence = Fence::from_number(self.last_fence);
        self.trace
            .line(now, &format!("node{node} leads under fence {fence}"));
        self.leader = Some((node, fence));
        self.leaderless_since = None;
        self.reigns.push((now, node, fence, None));
        for (by, proposal) in std::mem::take(&mut self.orphans) {
            self.commit(&proposal, by, now);
        }
        self.members[node].believe(Some(fence));
    }

    /// Whoever hears of another leader stops believing; others do when their time is over.
    fn tell_replaced_leaders(&mut self, now: Duration, network: &Network) {
        for node in 0..self.members.len() {
            let belief = self.members[node].belief.get();
            let Some(fence) = belief.filter(|fence| !self.leads(node, *fence)) else {
                continue;
            };
            if !self.members[node].is_well() {
                continue;
            }
            let is_told = self.leader.is_some_and(|(leader, _)| {
                leader == node || network.talks(Place::Node(node), Place::Node(leader))
            });
            let until = self.members[node].believes_until;
            // Also who is told at once needs a moment.
            let until = until.filter(|_| !is_told || self.draws.below(4) > 0);
            if until.is_none_or(|until| until <= now) {
                self.trace
                    .line(now, &format!("node{node} knows that {fence} is over"));
                self.members[node].believe(None);
            }
        }
    }

    pub(super) fn propose(
        &mut self,
        now: Duration,
        node: usize,
        proposal: Proposal,
    ) -> oneshot::Receiver<Heard> {
        let (reply, receiver) = oneshot::channel();
        let Some(fence) = self.members[node].belief.get() else {
            // The receiver is held below.
            let _ = reply.send(Heard::NotLeader);
            return receiver;
        };
        let takes = match self.draws.below(1000) < self.tuning.slow_per_mille {
            true => self.draw_length(Duration::from_secs(2)),
            false => self.draw_length(self.tuning.commit),
        };
        self.pending.push(Pending {
            node,
            fence,
            proposal,
            due: now + takes,
            reply,
        });
        receiver
    }

    fn commit_due(&mut self, now: Duration, network: &Network) {
        let mut left = Vec::new();
        for pending in std::mem::take(&mut self.pending) {
            if pending.due > now {
                left.push(pending);
                continue;
            }
            let node = pending.node;
            let leads = self.leads(node, pending.fence) && self.has_quorum(node, network);
            let heard = match leads {
                true => {
                    let (index, reply) = self.commit(&pending.proposal, node, now);
                    self.catch_up(node, now);
                    match self.draws.below(1000) < self.tuning.lost_answers_per_mille {
                        true => Heard::Unknown,
                        false => Heard::Committed(index, reply),
                    }
                }
                false if self.draws.below(2) == 0 => {
                    self.orphans.push((node, pending.proposal));
                    Heard::Unknown
                }
                false if self.draws.below(2) == 0 => Heard::Unknown,
                false => Heard::NotLeader,
            };
            // Whoever proposed may be gone.
            let _ = pending.reply.send(heard);
        }
        self.pending.append(&mut left);
    }

    fn commit_late(&mut self, now: Duration) {
        let due = |one: &(Duration, usize, Proposal)| one.0 <= now;
        let (due, left) = std::mem::take(&mut self.late).into_iter().partition(due);
        self.late = left;
        let due: Vec<(Duration, usize, Proposal)> = due;
        for (_, by, proposal) in due {
            let recoveries = &self.log.latest().recoveries;
            let is_over = about(&proposal.command)
                .and_then(|id| recoveries.get(&id))
                .is_some_and(|recovery| recovery.end.is_some());
            if is_over && self.leader.is_some() {
                let request = proposal.request.wrapping_add(1);
                let proposal = Proposal {
                    request,
                    ..proposal
                };
                self.commit(&proposal, by, now);
            }
        }
    }

    fn commit(&mut self, proposal: &Proposal, by: usize, now: Duration) -> (u64, Reply) {
        if about(&proposal.command).is_some()
            && self.draws.below(1000) < self.tuning.late_copies_per_mille
        {
            let due = now + self.draw_length(LATE_MAX);
            self.late.push((due, by, proposal.clone()));
        }
        let answer = self.commit_one(proposal, by, now);
        if let Some(twin) = twin_of(proposal).filter(|_| !matches!(answer.1, Reply::Refused(_))) {
            self.commit_one(&twin, by, now);
        }
        answer
    }

    fn commit_one(&mut self, proposal: &Proposal, by: usize, now: Duration) -> (u64, Reply) {
        let (index, reply) = self.log.commit(proposal, by, now);
        self.trace.line(
            now,
            &format!(
                "{index} by node{by}: {} -> {reply:?}",
                told(&proposal.command)
            ),
        );
        (index, reply)
    }

    fn apply(&mut self, now: Duration, network: &Network) {
        for node in 0..self.members.len() {
            let is_due = self.members[node].next_apply <= now;
            let is_behind =
                self.members[node].decided.applied_index < self.log.entries().len() as u64;
            if is_behind && is_due && self.has_quorum(node, network) {
                self.catch_up(node, now);
            }
        }
    }

    fn catch_up(&mut self, node: usize, now: Duration) {
        while let Some(next) = self.log.apply_next(&self.members[node].decided) {
            match next {
                Ok(state) => self.members[node].decided = Arc::new(state),
                Err(why) => {
                    self.violations.push(format!("node{node}: {why}"));
                    // Once is enough; it goes on with the state of the others.
                    self.members[node].decided = self.log.latest().clone();
                }
            }
        }
        self.members[node].next_apply = now + self.draw_length(self.tuning.apply_lag);
    }

    pub(super) fn draw_length(&self, max: Duration) -> Duration {
        let micros = u64::try_from(max.as_micros()).expect("lengths here are short");
        Duration::from_micros(self.draws.below(micros + 1))
    }
}

/// The recovery that a command carries on or ends.
fn about(command: &Command) -> Option<RecoveryId> {
    match command {
        Command::EndRecovery(end) => Some(end.id),
        Command::RecoveryStep { id, step } => match step.as_ref() {
            RecoveryStepCommand::StateLoss { .. }
            | RecoveryStepCommand::Note { .. }
            | RecoveryStepCommand::Watch { .. }
            | RecoveryStepCommand::Settled { .. } => None,
            _ => Some(*id),
        },
        _ => None,
    }
}

/// A command on one short line.
fn told(command: &Command) -> String {
    let short = |id: &RecoveryId| id.to_string()[..6].to_owned();
    match command {
        Command::RegisterRecovery(new) => {
            format!("register {} of {}", short(&new.id), new.subject)
        }
        Command::RegisterDetection(new) => format!("detected {:?} of {}", new.code, new.subject),
        Command::EndRecovery(end) => format!(
            "end {} {:?} {:?} lost {:?} {:?} {:?}",
            short(&end.id),
            end.outcome,
            end.successor,
            end.lost,
            end.errors,
            end.data_loss
        ),
        Command::RecoveryStep { id, step } => match step.as_ref() {
            RecoveryStepCommand::TakeOver { fence, .. } => {
                format!("take over {} {fence}", short(id))
            }
            RecoveryStepCommand::Enter { phase, news, .. } => {
                format!("enter {} {phase:?} {}", short(id), told_news(news))
            }
            RecoveryStepCommand::Record { news, .. } => {
                format!("record {} {}", short(id), told_news(news))
            }
            other => format!("{} {other:?}", short(id)),
        },
        other => format!("{other:?}"),
    }
}

fn told_news(news: &RecoveryNews) -> String {
    let sessions = |all: &[RecoverySessionId]| {
        let each = all
            .iter()
            .map(|one| format!("{}/{}", one.server.host(), one.connection_id));
        each.collect::<Vec<_>>().join(" ")
    };
    let steps: Vec<u32> = news.steps.iter().map(|(number, _)| *number).collect();
    let notes: Vec<&str> = news.notes.iter().map(|(_, text)| text.as_str()).collect();
    format!(
        "opened [{}] ended [{}] steps {steps:?} {notes:?}",
        sessions(&news.opened),
        sessions(&news.ended)
    )
}

/// Of some registrations: the same recovery, asked for by somebody else in the same moment, as an operator may who saw no more
/// than the loop. Whoever asks has looked before either was decided; only apply can refuse it.
fn twin_of(proposal: &Proposal) -> Option<Proposal> {
    /// Makes other ids; far from any that a run counts up.
    const OTHER: u128 = 1 << 100;
    let Command::RegisterRecovery(first) = &proposal.command else {
        return None;
    };
    if first.id.number() % 4 != 0 {
        return None;
    }
    let mut twin = first.clone();
    twin.id = RecoveryId::from_number(first.id.number() ^ OTHER);
    Some(Proposal {
        request: proposal.request ^ OTHER,
        command: Command::RegisterRecovery(twin),
        ..proposal.clone()
    })
}

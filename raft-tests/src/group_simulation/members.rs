//! Nodes that are taken out of the group, lose everything, and are added again.

use std::time::Duration;

use orchestrator_core::decided::{Origin, Proposal};
use orchestrator_core::domain::Timestamp;
use orchestrator_core::ports::{Group as _, GroupStatus, NodesChange, Proposer as _};

use super::node::Loss;
use super::run::Run;

/// How long an order may take before it is given again.
const ASK_AGAIN: Duration = Duration::from_millis(600);

/// A node that is, or is to be, out of the group for a while.
pub(super) struct Away {
    node: usize,
    stage: Stage,
    /// For how long it is out.
    length: Duration,
    asked_at: Option<Duration>,
}

enum Stage {
    /// The group is told to do without it.
    Leaves,
    /// It is out until then.
    Out(Duration),
    /// The group is told to have it again.
    Returns,
}

impl Run {
    /// The group is to do without a node, where all are well and no other is away.
    pub(super) fn leave(&mut self, node: usize, length: Duration) {
        if self.away.is_none() && self.is_whole() {
            let name = self.names[node].clone();
            self.note(format!("{name} is to leave the group"));
            self.away = Some(Away {
                node,
                stage: Stage::Leaves,
                length,
                asked_at: None,
            });
        }
    }

    /// What has become of the node that is away, and what is ordered next. At each step.
    pub(super) fn follow_members(&mut self) {
        let Some(mut away) = self.away.take() else {
            return;
        };
        let (now, node) = (self.now(), away.node);
        let name = self.names[node].clone();
        let leader = self.leader();
        let seen = leader.and_then(|leader| {
            let running = self.nodes[leader].running.as_ref()?;
            Some(running.group.status())
        });
        let is_wanted = |seen: &GroupStatus| seen.desired.contains(&name);
        let is_member = |seen: &GroupStatus| seen.members.iter().any(|one| one.name == name);
        let votes = |seen: &GroupStatus| {
            let mut members = seen.members.iter();
            members.any(|one| one.name == name && one.is_voter && one.is_healthy == Some(true))
        };
        let is_time = away.asked_at.is_none_or(|at| now >= at + ASK_AGAIN);
        match (&away.stage, &seen) {
            (Stage::Leaves, Some(seen)) if !is_wanted(seen) && !is_member(seen) => {
                self.crash(node, 0, "is out of the group, and loses everything");
                self.nodes[node].lose(Loss::Everything);
                away.stage = Stage::Out(now + away.length);
            }
            (Stage::Leaves, seen) => {
                // It learns of it, and ends.
                self.may_end.insert(node);
                if seen.as_ref().is_some_and(|seen| is_wanted(seen)) && is_time {
                    away.asked_at = Some(now);
                    self.change_nodes(leader, NodesChange::Remove(name));
                }
            }
            (Stage::Out(until), _) => {
                if now >= *until {
                    away.stage = Stage::Returns;
                    away.asked_at = None;
                    // Unless all is mended meanwhile, which starts everybody; a start that never comes due is waited for.
                    if self.nodes[node].running.is_none() {
                        self.start_after(node, Duration::ZERO);
                    }
                }
            }
            (Stage::Returns, Some(seen)) if votes(seen) => {
                self.note(format!("{name} is back"));
                return;
            }
            (Stage::Returns, seen) => {
                if seen.as_ref().is_some_and(|seen| !is_wanted(seen)) && is_time {
                    away.asked_at = Some(now);
                    self.change_nodes(leader, NodesChange::Add(name));
                }
            }
        }
        self.away = Some(away);
    }

    fn change_nodes(&mut self, leader: Option<usize>, change: NodesChange) {
        let (request, told) = (self.world.ids.unique(), format!("is told: {change:?}"));
        self.order(leader, &told, |group| async move {
            let Ok((_, command)) = group.change_nodes(&change) else {
                return;
            };
            let proposal = Proposal {
                request,
                proposed_at: Timestamp::from_seconds(1),
                origin: Origin::default(),
                command,
            };
            drop(group.propose(proposal).await);
        });
    }
}

//! What breaks in a run, and what becomes of nodes that end by it.

use std::time::Duration;

use orchestrator_core::ports::{Group as _, GroupRole, Successor};

use super::invariants::broken;
use super::node::Loss;
use super::run::{Checked, Run};
use super::scenario::Fault;
use super::store::Mood;

/// Time for a node whose disk failed to end by itself.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

impl Run {
    pub(super) fn carry_out(&mut self, fault: Fault) {
        match fault {
            Fault::Crash {
                node,
                kept,
                loses_store,
                down,
            } => {
                if self.nodes[node].running.is_none() {
                    return;
                }
                self.crash(node, kept, "crashes");
                if loses_store {
                    self.note("… and loses its store");
                    self.nodes[node].lose(Loss::Store);
                }
                self.start_after(node, down);
            }
            Fault::CrashLeader { down } => {
                if let Some(leader) = self.leader() {
                    self.crash(leader, 0, "crashes as leader");
                    self.start_after(leader, down);
                }
            }
            Fault::CrashAll => {
                for node in 0..self.nodes.len() {
                    if self.nodes[node].running.is_some() {
                        self.crash(node, 0, "crashes with all others");
                        self.start_after(node, Duration::from_millis(300 * node as u64));
                    }
                }
            }
            Fault::Wipe { node } => {
                // While one is away, the group may be one that cannot do without this one.
                if self.is_whole() && self.away.is_none() {
                    self.crash(node, 0, "loses everything");
                    self.nodes[node].lose(Loss::Everything);
                    self.start_after(node, Duration::from_millis(500));
                }
            }
            Fault::Part { some } => self.part(&some),
            Fault::CutLeader => {
                if let Some(leader) = self.leader() {
                    self.part(&[leader]);
                }
            }
            Fault::OneWay { from, to } => {
                self.note(format!("cut one way: {from} to {to}"));
                self.world.net.cut(from, to);
            }
            Fault::Mend => {
                self.note("the network is whole");
                self.world.net.mend();
            }
            Fault::Slow { node, by } => {
                self.note(format!("{node} is slow by {by:?}"));
                self.world.net.slow(node, by);
            }
            Fault::SlowDisk { node, sync } => {
                self.note(format!("syncs of {node} take {sync:?}"));
                self.nodes[node].disk.set_sync(sync);
            }
            Fault::FailDisk { node } => self.fail_disk(node),
            Fault::FullDisk { node, length } => {
                let name = &self.names[node];
                self.note(format!("the log of {name} has no space for {length:?}"));
                self.nodes[node].disk.set_full(true);
                self.full_disks.push((self.now() + length, node));
            }
            Fault::FullStore { node, length } => {
                let name = &self.names[node];
                self.note(format!("the store of {name} is full for {length:?}"));
                self.nodes[node].set_store(Mood::Full);
                self.full.push((self.now() + length, node));
            }
            Fault::Clock { node, ahead } => {
                let name = &self.names[node];
                self.note(format!("the clock of {name} is ahead by {ahead:?}"));
                self.nodes[node].set_clock(ahead);
            }
            Fault::HandOver => self.order(self.leader(), "hands over", |group| async move {
                drop(group.hand_over(Successor::Anyone).await);
            }),
            Fault::Leave { node, length } => self.leave(node, length),
            Fault::Snapshot { node } => {
                self.order(Some(node), "writes a snapshot", |group| async move {
                    drop(group.take_snapshot().await);
                });
            }
        }
    }

    /// An operator's order, which is not waited for and may fail.
    pub(super) fn order<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        node: Option<usize>,
        what: &str,
        order: impl FnOnce(orchestrator::raft::RaftGroup) -> F,
    ) {
        let Some(number) = node else {
            return;
        };
        if let Some(running) = self.nodes[number].running.clone() {
            let name = &self.names[number];
            self.orders.spawn(order(running.group));
            self.note(format!("{name} {what}"));
        }
    }

    /// R6: a node whose disk fails has to end.
    fn fail_disk(&mut self, node: usize) {
        let is_follower = self.nodes[node].running.as_ref().is_some_and(|running| {
            matches!(
                running.group.status().role,
                GroupRole::Leader | GroupRole::Follower
            )
        });
        if is_follower && !self.failing.iter().any(|(_, failing)| *failing == node) {
            let name = &self.names[node];
            self.note(format!("the disk of {name} fails"));
            self.nodes[node].disk.fail();
            self.may_end.insert(node);
            self.failing.push((Duration::MAX, node));
        }
    }

    /// Nodes whose disk failed end; what ended is started again.
    pub(super) fn end_failed(&mut self) -> Checked {
        let now = self.now();
        for (until, node) in std::mem::take(&mut self.failing) {
            let Some(running) = self.nodes[node].running.clone() else {
                continue;
            };
            let has_failed_write = self.nodes[node].disk.has_failed();
            let until = match until {
                Duration::MAX if has_failed_write => now + ENDS_WITHIN,
                until => until,
            };
            if running.group.status().role == GroupRole::Stopped {
                self.crash(node, 0, "ends, because its disk failed");
                self.start_after(node, Duration::from_millis(500));
            } else if now > until {
                let name = &self.names[node];
                return broken("R6", format!("a sync failed, and {name} goes on"));
            } else {
                self.failing.push((until, node));
            }
        }
        Ok(())
    }

    /// A log has space again when it is time; a node that could not write to it, or that is too old for what others decided, ends, and
    /// is started again.
    pub(super) fn end_full_and_old(&mut self) {
        let now = self.now();
        for (_, node) in self.full_disks.extract_if(.., |(until, _)| *until <= now) {
            self.nodes[node].disk.set_full(false);
        }
        for node in 0..self.nodes.len() {
            let Some(running) = self.nodes[node].running.clone() else {
                continue;
            };
            // It was stopped by order.
            if self.may_end.contains(&node) || running.group.status().role != GroupRole::Stopped {
                continue;
            }
            let is_old = self.nodes[node].is_old();
            if self.nodes[node].disk.has_failed() {
                self.crash(node, 0, "ends, because its disk has no space");
            } else if is_old {
                self.crash(
                    node,
                    0,
                    "ends, because it is too old, and gets the newer release",
                );
                self.nodes[node].renew();
            } else {
                continue;
            }
            self.start_after(node, Duration::from_millis(500));
        }
    }
}

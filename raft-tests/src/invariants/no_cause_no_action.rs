//! F8: no cause, no action: healthy replicas, one node's bad link, disabled recoveries. A manager that replaces a healthy
//! primary does more harm than none. Checked: when the first statement of a recovery reaches a server, its primary was gone a
//! short while ago: in truth down, frozen, or cut off from all its replicas, or as far as anybody can tell, cut off from all
//! nodes and from all replicas that the acting one can ask. One that any node in its reach still talks with is not gone. And nothing is registered while recoveries are disabled.

use std::collections::BTreeMap;
use std::time::Duration;

use orchestrator_core::decided::{Command, Reply};
use orchestrator_core::domain::RecoveryId;

use super::history::{History, Statements};
use super::{Invariant, Violation, broken};
use crate::world::group::is_near;
use crate::world::model::View;
use crate::world::mysql::{Fleet, Link, Place, ServerId};

/// How long a probe's result may be the newest there is, beside the time between two probes: one that hangs, one that is slow,
/// and the time for planning and opening connections.
const OLD_NEWS: Duration = Duration::from_secs(6);

/// See above.
#[derive(Debug, Default)]
pub(super) struct NoCauseNoAction {
    history: History,
    statements: Statements,
    /// When each server was last gone, as each node could know.
    gone_at: BTreeMap<(ServerId, usize), Duration>,
    looked_at: Duration,
    begun: Vec<RecoveryId>,
    read: usize,
    is_disabled: bool,
}

impl Invariant for NoCauseNoAction {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        for id in 0..view.fleet.servers.len() {
            for node in nodes_that_see_it_gone(view, id) {
                self.gone_at.insert((id, node), view.now);
            }
            // What was gone stays so while there is nobody left who could say otherwise.
            if is_out_of_everybodys_reach(view, id) {
                let of_it = (self.gone_at.iter_mut()).filter(|((server, _), _)| *server == id);
                let until_now = of_it.filter(|(_, at)| **at == self.looked_at);
                until_now.for_each(|(_, at)| *at = view.now);
            }
        }
        self.looked_at = view.now;
        self.history.read(view);
        self.nothing_while_disabled(view)?;
        for landed in self.statements.new_ones(view) {
            let recovery = landed.on_behalf_of.recovery;
            if self.begun.contains(&recovery) {
                continue;
            }
            self.begun.push(recovery);
            let Some(told) = self.history.recoveries.get(&recovery) else {
                continue;
            };
            // A leader that was lost may have stopped a receiver, and so its successor cannot call off any more.
            if landed.on_behalf_of.fence != told.registered.fence {
                continue;
            }
            let subject = view.fleet.find(&told.registered.subject);
            let gone_at = subject.and_then(|id| self.gone_at.get(&(id, landed.node)));
            let gone_at = gone_at.copied();
            let fresh = OLD_NEWS + view.scenario.poll + view.fleet.tuning.connect_retry;
            if gone_at.is_none_or(|at| landed.sent_at > at + fresh) {
                let what = format!("the primary was last gone at {gone_at:?}: {landed:?}");
                return broken("F8", what);
            }
        }
        Ok(())
    }
}

impl NoCauseNoAction {
    fn nothing_while_disabled(&mut self, view: &View<'_>) -> Result<(), Violation> {
        for entry in view.group.entries_after(self.read) {
            self.read += 1;
            match (&entry.proposal.command, &entry.reply) {
                (Command::DisableRecoveries { .. }, Reply::Done) => self.is_disabled = true,
                (Command::EnableRecoveries, Reply::Done) => self.is_disabled = false,
                (Command::RegisterRecovery(new), Reply::Done)
                    if self.is_disabled && !new.is_forced =>
                {
                    return broken("F8", format!("{} while recoveries are disabled", new.id));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// All nodes where a server is down, frozen, or none of its replicas that run can talk with it. Else, where no node can talk with it, those
/// that can ask some of these replicas and hear from all they can ask that it is lost: that one out of their reach still has it, nobody can
/// tell them. One that any node reaches is not gone because of the leader's own link.
fn nodes_that_see_it_gone(view: &View<'_>, id: ServerId) -> Vec<usize> {
    let (fleet, nodes) = (view.fleet, 0..view.group.members.len());
    let talks = |one, other| fleet.network.talks(one, other);
    let subject = Place::Server(id);
    let replicas: Vec<Place> = replicas_that_run(fleet, id).map(Place::Server).collect();
    let have_lost_it = |asked: &mut dyn Iterator<Item = &Place>| {
        let mut asked = asked.peekable();
        asked.peek().is_some() && asked.all(|one| !talks(*one, subject))
    };
    if !fleet.servers[id].is_up() {
        return nodes.collect();
    }
    if have_lost_it(&mut replicas.iter()) {
        // One that has it tells whoever asks.
        let members = &view.group.members;
        let tells = |one: usize, other: usize| {
            let can_ask = one == other || talks(Place::Node(one), Place::Node(other));
            members[other].is_well() && can_ask && talks(Place::Node(other), subject)
        };
        let is_told = |node: &usize| {
            is_near(&fleet.network) && nodes.clone().any(|other| tells(*node, other))
        };
        return nodes.clone().filter(|node| !is_told(node)).collect();
    }
    if nodes.clone().any(|node| talks(Place::Node(node), subject)) {
        return Vec::new();
    }
    let hears_so = |node: &usize| {
        let in_reach = |one: &&Place| talks(Place::Node(*node), **one);
        have_lost_it(&mut replicas.iter().filter(in_reach))
    };
    nodes.filter(hears_so).collect()
}

/// Whether no node and no replica that runs can talk with it.
fn is_out_of_everybodys_reach(view: &View<'_>, id: ServerId) -> bool {
    let subject = Place::Server(id);
    let replicas = replicas_that_run(view.fleet, id).map(Place::Server);
    let nodes = (0..view.group.members.len()).map(Place::Node);
    !nodes
        .chain(replicas)
        .any(|one| view.fleet.network.talks(one, subject))
}

/// Replicas that could hear from it. One whose receiver somebody has stopped cannot.
fn replicas_that_run(fleet: &Fleet, source: ServerId) -> impl Iterator<Item = ServerId> {
    let servers = fleet.servers.iter().enumerate();
    servers
        .filter(move |(_, one)| {
            let hears = |link: &Link| link.source == source && link.receiver.is_started();
            one.is_up() && one.link.as_ref().is_some_and(hears)
        })
        .map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use orchestrator_core::ports::Change;

    use super::*;
    use crate::invariants::testing::{Stage, register};

    #[test]
    fn an_action_above_a_healthy_primary_is_noticed() {
        let mut stage = Stage::new();
        stage.commit(register(1, "db0"));
        let mut invariant = NoCauseNoAction::default();
        assert_eq!(stage.look(&mut invariant), Ok(()), "nobody is touched");
        stage.land(0, 1, Change::StartApplier);
        assert_eq!(stage.broken(&mut invariant), "F8");
    }

    #[test]
    fn a_primary_that_was_gone_a_moment_ago_is_a_cause() {
        let mut stage = Stage::new();
        stage.fleet.crash(0);
        let mut invariant = NoCauseNoAction::default();
        assert_eq!(stage.look(&mut invariant), Ok(()));
        stage.fleet.start(0);
        stage.commit(register(1, "db0"));
        stage.pass(2);
        stage.land(0, 1, Change::StartApplier);
        assert_eq!(stage.look(&mut invariant), Ok(()));
    }

    /// The primary is cut off from one of its two replicas, and the acting node cannot ask the other.
    fn half_lost() -> Stage {
        let mut stage = Stage::new();
        let network = &mut stage.fleet.network;
        network.cut(Place::Server(0), Place::Server(1));
        network.cut(Place::Node(0), Place::Server(2));
        stage.commit(register(1, "db0"));
        stage
    }

    #[test]
    fn a_primary_that_no_node_reaches_is_gone_for_whoever_can_ask_only_those_that_lost_it() {
        let mut stage = half_lost();
        for node in 0..3 {
            stage.fleet.network.cut(Place::Node(node), Place::Server(0));
        }
        stage.land(0, 1, Change::StartApplier);
        assert_eq!(stage.look(&mut NoCauseNoAction::default()), Ok(()));
    }

    #[test]
    fn a_primary_that_another_node_reaches_is_not_gone_for_the_leaders_bad_link() {
        let mut stage = half_lost();
        stage.fleet.network.cut(Place::Node(0), Place::Server(0));
        stage.land(0, 1, Change::StartApplier);
        assert_eq!(stage.broken(&mut NoCauseNoAction::default()), "F8");
    }

    #[test]
    fn a_primary_whose_other_replica_the_node_can_ask_is_not_gone() {
        let mut stage = half_lost();
        let network = &mut stage.fleet.network;
        for node in 0..3 {
            network.cut(Place::Node(node), Place::Server(0));
        }
        network.join(Place::Node(0), Place::Server(2));
        stage.land(0, 1, Change::StartApplier);
        assert_eq!(stage.broken(&mut NoCauseNoAction::default()), "F8");
    }

    #[test]
    fn a_registration_while_disabled_is_noticed() {
        let mut stage = Stage::new();
        stage.commit(Command::DisableRecoveries {
            by: "ann".to_owned(),
        });
        stage.commit_unchecked(register(1, "db0"));
        assert_eq!(stage.broken(&mut NoCauseNoAction::default()), "F8");
    }
}

//! F2: no changing statement without a committed plan; leadership and currency confirmed again before each; none later than its
//! deadline. Hooks and statements of a leader that was replaced were undefined in the predecessor (openark/orchestrator
//! #451); a late statement of a dead leader's session throws away relay logs that the next one relies on. Checked in servers'
//! own logs, by the recovery and fence that each statement carries.
//!
//! One change needs no plan: that a replica of a silent primary reconnects.
//!
//! A process that stands still between its last look at its leadership and the statement is not held back by that look; the
//! next leader ends its session. So such statements count only against the order of fences.

use std::collections::BTreeMap;
use std::time::Duration;

use orchestrator_core::domain::Fence;
use orchestrator_core::ports::Change;

use super::history::{History, Statements};
use super::{Invariant, Violation, broken};
use crate::world::model::View;
use crate::world::mysql::{Landed, Place, ServerId};

/// Between a confirmation and its statement nothing is waited for; this is room for the steps of the simulation.
const SLACK: Duration = Duration::from_millis(100);
/// How long after its deadline a session is still being ended.
const ENDING: Duration = Duration::from_millis(1_500);

/// See above.
#[derive(Debug, Default)]
pub(super) struct Fenced {
    history: History,
    statements: Statements,
    /// The greatest fence that each server has seen.
    greatest: BTreeMap<ServerId, Fence>,
    /// When a leader last could not reach a server: it cannot end an earlier leader's session there.
    unreached_at: BTreeMap<ServerId, Duration>,
}

impl Invariant for Fenced {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        self.history.read(view);
        self.note_unreached(view);
        for landed in self.statements.new_ones(view) {
            let what = self
                .not_planned(landed)
                .or_else(|| not_leading(view, landed))
                .or_else(|| self.out_of_order(landed))
                .or_else(|| self.too_late(view, landed));
            if let Some(what) = what {
                return broken("F2", format!("{what}: {landed:?}"));
            }
        }
        Ok(())
    }
}

impl Fenced {
    fn not_planned(&self, landed: &Landed) -> Option<&'static str> {
        if self.reconnects(landed) {
            return None;
        }
        let Some(told) = self.history.recoveries.get(&landed.on_behalf_of.recovery) else {
            return Some("no recovery with this id is committed");
        };
        let server = &told.registered.servers;
        if told.at > landed.sent_at {
            return Some("it was sent before its recovery was committed");
        }
        let is_of_it = server
            .iter()
            .any(|one| one.key.host().as_str() == format!("db{}", landed.server));
        if !is_of_it {
            return Some("its recovery does not name this server");
        }
        let (end, _) = told.end.as_ref()?;
        let is_left = || {
            let mut left = told.left.iter();
            left.any(|(key, over)| {
                key.host().as_str() == format!("db{}", landed.server)
                    && over.is_none_or(|over| landed.sent_at <= over + SLACK)
            })
        };
        // Old primaries are closed afterwards too, and what was left with a stopped receiver is started.
        let may_follow = match landed.change {
            Change::Close => true,
            Change::StartReplication => is_left(),
            _ => false,
        };
        (landed.sent_at > *end + SLACK && !may_follow)
            .then_some("it was sent after its recovery ended")
    }

    /// Whether this lets a replica of a silent primary reconnect, or starts it again after that: no recovery is there yet, and there may
    /// never be one. Its leadership and the order of fences count all the same.
    fn reconnects(&self, landed: &Landed) -> bool {
        let told = self.history.recoveries.get(&landed.on_behalf_of.recovery);
        let is_before = told.is_none_or(|told| landed.sent_at < told.at);
        match landed.change {
            Change::RestartReceiver => true,
            Change::StartReplication => is_before,
            _ => false,
        }
    }

    fn note_unreached(&mut self, view: &View<'_>) {
        let Some((node, _)) = view.group.leader else {
            return;
        };
        let network = &view.fleet.network;
        let all = 0..view.fleet.servers.len();
        let unreached = all.filter(|id| !network.talks(Place::Node(node), Place::Server(*id)));
        self.unreached_at.extend(unreached.map(|id| (id, view.now)));
    }

    fn out_of_order(&mut self, landed: &Landed) -> Option<&'static str> {
        let fence = landed.on_behalf_of.fence;
        let greatest = self.greatest.entry(landed.server).or_insert(fence);
        if fence < *greatest {
            return Some("a greater fence has worked on this server before");
        }
        *greatest = fence;
        None
    }

    fn too_late(&self, view: &View<'_>, landed: &Landed) -> Option<&'static str> {
        if view.group.members[landed.node].had_no_majority_within(landed.sent_at, landed.at) {
            return None;
        }
        // Nobody can end a session on a server out of reach; once it is within reach, that takes its time as well.
        let unreached_at = self.unreached_at.get(&landed.server).copied();
        let begins = landed
            .out_of_reach_until
            .max(unreached_at)
            .max(Some(landed.deadline_at))?;
        let last = begins + ENDING;
        // A recovery that ended before it could leaves its sessions to the next registration. Watches of old primaries go on.
        let told = self.history.recoveries.get(&landed.on_behalf_of.recovery)?;
        let was_left = (told.end.as_ref())
            .is_some_and(|(end, _)| *end <= last && landed.sent_at <= *end + SLACK);
        (landed.at > last && !(was_left && landed.change != Change::Close))
            .then_some("it took effect long after its deadline")
    }
}

fn not_leading(view: &View<'_>, landed: &Landed) -> Option<&'static str> {
    let Some((since, node, _, until)) = view.reign(landed.on_behalf_of.fence) else {
        return Some("nobody has led under this fence");
    };
    if *node != landed.node || *since > landed.sent_at {
        return Some("this node did not lead under this fence then");
    }
    let until = (*until)?;
    let stood_still = (view.group.members[landed.node])
        .stood_still_within(until.saturating_sub(SLACK), landed.sent_at);
    (landed.sent_at > until + SLACK && !stood_still)
        .then_some("this leadership was over when it was sent")
}

#[cfg(test)]
mod tests {
    use orchestrator_core::decided::{Command, RecoveryStepCommand};
    use orchestrator_core::domain::{InstanceKey, RecoveryId};

    use super::*;
    use crate::invariants::testing::{Stage, end, register};

    fn key(name: &str) -> InstanceKey {
        InstanceKey::parse(name, 3306).expect("a host name")
    }

    /// Node 0 leads, and a recovery of `db0` is committed.
    fn under_way() -> Stage {
        let mut stage = Stage::new();
        stage.reign(0, 1);
        stage.commit(register(1, "db0"));
        stage
    }

    #[test]
    fn a_statement_of_no_recovery_is_noticed() {
        let mut stage = Stage::new();
        stage.reign(0, 1);
        stage.land(0, 1, Change::StopReceiver);
        assert_eq!(stage.broken(&mut Fenced::default()), "F2");
    }

    #[test]
    fn a_replica_may_be_told_to_reconnect_without_a_recovery_and_only_by_who_leads() {
        let mut stage = Stage::new();
        stage.reign(0, 1);
        stage.land(0, 1, Change::RestartReceiver);
        assert!(stage.look(&mut Fenced::default()).is_ok());
        stage.end_reign();
        stage.pass(1);
        stage.land(0, 1, Change::RestartReceiver);
        assert_eq!(stage.broken(&mut Fenced::default()), "F2");
    }

    #[test]
    fn a_statement_after_the_end_is_noticed_unless_it_closes() {
        for (change, is_fine) in [(Change::Close, true), (Change::MakeWritable, false)] {
            let mut stage = under_way();
            stage.commit(end(1));
            stage.pass(2);
            stage.land(0, 1, change);
            assert_eq!(stage.look(&mut Fenced::default()).is_ok(), is_fine);
        }
    }

    #[test]
    fn a_receiver_that_was_left_stopped_is_started_after_the_end_and_no_other() {
        let leave = RecoveryStepCommand::LeaveStopped {
            fence: Fence::from_number(1),
            servers: vec![key("db0")],
        };
        let settled = RecoveryStepCommand::Settled {
            server: key("db0"),
            notes: vec![],
        };
        let id = RecoveryId::from_number(1);
        let step = |step: &RecoveryStepCommand| Command::RecoveryStep {
            id,
            step: Box::new(step.clone()),
        };
        for (is_left, is_settled, is_fine) in [
            (false, false, false),
            (true, false, true),
            (true, true, false),
        ] {
            let mut stage = under_way();
            if is_left {
                stage.commit(step(&leave));
            }
            stage.commit(end(1));
            if is_settled {
                stage.commit(step(&settled));
            }
            stage.pass(2);
            stage.land(0, 1, Change::StartReplication);
            let looked = stage.look(&mut Fenced::default());
            assert_eq!(looked.is_ok(), is_fine, "{is_left} {is_settled}");
        }
    }

    #[test]
    fn a_statement_after_the_leadership_is_noticed() {
        let mut stage = under_way();
        stage.end_reign();
        stage.pass(1);
        stage.land(0, 1, Change::StopReceiver);
        assert_eq!(stage.broken(&mut Fenced::default()), "F2");
    }

    #[test]
    fn an_old_fence_after_a_greater_one_is_noticed() {
        let mut stage = under_way();
        stage.land(0, 1, Change::StopReceiver);
        stage.end_reign();
        stage.reign(1, 2);
        stage.land(1, 2, Change::StopReceiver);
        let mut invariant = Fenced::default();
        assert_eq!(stage.look(&mut invariant), Ok(()));
        // Sent in its time, and late.
        stage.land(0, 1, Change::StopReceiver);
        assert_eq!(stage.broken(&mut invariant), "F2");
    }

    #[test]
    fn an_effect_long_after_the_deadline_is_noticed() {
        let mut stage = under_way();
        stage.land(0, 1, Change::StopReceiver);
        let landed = stage.fleet.ledger.landed.last_mut().expect("it landed");
        landed.at = landed.deadline_at + Duration::from_secs(2);
        assert_eq!(stage.broken(&mut Fenced::default()), "F2");
    }

    /// A statement that takes effect `late` after its deadline, of a server that was out of reach until `back` after it.
    fn late_after_standing_still(stage: &mut Stage, back: u64, late: u64) {
        stage.land(0, 1, Change::StopApplier);
        let landed = stage.fleet.ledger.landed.last_mut().expect("it landed");
        landed.out_of_reach_until = Some(landed.deadline_at + Duration::from_secs(back));
        landed.at = landed.deadline_at + Duration::from_secs(late);
    }

    #[test]
    fn an_effect_of_a_session_that_nobody_could_reach_is_noticed_once_it_can_be_ended() {
        for (back, late, is_fine) in [(7, 8, true), (7, 10, false)] {
            let mut stage = under_way();
            late_after_standing_still(&mut stage, back, late);
            assert_eq!(stage.look(&mut Fenced::default()).is_ok(), is_fine);
        }
    }

    #[test]
    fn a_session_that_the_next_leader_cannot_reach_is_ended_once_it_can() {
        for (joined, ago, is_fine) in [(false, 3, true), (true, 13, false)] {
            let mut stage = under_way();
            let (node, server) = (Place::Node(0), Place::Server(0));
            stage.fleet.network.cut(node, server);
            stage.pass(3);
            let mut invariant = Fenced::default();
            assert_eq!(stage.look(&mut invariant), Ok(()));
            if joined {
                stage.fleet.network.join(node, server);
                stage.pass(10);
            }
            stage.land(0, 1, Change::StopApplier);
            let landed = stage.fleet.ledger.landed.last_mut().expect("it landed");
            landed.sent_at = landed.at - Duration::from_secs(ago);
            landed.deadline_at = landed.sent_at + Duration::from_secs(1);
            let looked = stage.look(&mut invariant);
            assert_eq!(looked.is_ok(), is_fine, "{joined}: {looked:?}");
        }
    }

    #[test]
    fn a_recovery_that_ends_while_a_server_is_out_of_reach_leaves_its_session() {
        let mut stage = under_way();
        late_after_standing_still(&mut stage, 7, 60);
        stage.commit(end(1));
        assert_eq!(stage.look(&mut Fenced::default()), Ok(()));
    }
}

//! F8: no cause, no action: healthy replicas, one node's bad link, disabled recoveries. A manager that replaces a healthy
//! primary does more harm than none. Checked: when the first statement of a recovery reaches a server, its primary was gone a
//! short while ago, in truth: down, frozen, or cut off from all its replicas; and nothing is registered while recoveries are
//! disabled.

use std::collections::BTreeMap;
use std::time::Duration;

use orchestrator_core::decided::{Command, Reply};
use orchestrator_core::domain::RecoveryId;

use super::history::{History, Statements};
use super::{Invariant, Violation, broken};
use crate::world::model::View;
use crate::world::mysql::{Fleet, Place, ServerId};

/// How long a probe's result may be the newest there is, beside the time between two probes: one that hangs, one that is slow,
/// and the time for planning and opening connections.
const OLD_NEWS: Duration = Duration::from_secs(6);

/// See above.
#[derive(Debug, Default)]
pub(super) struct NoCauseNoAction {
    history: History,
    statements: Statements,
    /// When each server was last gone.
    gone_at: BTreeMap<ServerId, Duration>,
    begun: Vec<RecoveryId>,
    read: usize,
    is_disabled: bool,
}

impl Invariant for NoCauseNoAction {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        for id in 0..view.fleet.servers.len() {
            if is_gone(view.fleet, id) {
                self.gone_at.insert(id, view.now);
            }
        }
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
            let gone_at = subject.and_then(|id| self.gone_at.get(&id)).copied();
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

/// Whether a server is down, frozen, or none of its replicas that run can talk with it.
fn is_gone(fleet: &Fleet, id: ServerId) -> bool {
    let below = |one: &ServerId| {
        let link = fleet.servers[*one].link.as_ref();
        fleet.servers[*one].is_up() && link.is_some_and(|link| link.source == id)
    };
    let mut replicas = (0..fleet.servers.len()).filter(below).peekable();
    let is_alone = replicas.peek().is_some()
        && replicas.all(|one| !fleet.network.talks(Place::Server(one), Place::Server(id)));
    !fleet.servers[id].is_up() || is_alone
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

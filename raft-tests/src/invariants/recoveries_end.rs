//! F7: a dead leader's recovery is resumed or ended with a reason by the next; its own record never blocks it; hooks run at
//! least once, with the same id. Checked: no recovery stays unfinished for long while somebody can lead, an end without
//! success has a reason, nothing carries a recovery on that has ended, and every successor was published under the recovery's id.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orchestrator_core::decided::{Command, RecoveryStepCommand, Reply};
use orchestrator_core::domain::{RecoveryId, RecoveryOutcome};

use super::history::History;
use super::{Invariant, Violation, broken};
use crate::world::model::View;

/// How long a recovery may take of the time in which somebody leads: the longest wait for relay logs, and every statement
/// refused or unanswered once.
const LED_TIME_MAX: Duration = Duration::from_secs(120);

/// See above.
#[derive(Debug, Default)]
pub(super) struct RecoveriesEnd {
    history: History,
    /// For how long somebody has led since each was registered.
    led: BTreeMap<RecoveryId, Duration>,
    last: Duration,
    read: usize,
    over: BTreeSet<RecoveryId>,
}

impl RecoveriesEnd {
    /// A recovery ends once, and nothing is taken afterwards that would carry it on.
    fn nothing_after_the_end(&mut self, view: &View<'_>) -> Result<(), Violation> {
        for entry in view.group.entries_after(self.read) {
            self.read += 1;
            let id = match &entry.proposal.command {
                Command::EndRecovery(end) => end.id,
                Command::RecoveryStep { id, step } => match step.as_ref() {
                    RecoveryStepCommand::StateLoss { .. }
                    | RecoveryStepCommand::Note { .. }
                    | RecoveryStepCommand::Watch { .. }
                    | RecoveryStepCommand::Settled { .. } => continue,
                    _ => *id,
                },
                _ => continue,
            };
            if entry.reply != Reply::Done {
                continue;
            }
            if self.over.contains(&id) {
                return broken(
                    "F7",
                    format!("{id} had ended: {:?}", entry.proposal.command),
                );
            }
            if matches!(entry.proposal.command, Command::EndRecovery(_)) {
                self.over.insert(id);
            }
        }
        Ok(())
    }
}

impl Invariant for RecoveriesEnd {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        self.nothing_after_the_end(view)?;
        let (begun, ended) = self.history.read(view);
        begun.into_iter().for_each(|id| {
            self.led.insert(id, Duration::ZERO);
        });
        for id in ended {
            self.led.remove(&id);
            let Some((_, end)) = self
                .history
                .recoveries
                .get(&id)
                .and_then(|told| told.end.as_ref())
            else {
                return broken("F7", format!("{id} has ended and was never registered"));
            };
            if end.outcome == RecoveryOutcome::Failed && end.errors.is_empty() {
                return broken("F7", format!("{id} failed without a reason"));
            }
        }
        let passed = view.now.saturating_sub(self.last);
        self.last = view.now;
        if view.group.leader.is_some() {
            self.led.values_mut().for_each(|length| *length += passed);
        }
        // A wait without bound is allowed where configuration wants it; mended, it has an end too.
        match self.led.iter().find(|(_, length)| **length > LED_TIME_MAX) {
            Some((id, _)) => broken("F7", format!("{id} does not end")),
            None => Ok(()),
        }
    }

    fn at_end(&mut self, view: &View<'_>) -> Result<(), Violation> {
        for (id, told) in &self.history.recoveries {
            let Some((_, end)) = &told.end else {
                return broken("F7", format!("{id} is unfinished"));
            };
            let is_told = view
                .hooks
                .iter()
                .any(|hook| hook.recovery == id.to_string() && !hook.successor.is_empty());
            if end.outcome == RecoveryOutcome::Succeeded && !is_told {
                return broken("F7", format!("the successor of {id} was never published"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_core::planted::{Bug, with};

    use super::*;
    use crate::invariants::testing::{Stage, end, register};

    #[test]
    fn one_that_does_not_end_is_noticed() {
        let mut stage = Stage::new();
        stage.reign(0, 1);
        stage.commit(register(1, "db0"));
        let mut invariant = RecoveriesEnd::default();
        assert_eq!(stage.look(&mut invariant), Ok(()));
        stage.pass(121);
        assert_eq!(stage.broken(&mut invariant), "F7");
    }

    #[test]
    fn a_second_end_is_noticed() {
        let mut stage = Stage::new();
        stage.commit(register(1, "db0"));
        stage.commit(end(1));
        let mut invariant = RecoveriesEnd::default();
        stage.commit(end(1));
        assert_eq!(stage.look(&mut invariant), Ok(()), "it is refused");
        with(Some(Bug::CommandAfterEnd), || stage.commit(end(1)));
        assert_eq!(stage.broken(&mut invariant), "F7");
    }

    #[test]
    fn an_unpublished_successor_is_noticed() {
        let mut stage = Stage::new();
        stage.commit(register(1, "db0"));
        stage.commit(end(1));
        let mut invariant = RecoveriesEnd::default();
        assert_eq!(stage.look(&mut invariant), Ok(()));
        assert_eq!(stage.broken_at_end(&mut invariant), "F7");
        stage.hook(0, 1);
        assert_eq!(stage.at_end(&mut invariant), Ok(()));
    }
}

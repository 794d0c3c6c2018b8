//! What a run hears.

use orchestrator_core::domain::RecoverySessionId;
use orchestrator_core::ports::ChangeError;
use orchestrator_core::recovery::hooks::HookMoment;
use orchestrator_core::recovery::plan::{OldPrimary, StepNumber, StepState, WhyFailed};

use super::report::Report;
use super::{Run, Stage};
use crate::executor::moments::Ran;
use crate::executor::scope::Lost;

/// Refusals that the next attempt may not meet: lock wait timeout, deadlock, query interrupted, execution time exceeded.
const PASSING: [u16; 4] = [1205, 1213, 1317, 3024];

impl Run {
    pub(super) fn hear(&mut self, report: Report) -> Result<(), Lost> {
        match report {
            Report::Opened {
                server,
                connection_id,
                ended,
            } => {
                let named = |connection_id| RecoverySessionId {
                    server: server.clone(),
                    connection_id,
                };
                self.pending.ended.extend(ended.into_iter().map(named));
                self.pending.opened.push(named(connection_id));
                if server == self.plan.dead {
                    (self.old.connection, self.old.is_recorded) = (Some(connection_id), false);
                } else if let Some(known) = self.servers.get_mut(&server) {
                    known.opened(connection_id);
                }
            }
            Report::SessionsEnded { server, ended } => {
                let named = |connection_id| RecoverySessionId {
                    server: server.clone(),
                    connection_id,
                };
                self.pending.ended.extend(ended.into_iter().map(named));
            }
            Report::Closed { server } => {
                if let Some(known) = self.servers.get_mut(&server) {
                    known.closed();
                }
            }
            Report::Seen { server, seen } => {
                if let Some(known) = self.servers.get_mut(&server) {
                    known.seen();
                }
                self.put(*seen);
            }
            Report::Made {
                server,
                number,
                result,
            } => {
                let now = self.scope.deps.clock.monotonic();
                let is_known = !matches!(result, Err(ChangeError::Unknown { .. }));
                if let Some(known) = self.servers.get_mut(&server) {
                    known.answered(now, is_known);
                }
                if let Err(why) = result {
                    self.hear_failure(number, &why);
                }
            }
            Report::Withheld { server } => {
                let now = self.scope.deps.clock.monotonic();
                if let Some(known) = self.servers.get_mut(&server) {
                    known.withheld(now);
                }
            }
            Report::OldPrimary { state, said } => self.hear_old_primary(state, said),
            Report::CloseTried { result } => self.hear_close(result),
            Report::HooksRan { moment, ran } => self.hear_hooks(moment, ran),
            Report::Lost(lost) => return Err(lost),
        }
        Ok(())
    }

    /// Refused for good, the step has failed; else it is tried again until its deadline.
    fn hear_failure(&mut self, number: StepNumber, why: &ChangeError) {
        let Some(step) = self.plan.steps.get(number).cloned() else {
            return;
        };
        self.note(format!(
            "step {number}, {}, on {}: {why}",
            step.action, step.on
        ));
        let is_final = match why {
            ChangeError::Refused { errno, .. } => !PASSING.contains(errno),
            // Somebody has started its receiver meanwhile, or its server was restarted: it applies what came.
            ChangeError::Unapplied { .. } => !self.plan.may_come_later(&step),
            ChangeError::Unsupported { .. } => true,
            ChangeError::Unreachable { .. }
            | ChangeError::Unknown { .. }
            | ChangeError::NotSeen { .. } => false,
        };
        if is_final && !self.plan.gives_up(&step) {
            let failed = StepState::Failed(WhyFailed::Refused {
                number,
                on: step.on,
                reason: why.to_string(),
            });
            self.write_down(vec![(number, failed)]);
        }
    }

    fn hear_old_primary(&mut self, state: OldPrimary, said: String) {
        self.old.is_tried = true;
        let answers = state == OldPrimary::Answers;
        let now = self.scope.deps.clock.monotonic();
        self.old.answers_since = match (answers, self.old.answers_since) {
            (true, None) => Some(now),
            (true, since) => since,
            (false, _) => None,
        };
        if self.progress.old_primary == state {
            return;
        }
        let dead = self.plan.dead.clone();
        let told = match state {
            OldPrimary::Answers => format!("the old primary {dead} is back: {said}"),
            OldPrimary::Closed => {
                format!("the old primary {dead} is closed: read-only, its clients' sessions ended")
            }
            OldPrimary::Silent => format!("the old primary {dead} is gone again"),
        };
        tracing::warn!(server = %dead, "{told}");
        self.note(told);
        self.old.said = said;
        if state == OldPrimary::Silent {
            self.old.connection = None;
        }
        self.old.was_closed |= state == OldPrimary::Closed;
        self.progress.old_primary = state;
    }

    fn hear_close(&mut self, result: Result<(), String>) {
        if let Err(why) = result {
            self.old.said.clone_from(&why);
            self.note(format!("closing {}: {why}", self.plan.dead));
        }
    }

    fn hear_hooks(&mut self, moment: HookMoment, ran: Ran) {
        self.pending.notes.extend(ran.notes);
        match moment {
            HookMoment::Registered => {
                self.hooks_before = Stage::Over;
                if let Some(why) = ran.stops {
                    self.end_unattempted(why);
                }
            }
            HookMoment::Ended(_) => self.hooks_after = Stage::Over,
            HookMoment::Detected => {}
        }
    }

    /// A line for people, with the next command.
    pub(super) fn note(&mut self, text: String) {
        let at = self.scope.now();
        tracing::debug!("{text}");
        self.pending.notes.push((at, text));
    }
}

//! The end of a recovery.

use std::collections::BTreeSet;
use std::time::Duration;

use orchestrator_core::decided::{Command, EndRecovery, LINES_IN_COMMAND_MAX, LostServer};
use orchestrator_core::domain::{
    DataLoss, InstanceKey, Phase, Recovery, RecoveryOutcome, RecoverySessionId, TimeSplit,
    Timestamp,
};
use orchestrator_core::legacy::hooks::HookList;
use orchestrator_core::recovery::hooks::HookMoment;
use orchestrator_core::recovery::plan::{
    Action, EndOfRecovery, Step, StepState, WhyFailed, data_loss,
};

use super::steps::Server;
use super::{Ended, Run, Stage, Turn};
use crate::executor::lost::LOST_REASON;
use crate::executor::metrics;
use crate::executor::scope::Lost;

/// Downtime of lost servers where configuration gives no length: until they are well again, which ends it. A year is
/// longer than anybody leaves one.
const UNTIL_WELL: Duration = Duration::from_secs(365 * 24 * 3600);

/// How a recovery ends.
pub(super) struct Ending {
    outcome: RecoveryOutcome,
    errors: Vec<String>,
    /// Replicas that were to be moved and were not.
    unmoved: Vec<InstanceKey>,
    /// Hooks of the end run; not where those of the beginning have failed, nor before those.
    tells_hooks: bool,
    /// What was stopped on servers is started again first.
    undoes: bool,
}

impl Run {
    /// The old primary is back, and nobody was touched.
    pub(super) fn call_off(&mut self) -> Result<Turn, Lost> {
        let dead = self.plan.dead.clone();
        self.note(format!(
            "called off: {dead} answers, and no receiver was stopped"
        ));
        self.ending = Some(Ending {
            outcome: RecoveryOutcome::CalledOff,
            errors: vec![],
            unmoved: vec![],
            tells_hooks: self.hooks_before != Stage::Open && self.had_hooks_before(),
            undoes: false,
        });
        Ok(Turn::Again)
    }

    /// Hooks that have to let it begin said no.
    pub(super) fn end_unattempted(&mut self, why: String) {
        self.ending = Some(Ending {
            outcome: RecoveryOutcome::Failed,
            errors: vec![why],
            unmoved: vec![],
            tells_hooks: false,
            undoes: false,
        });
    }

    /// Nobody is promoted.
    pub(super) fn end_failed(&mut self, why: String) {
        let mut errors = vec![why];
        if self.old.was_closed {
            let dead = &self.plan.dead;
            errors.push(format!("{dead} was closed, and nobody takes writes now"));
        }
        self.ending = Some(Ending {
            outcome: RecoveryOutcome::Failed,
            errors,
            unmoved: vec![],
            tells_hooks: true,
            undoes: self.progress.phase < Phase::Promoted,
        });
    }

    /// As the core says.
    pub(super) fn end_as(&mut self, end: EndOfRecovery) -> Result<Turn, Lost> {
        match end {
            EndOfRecovery::Failed { on, why } => {
                let told = why.to_string();
                let on = on.to_string();
                self.end_failed(match told.contains(&on) {
                    true => told,
                    false => format!("{on}: {told}"),
                });
            }
            EndOfRecovery::Succeeded { unmoved } => {
                let told =
                    |(key, why): &(InstanceKey, WhyFailed)| format!("{key} was not moved: {why}");
                let later = self.plan.failed_later(&self.progress);
                let later = later.map(|(step, why)| {
                    format!(
                        "{} takes writes, and this is left to do there by hand, or it is not known as a primary: {}; {why}",
                        step.on, step.action
                    )
                });
                self.ending = Some(Ending {
                    outcome: RecoveryOutcome::Succeeded,
                    errors: unmoved.iter().map(told).chain(later).collect(),
                    unmoved: unmoved.into_iter().map(|(key, _)| key).collect(),
                    tells_hooks: false,
                    undoes: false,
                });
            }
        }
        Ok(Turn::Again)
    }

    fn had_hooks_before(&self) -> bool {
        !self
            .scope
            .config
            .hooks
            .of(HookList::BeforeFailover)
            .is_empty()
    }

    /// Lost servers: those of the plan, and those that could not be moved.
    pub(super) fn lost(&self) -> Vec<InstanceKey> {
        let planned = self.plan.lost().map(|(key, _)| key.clone());
        let unmoved = self.ending.iter().flat_map(|ending| ending.unmoved.clone());
        let all: BTreeSet<InstanceKey> = planned.chain(unmoved).collect();
        all.into_iter().collect()
    }

    /// One turn towards the end: what was stopped is started again, hooks run, the end is decided.
    pub(super) async fn finish(&mut self) -> Result<Turn, Lost> {
        // What is under way would take effect after the end.
        let is_under_way = self.servers.values().any(Server::is_busy) || self.ends_receivers();
        let Some(ending) = &mut self.ending else {
            return Ok(Turn::Again);
        };
        if is_under_way {
            return Ok(Turn::Wait);
        }
        if std::mem::take(&mut ending.undoes) {
            self.flush().await?;
            self.undo().await?;
            return Ok(Turn::Again);
        }
        if std::mem::take(&mut ending.tells_hooks) {
            let outcome = ending.outcome;
            self.flush().await?;
            self.hooks_after = match self.start_hooks(HookMoment::Ended(outcome)) {
                true => Stage::Running,
                false => Stage::Over,
            };
        }
        if self.hooks_after == Stage::Running {
            return Ok(Turn::Wait);
        }
        self.end().await.map(Turn::Ended)
    }

    async fn end(&mut self) -> Result<Ended, Lost> {
        while self.pending.steps.len() + self.pending.notes.len() > LINES_IN_COMMAND_MAX {
            self.flush().await?;
        }
        let mut news = self.take_pending()?;
        let room = LINES_IN_COMMAND_MAX - news.ended.len();
        news.ended.extend(self.idle_sessions().take(room));
        let ending = self.ending.as_ref().expect("whoever calls has one");
        let (outcome, errors) = (ending.outcome, ending.errors.clone());
        let is_good = outcome == RecoveryOutcome::Succeeded;
        let lost = match is_good {
            true => self.lost(),
            false => self.perhaps_promoted(),
        };
        let successor = is_good.then(|| self.plan.choice.promoted.clone());
        let command = EndRecovery {
            id: self.scope.id,
            fence: self.scope.fence,
            outcome,
            successor: successor.clone(),
            successor_alias: match is_good {
                true => self.successor_alias(),
                false => String::new(),
            },
            downtimes: self.downtimes(is_good.then_some(&self.plan.dead), &lost),
            lost,
            participants: self.servers.keys().cloned().collect(),
            errors: errors.clone(),
            data_loss: is_good.then(|| self.data_loss()),
            times: times(&self.recovery, self.detected_at(), self.dead_seen_at()),
            news,
        };
        let lost_data = command.data_loss.as_ref().map(ToString::to_string);
        tracing::warn!(
            ?outcome,
            ?errors,
            data_loss = lost_data,
            "the recovery ends"
        );
        let id = self.scope.id;
        self.scope
            .decide(Command::EndRecovery(Box::new(command)), move |decided| {
                let recovery = decided.recoveries.get(&id);
                recovery.is_some_and(|it| it.end.is_some())
            })
            .await?;
        metrics::recovery_ended(outcome);
        Ok(Ended {
            outcome,
            successor,
            errors,
        })
    }

    /// Connections over which nothing is under way: nobody has to end them, now that this run says no more over them. Those
    /// that are left are ended by whoever works on their servers next.
    fn idle_sessions(&self) -> impl Iterator<Item = RecoverySessionId> {
        let named = |(server, id): (&InstanceKey, u64)| RecoverySessionId {
            server: server.clone(),
            connection_id: id,
        };
        let servers = self.servers.iter();
        let of_hands = servers.filter_map(|(key, one)| Some((key, one.idle_connection()?)));
        // Over the old primary's, a close may be under way.
        let told_to_close = *self.old.close.borrow();
        let of_old = self.old.connection.filter(|id| told_to_close != Some(*id));
        let of_old = of_old.map(|id| (&self.plan.dead, id));
        of_hands.chain(of_old).map(named)
    }

    /// The server that was to be promoted, where the recovery failed and it may have forgotten its source or been made writable all
    /// the same: it is watched like an old primary, for another one may be promoted next.
    fn perhaps_promoted(&self) -> Vec<InstanceKey> {
        // Between forgetting its source, before which there is a command, and its being writable there is none; where it is made writable first,
        // there is one before that. So an earlier leader may have done all of it; and one that is told to forget late, and after the end, has no
        // source then.
        let makes_writable = |step: &Step| step.action == Action::MakeWritable;
        let is_made_writable = self.plan.steps.iter().any(makes_writable);
        let was_not_done =
            |state: &StepState| matches!(state, StepState::Failed(WhyFailed::Refused { .. }));
        let mut begun = self.progress.steps.iter();
        let is_begun = begun.any(|(number, state)| {
            let step = self.plan.steps.get(*number);
            step.is_some_and(|step| match step.action {
                Action::MakeWritable => true,
                Action::ForgetSource => is_made_writable && !was_not_done(state),
                _ => false,
            })
        });
        match is_begun {
            true => vec![self.plan.choice.promoted.clone()],
            false => vec![],
        }
    }

    /// Lost servers and, where somebody took its place, the old primary: nothing is done about them, and those that may take
    /// writes are closed whenever they answer.
    fn downtimes(&self, dead: Option<&InstanceKey>, lost: &[InstanceKey]) -> Vec<LostServer> {
        let length = self.scope.config.recovery.lost_downtime;
        let ends_at = self.scope.now().plus(length.unwrap_or(UNTIL_WELL));
        dead.into_iter()
            .chain(lost)
            .take(LINES_IN_COMMAND_MAX)
            .map(|key| LostServer {
                key: key.clone(),
                owner: self.scope.config.downtime_owner.clone(),
                reason: LOST_REASON.to_owned(),
                ends_at,
            })
            .collect()
    }

    /// What is known now about lost transactions. Where an earlier leadership made the plan, it is not known how the replicas
    /// stood.
    fn data_loss(&self) -> DataLoss {
        let ranking = self.ranking.as_ref();
        let dead = self.dead_seen.as_deref();
        let now = self.scope.now();
        data_loss(ranking, &self.plan, &self.progress, dead, now)
    }

    fn detected_at(&self) -> Option<Timestamp> {
        let decided = self.scope.deps.decisions.decided();
        let detection = decided.detections.get(&self.recovery.detection)?;
        (detection.recovery == self.scope.id).then_some(detection.detected_at)
    }

    fn dead_seen_at(&self) -> Option<Timestamp> {
        self.dead_seen.as_ref().map(|seen| seen.observed_at)
    }
}

/// Where the time went, by what is decided.
fn times(recovery: &Recovery, detected: Option<Timestamp>, seen: Option<Timestamp>) -> TimeSplit {
    let entered = |phase: Phase| {
        let mut all = recovery.entered.iter();
        all.find(|(own, _)| *own == phase).map(|(_, at)| *at)
    };
    let between = |from: Option<Timestamp>, to: Option<Timestamp>| Some(to?.since(from?));
    let registered = Some(recovery.registered_at);
    let stopped = entered(Phase::ReceiversStopped);
    let promoted = entered(Phase::Promoted);
    TimeSplit {
        detect: between(seen, detected),
        decide: between(detected, registered),
        close: between(registered, stopped),
        promote: between(stopped, promoted),
        publish: between(promoted, entered(Phase::Published)),
    }
}

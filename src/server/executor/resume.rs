//! Recoveries that an earlier leadership, or an earlier run of this one, has left unfinished.

use std::sync::Arc;

use orchestrator_core::decided::codec::decode;
use orchestrator_core::decided::{Command, EndRecovery, RecoveryNews, RecoveryStepCommand};
use orchestrator_core::domain::{
    Fence, Recovery, RecoveryId, RecoveryOutcome, TimeSplit, Timestamp,
};
use orchestrator_core::recovery::plan::{OldPrimary, Plan, Progress, StepState, check};

use super::fresh::look_at_changed;
use super::recovery_loop::Shared;
use super::run::{Beginning, Ended, Run};
use super::scope::{Lost, Scope};

/// Takes a recovery over and carries it on; one that nobody can carry on is ended with the reason.
///
/// # Errors
/// [`Lost`]: it goes on elsewhere, or with the next attempt.
pub(super) async fn resume(
    shared: Arc<Shared>,
    fence: Fence,
    id: RecoveryId,
) -> Result<Ended, Lost> {
    let scope = Scope {
        deps: Arc::clone(&shared.deps),
        config: shared.config(),
        id,
        fence,
    };
    let recovery = take_over(&scope).await?;
    tracing::warn!(
        server = %recovery.subject, attempt = recovery.attempt, phase = ?recovery.phase,
        "carrying on a recovery that was left unfinished"
    );
    match read(&scope, &recovery) {
        Ok((plan, progress)) => {
            let changed = plan.steps.iter().map(|step| step.on.clone()).collect();
            let all = recovery.stale_sessions.iter().chain(&recovery.sessions);
            let stale = all.cloned().collect();
            let picture = scope.deps.picture.picture();
            let run = Run::new(Beginning {
                dead_seen: picture.observation(&plan.dead).cloned(),
                plan,
                progress,
                sessions: std::collections::BTreeMap::new(),
                stale,
                ranking: None,
                is_resumed: true,
                stop_is_recorded: false,
                recovery,
                scope,
            });
            let ended = run.carry_out().await?;
            look_at_changed(&shared.deps, &ended, changed).await;
            Ok(ended)
        }
        Err(why) => end_unreadable(&scope, &recovery, why).await,
    }
}

async fn take_over(scope: &Scope) -> Result<Arc<Recovery>, Lost> {
    let (id, fence) = (scope.id, scope.fence);
    let decided = scope.deps.decisions.decided();
    let known = decided.recoveries.get(&id).ok_or(Lost::Elsewhere)?;
    if known.fence != fence {
        let step = RecoveryStepCommand::TakeOver {
            fence,
            node: scope.deps.node.clone(),
        };
        scope
            .step(step, move |decided| {
                let recovery = decided.recoveries.get(&id);
                recovery.is_some_and(|it| it.fence == fence)
            })
            .await?;
    }
    scope.is_current()?;
    let decided = scope.deps.decisions.decided();
    decided.recoveries.get(&id).cloned().ok_or(Lost::Elsewhere)
}

/// The plan and how far it is. All that is recorded lies before now, whatever the clock of the node said that recorded it: what
/// is seen from now on was seen after.
fn read(scope: &Scope, recovery: &Recovery) -> Result<(Plan, Progress), String> {
    let now = scope.now();
    let mut plan: Plan = decode(&recovery.plan).map_err(|why| why.to_string())?;
    check(&plan).map_err(|why| format!("the plan is not sound: {why}"))?;
    plan.made_at = plan.made_at.min(now);
    let mut progress = Progress {
        phase: recovery.phase,
        ..Progress::registered()
    };
    progress.old_primary = OldPrimary::Silent;
    let decided = scope.deps.decisions.decided();
    for (number, row) in decided.steps_of(scope.id) {
        let state: StepState = decode(&row.state).map_err(|why| why.to_string())?;
        let number = usize::try_from(number).map_err(|why| why.to_string())?;
        if number >= plan.steps.len() {
            return Err(format!("step {number} is recorded, and the plan has fewer"));
        }
        progress.steps.insert(number, until(state, now));
    }
    Ok((plan, progress))
}

/// A state as of now. A step that was begun begins anew, with all its time.
fn until(state: StepState, now: Timestamp) -> StepState {
    match state {
        StepState::Begun(_) => StepState::Begun(now),
        StepState::Done(at) => StepState::Done(at.min(now)),
        StepState::GivenUp { at, unapplied } => StepState::GivenUp {
            at: at.min(now),
            unapplied,
        },
        failed @ StepState::Failed(_) => failed,
    }
}

/// Nobody can carry it on: it must not hold back others for ever.
async fn end_unreadable(scope: &Scope, recovery: &Recovery, why: String) -> Result<Ended, Lost> {
    let error = format!(
        "it could not be carried on after {:?}, and its servers are as they were left: {why}",
        recovery.phase
    );
    tracing::error!(server = %recovery.subject, "{error}");
    let errors = vec![error];
    let command = EndRecovery {
        id: scope.id,
        fence: scope.fence,
        outcome: RecoveryOutcome::Failed,
        successor: None,
        successor_alias: String::new(),
        lost: vec![],
        participants: vec![],
        errors: errors.clone(),
        data_loss: None,
        times: TimeSplit::default(),
        downtimes: vec![],
        news: RecoveryNews::default(),
    };
    let id = scope.id;
    scope
        .decide(Command::EndRecovery(Box::new(command)), move |decided| {
            let recovery = decided.recoveries.get(&id);
            recovery.is_some_and(|it| it.end.is_some())
        })
        .await?;
    super::metrics::recovery_ended(RecoveryOutcome::Failed);
    Ok(Ended {
        outcome: RecoveryOutcome::Failed,
        successor: None,
        errors,
    })
}

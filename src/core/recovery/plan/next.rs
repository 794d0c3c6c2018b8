use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::recognise::{fresh, seen_done, unapplied};
use super::{
    Action, EndOfRecovery, Fate, OldPrimary, Phase, Plan, Progress, Step, StepNumber, StepState,
    WhyFailed,
};
use crate::analysis::Scene;
use crate::domain::{InstanceKey, ThreadState, Timestamp};
use crate::planted::{Bug, is_planted};
use crate::recovery::holdings::loses_relay_logs_when_started;
use crate::recovery::{Holdings, Unapplied};

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Write down what came of these steps, as it was seen, and ask again.
    Record(Vec<(StepNumber, StepState)>),
    /// Begin these steps, side by side.
    Do(Vec<StepNumber>),
    /// Nothing: steps are under way.
    Wait,
    /// Close the old primary before anything else: it is back.
    CloseOldPrimary,
    /// Commit this phase.
    Advance(Phase),
    /// The old primary is back and nothing was done to anybody: end the recovery.
    CallOff,
    /// What the plan was made from no longer holds: make another.
    Replan(Replan),
    /// End the recovery.
    End(EndOfRecovery),
}

/// Why another plan is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Replan {
    /// With receivers stopped, a kept replica has more than the most advanced one.
    #[error("{on} has received what {head} has not: {set}")]
    HasMore {
        /// The replica.
        on: InstanceKey,
        /// The one that was the most advanced.
        head: InstanceKey,
        /// What.
        set: String,
    },
    /// A server has less than it had when the plan was made: relay logs were lost.
    #[error("{on} has lost what it had received: {set}")]
    Shrank {
        /// The server.
        on: InstanceKey,
        /// What.
        set: String,
    },
    /// What the promoted or the most advanced server has cannot be read any more.
    #[error("it cannot be read any more what {on} has")]
    Unreadable {
        /// The server.
        on: InstanceKey,
    },
}

/// How long what was put off may take once it is begun: clients are served meanwhile, and a server that still has its old source is not known as a
/// primary, so nobody would replace it. Longer than a leader is out of its reach, or a server restarts; the cluster's next recovery waits for it.
const CLEARED_AWAY_WITHIN: Duration = Duration::from_secs(60);

/// How a step is.
enum Status {
    Done(Timestamp),
    Failed(WhyFailed),
    GivenUp {
        at: Timestamp,
        unapplied: Option<Unapplied>,
    },
    /// A step before it failed, or its phase is over.
    Dropped,
    UnderWay,
    Ready,
    Blocked,
    /// What remains of the promoted server's replication is cleared away once the server has ended its receiver; what makes it writable does
    /// not wait for that. The time is when everything was seen applied.
    Deferred(Timestamp),
}

/// What to do now about a registered recovery. Looks at the world anew each time; calling it again without a change gives the
/// same answer.
pub fn next(plan: &Plan, progress: &Progress, scene: &Scene<'_>) -> Next {
    if progress.old_primary == OldPrimary::Answers {
        return match plan.demand.is_forced() || has_stopped_a_receiver(plan, progress) {
            true => Next::CloseOldPrimary,
            false => Next::CallOff,
        };
    }
    let Some(following) = progress.phase.following() else {
        return Next::End(EndOfRecovery::Succeeded {
            unmoved: Vec::new(),
        });
    };
    let statuses = statuses(plan, progress, scene);
    let current: Vec<StepNumber> = current(plan, progress).collect();
    if let Some(why) = head_no_more(plan, progress, &statuses, scene) {
        return Next::Replan(why);
    }
    let news = news(&current, &statuses, progress);
    if !news.is_empty() {
        return Next::Record(news);
    }
    if let Some(failed) = required_failure(plan, progress, &current, &statuses) {
        return Next::End(failed);
    }
    let is = |wanted: fn(&Status) -> bool| {
        let statuses = &statuses;
        current
            .iter()
            .copied()
            .filter(move |number| wanted(&statuses[*number]))
    };
    let under_way = is(|status| matches!(status, Status::UnderWay)).count();
    let room = plan.steps_at_once.saturating_sub(under_way);
    let ready: Vec<StepNumber> = is(|status| matches!(status, Status::Ready))
        .take(room)
        .collect();
    if !ready.is_empty() {
        return Next::Do(ready);
    }
    let is_left = is(|status| matches!(status, Status::UnderWay | Status::Ready | Status::Blocked));
    let is_deferred = is(|status| matches!(status, Status::Deferred(_)));
    let waits_for_deferred = progress.phase >= Phase::Published || !is_writable(plan, &statuses);
    if is_left.count() > 0 || (waits_for_deferred && is_deferred.count() > 0) {
        return Next::Wait;
    }
    if progress.phase == Phase::Registered
        && let Some(why) = no_longer_covered(plan, &statuses, scene).next()
    {
        return Next::Replan(why);
    }
    match following {
        Phase::Ended => Next::End(EndOfRecovery::Succeeded {
            unmoved: unmoved(plan, &statuses),
        }),
        phase => Next::Advance(phase),
    }
}

/// Steps that are begun and not over, and that nothing before them holds up. (It is written down early that receivers may be stopped; whoever leads
/// next knows those steps as begun, and has to start appliers first all the same.)
pub fn under_way(plan: &Plan, progress: &Progress, scene: &Scene<'_>) -> Vec<StepNumber> {
    let statuses = statuses(plan, progress, scene);
    current(plan, progress)
        .filter(|number| matches!(statuses[*number], Status::UnderWay))
        .collect()
}

/// Steps of this phase, and what was put off in an earlier one.
fn current<'a>(plan: &'a Plan, progress: &'a Progress) -> impl Iterator<Item = StepNumber> + 'a {
    (0..plan.steps.len()).filter(|number| {
        let step = &plan.steps[*number];
        step.phase == progress.phase || (step.phase < progress.phase && plan.may_come_later(step))
    })
}

/// What is seen of steps and not written down yet. Written down, it holds, whatever later steps make of the server.
fn news(
    current: &[StepNumber],
    statuses: &[Status],
    progress: &Progress,
) -> Vec<(StepNumber, StepState)> {
    let outcomes = current.iter().filter_map(|number| {
        let outcome = match &statuses[*number] {
            Status::Done(at) => StepState::Done(*at),
            Status::Failed(why) => StepState::Failed(why.clone()),
            Status::GivenUp { at, unapplied } => StepState::GivenUp {
                at: *at,
                unapplied: *unapplied,
            },
            _ => return None,
        };
        Some((*number, outcome))
    });
    outcomes
        .filter(|(number, outcome)| progress.steps.get(number) != Some(outcome))
        .collect()
}

/// Once a receiver may have been stopped, the cluster is changed, and the old primary must not go on.
fn has_stopped_a_receiver(plan: &Plan, progress: &Progress) -> bool {
    progress.phase > Phase::Registered
        || progress
            .steps
            .keys()
            .filter_map(|number| plan.steps.get(*number))
            .any(|step| step.action == Action::StopReceiver)
}

fn statuses(plan: &Plan, progress: &Progress, scene: &Scene<'_>) -> Vec<Status> {
    let mut statuses: Vec<Status> = Vec::with_capacity(plan.steps.len());
    for number in 0..plan.steps.len() {
        let status = status(plan, number, &statuses, progress, scene);
        statuses.push(status);
    }
    statuses
}

fn status(
    plan: &Plan,
    number: StepNumber,
    before: &[Status],
    progress: &Progress,
    scene: &Scene<'_>,
) -> Status {
    let step = &plan.steps[number];
    let state = progress.steps.get(&number);
    match state {
        Some(StepState::Done(at)) => return Status::Done(*at),
        Some(StepState::Failed(why)) => return Status::Failed(why.clone()),
        Some(StepState::GivenUp { at, unapplied }) => {
            return Status::GivenUp {
                at: *at,
                unapplied: *unapplied,
            };
        }
        Some(StepState::Begun(_)) | None => {}
    }
    if step.phase < progress.phase {
        match plan.may_come_later(step) {
            false => return Status::Dropped,
            // Clients are told first.
            true if progress.phase < Phase::Published => return Status::Deferred(plan.made_at),
            true => {}
        }
    }
    let mut since = plan.made_at;
    let (mut has_given_up, mut is_ahead) = (false, false);
    for before in step.after.iter().map(|number| &before[*number]) {
        match before {
            Status::Done(at) => since = since.max(*at),
            Status::GivenUp { at, .. } => {
                since = since.max(*at);
                has_given_up = true;
            }
            Status::Deferred(at) if plan.may_come_later(step) || plan.makes_writable(step) => {
                since = since.max(*at);
                is_ahead = true;
            }
            Status::Failed(_) | Status::Dropped => return Status::Dropped,
            Status::UnderWay | Status::Ready | Status::Blocked | Status::Deferred(_) => {
                return Status::Blocked;
            }
        }
    }
    if let Some(at) = seen_done(step, scene, plan.ground, since) {
        return Status::Done(at);
    }
    if state.is_none() && waits_for_receiver(step, scene) {
        // An applier that has something left is stopped before anybody writes.
        return match plan.may_come_later(step) && !has_given_up {
            true => Status::Deferred(since),
            false => Status::Blocked,
        };
    }
    if is_ahead && plan.may_come_later(step) {
        return Status::Deferred(since);
    }
    if cannot_end(plan, step, scene, since) && !is_planted(Bug::ReceiverStoppedFirst) {
        let on = step.on.clone();
        let seen = fresh(scene, &on, since);
        let link = seen.and_then(|seen| seen.replication.as_ref());
        let unapplied = seen.and_then(|seen| unapplied(seen, plan.ground));
        let is_given_up = step.action == Action::AwaitApplied
            && plan.gives_up(step)
            && link.is_some_and(|link| !link.receiver.takes_in());
        return match is_given_up {
            true => Status::GivenUp {
                at: scene.now,
                unapplied,
            },
            false => Status::Failed(WhyFailed::NotApplied { on, unapplied }),
        };
    }
    if would_bury(plan, step, before, scene) {
        let on = step.on.clone();
        return Status::Failed(WhyFailed::HasMore { on });
    }
    let deadline = match step.phase < progress.phase {
        true => Some(CLEARED_AWAY_WITHIN),
        false => step.deadline,
    };
    match (state, deadline) {
        (Some(StepState::Begun(at)), Some(deadline)) if scene.now.since(*at) >= deadline => {
            match plan.gives_up(step) {
                true => Status::GivenUp {
                    at: scene.now,
                    unapplied: fresh(scene, &step.on, plan.made_at)
                        .and_then(|seen| unapplied(seen, plan.ground)),
                },
                false => Status::Failed(too_late(plan, number, scene)),
            }
        }
        (Some(_), _) => Status::UnderWay,
        (None, _) => Status::Ready,
    }
}

/// Whether the server takes a statement only once it has ended its receiver, which it was told to stop (seen on MySQL 9.7.4: each waits
/// for the statement that stops the receiver).
fn waits_for_receiver(step: &Step, scene: &Scene<'_>) -> bool {
    let is_about_threads = match step.action {
        Action::StartApplier
        | Action::StopApplier
        | Action::Repoint { .. }
        | Action::StartReplication
        | Action::ForgetSource
        | Action::Detach => true,
        Action::StopReceiver
        | Action::AwaitApplied
        | Action::AwaitAllOf { .. }
        | Action::MakeWritable
        | Action::SemiSyncSource(_)
        | Action::SemiSyncReplica(_) => false,
    };
    let seen = scene.picture.observation(&step.on);
    let link = seen.and_then(|seen| seen.replication.as_ref());
    is_about_threads && link.is_some_and(|link| link.receiver == ThreadState::Stopping)
}

/// Whether the promoted server was seen to take writes.
fn is_writable(plan: &Plan, statuses: &[Status]) -> bool {
    let mut steps = plan.steps.iter().zip(statuses);
    steps.any(|(step, status)| {
        step.action == Action::MakeWritable && matches!(status, Status::Done(_))
    })
}

/// Whether a step about relay logs must not be done, or can never be over, as its server was seen to be: an applier whose
/// start would discard them, and a wait on a server whose applier has stopped and is such a one, or that receives again, because
/// it, or somebody, started its receiver.
fn cannot_end(plan: &Plan, step: &Step, scene: &Scene<'_>, since: Timestamp) -> bool {
    let Some(seen) = fresh(scene, &step.on, since) else {
        return false;
    };
    let link = seen.replication.as_ref();
    let loses = || {
        loses_relay_logs_when_started(seen)
            && unapplied(seen, plan.ground) != Some(Unapplied::Nothing)
    };
    match &step.action {
        Action::StartApplier => loses(),
        Action::AwaitApplied => link.is_some_and(|link| link.receiver.takes_in()) || loses(),
        _ => false,
    }
}

/// Whether a step would put a replica below a promoted server that lacks what this replica has: it would go on with
/// transactions that its source never had. Where the promoted server gave something up, it has to be seen that this is not so.
fn would_bury(plan: &Plan, step: &Step, before: &[Status], scene: &Scene<'_>) -> bool {
    let promoted = &plan.choice.promoted;
    if !matches!(&step.action, Action::Repoint { source } if source == promoted) {
        return false;
    }
    let of_promoted = || {
        let steps = plan.steps.iter().zip(before);
        steps
            .filter(|(step, _)| step.on == *promoted)
            .map(|it| it.1)
    };
    let has_given_up = of_promoted().any(|status| matches!(status, Status::GivenUp { .. }));
    let done_at = of_promoted().filter_map(|status| match status {
        Status::Done(at) => Some(*at),
        _ => None,
    });
    // With its last step, it has everything it will ever have of the dead primary.
    let since = match has_given_up {
        true => plan.made_at,
        false => done_at.max().unwrap_or(plan.made_at),
    };
    let own = fresh(scene, &step.on, plan.made_at);
    match (own, fresh(scene, promoted, since)) {
        (Some(own), Some(source)) if has_given_up || Holdings::read(own, plan.ground).is_some() => {
            !Holdings::is_all_applied_at(own, source, plan.ground)
        }
        _ => has_given_up,
    }
}

fn too_late(plan: &Plan, number: StepNumber, scene: &Scene<'_>) -> WhyFailed {
    let step = &plan.steps[number];
    let on = step.on.clone();
    match step.action {
        Action::AwaitApplied => WhyFailed::NotApplied {
            unapplied: fresh(scene, &on, plan.made_at)
                .and_then(|seen| unapplied(seen, plan.ground)),
            on,
        },
        _ => WhyFailed::Deadline {
            number,
            on,
            action: step.action.clone(),
        },
    }
}

fn required_failure(
    plan: &Plan,
    progress: &Progress,
    current: &[StepNumber],
    statuses: &[Status],
) -> Option<EndOfRecovery> {
    // What was put off fails nobody's promotion any more.
    let is_required = |step: &Step| step.is_required && step.phase == progress.phase;
    let required = current
        .iter()
        .filter(|number| is_required(&plan.steps[**number]));
    required
        .into_iter()
        .find_map(|number| match &statuses[*number] {
            Status::Failed(why) => Some(EndOfRecovery::Failed {
                on: plan.steps[*number].on.clone(),
                why: why.clone(),
            }),
            _ => None,
        })
}

/// Why the head is it no longer although all receivers are stopped: its server was restarted and has lost relay logs, as with
/// `relay_log_recovery`, or another has more all the same. Once it is written down that it has applied everything, there is nothing to
/// lose, and the first step that cannot be taken back comes later.
fn head_no_more(
    plan: &Plan,
    progress: &Progress,
    statuses: &[Status],
    scene: &Scene<'_>,
) -> Option<Replan> {
    let head = &plan.choice.head;
    let mut steps = plan.steps.iter();
    let applies = steps.position(|step| {
        step.phase == Phase::ReceiversStopped
            && step.on == *head
            && step.action == Action::AwaitApplied
    })?;
    let is_open = matches!(
        progress.steps.get(&applies),
        None | Some(StepState::Begun(_))
    );
    if progress.phase != Phase::ReceiversStopped || !is_open {
        return None;
    }
    no_longer_covered(plan, statuses, scene).find(|why| match why {
        Replan::HasMore { .. } => true,
        // Others get what they have lost from the promoted one.
        Replan::Shrank { on, .. } => on == head,
        // It will be, or it has its deadline.
        Replan::Unreadable { .. } => false,
    })
}

/// With all receivers stopped, what each has is final, unless it is lost. Whoever did not stop is left out: its steps have failed.
fn no_longer_covered(
    plan: &Plan,
    statuses: &[Status],
    scene: &Scene<'_>,
) -> impl Iterator<Item = Replan> {
    let head = &plan.choice.head;
    let stopped_at = move |key: &InstanceKey| {
        let steps = plan.steps.iter().zip(statuses);
        let mut stops =
            steps.filter(|(step, _)| step.on == *key && step.action == Action::StopReceiver);
        stops.find_map(|(_, status)| match status {
            Status::Done(at) => Some(*at),
            _ => None,
        })
    };
    let has = move |key: &InstanceKey| {
        let seen = fresh(scene, key, stopped_at(key)?)?;
        Holdings::read(seen, plan.ground)
    };
    let most = has(head);
    let of_head = most
        .is_none()
        .then(|| Replan::Unreadable { on: head.clone() });
    let kept = plan.kept().filter(move |key| stopped_at(key).is_some());
    let of_kept = kept.filter_map(move |key| {
        let most = most.as_ref()?;
        let on = key.clone();
        let Some(own) = has(key) else {
            return Some(Replan::Unreadable { on });
        };
        if let Some(had) = plan.holdings.get(key).filter(|had| !own.covers(had)) {
            let set = had.missing_in(&own);
            return Some(Replan::Shrank { on, set });
        }
        if !most.covers(&own) {
            let set = own.missing_in(most);
            let head = head.clone();
            return Some(Replan::HasMore { on, head, set });
        }
        None
    });
    of_head.into_iter().chain(of_kept)
}

/// Replicas that were to be moved, and a step of theirs failed.
fn unmoved(plan: &Plan, statuses: &[Status]) -> Vec<(InstanceKey, WhyFailed)> {
    let steps = plan.steps.iter().zip(statuses);
    let failed = steps.filter_map(|(step, status)| match status {
        Status::Failed(why) => Some((step.on.clone(), why.clone())),
        _ => None,
    });
    failed
        .filter(|(key, _)| plan.fates.get(key) == Some(&Fate::Moved))
        .collect()
}

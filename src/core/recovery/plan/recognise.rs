//! Whether a step has come to its end, by what is seen of its server: so a step may be done twice, and a new leader
//! knows what the old one did.

use super::{Action, Step};
use crate::analysis::Scene;
use crate::domain::{InstanceKey, Observation, ThreadState, Timestamp};
use crate::recovery::holdings::loses_relay_logs_when_started;
use crate::recovery::{Ground, Holdings, Unapplied};

/// When the end of a step was seen; `None` when it was not. What was seen before `since` says nothing about it.
pub(super) fn seen_done(
    step: &Step,
    scene: &Scene<'_>,
    ground: Ground,
    since: Timestamp,
) -> Option<Timestamp> {
    let seen = fresh(scene, &step.on, since)?;
    let link = seen.replication.as_ref();
    let is_done = match &step.action {
        // An applier that an error stopped, that has nothing to do and will get nothing, need not run.
        Action::StartApplier => link.is_some_and(|link| {
            link.applier.is_running()
                || (link.applier_errno != 0
                    && !link.receiver.is_running()
                    && unapplied(seen, ground) == Some(Unapplied::Nothing))
        }),
        Action::StopReceiver => link.is_some_and(|link| !link.receiver.takes_in()),
        Action::AwaitApplied => {
            link.is_some_and(|link| !link.receiver.takes_in())
                && unapplied(seen, ground) == Some(Unapplied::Nothing)
        }
        Action::StopApplier => link.is_some_and(|link| link.applier == ThreadState::Stopped),
        Action::Repoint { source } => seen.source() == Some(source),
        Action::StartReplication => seen.is_replicating(),
        Action::AwaitAllOf { other } => has_all_of(seen, other, scene, ground),
        Action::ForgetSource => link.is_none(),
        Action::MakeWritable => !seen.read_only,
        Action::Detach => link.is_some_and(|link| link.source.is_detached()),
        Action::SemiSyncSource(on) => seen.semi_sync.source_enabled == *on,
        Action::SemiSyncReplica(on) => seen.semi_sync.replica_enabled == *on,
    };
    is_done.then_some(seen.observed_at)
}

/// What has to be done once more for a wait to have an end: somebody has stopped the applier that is waited for, no error has, and
/// nothing that was received is lost when it starts again.
pub fn done_again(step: &Step, seen: &Observation) -> Option<Action> {
    let link = seen.replication.as_ref()?;
    let is_stopped = link.applier == ThreadState::Stopped && link.receiver == ThreadState::Stopped;
    let is_wanted = step.action == Action::AwaitApplied
        && is_stopped
        && link.applier_errno == 0
        && !loses_relay_logs_when_started(seen);
    is_wanted.then_some(Action::StartApplier)
}

/// What was seen of a server at `since` or later.
pub(super) fn fresh<'a>(
    scene: &Scene<'a>,
    key: &InstanceKey,
    since: Timestamp,
) -> Option<&'a Observation> {
    let seen = scene.picture.observation(key)?;
    (seen.observed_at >= since).then_some(seen)
}

/// What a server has yet to apply; `None` when that cannot be read.
pub(super) fn unapplied(seen: &Observation, ground: Ground) -> Option<Unapplied> {
    Holdings::read(seen, ground).map(|own| own.unapplied())
}

fn has_all_of(seen: &Observation, other: &InstanceKey, scene: &Scene<'_>, ground: Ground) -> bool {
    let other = scene.picture.observation(other);
    let read = |seen: &Observation| Holdings::read(seen, ground);
    match (read(seen), other.and_then(|other| read(other))) {
        (Some(own), Some(wanted)) => own.has_applied_all_of(&wanted),
        _ => false,
    }
}

//! What commands of recoveries do. Whether a recovery may begin is decided here, in the order of the log: what a leader
//! checked before it proposed may have changed meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::apply::{Decision, done, refused};
use super::recovery_commands::LINES_IN_COMMAND_MAX;
use super::{
    Acknowledged, Decided, Effect, EndRecovery, LostServer, RecoveryNews, RecoveryStepCommand,
    Refusal, RegisterDetection, RegisterRecovery, Reply, RowChange, aliases,
};
use crate::domain::{
    Acknowledgement, DataLoss, Detection, Downtime, Fence, InstanceKey, Phase, RecordedStep,
    RecoveriesDisabled, Recovery, RecoveryEnd, RecoveryId, RecoveryNote, RecoverySessionId,
    Timestamp,
};
use crate::planted::{Bug, is_planted};

/// Notes of one entry are numbered from here on, so that numbers grow with the log and never meet.
const NOTES_PER_ENTRY: u64 = 1_024;

pub(super) fn register_detection(
    state: &Decided,
    new: &RegisterDetection,
    now: Timestamp,
) -> Decision {
    if new.active_until <= now || new.kept_until <= now {
        return refused(Refusal::AlreadyOver);
    }
    let is_active = |known: &&Arc<Detection>| {
        known.subject == new.subject
            && known.is_actionable == new.is_actionable
            && now < known.active_until
    };
    if state.detections.values().any(|known| is_active(&known)) {
        return (Reply::Unchanged, vec![], vec![]);
    }
    let row = Detection {
        recovery: new.recovery,
        code: new.code,
        subject: new.subject.clone(),
        cluster: new.cluster.clone(),
        cluster_alias: new.cluster_alias.clone(),
        replicas: new.replicas.clone(),
        is_actionable: new.is_actionable,
        description: new.description.clone(),
        detected_at: now,
        node: new.node.clone(),
        active_until: new.active_until,
        kept_until: new.kept_until,
    };
    done(RowChange::PutDetection(next_number(state), Arc::new(row)))
}

pub(super) fn register(state: &Decided, new: &RegisterRecovery, now: Timestamp) -> Decision {
    if let Some(why) = against(state, new, now) {
        return refused(why);
    }
    let detections = state.detections.iter().rev();
    let detection = detections
        .filter(|(_, known)| known.subject == new.subject)
        .map(|(number, _)| *number)
        .next();
    let row = Recovery {
        number: next_number(state),
        kind: new.kind,
        code: new.code,
        subject: new.subject.clone(),
        cluster: new.cluster.clone(),
        cluster_alias: new.cluster_alias.clone(),
        replicas: new.replicas.clone(),
        servers: new.servers.clone(),
        requested_by: new.requested_by.clone(),
        detection: detection.unwrap_or(0),
        plan: new.plan.clone(),
        registered_at: now,
        node: new.node.clone(),
        fence: new.fence,
        attempt: 1,
        phase: Phase::Registered,
        entered: vec![(Phase::Registered, now)],
        sessions: new.sessions.clone(),
        stale_sessions: left_over_for(state, new),
        kept_for: new.kept_for,
        end: None,
        acknowledgement: None,
    };
    let mut changes = match new.is_forced {
        true => take_note_of_earlier(state, new, now),
        false => vec![],
    };
    changes.push(RowChange::PutRecovery(new.id, Arc::new(row)));
    (Reply::Done, changes, vec![])
}

/// Connections that ended recoveries have left on servers of a new one: over them something may still be under way.
fn left_over_for(state: &Decided, new: &RegisterRecovery) -> Vec<RecoverySessionId> {
    let servers: BTreeSet<&InstanceKey> = new.servers.iter().map(|one| &one.key).collect();
    let left = state.sessions_left();
    // A server that was started anew counts from the beginning again.
    left.filter(|one| servers.contains(&one.server) && !new.sessions.contains(one))
        .cloned()
        .collect()
}

/// Why a recovery may not begin.
fn against(state: &Decided, new: &RegisterRecovery, now: Timestamp) -> Option<Refusal> {
    let is_too_long = new.sessions.len() > LINES_IN_COMMAND_MAX;
    if is_too_long {
        return Some(Refusal::TooLong);
    }
    if state.recoveries.contains_key(&new.id) {
        return Some(Refusal::RecoveryExists);
    }
    if is_planted(Bug::RegistrationCheckedOutsideApply) {
        return None;
    }
    under_way(state, new).or_else(|| {
        if new.is_forced {
            return None;
        }
        let switched_off = state.recoveries_disabled.as_ref();
        let switched_off =
            switched_off.map(|off| Refusal::RecoveriesDisabled { by: off.by.clone() });
        switched_off.or_else(|| in_block_period(state, new, now))
    })
}

fn under_way(state: &Decided, new: &RegisterRecovery) -> Option<Refusal> {
    state.unfinished_recoveries().find_map(|(_, other)| {
        let server = other.shared_server(&new.servers)?;
        Some(Refusal::RecoveryUnderWay {
            number: other.number,
            subject: other.subject.clone(),
            server: server.key.clone(),
        })
    })
}

fn in_block_period(state: &Decided, new: &RegisterRecovery, now: Timestamp) -> Option<Refusal> {
    let of_kind = state
        .recoveries
        .values()
        .filter(|other| other.kind == new.kind);
    let blocking = of_kind.filter_map(|other| {
        let until = other
            .blocks_until(new.block_period)
            .filter(|until| now < *until)?;
        let server = other.shared_server(&new.servers)?;
        Some((until, other, server))
    });
    let (until, other, server) = blocking.max_by_key(|(until, other, _)| (*until, other.number))?;
    Some(Refusal::InBlockPeriod {
        number: other.number,
        subject: other.subject.clone(),
        server: server.key.clone(),
        until,
    })
}

/// Whoever forces a recovery has taken note of those of the same server that ended.
fn take_note_of_earlier(state: &Decided, new: &RegisterRecovery, now: Timestamp) -> Vec<RowChange> {
    let by = match new.requested_by.as_str() {
        "" => "orchestrator",
        by => by,
    };
    let comment = "implied by a recovery of the same server that was asked for";
    let ended = state.recoveries.iter().filter(|(_, other)| {
        other.end.is_some() && other.acknowledgement.is_none() && other.subject == new.subject
    });
    ended
        .map(|(id, other)| acknowledged(*id, other, by, comment, now))
        .collect()
}

fn acknowledged(
    id: RecoveryId,
    recovery: &Recovery,
    by: &str,
    comment: &str,
    now: Timestamp,
) -> RowChange {
    let row = Recovery {
        acknowledgement: Some(Acknowledgement {
            at: now,
            by: by.to_owned(),
            comment: comment.to_owned(),
        }),
        ..recovery.clone()
    };
    RowChange::PutRecovery(id, Arc::new(row))
}

pub(super) fn step(
    state: &Decided,
    id: RecoveryId,
    command: &RecoveryStepCommand,
    now: Timestamp,
) -> Decision {
    let answer = match command {
        RecoveryStepCommand::TakeOver { fence, node } => take_over(state, id, *fence, node),
        RecoveryStepCommand::Enter { fence, phase, news } => {
            enter(state, id, *fence, *phase, news, now)
        }
        RecoveryStepCommand::Record { fence, news } => record(state, id, *fence, news, now),
        RecoveryStepCommand::StateLoss { loss, notes } => state_loss(state, id, loss, notes),
        RecoveryStepCommand::Note { notes } => note(state, id, notes),
        RecoveryStepCommand::Replan { fence, plan, news } => {
            replan(state, id, *fence, plan, news, now)
        }
        RecoveryStepCommand::Watch { opened, ended } => watch(state, id, opened, ended),
        RecoveryStepCommand::LeaveStopped { fence, servers } => {
            leave_stopped(state, id, *fence, servers)
        }
        RecoveryStepCommand::Settled { server, notes } => settled(state, id, server, notes),
        RecoveryStepCommand::Publish {
            fence,
            promoted,
            news,
        } => publish(state, id, *fence, promoted, news, now),
    };
    answer.unwrap_or_else(refused)
}

/// The recovery, when this leadership may still change it.
fn current(state: &Decided, id: RecoveryId, fence: Fence) -> Result<&Recovery, Refusal> {
    let recovery = known(state, id)?;
    if recovery.end.is_some() && !is_planted(Bug::CommandAfterEnd) {
        return Err(Refusal::RecoveryHasEnded);
    }
    if recovery.fence != fence {
        return Err(Refusal::OtherFence {
            current: recovery.fence,
        });
    }
    Ok(recovery)
}

fn known(state: &Decided, id: RecoveryId) -> Result<&Recovery, Refusal> {
    let recovery = state.recoveries.get(&id);
    recovery.map(Arc::as_ref).ok_or(Refusal::UnknownRecovery)
}

fn take_over(
    state: &Decided,
    id: RecoveryId,
    fence: Fence,
    node: &str,
) -> Result<Decision, Refusal> {
    let recovery = known(state, id)?;
    if recovery.end.is_some() {
        return Err(Refusal::RecoveryHasEnded);
    }
    if fence == recovery.fence {
        return Ok((Reply::Unchanged, vec![], vec![]));
    }
    if fence < recovery.fence {
        return Err(Refusal::OtherFence {
            current: recovery.fence,
        });
    }
    if is_planted(Bug::OwnRecordBlocksResume) {
        return Err(Refusal::RecoveryExists);
    }
    let mut row = recovery.clone();
    row.fence = fence;
    row.node = node.to_owned();
    row.attempt = row.attempt.saturating_add(1);
    row.stale_sessions.append(&mut row.sessions);
    Ok(done(RowChange::PutRecovery(id, Arc::new(row))))
}

fn enter(
    state: &Decided,
    id: RecoveryId,
    fence: Fence,
    phase: Phase,
    news: &RecoveryNews,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let recovery = current(state, id, fence)?;
    if phase == recovery.phase {
        return Ok((Reply::Unchanged, vec![], vec![]));
    }
    // The end is a command of its own.
    let is_next = recovery.phase.following() == Some(phase) && phase != Phase::Ended;
    if !is_next {
        return Err(Refusal::PhaseOutOfOrder {
            current: recovery.phase,
        });
    }
    let mut row = recovery.clone();
    row.phase = phase;
    row.entered.push((phase, now));
    with_news(state, id, row, news, now)
}

fn record(
    state: &Decided,
    id: RecoveryId,
    fence: Fence,
    news: &RecoveryNews,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let recovery = current(state, id, fence)?;
    if news.is_empty() {
        return Ok((Reply::Unchanged, vec![], vec![]));
    }
    with_news(state, id, recovery.clone(), news, now)
}

/// Before the promoted server is writable there is nobody to be found, and afterwards it was done.
fn publish(
    state: &Decided,
    id: RecoveryId,
    fence: Fence,
    promoted: &InstanceKey,
    news: &RecoveryNews,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let recovery = current(state, id, fence)?;
    if recovery.phase != Phase::Promoted {
        return Err(Refusal::PhaseOutOfOrder {
            current: recovery.phase,
        });
    }
    let (reply, mut changes, mut effects) = with_news(state, id, recovery.clone(), news, now)?;
    if state.downtimes.contains_key(promoted) {
        changes.push(RowChange::DeleteDowntime(promoted.clone()));
    }
    changes.extend(aliases::moved(state, id, recovery, promoted, now));
    // Every node shall see it as what it is now, and not only at its next turn.
    effects.push(Effect::Discover(promoted.clone()));
    Ok((reply, changes, effects))
}

/// Another plan for the same recovery: who touches what is as it was registered, and so is what holds others back.
fn replan(
    state: &Decided,
    id: RecoveryId,
    fence: Fence,
    plan: &[u8],
    news: &RecoveryNews,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let recovery = current(state, id, fence)?;
    // Later somebody may be writable.
    if recovery.phase > Phase::ReceiversStopped {
        return Err(Refusal::PhaseOutOfOrder {
            current: recovery.phase,
        });
    }
    let mut row = recovery.clone();
    row.plan = plan.to_vec();
    row.phase = Phase::Registered;
    row.entered.retain(|(phase, _)| *phase == Phase::Registered);
    let (reply, changes, effects) = with_news(state, id, row, news, now)?;
    let old_steps = state.steps_of(id);
    let dropped = old_steps.map(|(number, _)| RowChange::DeleteRecoveryStep(id, number));
    let changes = dropped.chain(changes).collect();
    Ok((reply, changes, effects))
}

fn with_news(
    state: &Decided,
    id: RecoveryId,
    mut row: Recovery,
    news: &RecoveryNews,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    if news.is_too_long() {
        return Err(Refusal::TooLong);
    }
    let fence = row.fence;
    row.sessions.extend(news.opened.iter().cloned());
    forget_sessions(&mut row, &news.ended);
    let is_changed = state.recoveries.get(&id).is_none_or(|old| **old != row);
    let mut changes = Vec::new();
    if is_changed {
        changes.push(RowChange::PutRecovery(id, Arc::new(row)));
    }
    changes.extend(forgotten_by_others(state, id, &news.ended));
    changes.extend(news.steps.iter().map(|(number, state)| {
        let row = RecordedStep {
            fence,
            at: now,
            state: state.clone(),
        };
        RowChange::PutRecoveryStep(id, *number, row)
    }));
    changes.extend(noted(state, id, &news.notes));
    Ok((Reply::Done, changes, vec![]))
}

fn state_loss(
    state: &Decided,
    id: RecoveryId,
    loss: &DataLoss,
    notes: &[(Timestamp, String)],
) -> Result<Decision, Refusal> {
    let recovery = known(state, id)?;
    if notes.len() > LINES_IN_COMMAND_MAX {
        return Err(Refusal::TooLong);
    }
    // Before the end nothing is stated; the end states it.
    let Some(end) = &recovery.end else {
        return Err(Refusal::RecoveryHasNotEnded);
    };
    if end.data_loss.as_ref() == Some(loss) {
        return Ok((Reply::Unchanged, vec![], vec![]));
    }
    let mut row = recovery.clone();
    row.end = Some(RecoveryEnd {
        data_loss: Some(loss.clone()),
        ..end.clone()
    });
    let mut changes = vec![RowChange::PutRecovery(id, Arc::new(row))];
    changes.extend(noted(state, id, notes));
    Ok((Reply::Done, changes, vec![]))
}

fn note(
    state: &Decided,
    id: RecoveryId,
    notes: &[(Timestamp, String)],
) -> Result<Decision, Refusal> {
    let is_detected = || state.detections.values().any(|known| known.recovery == id);
    if !state.recoveries.contains_key(&id) && !is_detected() {
        return Err(Refusal::UnknownRecovery);
    }
    if notes.len() > LINES_IN_COMMAND_MAX {
        return Err(Refusal::TooLong);
    }
    if notes.is_empty() {
        return Ok((Reply::Unchanged, vec![], vec![]));
    }
    Ok((Reply::Done, noted(state, id, notes).collect(), vec![]))
}

/// Under no fence: what is said stays true whoever leads, and who may close is confirmed elsewhere.
fn watch(
    state: &Decided,
    id: RecoveryId,
    opened: &[RecoverySessionId],
    ended: &[RecoverySessionId],
) -> Result<Decision, Refusal> {
    if known(state, id)?.end.is_none() {
        return Err(Refusal::RecoveryHasNotEnded);
    }
    if opened.len() > LINES_IN_COMMAND_MAX || ended.len() > LINES_IN_COMMAND_MAX {
        return Err(Refusal::TooLong);
    }
    let before = known(state, id)?;
    let mut row = before.clone();
    let is_new = |one: &&RecoverySessionId| !before.sessions.contains(one);
    row.sessions.extend(opened.iter().filter(is_new).cloned());
    forget_sessions(&mut row, ended);
    let mut changes = Vec::new();
    if row != *before {
        changes.push(RowChange::PutRecovery(id, Arc::new(row)));
    }
    changes.extend(forgotten_by_others(state, id, ended));
    match changes.is_empty() {
        true => Ok((Reply::Unchanged, changes, vec![])),
        false => Ok((Reply::Done, changes, vec![])),
    }
}

fn leave_stopped(
    state: &Decided,
    id: RecoveryId,
    fence: Fence,
    servers: &[InstanceKey],
) -> Result<Decision, Refusal> {
    current(state, id, fence)?;
    if servers.len() > LINES_IN_COMMAND_MAX {
        return Err(Refusal::TooLong);
    }
    let is_new = |server: &&InstanceKey| state.left_stopped.get(*server) != Some(&id);
    let new = servers.iter().filter(is_new);
    let changes: Vec<RowChange> = new
        .map(|server| RowChange::PutLeftStopped(server.clone(), id))
        .collect();
    match changes.is_empty() {
        true => Ok((Reply::Unchanged, changes, vec![])),
        false => Ok((Reply::Done, changes, vec![])),
    }
}

/// Under no fence: that nothing is left to do stays true whoever leads.
fn settled(
    state: &Decided,
    id: RecoveryId,
    server: &InstanceKey,
    notes: &[(Timestamp, String)],
) -> Result<Decision, Refusal> {
    if known(state, id)?.end.is_none() {
        return Err(Refusal::RecoveryHasNotEnded);
    }
    if notes.len() > LINES_IN_COMMAND_MAX {
        return Err(Refusal::TooLong);
    }
    if state.left_stopped.get(server) != Some(&id) {
        return Ok((Reply::Unchanged, vec![], vec![]));
    }
    let mut changes = vec![RowChange::DeleteLeftStopped(server.clone())];
    changes.extend(noted(state, id, notes));
    Ok((Reply::Done, changes, vec![]))
}

/// What other recoveries, or this one before its last plan, have left of servers that are meant.
fn no_longer_left<'a>(
    state: &'a Decided,
    is_meant: impl Fn(&InstanceKey, &RecoveryId) -> bool + 'a,
) -> impl Iterator<Item = RowChange> + 'a {
    let meant = state
        .left_stopped
        .iter()
        .filter(move |(key, id)| is_meant(key, id));
    meant.map(|(key, _)| RowChange::DeleteLeftStopped(key.clone()))
}

fn forget_sessions(row: &mut Recovery, ended: &[RecoverySessionId]) {
    row.sessions.retain(|one| !ended.contains(one));
    row.stale_sessions.retain(|one| !ended.contains(one));
}

/// Ended recoveries that have left these connections, without them.
fn forgotten_by_others<'a>(
    state: &'a Decided,
    id: RecoveryId,
    ended: &'a [RecoverySessionId],
) -> impl Iterator<Item = RowChange> + 'a {
    let others = state
        .recoveries
        .iter()
        .filter(move |(other, one)| **other != id && one.end.is_some() && !ended.is_empty());
    others.filter_map(move |(other, before)| {
        let mut row = before.as_ref().clone();
        forget_sessions(&mut row, ended);
        (row != **before).then(|| RowChange::PutRecovery(*other, Arc::new(row)))
    })
}

pub(super) fn noted<'a>(
    state: &Decided,
    id: RecoveryId,
    notes: &'a [(Timestamp, String)],
) -> impl Iterator<Item = RowChange> + 'a {
    let first = next_number(state).saturating_mul(NOTES_PER_ENTRY);
    notes.iter().zip(first..).map(move |((at, text), number)| {
        let row = RecoveryNote {
            number,
            at: *at,
            text: text.clone(),
        };
        RowChange::PutRecoveryNote(id, row)
    })
}

pub(super) fn end(state: &Decided, end: &EndRecovery, now: Timestamp) -> Decision {
    match ended(state, end, now) {
        Ok(decision) => decision,
        Err(why) => refused(why),
    }
}

fn ended(state: &Decided, end: &EndRecovery, now: Timestamp) -> Result<Decision, Refusal> {
    let recovery = current(state, end.id, end.fence)?;
    if end.downtimes.len() > LINES_IN_COMMAND_MAX {
        return Err(Refusal::TooLong);
    }
    let mut row = recovery.clone();
    row.phase = Phase::Ended;
    row.entered.push((Phase::Ended, now));
    row.end = Some(RecoveryEnd {
        at: now,
        outcome: end.outcome,
        successor: end.successor.clone(),
        successor_alias: end.successor_alias.clone(),
        lost: end.lost.clone(),
        participants: end.participants.clone(),
        errors: end.errors.clone(),
        data_loss: end.data_loss.clone(),
        times: end.times,
    });
    let subject = row.subject.clone();
    let (reply, mut changes, effects) = with_news(state, end.id, row, &end.news, now)?;
    changes.extend(
        end.downtimes
            .iter()
            .filter_map(|lost| downtime(state, lost, now)),
    );
    // The same server may fail again, in another role, and is to be told of again.
    if end.successor.is_some() {
        // Each of these is where it belongs, or in downtime.
        let settled = || end.participants.iter().chain(&end.lost);
        changes.extend(no_longer_left(state, |key, _| {
            settled().any(|one| one == key)
        }));
        changes.extend(detections_closed(state, now, |known| {
            known.subject == subject
        }));
    }
    Ok((reply, changes, effects))
}

fn downtime(state: &Decided, lost: &LostServer, now: Timestamp) -> Option<RowChange> {
    let is_longer = |known: &Downtime| known.ends_at >= lost.ends_at;
    let stays = state.downtimes.get(&lost.key).is_some_and(is_longer);
    (!stays && lost.ends_at > now).then(|| {
        let row = Downtime {
            owner: lost.owner.clone(),
            reason: lost.reason.clone(),
            begins_at: now,
            ends_at: lost.ends_at,
        };
        RowChange::PutDowntime(lost.key.clone(), row)
    })
}

fn detections_closed<'a>(
    state: &'a Decided,
    now: Timestamp,
    is_meant: impl Fn(&Detection) -> bool + 'a,
) -> impl Iterator<Item = RowChange> + 'a {
    let active = state
        .detections
        .iter()
        .filter(move |(_, known)| now < known.active_until && is_meant(known));
    active.map(move |(number, known)| {
        let row = Detection {
            active_until: now,
            ..known.as_ref().clone()
        };
        RowChange::PutDetection(*number, Arc::new(row))
    })
}

pub(super) fn acknowledge(
    state: &Decided,
    which: &Acknowledged,
    by: &str,
    comment: &str,
    now: Timestamp,
) -> Decision {
    let is_meant = |id: &RecoveryId, one: &Recovery| match which {
        Acknowledged::All => true,
        Acknowledged::Number(number) => one.number == *number,
        Acknowledged::Id(wanted) => id == wanted,
        Acknowledged::Cluster { name, alias } => {
            is_of(&one.cluster, &one.cluster_alias, name, alias)
        }
        Acknowledged::Instance(key) => one.subject == *key,
    };
    let open = state
        .recoveries
        .iter()
        .filter(|(id, one)| one.acknowledgement.is_none() && is_meant(id, one));
    let mut changes: Vec<RowChange> = open
        .map(|(id, one)| acknowledged(*id, one, by, comment, now))
        .collect();
    let count = u32::try_from(changes.len()).unwrap_or(u32::MAX);
    match which {
        Acknowledged::Cluster { name, alias } => {
            changes.extend(detections_closed(state, now, |known| {
                is_of(&known.cluster, &known.cluster_alias, name, alias)
            }));
        }
        Acknowledged::Instance(key) => {
            changes.extend(detections_closed(state, now, |known| known.subject == *key));
        }
        Acknowledged::All | Acknowledged::Number(_) | Acknowledged::Id(_) => {}
    }
    match changes.is_empty() {
        true => (Reply::Unchanged, changes, vec![]),
        false => (Reply::Acknowledged(count), changes, vec![]),
    }
}

fn is_of(cluster: &str, cluster_alias: &str, name: &str, alias: &str) -> bool {
    cluster == name || (!alias.is_empty() && cluster_alias == alias)
}

pub(super) fn disable(state: &Decided, by: &str, now: Timestamp) -> Decision {
    match &state.recoveries_disabled {
        Some(_) => (Reply::Unchanged, vec![], vec![]),
        None => done(RowChange::PutRecoveriesDisabled(RecoveriesDisabled {
            by: by.to_owned(),
            at: now,
        })),
    }
}

pub(super) fn enable(state: &Decided) -> Decision {
    match &state.recoveries_disabled {
        None => (Reply::Unchanged, vec![], vec![]),
        Some(_) => done(RowChange::DeleteRecoveriesDisabled),
    }
}

/// Rows of recoveries and detections whose time is over at `now`, with all that hangs on them.
pub(super) fn due(state: &Decided, now: Timestamp) -> impl Iterator<Item = RowChange> + '_ {
    let over = state
        .recoveries
        .iter()
        .filter(move |(_, one)| one.is_over_at(now) && !is_needed(state, one, now));
    let recoveries = over.flat_map(move |(id, _)| {
        let steps = state
            .steps_of(*id)
            .map(|(number, _)| RowChange::DeleteRecoveryStep(*id, number));
        let is_detected = state
            .detections
            .values()
            .any(|known| known.recovery == *id && now < known.kept_until);
        let notes = notes_deleted(state, *id, !is_detected);
        let left = no_longer_left(state, move |_, of| of == id);
        std::iter::once(RowChange::DeleteRecovery(*id))
            .chain(steps)
            .chain(left)
            .chain(notes)
    });
    let over = state
        .detections
        .iter()
        .filter(move |(_, known)| known.kept_until <= now);
    let detections = over.flat_map(move |(number, known)| {
        let id = known.recovery;
        let has_recovery = state.recoveries.contains_key(&id);
        std::iter::once(RowChange::DeleteDetection(*number)).chain(notes_deleted(
            state,
            id,
            !has_recovery,
        ))
    });
    recoveries.chain(detections)
}

/// Whether a server that it left behind is in downtime still: by its record that one is closed when it is back, and what it
/// had is named.
fn is_needed(state: &Decided, recovery: &Recovery, now: Timestamp) -> bool {
    let lost = recovery.end.iter().flat_map(|end| &end.lost);
    let mut left = std::iter::once(&recovery.subject).chain(lost);
    left.any(|key| state.downtime_at(key, now).is_some())
}

fn notes_deleted(
    state: &Decided,
    id: RecoveryId,
    is_meant: bool,
) -> impl Iterator<Item = RowChange> + '_ {
    state
        .notes_of(id)
        .filter(move |_| is_meant)
        .map(move |row| RowChange::DeleteRecoveryNote(id, row.number))
}

/// A number that no earlier entry has given to anything.
pub(super) fn next_number(state: &Decided) -> u64 {
    state.applied_index.saturating_add(1)
}

impl Decided {
    /// Recoveries under way.
    pub fn unfinished_recoveries(&self) -> impl Iterator<Item = (RecoveryId, &Arc<Recovery>)> {
        let all = self.recoveries.iter();
        all.filter(|(_, recovery)| recovery.end.is_none())
            .map(|(id, recovery)| (*id, recovery))
    }

    /// Connections of ended recoveries over which something may still be under way.
    pub fn sessions_left(&self) -> impl Iterator<Item = &RecoverySessionId> {
        let over = self.recoveries.values().filter(|one| one.end.is_some());
        over.flat_map(|one| one.stale_sessions.iter().chain(&one.sessions))
    }

    /// Recorded steps of a recovery, by number.
    pub fn steps_of(&self, id: RecoveryId) -> impl Iterator<Item = (u32, &RecordedStep)> {
        let range = self.recovery_steps.range((id, 0)..=(id, u32::MAX));
        range.map(|((_, number), row)| (*number, row))
    }

    /// Notes of a recovery, oldest first.
    pub fn notes_of(&self, id: RecoveryId) -> impl Iterator<Item = &RecoveryNote> {
        let range = self.recovery_notes.range((id, 0)..=(id, u64::MAX));
        range.map(|(_, row)| row)
    }
}

#[cfg(test)]
#[path = "recoveries_tests/mod.rs"]
mod tests;

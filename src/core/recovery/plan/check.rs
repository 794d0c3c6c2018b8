use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Fate, Phase, Plan, StepNumber};
use crate::domain::InstanceKey;
use crate::planted::{Bug, is_planted};

/// More steps than any plan needs: a primary with a thousand direct replicas has six thousand.
const STEPS_MAX: usize = 20_000;

/// Why a plan must not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// Longer than any that is made.
    #[error("it has {0} steps")]
    TooLong(usize),
    /// A step waits for itself or a later one.
    #[error("step {0} waits for a step that does not come before it")]
    Disorder(StepNumber),
    /// A step belongs to an earlier phase than one that it waits for.
    #[error("step {0} belongs to an earlier phase than a step that it waits for")]
    PhaseDisorder(StepNumber),
    /// Two steps of a server are not in order.
    #[error("step {0} does not wait for the step before it on the same server")]
    Unchained(StepNumber),
    /// What was received and not applied would be lost.
    #[error("step {number} on {on} may discard what was received and is not applied")]
    Discards {
        /// The step.
        number: StepNumber,
        /// Its server.
        on: InstanceKey,
    },
    /// A server that is to be left alone is touched before the promotion, or moved.
    #[error("step {number} touches {on}, which is to be left as it is")]
    Touches {
        /// The step.
        number: StepNumber,
        /// Its server.
        on: InstanceKey,
    },
    /// Not exactly the chosen server is promoted.
    #[error("it promotes another server than the chosen one, or several")]
    Promotes,
    /// Somebody becomes writable while a kept replica may still receive.
    #[error("step {0} makes a server writable before all receivers are stopped")]
    WritableTooSoon(StepNumber),
    /// A kept replica has what the promoted one will not have.
    #[error("{0} is kept and has what the promoted server will not have")]
    Uncovered(InstanceKey),
    /// A server would replicate from one that is not promoted.
    #[error("step {0} makes a server replicate from the wrong one")]
    WrongSource(StepNumber),
}

/// How a server is, as far as a plan has got.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    receiver_is_stopped: bool,
    /// Its receiver is stopped and all that it received is applied.
    is_drained: bool,
}

/// Whether a plan is sound: nothing received is discarded, exactly the chosen server becomes writable, after everybody has
/// stopped receiving, with everything that any kept replica holds.
///
/// # Errors
/// [`Unsound`]: the first fault.
pub fn check(plan: &Plan) -> Result<(), Unsound> {
    if plan.steps.len() > STEPS_MAX {
        return Err(Unsound::TooLong(plan.steps.len()));
    }
    promotes_the_chosen_one(plan)?;
    covers_all_kept(plan)?;
    order(plan)?;
    let mut states: BTreeMap<&InstanceKey, State> = BTreeMap::new();
    for number in 0..plan.steps.len() {
        touches_only_whom_it_may(plan, number)?;
        has_the_right_source(plan, number)?;
        let on = &plan.steps[number].on;
        let state = states.entry(on).or_default();
        *state = keeps_relay_logs(plan, number, *state)?;
    }
    writable_at_last(plan)
}

fn promotes_the_chosen_one(plan: &Plan) -> Result<(), Unsound> {
    let promoted = plan
        .fates
        .iter()
        .filter(|(_, fate)| **fate == Fate::Promoted);
    let named: Vec<_> = promoted.map(|(key, _)| key).collect();
    let writable = plan
        .steps
        .iter()
        .filter(|step| step.action == Action::MakeWritable);
    let writable: Vec<_> = writable.map(|step| &step.on).collect();
    let chosen = &plan.choice.promoted;
    match named == [chosen] && (writable.is_empty() || writable == [chosen]) {
        true => Ok(()),
        false => Err(Unsound::Promotes),
    }
}

/// The head has all that the kept ones have, and the promoted one is the head or waits until it has all of it.
fn covers_all_kept(plan: &Plan) -> Result<(), Unsound> {
    let (head, promoted) = (&plan.choice.head, &plan.choice.promoted);
    let most = plan.holdings.get(head);
    for key in plan.kept() {
        let is_covered = match (most, plan.holdings.get(key)) {
            (Some(most), Some(own)) => most.covers(own),
            _ => false,
        };
        if !is_covered {
            return Err(Unsound::Uncovered(key.clone()));
        }
    }
    let fetches = plan.steps.iter().any(|step| {
        step.on == *promoted
            && matches!(&step.action, Action::AwaitAllOf { other } if other == head)
    });
    match head == promoted || fetches {
        true => Ok(()),
        false => Err(Unsound::Uncovered(head.clone())),
    }
}

/// Numbers, phases, and one chain of steps on each server.
fn order(plan: &Plan) -> Result<(), Unsound> {
    let mut last: BTreeMap<&InstanceKey, StepNumber> = BTreeMap::new();
    for (number, step) in plan.steps.iter().enumerate() {
        for before in &step.after {
            match plan.steps[..number].get(*before) {
                None => return Err(Unsound::Disorder(number)),
                Some(other) if other.phase > step.phase => {
                    return Err(Unsound::PhaseDisorder(number));
                }
                Some(_) => {}
            }
        }
        if let Some(before) = last.insert(&step.on, number)
            && !step.after.contains(&before)
        {
            return Err(Unsound::Unchained(number));
        }
    }
    Ok(())
}

fn touches_only_whom_it_may(plan: &Plan, number: StepNumber) -> Result<(), Unsound> {
    let step = &plan.steps[number];
    let is_about_feeding = matches!(
        step.action,
        Action::StartApplier | Action::StopReceiver | Action::AwaitApplied
    );
    let may = match plan.fates.get(&step.on) {
        Some(Fate::Left(left)) if step.on == plan.choice.head && step.phase < Phase::Promoted => {
            left.is_lost() && is_about_feeding
        }
        Some(Fate::Promoted) => step.action != Action::Detach || step.phase >= Phase::Published,
        Some(Fate::Moved) => !matches!(
            step.action,
            Action::Detach | Action::SemiSyncSource(_) | Action::SemiSyncReplica(_)
        ),
        Some(Fate::Left(left)) => {
            left.is_lost()
                && step.phase >= Phase::Published
                && matches!(
                    step.action,
                    Action::StopReceiver
                        | Action::AwaitApplied
                        | Action::StopApplier
                        | Action::Detach
                )
        }
        None => false,
    };
    match may {
        true => Ok(()),
        false => Err(Unsound::Touches {
            number,
            on: step.on.clone(),
        }),
    }
}

fn has_the_right_source(plan: &Plan, number: StepNumber) -> Result<(), Unsound> {
    let step = &plan.steps[number];
    let (head, promoted) = (&plan.choice.head, &plan.choice.promoted);
    let is_right = match &step.action {
        Action::Repoint { source } if step.on == *promoted => source == head && head != promoted,
        Action::Repoint { source } => source == promoted && step.phase >= Phase::Published,
        _ => true,
    };
    match is_right {
        true => Ok(()),
        false => Err(Unsound::WrongSource(number)),
    }
}

/// The rule about relay logs, on one server.
fn keeps_relay_logs(plan: &Plan, number: StepNumber, state: State) -> Result<State, Unsound> {
    let step = &plan.steps[number];
    let after = match &step.action {
        Action::StopReceiver => State {
            receiver_is_stopped: true,
            is_drained: false,
        },
        Action::AwaitApplied => State {
            is_drained: state.receiver_is_stopped,
            ..state
        },
        Action::StartReplication => State::default(),
        _ => state,
    };
    let is_safe = match &step.action {
        // Started after the receiver was stopped, an applier may find its relay logs gone.
        Action::StartApplier => !state.receiver_is_stopped || is_planted(Bug::ReceiverStoppedFirst),
        Action::StopApplier | Action::StartReplication => state.is_drained,
        // A source's half that is on holds up an applier, which waits for acknowledgements of what it applies.
        Action::SemiSyncSource(true) => state.is_drained,
        action => !action.discards() || state.is_drained,
    };
    match is_safe {
        true => Ok(after),
        false => Err(Unsound::Discards {
            number,
            on: step.on.clone(),
        }),
    }
}

/// Nobody is writable before every kept replica was told to stop receiving, in an earlier phase.
fn writable_at_last(plan: &Plan) -> Result<(), Unsound> {
    let Some(number) = plan
        .steps
        .iter()
        .position(|step| step.action == Action::MakeWritable)
    else {
        return Ok(());
    };
    let phase = plan.steps[number].phase;
    let stopped: BTreeSet<&InstanceKey> = plan
        .steps
        .iter()
        .filter(|step| step.action == Action::StopReceiver && step.phase < phase)
        .map(|step| &step.on)
        .collect();
    match plan.kept().all(|key| stopped.contains(key)) {
        true => Ok(()),
        false => Err(Unsound::WritableTooSoon(number)),
    }
}

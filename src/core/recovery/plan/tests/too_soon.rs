//! Nobody becomes writable while a kept replica may still receive: the checker counts who was told to stop, and when.

use super::sound;
use crate::recovery::plan::{Action, Phase, Plan, Unsound, check};
use crate::recovery::testing::key;

/// A sound plan in which c is promoted and d is moved, with the step by which d stops receiving changed.
fn with_the_stop_of_d(change: impl Fn(&mut Plan, usize)) -> Result<(), Unsound> {
    let mut plan = sound("a [unreachable]\n+ c [io=connecting]\n+ d [io=connecting]");
    check(&plan).expect("it is sound");
    let stop = plan
        .steps
        .iter()
        .position(|step| step.on == key("d") && step.action == Action::StopReceiver);
    change(&mut plan, stop.expect("a step"));
    check(&plan)
}

#[test]
fn a_receiver_that_is_stopped_in_the_phase_of_the_promotion_is_stopped_too_late() {
    let answer = with_the_stop_of_d(|plan, stop| plan.steps[stop].phase = Phase::ReceiversStopped);
    assert!(
        matches!(answer, Err(Unsound::WritableTooSoon(_))),
        "{answer:?}"
    );
}

#[test]
fn a_stopped_applier_is_no_stopped_receiver() {
    let answer = with_the_stop_of_d(|plan, stop| {
        // What d does later is not what this is about.
        let of_d: Vec<usize> = (stop + 1..plan.steps.len())
            .filter(|number| plan.steps[*number].on == key("d"))
            .collect();
        for number in of_d {
            plan.steps[number].action = Action::StartApplier;
        }
        plan.steps[stop].action = Action::StartApplier;
    });
    assert!(
        matches!(answer, Err(Unsound::WritableTooSoon(_))),
        "{answer:?}"
    );
}

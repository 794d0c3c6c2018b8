//! Faults that somebody once made, switched on: each is found.

use orchestrator_core::planted::Bug;

use super::many::seeds;

/// Within so many seeds each is to be found.
const SEEDS: u64 = 500;

fn is_found(bug: Bug, promises: &[&str]) {
    let summary = seeds(1, SEEDS, Some(bug), true);
    let worst = summary
        .worst
        .unwrap_or_else(|| panic!("{bug:?} is not found"));
    println!(
        "{bug:?} is found by seed {} after {} runs",
        worst.seed, summary.runs
    );
    let found = summary
        .violations
        .keys()
        .any(|found| promises.contains(found));
    assert!(
        found,
        "{bug:?} is found as another promise\n{}",
        worst.report()
    );
}

#[test]
fn registration_checked_outside_apply_is_found() {
    is_found(Bug::RegistrationCheckedOutsideApply, &["F1", "F8", "F11"]);
}

#[test]
fn a_fence_that_is_not_rechecked_is_found() {
    is_found(Bug::FenceNotRechecked, &["F2", "F4"]);
}

#[test]
fn a_receiver_stopped_first_is_found() {
    is_found(Bug::ReceiverStoppedFirst, &["F6"]);
}

#[test]
fn a_command_after_the_end_is_found() {
    is_found(Bug::CommandAfterEnd, &["F2", "F7"]);
}

#[test]
fn an_own_record_that_blocks_is_found() {
    is_found(Bug::OwnRecordBlocksResume, &["F7"]);
}

#[test]
fn a_clock_in_apply_is_found() {
    is_found(Bug::ClockInApply, &["R3"]);
}

#[test]
fn an_old_primary_left_open_is_found() {
    is_found(Bug::OldPrimaryNotClosed, &["F3"]);
}

#[test]
fn an_alias_that_the_next_leader_leaves_behind_is_found() {
    is_found(Bug::AliasMovedByFirstLeaderOnly, &["alias"]);
}

#[test]
fn nodes_that_are_not_asked_are_missed() {
    is_found(Bug::OthersNotAsked, &["F8"]);
}

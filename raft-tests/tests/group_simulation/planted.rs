//! Faults that somebody once made, switched on: each is found.

use orchestrator_core::planted::Bug;
use raft_tests::group_simulation::Verdict;

use super::many::seeds;

/// Within so many seeds each is to be found.
const SEEDS: u64 = 60;

fn is_found(bug: Bug, promises: &[&str]) {
    let summary = seeds(1, SEEDS, Some(bug), true);
    let worst = summary
        .worst
        .unwrap_or_else(|| panic!("{bug:?} is not found"));
    println!(
        "{bug:?} is found by seed {} after {} runs: {:?}",
        worst.seed, summary.runs, worst.verdict
    );
    let is_meant = matches!(
        worst.verdict,
        Verdict::Violation { promise, .. } if promises.contains(&promise)
    );
    assert!(
        is_meant,
        "{bug:?} is found as another promise\n{}",
        worst.report()
    );
}

#[test]
fn a_group_of_those_that_are_up_is_found() {
    is_found(Bug::BeginsWithThoseUp, &["R1", "R5", "R7"]);
}

#[test]
fn acknowledged_before_synced_is_found() {
    is_found(Bug::AcknowledgedBeforeSynced, &["R6", "R1"]);
}

#[test]
fn a_snapshot_without_a_table_is_found() {
    is_found(Bug::SnapshotWithoutTable, &["R2", "R3"]);
}

#[test]
fn a_stale_read_by_an_old_leader_is_found() {
    is_found(Bug::StaleReadByOldLeader, &["R5"]);
}

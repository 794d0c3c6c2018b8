//! Seeds that once broke a promise: see [`raft_tests::seeds`].

use raft_tests::group_simulation::{Verdict, run};
use raft_tests::seeds::run_kept;

#[test]
fn kept_seeds_break_no_promise() {
    let (count, broken) = run_kept(include_str!("kept_seeds.txt"), |seed| {
        let outcome = run(seed);
        matches!(outcome.verdict, Verdict::Violation { .. }).then(|| outcome.report())
    });
    assert!(broken.is_empty(), "{broken}");
    assert!(count > 0, "the file was not read");
}

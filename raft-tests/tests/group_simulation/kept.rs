//! Seeds that once broke a promise. They stay, and are run again whenever anything changes; when the drawing of scenarios
//! changes, they mean other runs, and new ones join them.

use std::fmt::Write as _;

use raft_tests::group_simulation::{Verdict, run};

/// One seed in a line, and after it what was wrong.
const KEPT: &str = include_str!("kept_seeds.txt");

#[test]
fn kept_seeds_break_no_promise() {
    let mut broken = String::new();
    let mut count = 0;
    for line in KEPT.lines().filter(|line| !line.starts_with('#')) {
        let seed = line.split_whitespace().next().unwrap_or_default();
        let seed: u64 = seed.parse().unwrap_or_else(|_| panic!("no seed: {line}"));
        let outcome = run(seed);
        count += 1;
        if matches!(outcome.verdict, Verdict::Violation { .. }) {
            writeln!(broken, "{line}\n{}", outcome.report()).unwrap();
        }
    }
    assert!(broken.is_empty(), "{broken}");
    assert!(count > 0, "the file was not read");
}

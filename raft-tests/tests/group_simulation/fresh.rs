//! Seeds that nobody has run before.

use raft_tests::group_simulation::{Verdict, run};
use raft_tests::seeds::{first_fresh, number};

use super::many::seeds;

/// Runs of the fast lane; `GROUP_SEEDS` asks for another number, as the long lane does.
const RUNS: u64 = 120;
/// More runs that show nothing, of a hundred, make the rest worth little.
const NOTHING_MAX: u64 = 25;

#[test]
fn fresh_seeds_break_no_promise() {
    let first = first_fresh("GROUP_FIRST");
    let count = number("GROUP_SEEDS").unwrap_or(RUNS);
    println!("{count} seeds from {first} on");
    let summary = seeds(first, count, None, false);
    println!(
        "{} runs; writes acknowledged, unknown for a while, answered twice {:?}; leaderships {}; \
         snapshots sent, disk writes lost, answers late, calls twice {:?}; show nothing {:?}",
        summary.runs, summary.writes, summary.leaderships, summary.faults, summary.show_nothing
    );
    if let Some(worst) = &summary.worst {
        let lines = summary.lines.join("\n");
        panic!("{}\n{lines}", worst.report());
    }
    assert!(summary.share_of_nothing() <= NOTHING_MAX, "{summary:?}");
    assert!(
        summary.faults.0 > 0 && summary.faults.1 > 0 && summary.writes.1 > 0,
        "the faults did not bite: {summary:?}"
    );
}

/// One seed, to look at: `GROUP_SEED`; the whole trace is printed. `RUST_LOG` shows what the nodes log, too.
#[test]
fn one_seed() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .without_time()
        .try_init();
    let outcome = run(number("GROUP_SEED").unwrap_or(1));
    println!("{}", outcome.trace);
    let is_bad = matches!(outcome.verdict, Verdict::Violation { .. });
    assert!(!is_bad, "{}", outcome.report());
}

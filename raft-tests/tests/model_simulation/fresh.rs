//! Seeds that nobody has run before.

use orchestrator_core::planted::{Bug, with};
use raft_tests::seeds::{first_fresh, number};
use raft_tests::world::model::{Verdict, run};

use super::many::seeds;

/// Runs of the fast lane; `MODEL_SEEDS` asks for another number, as the long lane does.
const RUNS: u64 = 2_000;
/// More runs that show nothing, of a hundred, make the rest worth little.
const NOTHING_MAX: u64 = 25;

#[test]
fn fresh_seeds_break_no_promise() {
    let first = first_fresh("MODEL_FIRST");
    let count = number("MODEL_SEEDS").unwrap_or(RUNS);
    println!("{count} seeds from {first} on");
    let summary = seeds(first, count, None, false);
    println!(
        "{} runs; recoveries {:?}; acknowledged {}; show nothing {:?}; violations {:?}",
        summary.runs,
        summary.recoveries,
        summary.acknowledged,
        summary.show_nothing,
        summary.violations
    );
    if let Some(worst) = &summary.worst {
        let lines = summary.lines.join("\n");
        panic!("{}\n{lines}\n{:?}", worst.report(), summary.violations);
    }
    assert!(summary.share_of_nothing() <= NOTHING_MAX, "{summary:?}");
}

/// A planted bug by its name: `MODEL_BUG`.
fn bug() -> Option<Bug> {
    let name = std::env::var("MODEL_BUG").ok()?;
    let mut all = Bug::ALL.into_iter();
    let found = all.find(|bug| format!("{bug:?}") == name);
    Some(found.unwrap_or_else(|| panic!("there is no planted bug {name}: {:?}", Bug::ALL)))
}

/// One seed, to look at: `MODEL_SEED`, with a planted bug where `MODEL_BUG` names one; the whole trace is printed. `RUST_LOG` shows
/// what the service logs, too.
#[test]
fn one_seed() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .without_time()
        .try_init();
    let seed = number("MODEL_SEED").unwrap_or(1);
    let outcome = with(bug(), || run(seed));
    println!("{}", outcome.trace);
    let is_bad = matches!(outcome.verdict, Verdict::Violation { .. });
    assert!(!is_bad, "{}", outcome.report());
}

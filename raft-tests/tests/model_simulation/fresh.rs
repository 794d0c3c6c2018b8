//! Seeds that nobody has run before.

use std::time::{SystemTime, UNIX_EPOCH};

use raft_tests::world::model::{Verdict, run};

use super::many::seeds;

/// Runs of the fast lane; `MODEL_SEEDS` asks for another number, as the long lane does.
const RUNS: u64 = 2_000;
/// More runs that show nothing, of a hundred, make the rest worth little.
const NOTHING_MAX: u64 = 25;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
    )
}

/// Where seeds begin in continuous integration, whose verdict has to depend on the change alone: fresh seeds still find a fault now and
/// then (docs/testing.md).
const FIRST_IN_CI: u64 = 1;

/// Where seeds begin: `MODEL_FIRST`, else the time, so that they are fresh.
#[allow(
    clippy::disallowed_methods,
    reason = "fresh seeds come from the clock, and are printed"
)]
fn first() -> u64 {
    let of_ci = std::env::var_os("CI").map(|_| FIRST_IN_CI);
    number("MODEL_FIRST").or(of_ci).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        now.as_secs() * 100_000
    })
}

#[test]
fn fresh_seeds_break_no_promise() {
    let (first, count) = (first(), number("MODEL_SEEDS").unwrap_or(RUNS));
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

/// One seed, to look at: `MODEL_SEED`; the whole trace is printed. `RUST_LOG` shows what the service logs, too.
#[test]
fn one_seed() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .without_time()
        .try_init();
    let seed = number("MODEL_SEED").unwrap_or(1);
    let outcome = run(seed);
    println!("{}", outcome.trace);
    let is_bad = matches!(outcome.verdict, Verdict::Violation { .. });
    assert!(!is_bad, "{}", outcome.report());
}

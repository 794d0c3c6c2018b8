//! Seeds that nobody has run before.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use orchestrator_core::planted::{Bug, with};
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

/// Where seeds begin: `MODEL_FIRST`; in continuous integration the commit, so that each has seeds of its own and its verdict depends on it
/// alone; else the time.
#[allow(
    clippy::disallowed_methods,
    reason = "fresh seeds come from the clock, and are printed"
)]
fn first() -> u64 {
    let of_ci = || std::env::var_os("CI").and_then(|_| of_commit());
    number("MODEL_FIRST").or_else(of_ci).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        now.as_secs() * 100_000
    })
}

/// A number that no other commit has; `None` where there is no commit, as in an archive.
#[allow(
    clippy::disallowed_methods,
    reason = "the commit is asked of git, and nothing else"
)]
fn of_commit() -> Option<u64> {
    let mut git = Command::new("git");
    let told = git.args(["rev-parse", "HEAD"]).output().ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    u64::from_str_radix(told.get(..12)?, 16).ok()
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

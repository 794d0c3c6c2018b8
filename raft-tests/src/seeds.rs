//! Seeds of simulations.
//!
//! Those that once broke a promise stay, and are run again whenever anything changes; when the drawing of scenarios changes, they mean other
//! runs, and new ones join them. All others are fresh: nobody has run them before.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The number in an environment variable; `None` where it is not set.
///
/// # Panics
/// When it is no number.
pub fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
    )
}

/// Where fresh seeds begin: as `variable` says; in continuous integration at the commit, so that each has seeds of its own and its verdict
/// depends on it alone; else at the time.
///
/// # Panics
/// When `variable` is no number.
#[allow(
    clippy::disallowed_methods,
    reason = "fresh seeds come from the clock, and are printed"
)]
pub fn first_fresh(variable: &str) -> u64 {
    let of_ci = || std::env::var_os("CI").and_then(|_| of_commit());
    number(variable).or_else(of_ci).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(1, |now| now.as_secs() * 100_000)
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

/// Runs all seeds of a list: one in a line, and after it what was wrong; lines that begin with `#` are comments. `broken` runs a seed
/// and returns its report when it breaks a promise. Returns how many were run, and the reports of those that broke one.
///
/// # Panics
/// When a line does not begin with a seed.
pub fn run_kept(list: &str, broken: impl Fn(u64) -> Option<String>) -> (usize, String) {
    let (mut count, mut reports) = (0, String::new());
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let seed = line.split_whitespace().next().unwrap_or_default();
        let seed: u64 = seed.parse().unwrap_or_else(|_| panic!("no seed: {line}"));
        count += 1;
        if let Some(report) = broken(seed) {
            writeln!(reports, "{line}\n{report}").expect("writing to memory cannot fail");
        }
    }
    (count, reports)
}

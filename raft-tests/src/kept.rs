//! Seeds that once broke a promise of a simulation. They stay, and are run again whenever anything changes; when the drawing of
//! scenarios changes, they mean other runs, and new ones join them.

use std::fmt::Write as _;

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

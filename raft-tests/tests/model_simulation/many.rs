//! Many runs, on all cores, one runtime for each run.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use orchestrator_core::planted::{Bug, with};
use raft_tests::world::model::{Outcome, Verdict, run};

/// What came of many runs.
#[derive(Debug, Default)]
pub struct Summary {
    /// Runs.
    pub runs: u64,
    /// Runs that show nothing, by reason.
    pub show_nothing: BTreeMap<String, u64>,
    /// Recoveries that were registered, and that succeeded.
    pub recoveries: (usize, usize),
    /// Acknowledged transactions.
    pub acknowledged: usize,
    /// The bad run with the smallest seed.
    pub worst: Option<Outcome>,
    /// How many runs were bad, by promise.
    pub violations: BTreeMap<&'static str, u64>,
    /// One line for each bad run.
    pub lines: Vec<String>,
}

impl Summary {
    fn add(&mut self, outcome: Outcome) {
        self.runs += 1;
        self.recoveries.0 += outcome.recoveries.0;
        self.recoveries.1 += outcome.recoveries.1;
        self.acknowledged += outcome.acknowledged;
        match &outcome.verdict {
            Verdict::Good => {}
            Verdict::ShowsNothing(why) => {
                let why = why.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
                *self.show_nothing.entry(why.to_owned()).or_default() += 1;
            }
            Verdict::Violation { promise, what, .. } => {
                self.lines
                    .push(format!("seed {} {promise}: {what}", outcome.seed));
                *self.violations.entry(promise).or_default() += 1;
                let is_first = self
                    .worst
                    .as_ref()
                    .is_none_or(|one| outcome.seed < one.seed);
                if is_first {
                    self.worst = Some(outcome);
                }
            }
        }
    }

    /// Runs that show nothing, of a hundred.
    pub fn share_of_nothing(&self) -> u64 {
        self.show_nothing.values().sum::<u64>() * 100 / self.runs.max(1)
    }
}

/// Runs `count` seeds from `first` on, with a bug switched on, and ends with the first violation where `to_the_first`.
pub fn seeds(first: u64, count: u64, bug: Option<Bug>, to_the_first: bool) -> Summary {
    let next = AtomicU64::new(0);
    let summary = Mutex::new(Summary::default());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let is_over = to_the_first && summary.lock().unwrap().worst.is_some();
                    if number >= count || is_over {
                        return;
                    }
                    let outcome = with(bug, || run(first.wrapping_add(number)));
                    summary.lock().unwrap().add(outcome);
                }
            });
        }
    });
    summary.into_inner().unwrap()
}

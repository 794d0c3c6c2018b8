//! Many runs, on all cores, one runtime for each run.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use orchestrator_core::planted::{Bug, with};
use raft_tests::group_simulation::{Outcome, Verdict, run};

/// What came of many runs.
#[derive(Debug, Default)]
pub struct Summary {
    /// Runs.
    pub runs: u64,
    /// Runs that show nothing, by reason.
    pub show_nothing: BTreeMap<String, u64>,
    /// Acknowledged writes, those of unknown outcome, and those answered twice.
    pub writes: (usize, u64, u64),
    /// Leaderships that served.
    pub leaderships: usize,
    /// Snapshots sent, writes lost on disks, answers that were late, calls that came twice.
    pub faults: (u64, usize, u64, u64),
    /// The bad run with the smallest seed.
    pub worst: Option<Outcome>,
    /// One line for each bad run.
    pub lines: Vec<String>,
}

impl Summary {
    fn add(&mut self, outcome: Outcome) {
        self.runs += 1;
        self.writes.0 += outcome.acknowledged;
        self.writes.1 += outcome.unknown;
        self.writes.2 += outcome.repeated;
        self.leaderships += outcome.leaderships;
        self.faults.0 += outcome.net.snapshots;
        self.faults.1 += outcome.lost_writes;
        self.faults.2 += outcome.net.late;
        self.faults.3 += outcome.net.twice;
        match &outcome.verdict {
            Verdict::Good => {}
            Verdict::ShowsNothing(why) => {
                let why = why.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
                *self.show_nothing.entry(why.to_owned()).or_default() += 1;
            }
            Verdict::Violation { promise, what, at } => {
                let (seed, at) = (outcome.seed, at.as_millis());
                self.lines
                    .push(format!("seed {seed} at {at} ms {promise}: {what}"));
                let worst = self.worst.as_ref();
                if worst.is_none_or(|one| outcome.seed < one.seed) {
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

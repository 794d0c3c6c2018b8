use std::time::Duration;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was wrong, and what was to happen happened.
    Good,
    /// Nothing was wrong, but faults had no effect or there was no traffic: it shows nothing.
    ShowsNothing(String),
    /// Something was wrong.
    Violation {
        /// Which promise was broken.
        promise: &'static str,
        /// When.
        at: Duration,
        /// How.
        what: String,
    },
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// How it ended.
    pub verdict: Verdict,
    /// What happened, line by line.
    pub trace: String,
    /// Recoveries that were registered, and those that succeeded.
    pub recoveries: (usize, usize),
    /// Transactions that clients were told are committed.
    pub acknowledged: usize,
}

impl Outcome {
    /// The end of the trace, the verdict, and how to see it again.
    pub fn report(&self) -> String {
        let lines: Vec<&str> = self.trace.lines().collect();
        let tail = lines[lines.len().saturating_sub(80)..].join("\n");
        format!(
            "{tail}\nseed {}: {:?}\nsee it again: MODEL_SEED={} cargo nextest run -p raft-tests --no-capture one_seed",
            self.seed, self.verdict, self.seed
        )
    }
}

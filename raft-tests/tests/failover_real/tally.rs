//! How often, and what was measured.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result};
use raft_tests::lab::Machine;

/// How often each run is made: `FAILOVER_RUNS`, or once.
pub fn runs() -> Result<usize> {
    match std::env::var("FAILOVER_RUNS") {
        Ok(text) => text
            .parse()
            .with_context(|| format!("FAILOVER_RUNS is no number: {text}")),
        Err(_) => Ok(1),
    }
}

/// Figures of one kind, over all runs.
#[derive(Default)]
pub struct Tally(Vec<Duration>);

impl Tally {
    pub fn add(&mut self, figure: Duration) {
        self.0.push(figure);
    }

    /// Prints count, median and worst, and before the first figures of a test what the machine itself takes. Shown with
    /// `--success-output immediate`.
    pub fn print(&mut self, what: &str) {
        static MACHINE: OnceLock<()> = OnceLock::new();
        MACHINE.get_or_init(|| match Machine::measured(&std::env::temp_dir()) {
            Ok(machine) => println!("{machine}"),
            Err(why) => println!("the machine could not be measured: {why:#}"),
        });
        self.0.sort_unstable();
        let (Some(worst), count) = (self.0.last(), self.0.len()) else {
            println!("{what}: never");
            return;
        };
        println!(
            "{what}: {count} times, median {:.3} s, worst {:.3} s",
            self.0[count / 2].as_secs_f64(),
            worst.as_secs_f64()
        );
    }
}

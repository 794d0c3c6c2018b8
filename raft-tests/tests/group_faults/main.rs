//! Three real processes and what happens to them: kills, freezes, cuts, floods, slow lines, broken disks.
//!
//! The long lane asks for more by `GROUP_FAULTS` and `GROUP_IDLE_SECONDS`; see `docs/testing.md`.

mod clones;
mod credentials;
mod damage;
mod disks;
mod failing;
mod faults;
mod flood;
mod lost_majority;
mod members;
mod once;
mod proxy;
mod sites;
mod writers;

use std::time::Duration;

use anyhow::{Context as _, Result};

/// A number from the environment, for the long lane.
fn asked(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{name} is no number: {text}")),
        Err(_) => Ok(default),
    }
}

/// Anything that needs an election or a start, on a machine busy with other tests.
const SOON: Duration = Duration::from_secs(30);

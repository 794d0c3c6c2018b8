//! The discovery loop against simulated servers, on stepped time: minutes pass in milliseconds, the same way each run.
#![allow(clippy::unwrap_used, reason = "tests may")]

mod failing;
mod following;
mod forgetting;
mod lifecycle;
mod naming;
mod requests;
mod scale;
mod storing;

use std::time::Duration;

use orchestrator::discovery::Config;
use orchestrator_core::domain::InstanceKey;
use raft_tests::world::key;

/// The default poll interval.
const POLL: Duration = Duration::from_secs(5);

/// Defaults, with these seeds.
fn seeded(seeds: &[&str]) -> Config {
    Config {
        seeds: seeds.iter().map(|seed| key(seed)).collect(),
        ..Config::default()
    }
}

/// The `n`th server of a large fleet.
fn nth(n: usize) -> InstanceKey {
    key(&format!("db{n:05}"))
}

//! The group simulation: whole raft groups, real ones, on simulated time, disks and wires. See `docs/testing.md`.
#![allow(clippy::unwrap_used, reason = "tests may")]

mod fresh;
mod kept;
mod many;
mod planted;
mod promises;

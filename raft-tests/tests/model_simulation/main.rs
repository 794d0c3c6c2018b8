//! The model simulation: whole groups with whole topologies, thousands of them, each from a seed. See `docs/testing.md`.
#![allow(clippy::unwrap_used, reason = "tests may")]

mod fresh;
mod kept;
mod many;
mod many_clusters;
mod planted;
mod replay;

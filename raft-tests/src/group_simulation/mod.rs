//! The group simulation: the real raft group (library, log, apply, store, snapshots, first start, joining, lease) on a simulated
//! network, simulated disks and simulated time. See `docs/testing.md`.
//!
//! Not to be confused with [`crate::world::group`], which is a twin of the group for the model simulation.

mod breaking;
pub mod clients;
pub mod disk;
pub mod invariants;
mod members;
mod network;
mod node;
mod recorder;
mod run;
mod scenario;
mod store;
mod story;

pub use network::Counts;
pub use node::{NoInstances, Well};
pub use run::{Outcome, Verdict, run};
pub use scenario::{Fault, Scenario, Tuning};
pub use store::Mood;
pub use story::{Story, tell};

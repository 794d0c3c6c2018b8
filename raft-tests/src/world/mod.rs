//! Simulated twins of the ports: servers that answer as scripted, a clock that the test steps, stores that fail on
//! request. Nothing here opens a socket or reads the real time.

mod discovery_world;
pub mod group;
pub mod model;
pub mod mysql;
pub mod node;
mod node_clock;
mod seeded_ids;
mod server;
mod servers;
mod stepped_clock;
mod store;
mod trace;

pub use discovery_world::DiscoveryWorld;
pub use node_clock::{Gate, NodeClock};
pub use seeded_ids::SeededIds;
pub use server::{Condition, Receiver, Server};
pub use servers::{ProbeStart, SimulatedServers};
pub use stepped_clock::SteppedClock;
pub use store::ScriptedStore;
pub use trace::Trace;

use orchestrator_core::domain::InstanceKey;

/// The instance of that name on port 3306, or on the port written after it.
///
/// # Panics
/// When the text is no instance: the test is wrong.
pub fn key(text: &str) -> InstanceKey {
    InstanceKey::parse(text, 3306).expect("the test names an instance")
}

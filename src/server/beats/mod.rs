//! Beats: a connection to every writable primary, asked once a second and watched in between, on every node.
//!
//! * [`BeatLoop`] keeps a task for each primary that the picture shows ([`targets`]), and is what is read of them
//!   ([`BeatReader`](orchestrator_core::ports::BeatReader)).
//! * A task ([`pulse`]) owns the connection and the primary's [`Watch`](orchestrator_core::beats::Watch). A primary that answers costs a
//!   packet each way and no lock.
//! * In the service they all run on one thread, which serves them in batches while all is well ([`pace`]).
//! * While one is in doubt, its replicas are asked again and again ([`inquiry`]).
//! * What came of all that is on the [`board`].
//! * Where another node of the group does not hear a primary, it asks for a beat of ours ([`on_request`]).
//!
//! It concludes what `core::beats` says and nothing more: whether a primary is dead is for analysis to say. It changes no server.

mod board;
mod changing;
mod config;
mod guard;
mod inquiry;
mod metrics;
mod on_request;
mod pace;
mod pulse;
mod targets;
#[cfg(test)]
mod tests;
mod watcher;

pub use changing::Changing;
pub use config::Config;
pub use metrics::describe as describe_metrics;
pub use watcher::{BeatLoop, Deps};

//! The composition root: builds adapters, wires loops, owns start and stop.
//!
//! Read it in the order of a start: `process` turns arguments into what to do, `start` builds everything, `mapping` turns
//! settings into what each module is told, `reload` does that again while running, `run` serves until told to stop.

mod adopt_store;
mod deciding;
mod group;
mod health;
mod leadership;
mod lost_majority;
mod mapping;
pub mod policy;
mod process;
mod reload;
mod run;
mod start;
mod stores;
mod system;
mod tokens;

pub use process::main;

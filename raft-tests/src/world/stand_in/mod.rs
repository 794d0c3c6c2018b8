//! A small leader, written for the simulation: it finds, registers, carries out and resumes recoveries by the real core, one
//! thing after the other. It shows that the simulated world does what it says, and what the core does in it.

mod carry;
mod leader;
mod old_primary;
mod plans;
mod sessions;

pub use leader::{NodeDeps, Policies, lead};
pub use plans::Plans;

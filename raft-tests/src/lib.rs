//! Test worlds: what tests need that is more than one module of orchestrator.
//!
//! [`lab`] starts real servers and real orchestrator processes on loopback addresses; [`contract`] holds every store to
//! the same clauses; [`world`] simulates servers, time, stores and whole groups; [`invariants`] are the promises that hold in
//! it, and [`kept`] the seeds that once broke one; [`group_simulation`] runs the real raft group on simulated disks and wires. Nothing here is part of the product, and production
//! code never imports it.

pub mod contract;
pub mod group_simulation;
pub mod invariants;
pub mod lab;
pub mod readme;
pub mod seeds;
pub mod world;

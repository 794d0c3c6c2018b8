//! The orchestrator service: adapters around the pure core, the loops that drive it, and its edges.
//!
//! `docs/ARCHITECTURE.md` says where to start reading and which module may import which.
#![forbid(unsafe_code)]

pub mod api;
pub mod beats;
pub mod cli;
pub mod config;
pub mod discovery;
pub mod effects;
pub mod executor;
pub mod guard;
pub mod hooks;
pub mod import;
pub mod mysql;
pub mod node;
pub mod raft;
pub mod resolve;
pub mod sockets;
pub mod store;
pub mod telemetry;
pub mod wire;

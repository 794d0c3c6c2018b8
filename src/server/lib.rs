//! The orchestrator service.

pub mod cli;
pub mod config;

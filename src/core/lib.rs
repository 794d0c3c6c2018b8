//! The pure core of orchestrator.

pub mod domain;

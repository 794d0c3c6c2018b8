//! Test worlds: what tests need that is more than one module of orchestrator.
//!
//! [`lab`] starts real servers and real orchestrator processes on loopback addresses. Nothing here is part of the
//! product, and production code never imports it.

pub mod lab;

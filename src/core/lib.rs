//! The pure core of orchestrator.

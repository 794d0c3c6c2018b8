//! The orchestrator client.
fn main() {}

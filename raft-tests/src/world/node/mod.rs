//! What one simulated orchestrator node has: its picture, kept by probes of its own, and its hooks.

mod discovery;
mod hooks;
mod picture;

pub use discovery::SimDiscovery;
pub use hooks::{HookLog, HookStart, SimHooks};
pub use picture::SimPicture;

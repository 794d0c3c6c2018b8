//! What one simulated orchestrator node has: its picture, kept by probes of its own, and its hooks.

mod hooks;
mod picture;

pub use hooks::{HookLog, HookStart, SimHooks};
pub use picture::SimPicture;

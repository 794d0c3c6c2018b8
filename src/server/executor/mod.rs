//! Carries out recoveries: the loop that finds what is to be done, and the run of one registered recovery.
//!
//! What is to be done is decided by the pure core (`analysis`, `recovery`); what is true is decided by committed commands.
//! This module only asks, in the right order, and stops when it may not go on. `DESIGN.md` says how.
//!
//! * [`RecoveryLoop`]: runs on every node, acts on the leader only.
//! * [`Deps`], [`Config`]: all that it needs of the outside.
//! * [`WhyNot`]: why nothing is done about a finding now.

mod begin;
mod canary;
mod config;
mod demanded;
mod deps;
mod detection;
mod fresh;
pub mod hooks;
mod left_stopped;
mod look;
mod lost;
mod metrics;
mod moments;
mod others;
mod own_link;
mod proposing;
mod reasons;
mod recovery_loop;
mod resume;
mod run;
mod scope;
mod sessions;
#[cfg(test)]
mod tests;
mod visit;
mod why_not;

pub use config::{Config, HookLists};
pub use deps::Deps;
pub use metrics::describe as describe_metrics;
pub use recovery_loop::RecoveryLoop;
pub use why_not::WhyNot;

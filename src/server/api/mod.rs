//! The HTTP API: one route table, one file per resource, one error mapping, one way in.
//!
//! Handlers read the picture and decided state, and hand changes to the `Proposer` and the discovery loop; they know
//! nothing of SQL, raft or recovery. Who may call what is decided before a handler runs, from the route's [`Access`].

pub mod access;
mod assemble;
mod caller;
mod route;
pub mod serve;
mod state;

pub use assemble::assemble;
pub use caller::Caller;
pub use route::{Access, Route};
pub use state::{ApiConfig, AppState, Deps, Health, HealthReport, Reload};

//! The HTTP API: one route table, one file per resource, one error mapping, one way in.
//!
//! Handlers read the picture and decided state, and hand changes to the `Proposer`, the discovery loop and the loop that
//! recovers; they know nothing of SQL or raft. Who may call what is decided before a handler runs, from the route's [`Access`].

pub mod access;
mod assemble;
mod caller;
mod change;
mod doing;
mod dto;
mod envelope;
mod error;
mod group;
mod input;
mod json;
mod once;
mod route;
mod routes;
pub mod serve;
mod state;
mod steps;
mod view;
mod waiting;

// One file per resource.
mod access_tokens;
mod analysis;
mod candidates;
mod cluster_alias;
mod clusters;
mod configuration;
mod discovery;
mod downtime;
mod health;
mod import;
mod instances;
mod isolation_guard;
mod probes;
mod raft;
mod recoveries;
mod search;
mod topology;

#[cfg(test)]
pub(crate) mod testing;

pub use assemble::assemble;
pub use caller::Caller;
pub use envelope::ERROR_HEADER;
pub use error::{ApiError, ErrorKind, V2Error};
pub use group::forward_handler;
pub use once::IDEMPOTENCY_KEY;
pub use route::{Access, Route};
pub use routes::{STATUS_PATH, routes};
pub use state::{ApiConfig, AppState, Deps, Health, HealthReport, Reload, TokenTimes};
pub use waiting::waiting_router;

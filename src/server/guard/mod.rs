//! The guard of a cut-off data centre: where it is switched on, a node that hears nobody outside closes writable primaries beside it,
//! because the other side may have promoted others.
//!
//! Whether is said by the pure core (`isolation`); here is what it has to know, and the order of things. `DESIGN.md` says how.
//!
//! * [`Guard`]: the loop, and what it reports.
//! * [`Deps`], [`Config`]: all that it needs of the outside.
//! * [`TcpDialer`]: tries addresses over TCP.

mod around;
mod close;
mod config;
mod dial;
mod metrics;
#[cfg(test)]
mod tests;
mod watch;

pub use config::Config;
pub use dial::TcpDialer;
pub use metrics::describe as describe_metrics;
pub use watch::{Deps, Guard};

//! Logs and metrics: set up once, at the start.

mod audit;
mod log;
mod prometheus;

pub use audit::{AuditEntry, AuditFile};
pub use log::{LogSettings, init as init_log};
pub use prometheus::{Metrics, UPKEEP_INTERVAL};

//! Logs and metrics: set up once, at the start.

mod log;
mod prometheus;

pub use log::{LogSettings, init as init_log};
pub use prometheus::{Metrics, UPKEEP_INTERVAL};

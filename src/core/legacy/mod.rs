//! The one dictionary of the predecessor's words: what API, client, configuration, hooks and tables call the things that
//! have other names inside. Pure; used by adapters and edges only.

pub mod codes;
mod filters;
pub mod hooks;
mod quote;
pub mod tables;

pub use filters::cluster_filters_match;
pub use quote::quoted_error;

use crate::domain::{Flavor, ReplicationLink, ThreadState};

/// Version of an instance that was heard of and never probed.
pub const UNKNOWN_VERSION: &str = "Unknown";

/// Mark in front of a source's host, or of a binary log's name, of a replica that was detached.
pub const DETACH_MARK: &str = "//";

/// `FlavorName` of the API.
pub const fn flavor_name(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::MySql => "MySQL",
        Flavor::Percona => "Percona",
        Flavor::MariaDb => "MariaDB",
        Flavor::MaxScale => "MaxScale",
        Flavor::Unknown => "unknown",
    }
}

/// `ReplicationSQLThreadState` and `ReplicationIOThreadState` of the API: -1 no thread, 0 stopped, 1 running, 2 anything
/// else. `pick` chooses the thread.
pub fn thread_state_number(
    link: Option<&ReplicationLink>,
    pick: impl Fn(&ReplicationLink) -> ThreadState,
) -> i8 {
    match link.map(pick) {
        None => -1,
        Some(ThreadState::Stopped) => 0,
        Some(ThreadState::Running) => 1,
        Some(ThreadState::Other | ThreadState::Stopping) => 2,
    }
}

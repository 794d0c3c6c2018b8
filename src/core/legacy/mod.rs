//! The one dictionary of the predecessor's words: what API, client, configuration, hooks and tables call the things that
//! have other names inside. Pure; used by adapters and edges only.

pub mod codes;

use crate::domain::{Flavor, ReplicationLink, ThreadState};

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
        Some(ThreadState::Other) => 2,
    }
}

//! MySQL and MariaDB servers: connecting to them, probing them and changing them.
//!
//! * [`Connector`] opens connections: name lookup, deadlines, TLS (mutual, or only where a server wants it), login.
//! * [`MysqlProber`] implements the `Prober` port over one kept connection for each instance.
//! * [`MysqlBeater`] implements the `Beater` port; see `beat/`.
//! * [`MysqlServers`] implements the ports `Servers` and `Histories`; see `change/`.
//! * `driver/` is the adapter of the SQL driver, `dialect.rs` knows what each version calls its statements and variables, `probe/` holds one
//!   file for each step of a probe.
//!
//! A probe costs **one round trip** on a connection that is open: its statements go as one text (`probe/ahead.rs`; `raft-tests` counts
//! them on real servers). The statements of it:
//!
//! | server | statements |
//! |---|---|
//! | MariaDB 10.11, source or replica | 4: variables, counters with the end of the binary log, replica status, process list |
//! | MySQL 8.4 and 9.x | 6: the same, the end of the binary log, and the variables of plugins that may not be there |
//! | MySQL 9.x replica | 7: and whether credentials are stored; 8 with heartbeats, where the performance schema is on |
//!
//! The first probe on a connection asks the version before. A configured query that is not one plain `SELECT`, and one that was refused, are
//! a round trip each.
//!
//! A change costs **one** where what it depends on was seen a moment ago (two round trips at most): the statement, what is read of it and the
//! observation that follows are one text. Else the replica's status is read before. A change of source waits for the applier in between, and stops threads one by one.
//!
//! It does not decide when to probe or what to change, and keeps no picture. Nothing outside of `change/` changes a server.

mod beat;
mod change;
mod config;
mod connect;
mod dialect;
mod driver;
mod failure;
mod probe;
mod tls_memory;

pub use beat::MysqlBeater;
pub use change::MysqlServers;
pub use config::{Config, DetectQueries, OwnName, Patterns, TlsConfig};
pub use connect::{Connector, Purpose};
pub use driver::{Answer, Bounds, Conn, DriverError, Row};
pub use probe::MysqlProber;

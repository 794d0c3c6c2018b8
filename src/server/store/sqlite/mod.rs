//! Stores in SQLite files.
//!
//! One thread owns the only writing connection and commits what waits in one transaction; read-only connections read
//! beside it. Files are private to the user, and a lock keeps a second process out. SQL is in `rows`, `log` and
//! `observations` only, and reads neither clock nor randomness: what is written is what apply said.

pub(super) mod connection;
mod decisions;
mod fault;
mod group_log;
mod lock;
mod log;
mod meta;
mod migrations;
mod observations;
mod patience;
mod place;
mod readers;
mod rows;
mod writer;

pub(super) use fault::from_sqlite;

pub use decisions::{SqliteOptions, SqliteStore};
pub use group_log::{GroupLog, GroupLogEntry, Mark};
pub use observations::SqliteObservations;
pub use place::Place;

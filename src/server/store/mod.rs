//! Stores: where decided state and observations are kept over restarts.
//!
//! [`DecisionStore`] is the contract for decided state; `raft-tests` holds the tests that every store must pass.
//! [`SqliteStore`] is the default store, [`SqliteObservations`] keeps the picture beside it, in a file of its own so that
//! a commit never waits behind it; [`MysqlStore`] and [`MysqlObservations`] are the same in a database of a MySQL server. [`LocalProposer`] makes a single node of a store: the only holder of its writing
//! half. [`OldTablesInFile`] and [`OldTablesOnServer`] read the predecessor's tables. Nothing in here knows policy: what a command means is decided by the core's `apply`.

mod batch;
mod decision_store;
mod effect_log;
mod error;
mod fault;
mod health;
mod local;
mod migration;
mod mysql;
mod own_thread;
mod predecessor;
mod recent;
mod rows;
mod sqlite;

pub use decision_store::{
    AppliedEntry, DecisionStore, Identity, InstallMode, LOG_ENTRIES_KEPT, LoggedEntry, StoreId,
};
pub use effect_log::StoreEffectLog;
pub use error::{Error, ErrorKind};
pub use health::{StoreHealth, StoreReport};
pub use local::{LocalOptions, LocalProposer};
pub use mysql::{MysqlObservations, MysqlOptions, MysqlStore};
pub use predecessor::{OldTablesInFile, OldTablesOnServer};
pub use sqlite::{
    GroupLog, GroupLogEntry, Mark, Place, SqliteObservations, SqliteOptions, SqliteStore,
};

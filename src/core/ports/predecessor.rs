use std::collections::BTreeMap;

use super::{BoxFuture, ProposeError};
use crate::decided::Refusal;
use crate::domain::Timestamp;

/// The rows that were read of one of the predecessor's tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OldRows {
    /// A cell for each column that is read (`legacy::tables`); moments are seconds since 1970-01-01 UTC.
    pub rows: Vec<Vec<Option<String>>>,
    /// Whether there are more than are read.
    pub has_more: bool,
}

/// What was read of the predecessor's tables, all as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OldState {
    /// The time by the clock that the predecessor's times are of.
    pub read_at: Timestamp,
    /// By name of the table; tables that are not there have no entry.
    pub tables: BTreeMap<&'static str, OldRows>,
    /// How many rows tables have that are not read, by name.
    pub counts: BTreeMap<&'static str, u64>,
}

/// Why the predecessor's tables could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the predecessor's tables in {place} cannot be read: {reason}")]
pub struct OldTablesError {
    /// The file or database.
    pub place: String,
    /// What it said.
    pub reason: String,
}

/// Tables of the predecessor, in a file or a database. To be correct, an implementation must only read, all of it as of one moment,
/// bound what it reads and for how long, and leave the source byte for byte as it was.
pub trait OldTables: Send + Sync {
    /// Where they are, for people.
    fn place(&self) -> String;

    /// Reads them; `None` when there are none of them there. Cancel-safe.
    ///
    /// # Errors
    /// [`OldTablesError`].
    fn read(&self) -> BoxFuture<'_, Result<Option<OldState>, OldTablesError>>;
}

/// Which of the predecessor's tables are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OldPlace {
    /// Those beside the store of this node.
    #[default]
    Own,
    /// Those in the file `SQLite3DataFile`.
    File,
    /// Those in the database of the keys `MySQLOrchestrator…`.
    Database,
}

/// What an operator wants of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOrder {
    /// From where.
    pub from: OldPlace,
    /// Only say what would come of it.
    pub is_dry_run: bool,
    /// Also when a process of the predecessor gives signs of life.
    pub is_forced: bool,
    /// Who asks.
    pub who: String,
    /// From where.
    pub whence: String,
}

/// A row, or several, that an import leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftRow {
    /// The predecessor's table.
    pub table: &'static str,
    /// Which row, for people.
    pub row: String,
    /// Why.
    pub why: String,
}

/// What an import did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// The file or database.
    pub source: String,
    /// The node that read it.
    pub node: String,
    /// When the import was completed; `None` of a dry run.
    pub completed_at: Option<Timestamp>,
    /// Whether that was done before, and nothing now.
    pub was_done: bool,
    /// How many rows were offered, by what they are, in their order.
    pub offered: Vec<(&'static str, usize)>,
    /// How many were taken, now and by tries before.
    pub taken: u32,
    /// How many were passed over: the same was decided here already, or the row is over.
    pub kept: u32,
    /// Rows that make no sense, each.
    pub refused: Vec<LeftRow>,
    /// Rows that have no place here or are over, by table and reason.
    pub left: Vec<LeftRow>,
}

/// Why nothing was imported, or not all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The tables could not be read.
    #[error(transparent)]
    Unreadable(#[from] OldTablesError),
    /// There are none.
    #[error("there are no tables of the predecessor in {place}")]
    NothingThere {
        /// The file or database.
        place: String,
    },
    /// The configuration has no such place.
    #[error(
        "the configuration names no {what}; set {key}, as in the configuration of the predecessor"
    )]
    NoSuchPlace {
        /// What is missing.
        what: &'static str,
        /// The key that names it.
        key: &'static str,
    },
    /// The predecessor is at work.
    #[error(
        "the predecessor runs: {process} gave a sign of life {age_seconds} s ago in {place}; stop all its processes, and ask again after {wait_seconds} s, or force the import"
    )]
    StillRuns {
        /// The file or database.
        place: String,
        /// Its host.
        process: String,
        /// How long ago.
        age_seconds: u64,
        /// After how long without one it counts as stopped.
        wait_seconds: u64,
    },
    /// More rows than are imported.
    #[error(
        "{table} in {place} has more than {rows_max} rows, which is more than is imported; nothing was changed"
    )]
    TooMany {
        /// The file or database.
        place: String,
        /// Its table.
        table: &'static str,
        /// The bound.
        rows_max: usize,
    },
    /// Another import is under way on this node.
    #[error("an import is under way on this node; ask again in a moment")]
    UnderWay,
    /// It was cut short. What was taken is kept, and the next try goes on there.
    #[error(
        "the import was cut short after {taken} rows: {source}; ask again, and it goes on where it was"
    )]
    CutShort {
        /// How many rows were taken.
        taken: u32,
        /// Why.
        source: ProposeError,
    },
    /// It was refused when it was decided.
    #[error("the import was refused: {0}")]
    Refused(#[from] Refusal),
}

/// Takes over what the predecessor decided.
pub trait Importing: Send + Sync {
    /// Reads the predecessor's tables and decides what stands in them, once. Not cancel-safe: what was decided stays, and the next
    /// call goes on there.
    ///
    /// # Errors
    /// [`ImportError`].
    fn import(&self, order: ImportOrder) -> BoxFuture<'_, Result<ImportReport, ImportError>>;
}

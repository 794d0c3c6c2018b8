use orchestrator_core::decided::GroupId;
use orchestrator_core::decided::codec::{DecodeError, EncodeError};
use rusqlite::ErrorCode;

use super::super::Error;

/// What goes wrong inside a job; becomes an [`Error`] where the store's name is known.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite said no.
    Sqlite(rusqlite::Error),
    /// A row makes no sense.
    Damaged(String),
    /// An entry that is not the next one.
    Gap { applied: u64, found: u64 },
    /// A snapshot of another group.
    OtherGroup { ours: GroupId, theirs: GroupId },
    /// A snapshot from before what is here.
    Older { applied: u64, found: u64 },
    /// A value without a stored form.
    Unstorable(String),
    /// Everything that could do it is busy.
    Unavailable(&'static str),
    /// A later schema.
    Newer { found: u32, known: u32 },
    /// A different migration of this number.
    ForeignMigration { number: u32 },
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<EncodeError> for Fault {
    fn from(error: EncodeError) -> Self {
        Self::Unstorable(error.to_string())
    }
}

impl Fault {
    /// A stored value that cannot be decoded.
    pub fn undecodable(place: &str, error: &DecodeError) -> Self {
        Self::Damaged(format!("{place}: {error}"))
    }

    /// As an error of the store at `store`.
    pub fn at(self, store: &str) -> Error {
        let store = store.to_owned();
        match self {
            Self::Sqlite(error) => from_sqlite(store, &error),
            Self::Damaged(detail) => Error::Damaged { store, detail },
            Self::Gap { applied, found } => Error::Gap { applied, found },
            Self::OtherGroup { ours, theirs } => Error::OtherGroup { ours, theirs },
            Self::Older { applied, found } => Error::Older { applied, found },
            Self::Unstorable(detail) => Error::Unstorable { detail },
            Self::Unavailable(detail) => Error::Io {
                store,
                detail: detail.to_owned(),
            },
            Self::Newer { found, known } => Error::Newer {
                store,
                found,
                known,
            },
            Self::ForeignMigration { number } => Error::ForeignMigration { store, number },
        }
    }
}

fn from_sqlite(store: String, error: &rusqlite::Error) -> Error {
    let detail = error.to_string();
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::QueryReturnedNoRows => Error::Damaged { store, detail },
        _ if is_want_of_space(error) => Error::Full { store },
        _ => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy { store },
            Some(ErrorCode::NotADatabase) => Error::NotADatabase { store },
            Some(ErrorCode::DatabaseCorrupt) => Error::Damaged { store, detail },
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                Error::CannotOpen { store, detail }
            }
            // The words for this are the same whatever failed; the code says which call of the system it was.
            _ => Error::Io {
                store,
                detail: match error.sqlite_error() {
                    Some(code) => format!("{detail} (SQLite code {})", code.extended_code),
                    None => detail,
                },
            },
        },
    }
}

/// No space for the database, or for the file beside it through which its readers see what is written, which SQLite
/// reports as an input/output error of its own.
fn is_want_of_space(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error().map(|e| e.extended_code),
        Some(rusqlite::ffi::SQLITE_FULL | rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
    )
}

/// Whether the system failed to sync: then what it holds in memory may differ from the disk, and a later sync may
/// succeed without having written it. Extended codes `SQLITE_IOERR_FSYNC` and `SQLITE_IOERR_DIR_FSYNC`.
pub(super) fn is_sync_failure(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error().map(|e| e.extended_code),
        Some(rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC)
    )
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn sqlite(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn failed_syncs_are_told_from_failed_writes() {
        assert!(is_sync_failure(&sqlite(ffi::SQLITE_IOERR_FSYNC)));
        assert!(is_sync_failure(&sqlite(ffi::SQLITE_IOERR_DIR_FSYNC)));
        assert!(!is_sync_failure(&sqlite(ffi::SQLITE_IOERR_WRITE)));
        assert!(!is_sync_failure(&sqlite(ffi::SQLITE_FULL)));
    }

    #[test]
    fn codes_of_sqlite_become_what_an_operator_can_act_on() {
        let store = || "s".to_owned();
        let error = |code| Fault::Sqlite(sqlite(code)).at("s");
        assert_eq!(error(ffi::SQLITE_FULL), Error::Full { store: store() });
        assert_eq!(
            error(ffi::SQLITE_IOERR_SHMSIZE),
            Error::Full { store: store() }
        );
        assert_eq!(error(ffi::SQLITE_BUSY), Error::Busy { store: store() });
        assert_eq!(
            error(ffi::SQLITE_NOTADB),
            Error::NotADatabase { store: store() }
        );
        assert!(matches!(error(ffi::SQLITE_CORRUPT), Error::Damaged { .. }));
        assert!(matches!(
            error(ffi::SQLITE_READONLY),
            Error::CannotOpen { .. }
        ));
        assert!(matches!(error(ffi::SQLITE_IOERR_WRITE), Error::Io { .. }));
    }
}

use rusqlite::ErrorCode;

use super::super::Error;

/// An error of SQLite, as the store at `store` names it.
pub(in crate::store) fn from_sqlite(store: String, error: &rusqlite::Error) -> Error {
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
                    Some(code) => format!(
                        "{detail} (SQLite code {}){}",
                        code.extended_code,
                        in_words(code.extended_code)
                    ),
                    None => detail,
                },
            },
        },
    }
}

/// What an operator can look at.
fn in_words(code: i32) -> &'static str {
    match code {
        rusqlite::ffi::SQLITE_IOERR_WRITE => {
            ": the system refuses to write; its file system may have become read-only, or its disk fails"
        }
        rusqlite::ffi::SQLITE_IOERR_READ | rusqlite::ffi::SQLITE_IOERR_SHORT_READ => {
            ": the system refuses to read; its disk may fail"
        }
        _ => "",
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

    use super::super::super::fault::Fault;
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

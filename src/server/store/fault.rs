use orchestrator_core::decided::GroupId;
use orchestrator_core::decided::codec::{DecodeError, EncodeError};

use super::Error;
use super::sqlite::from_sqlite;

/// What goes wrong inside a job; becomes an [`Error`] where the store's name is known.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite said no.
    Sqlite(rusqlite::Error),
    /// What is known to be an error of the store already.
    Known(Error),
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

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Known(error)
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
            Self::Known(error) => error,
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

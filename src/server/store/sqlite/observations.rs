use std::path::{Path, PathBuf};

use orchestrator_core::domain::{InstanceRecord, Timestamp};
use orchestrator_core::ports::{BoxFuture, ObservationStore, ObservationWrite, StoreError};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::Error;
use super::super::fault::Fault;
use super::super::own_thread::answered;
use super::super::rows::{OBSERVED, key_cells, observed_cells, read_record};
use super::connection::{Durability, check_tables, open_writer};
use super::place::{Place, prepare_directory, prepare_file, with_suffix};
use super::writer::{Reopen, Writer};
use super::{migrations, rows};

/// Most damaged files that are kept for somebody to look at; the last one is written over.
const CORRUPT_KEPT: u32 = 9;

/// What this node observed, in a SQLite file of its own.
///
/// A write is not on disk when it answers: a power cut may lose the last ones, which are probed again. A damaged file, or
/// one of another release, is renamed to `<file>.corrupt-N`, and an empty one takes its place, also while running.
///
/// The lock of the decision store beside it keeps other processes out.
pub struct SqliteObservations {
    store: String,
    writer: Writer,
}

impl SqliteObservations {
    /// Opens or creates the file; usually [`Place::observations`] of the decision store's place.
    ///
    /// # Errors
    /// [`Error`] when there can be no such file; a damaged one is no error.
    pub fn open(place: &Place, now: Timestamp) -> Result<Self, Error> {
        let path = match place {
            Place::File(path) => Some(prepare_directory(path)?),
            Place::Memory => None,
        };
        let store = path
            .as_ref()
            .map_or_else(|| place.to_string(), |path| path.display().to_string());
        let connection = match (connect(path.as_deref(), &store, now), &path) {
            (Err(error), Some(path)) if can_be_replaced(&error) => replace(path, &error, now)?,
            (connection, _) => connection?,
        };
        let reopen = path
            .map(|path: PathBuf| -> Reopen { Box::new(move |error| replace(&path, error, now)) });
        Ok(Self {
            writer: Writer::start(store.clone(), connection, reopen)?,
            store,
        })
    }

    fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        let (sender, receiver) = oneshot::channel();
        let queued = self.writer.enqueue(work, move |result| {
            // Whoever asked may be gone; the work is done all the same.
            let _ = sender.send(result);
        });
        Box::pin(answered(&self.store, operation, queued, receiver))
    }
}

fn connect(path: Option<&Path>, store: &str, now: Timestamp) -> Result<Connection, Error> {
    path.map(prepare_file).transpose()?;
    let open = || {
        let connection = open_writer(path, Durability::Relaxed, None)?;
        migrations::migrate(&connection, migrations::OBSERVATIONS, now)?;
        check_tables(&connection, [OBSERVED.name])?;
        Ok(connection)
    };
    open().map_err(|fault: Fault| fault.at(store))
}

fn can_be_replaced(error: &Error) -> bool {
    matches!(
        error,
        Error::Damaged { .. }
            | Error::NotADatabase { .. }
            | Error::Newer { .. }
            | Error::ForeignMigration { .. }
    )
}

/// Puts the file aside and begins with an empty one.
fn replace(path: &Path, cause: &Error, now: Timestamp) -> Result<Connection, Error> {
    let store = path.display().to_string();
    let aside = (1..CORRUPT_KEPT)
        .map(|number| with_suffix(path, &format!(".corrupt-{number}")))
        .find(|free| !free.exists())
        .unwrap_or_else(|| with_suffix(path, &format!(".corrupt-{CORRUPT_KEPT}")));
    std::fs::rename(path, &aside).map_err(|error| Error::CannotOpen {
        store: store.clone(),
        detail: error.to_string(),
    })?;
    for suffix in ["-wal", "-shm"] {
        let (from, to) = (with_suffix(path, suffix), with_suffix(&aside, suffix));
        // They belong to the old file; one that is not there is no loss.
        if from.exists() {
            std::fs::rename(&from, &to).map_err(|error| Error::CannotOpen {
                store: store.clone(),
                detail: error.to_string(),
            })?;
        }
    }
    tracing::warn!(
        %cause,
        kept_as = %aside.display(),
        "observations could not be read; beginning with none, instances are probed again as they are discovered"
    );
    connect(Some(path), &store, now)
}

fn write(connection: &Connection, batch: &[ObservationWrite]) -> Result<(), Fault> {
    for write in batch {
        match write {
            ObservationWrite::Put(record) => {
                rows::put(connection, &OBSERVED, &observed_cells(record)?)?;
            }
            ObservationWrite::Remove(key) => {
                rows::delete(connection, &OBSERVED, &key_cells(key))?;
            }
        }
    }
    Ok(())
}

fn load(connection: &Connection) -> Result<Vec<InstanceRecord>, Fault> {
    rows::select(connection, &OBSERVED, "", [], read_record)
}

impl ObservationStore for SqliteObservations {
    fn load(&self) -> BoxFuture<'_, Result<Vec<InstanceRecord>, StoreError>> {
        self.call("reading observations", load)
    }

    fn write(&self, batch: Vec<ObservationWrite>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.call("writing observations", move |connection| {
            write(connection, &batch)
        })
    }
}

#[cfg(test)]
#[path = "observations_tests.rs"]
mod tests;

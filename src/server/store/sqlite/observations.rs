use std::path::{Path, PathBuf};

use orchestrator_core::decided::codec;
use orchestrator_core::domain::{InstanceRecord, Timestamp};
use orchestrator_core::ports::{BoxFuture, ObservationStore, ObservationWrite, StoreError};
use rusqlite::{Connection, Row, params};
use tokio::sync::oneshot;

use super::super::Error;
use super::connection::{Durability, check_tables, open_writer};
use super::fault::Fault;
use super::place::{Place, prepare_directory, prepare_file, with_suffix};
use super::writer::{Reopen, Writer};
use super::{migrations, rows};

const PUT: &str = "INSERT OR REPLACE INTO observed_instance \
     (host, port, known_since_micros, last_seen_at_micros, record) VALUES (?1, ?2, ?3, ?4, ?5)";
const REMOVE: &str = "DELETE FROM observed_instance WHERE host = ?1 AND port = ?2";
const ALL: &str = "SELECT host, port, known_since_micros, record FROM observed_instance";

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
        Box::pin(async move {
            let answer = match queued {
                Ok(()) => receiver.await.unwrap_or_else(|_| {
                    Err(Error::Closed {
                        store: self.store.clone(),
                    })
                }),
                Err(error) => Err(error),
            };
            answer.map_err(|error| error.into_port(operation))
        })
    }
}

fn connect(path: Option<&Path>, store: &str, now: Timestamp) -> Result<Connection, Error> {
    path.map(prepare_file).transpose()?;
    let open = || {
        let connection = open_writer(path, Durability::Relaxed, None)?;
        migrations::migrate(&connection, migrations::OBSERVATIONS, now)?;
        check_tables(&connection, &["observed_instance"])?;
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
            ObservationWrite::Put(record) => put(connection, record)?,
            ObservationWrite::Remove(key) => {
                connection
                    .prepare_cached(REMOVE)?
                    .execute(params![key.host().as_str(), key.port()])?;
            }
        }
    }
    Ok(())
}

fn put(connection: &Connection, record: &InstanceRecord) -> Result<(), Fault> {
    connection.prepare_cached(PUT)?.execute(params![
        record.key.host().as_str(),
        record.key.port(),
        record.known_since.as_micros(),
        record.last_seen_at.map(Timestamp::as_micros),
        codec::encode(record)?
    ])?;
    Ok(())
}

fn load(connection: &Connection) -> Result<Vec<InstanceRecord>, Fault> {
    let mut statement = connection.prepare(ALL)?;
    let mut rows = statement.query([])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(row)?);
    }
    Ok(records)
}

/// The record, or the bare key when the record is of another release or damaged.
fn record(row: &Row<'_>) -> Result<InstanceRecord, Fault> {
    let key = rows::key(row)?;
    let known_since = Timestamp::from_micros(row.get(2)?);
    let bytes: Vec<u8> = row.get(3)?;
    match codec::decode::<InstanceRecord>(&bytes) {
        // No probe is under way any more.
        Ok(record) if record.key == key => Ok(InstanceRecord {
            probing_since: None,
            ..record
        }),
        Ok(_) => Ok(InstanceRecord::heard_of(key, known_since)),
        Err(error) => {
            tracing::info!(instance = %key, %error, "what was observed cannot be read; it is probed again");
            Ok(InstanceRecord::heard_of(key, known_since))
        }
    }
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

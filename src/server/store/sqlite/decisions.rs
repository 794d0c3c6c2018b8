use std::path::Path;

use orchestrator_core::decided::{Decided, GroupId, Snapshot};
use orchestrator_core::domain::{InstanceKey, Timestamp};
use orchestrator_core::ports::Ids;
use rusqlite::Connection;

use super::super::fault::Fault;
use super::super::{
    AppliedEntry, DecisionStore, Error, Identity, InstallMode, LOG_ENTRIES_KEPT, LoggedEntry,
    StoreId, batch,
};
use super::connection::{Durability, check_tables, open_writer};
use super::lock::Lock;
use super::place::{Place, prepare_directory, prepare_file};
use super::readers::Readers;
use super::writer::Writer;
use super::{log, meta, migrations, rows};

/// How a SQLite store is opened.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// Where it is.
    pub place: Place,
    /// How many entries of the log are kept.
    pub log_entries_kept: u64,
    /// Whether everything is in a durable log elsewhere, which is applied again: for a node of a group. Then a commit may be
    /// lost by a power cut (which never damages the file), and of the log here only the last entry of each commit is
    /// kept, and those that owe effects.
    pub is_derived: bool,
    /// Largest size of the file in pages of 4 KiB; `None` for no bound but the disk's. Behaves as a full disk.
    pub pages_max: Option<u32>,
}

impl SqliteOptions {
    /// The store at `place`, as a service uses it.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            log_entries_kept: LOG_ENTRIES_KEPT,
            is_derived: false,
            pages_max: None,
        }
    }
}

/// Decided state in a SQLite file. Dropping it finishes what waits, and gives the file free for other processes.
pub struct SqliteStore {
    store: String,
    log_entries_kept: u64,
    is_derived: bool,
    // Closed in this order: readers, writer, lock.
    readers: Option<Readers>,
    writer: Writer,
    _lock: Option<Lock>,
}

impl SqliteStore {
    /// Opens the store, creating it and its directory when they are missing. `now` goes into the record of schema
    /// changes; `ids` names a new store.
    ///
    /// # Errors
    /// [`Error`], one sentence that names the place and what to do: used by another process, not writable, open to all
    /// users, not a database, damaged, from a newer release, full disk.
    pub fn open(options: &SqliteOptions, ids: &dyn Ids, now: Timestamp) -> Result<Self, Error> {
        let SqliteOptions {
            place,
            log_entries_kept,
            is_derived,
            pages_max,
        } = options;
        let path = match place {
            Place::File(path) => Some(prepare_directory(path)?),
            Place::Memory => None,
        };
        let path = path.as_deref();
        let store = path.map_or_else(|| place.to_string(), |path| path.display().to_string());
        let lock = path.map(Lock::take).transpose()?;
        path.map(prepare_file).transpose()?;
        let identity = Identity {
            store: StoreId::from_number(ids.unique()),
            group: GroupId::from_number(ids.unique()),
        };
        let connection = prepare(path, durability(*is_derived), *pages_max, identity, now)
            .map_err(|fault| match is_derived {
                true => fault.at(&store).of_copy(),
                false => fault.at(&store),
            })?;
        Ok(Self {
            log_entries_kept: *log_entries_kept,
            is_derived: *is_derived,
            readers: path.map(|path| Readers::new(path.to_owned())),
            writer: Writer::start(store.clone(), connection, None)?,
            _lock: lock,
            store,
        })
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        self.writer.check_usable()?;
        match &self.readers {
            Some(readers) => readers.read(work).map_err(|fault| fault.at(&self.store)),
            // What is in memory is seen by its own connection only.
            None => self.writer.run(work),
        }
    }
}

fn durability(is_derived: bool) -> Durability {
    match is_derived {
        true => Durability::Relaxed,
        false => Durability::Full,
    }
}

fn prepare(
    path: Option<&Path>,
    durability: Durability,
    pages_max: Option<u32>,
    identity: Identity,
    now: Timestamp,
) -> Result<Connection, Fault> {
    let connection = open_writer(path, durability, pages_max)?;
    migrations::migrate(&connection, migrations::DECISIONS, now)?;
    check_tables(&connection, rows::table_names())?;
    check_tables(&connection, ["store_meta", "decision_log"])?;
    meta::create(&connection, identity)?;
    meta::check_against_log(&connection)?;
    Ok(connection)
}

fn decided(connection: &Connection) -> Result<Decided, Fault> {
    let progress = meta::progress(connection)?;
    let rows = rows::load(connection)?;
    Ok(Decided::from_rows(
        progress.applied_index,
        progress.decided_at,
        &rows,
    ))
}

fn write_batch(
    connection: &Connection,
    batch: &[AppliedEntry],
    log_entries_kept: u64,
    is_derived: bool,
) -> Result<(), Fault> {
    let before = meta::progress(connection)?.applied_index;
    let applied = batch::index_after(before, batch)?;
    for entry in batch::logged(batch, is_derived) {
        log::append(connection, entry)?;
    }
    for change in batch.iter().flat_map(|entry| &entry.changes) {
        rows::write(connection, change)?;
    }
    // Once for all: nothing of the batch is seen before all of it.
    if let Some(latest) = batch.iter().map(|entry| entry.decided_at).max() {
        meta::advance(connection, applied, latest)?;
    }
    log::trim(connection, applied.saturating_sub(log_entries_kept))
}

fn write_snapshot(
    connection: &Connection,
    snapshot: &Snapshot,
    mode: InstallMode,
) -> Result<(), Fault> {
    let state = snapshot.decided();
    let ours = meta::identity(connection)?.group;
    let applied = meta::progress(connection)?.applied_index;
    batch::check_snapshot(snapshot, mode, ours, applied)?;
    rows::clear(connection)?;
    log::clear(connection)?;
    for row in state.rows() {
        rows::write(connection, &row)?;
    }
    meta::replace(
        connection,
        snapshot.group(),
        state.applied_index,
        state.decided_at,
    )
}

impl DecisionStore for SqliteStore {
    fn place(&self) -> String {
        self.store.clone()
    }

    fn identity(&self) -> Result<Identity, Error> {
        self.read(meta::identity)
    }

    fn load(&self) -> Result<Decided, Error> {
        self.read(decided)
    }

    fn applied_index(&self) -> Result<u64, Error> {
        self.read(|connection| Ok(meta::progress(connection)?.applied_index))
    }

    fn commit(&self, batch: Vec<AppliedEntry>) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let (kept, is_derived) = (self.log_entries_kept, self.is_derived);
        self.writer
            .run(move |connection| write_batch(connection, &batch, kept, is_derived))
    }

    fn log_tail(&self, max: usize) -> Result<Vec<LoggedEntry>, Error> {
        self.read(move |connection| log::tail(connection, max))
    }

    fn owed_after(&self, index: u64, max: usize) -> Result<Vec<LoggedEntry>, Error> {
        self.read(move |connection| log::owed_after(connection, index, max))
    }

    fn performed_index(&self) -> Result<u64, Error> {
        self.read(|connection| Ok(meta::progress(connection)?.performed_index))
    }

    fn set_performed_index(&self, index: u64) -> Result<(), Error> {
        self.writer
            .run(move |connection| meta::set_performed(connection, index))
    }

    fn export(&self, known: Vec<InstanceKey>) -> Result<Snapshot, Error> {
        let (group, state) = self.read(|connection| {
            let group = meta::identity(connection)?.group;
            Ok((group, decided(connection)?))
        })?;
        Ok(Snapshot::of(group, &state, known))
    }

    fn install(&self, snapshot: &Snapshot, mode: InstallMode) -> Result<(), Error> {
        let snapshot = snapshot.clone();
        self.writer
            .run(move |connection| write_snapshot(connection, &snapshot, mode))
    }

    fn beat(&self, at: Timestamp) -> Result<(), Error> {
        self.writer
            .run(move |connection| meta::beat(connection, at))
    }
}

use std::path::Path;
use std::sync::Arc;

use orchestrator_core::domain::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::Error;
use super::super::fault::Fault;
use super::connection::{Durability, check_tables, open_writer};
use super::lock::Lock;
use super::place::{prepare_directory, prepare_file};
use super::readers::Readers;
use super::writer::Writer;
use super::{meta, migrations};

/// Name of the file in the directory of a node's own data.
const FILE_NAME: &str = "raft-log.sqlite3";

const APPEND: &str = "INSERT INTO group_log (entry_index, kind, envelope) VALUES (?1, ?2, ?3)";
const TRUNCATE: &str = "DELETE FROM group_log WHERE entry_index >= ?1";
const PURGE: &str = "DELETE FROM group_log WHERE entry_index <= ?1";
const MARK: &str = "INSERT OR REPLACE INTO group_mark (name, value) VALUES (?1, ?2)";
const READ: &str = "SELECT envelope FROM group_log \
     WHERE entry_index >= ?1 AND entry_index <= ?2 ORDER BY entry_index LIMIT ?3";
const LAST_OF_KIND: &str = "SELECT envelope FROM group_log \
     WHERE kind = ?1 AND entry_index <= ?2 ORDER BY entry_index DESC LIMIT 1";

/// One entry of a group's log, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLogEntry {
    /// Its position; the first is 1.
    pub index: u64,
    /// What it carries, as a number of the envelope's kinds.
    pub kind: u8,
    /// The bytes of its envelope.
    pub envelope: Vec<u8>,
}

/// A small value with a name that is kept beside the log: a vote, how far the log was purged, who this node is.
pub type Mark = (&'static str, Vec<u8>);

/// The log of a node of a group, and the marks beside it, in a SQLite file of its own.
///
/// Writes are made in the order in which they are asked for, those that wait together in one transaction with one sync;
/// each is durable before it is answered. What the disk does not take now (it is full, or held) is tried for 30 s, and what
/// follows waits behind it: an entry without the one before it would be a gap. After a failed sync nothing is written any more.
/// It knows bytes only: what an entry or a mark means is the business of the raft module.
pub struct GroupLog {
    store: String,
    // Closed in this order: readers, writer, lock.
    readers: Readers,
    writer: Writer,
    _lock: Lock,
}

impl GroupLog {
    /// Opens the log in `directory`, creating both when they are missing, private to this user.
    ///
    /// # Errors
    /// [`Error`], one sentence that names the place and what to do.
    pub fn open(directory: &Path, now: Timestamp) -> Result<Self, Error> {
        let path = prepare_directory(&directory.join(FILE_NAME))?;
        let store = path.display().to_string();
        let lock = Lock::take(&path)?;
        prepare_file(&path)?;
        let connection = prepare(&path, now).map_err(|fault| fault.at(&store).of_log())?;
        Ok(Self {
            readers: Readers::new(path),
            writer: Writer::start_patient(store.clone(), connection)?,
            _lock: lock,
            store,
        })
    }

    /// Where it is, for people.
    pub fn place(&self) -> &str {
        &self.store
    }

    /// Why what was asked for does not reach the disk now, while it is tried again; one sentence.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.writer.trouble()?;
        Some(trouble.of_log().to_string())
    }

    /// From now on what the disk does not take is not tried again.
    pub fn stop_trying(&self) {
        self.writer.stop_trying();
    }

    /// Appends entries and writes marks, in one transaction. `answer` is called when they are on disk, from the writer's
    /// thread; it must not block.
    ///
    /// # Errors
    /// `Busy` when too much waits already: nothing was taken, `answer` is dropped.
    pub fn append(
        &self,
        entries: Arc<Vec<GroupLogEntry>>,
        marks: Vec<Mark>,
        answer: impl FnOnce(Result<(), Error>) + Send + 'static,
    ) -> Result<(), Error> {
        let work = move |connection: &Connection| {
            let mut append = connection.prepare_cached(APPEND)?;
            for entry in entries.iter() {
                let index = meta::index(entry.index)?;
                append.execute(params![index, entry.kind, entry.envelope])?;
            }
            write_marks(connection, &marks)
        };
        self.writer
            .enqueue(work, move |result| answer(result.map_err(Error::of_log)))
    }

    /// Removes entries from `index` on. Blocks until that is on disk.
    ///
    /// # Errors
    /// [`Error`] when it did not come about.
    pub fn truncate_from(&self, index: u64) -> Result<(), Error> {
        self.write(move |connection| {
            connection.execute(TRUNCATE, params![meta::index(index)?])?;
            Ok(())
        })
    }

    /// Removes entries up to `index`, and writes marks, in one transaction. Blocks until that is on disk.
    ///
    /// # Errors
    /// [`Error`] when it did not come about.
    pub fn purge_to(&self, index: u64, marks: Vec<Mark>) -> Result<(), Error> {
        self.write(move |connection| {
            connection.execute(PURGE, params![meta::index(index)?])?;
            write_marks(connection, &marks)
        })
    }

    /// Writes marks. Blocks until they are on disk.
    ///
    /// # Errors
    /// [`Error`] when it did not come about.
    pub fn put(&self, marks: Vec<Mark>) -> Result<(), Error> {
        self.write(move |connection| write_marks(connection, &marks))
    }

    /// The mark with this name.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read.
    pub fn mark(&self, name: &'static str) -> Result<Option<Vec<u8>>, Error> {
        self.read(move |connection| {
            let sql = "SELECT value FROM group_mark WHERE name = ?1";
            Ok(connection
                .query_row(sql, [name], |row| row.get(0))
                .optional()?)
        })
    }

    /// Index of the first and the last entry; `None` when there is none.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read.
    pub fn bounds(&self) -> Result<Option<(u64, u64)>, Error> {
        self.read(|connection| {
            let sql = "SELECT min(entry_index), max(entry_index) FROM group_log \
                 HAVING count(*) > 0";
            Ok(connection
                .query_row(sql, [], |row| {
                    Ok((meta::unsigned(row, 0)?, meta::unsigned(row, 1)?))
                })
                .optional()?)
        })
    }

    /// Envelopes of the entries from `first` to `last`, both included, at most `max`, in order.
    ///
    /// # Errors
    /// [`Error`] when they cannot be read.
    pub fn entries(&self, first: u64, last: u64, max: usize) -> Result<Vec<Vec<u8>>, Error> {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(READ)?;
            let bounds = params![clamped(first), clamped(last), max];
            let rows = statement.query_map(bounds, |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The envelope of the last entry of this kind that is not after `index`.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read.
    pub fn last_of_kind(&self, kind: u8, index: u64) -> Result<Option<Vec<u8>>, Error> {
        self.read(move |connection| {
            Ok(connection
                .query_row(LAST_OF_KIND, params![kind, clamped(index)], |row| {
                    row.get(0)
                })
                .optional()?)
        })
    }

    fn write(
        &self,
        work: impl FnMut(&Connection) -> Result<(), Fault> + Send + 'static,
    ) -> Result<(), Error> {
        self.writer.run(work).map_err(Error::of_log)
    }

    fn read<T>(&self, work: impl Fn(&Connection) -> Result<T, Fault>) -> Result<T, Error> {
        self.writer.check_usable()?;
        self.readers
            .read(work)
            .map_err(|fault| fault.at(&self.store).of_log())
    }
}

fn prepare(path: &Path, now: Timestamp) -> Result<Connection, Fault> {
    let connection = open_writer(Some(path), Durability::Full, None)?;
    migrations::migrate(&connection, migrations::GROUP_LOG, now)?;
    check_tables(&connection, ["group_log", "group_mark"])?;
    Ok(connection)
}

fn write_marks(connection: &Connection, marks: &[Mark]) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(MARK)?;
    for (name, value) in marks {
        statement.execute(params![name, value])?;
    }
    Ok(())
}

/// No log reaches 2^63 entries.
fn clamped(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn open(directory: &Path) -> GroupLog {
        GroupLog::open(directory, Timestamp::from_seconds(1)).unwrap()
    }

    fn entry(index: u64, kind: u8) -> GroupLogEntry {
        GroupLogEntry {
            index,
            kind,
            envelope: vec![u8::try_from(index).unwrap(); 3],
        }
    }

    fn append(log: &GroupLog, entries: Vec<GroupLogEntry>, marks: Vec<Mark>) {
        let (sender, answer) = sync_channel(1);
        log.append(Arc::new(entries), marks, move |result| {
            sender.send(result).unwrap();
        })
        .unwrap();
        answer.recv().unwrap().unwrap();
    }

    #[test]
    fn what_was_answered_is_there_after_opening_again() {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path());
        assert_eq!(log.bounds().unwrap(), None);
        append(
            &log,
            vec![entry(1, 3), entry(2, 2), entry(3, 2)],
            vec![("vote", vec![9])],
        );
        drop(log);
        let log = open(dir.path());
        assert_eq!(log.bounds().unwrap(), Some((1, 3)));
        assert_eq!(log.entries(2, 9, 1).unwrap(), [vec![2; 3]]);
        assert_eq!(log.mark("vote").unwrap(), Some(vec![9]));
        assert_eq!(log.mark("other").unwrap(), None);
        assert_eq!(log.last_of_kind(3, 3).unwrap(), Some(vec![1; 3]));
        assert_eq!(log.last_of_kind(2, 2).unwrap(), Some(vec![2; 3]));
        assert_eq!(log.last_of_kind(4, 3).unwrap(), None);
    }

    #[test]
    fn entries_go_from_both_ends() {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path());
        append(&log, (1..=6).map(|index| entry(index, 2)).collect(), vec![]);
        log.truncate_from(5).unwrap();
        log.purge_to(2, vec![("purged", vec![2])]).unwrap();
        assert_eq!(log.bounds().unwrap(), Some((3, 4)));
        assert_eq!(log.mark("purged").unwrap(), Some(vec![2]));
        append(&log, vec![entry(5, 2)], vec![]);
        assert_eq!(log.bounds().unwrap(), Some((3, 5)));
    }

    #[test]
    fn an_entry_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path());
        append(&log, vec![entry(1, 2)], vec![]);
        let (sender, answer) = sync_channel(1);
        log.append(Arc::new(vec![entry(1, 3)]), vec![], move |result| {
            sender.send(result).unwrap();
        })
        .unwrap();
        assert!(answer.recv().unwrap().is_err());
        assert_eq!(log.last_of_kind(2, 1).unwrap(), Some(vec![1; 3]));
    }

    #[test]
    fn a_second_process_is_kept_out() {
        let dir = tempfile::tempdir().unwrap();
        let _log = open(dir.path());
        let second = GroupLog::open(dir.path(), Timestamp::from_seconds(1));
        assert!(matches!(second.err(), Some(Error::InUse { .. })));
    }
}

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::super::fault::Fault;
use super::connection::{BUSY_TIMEOUT, open_reader};

/// Most connections that read at once. Reads are rare (start, snapshots, owed effects) and short; what is shown to
/// clients comes from memory.
const READERS_MAX: usize = 4;

/// Read-only connections, opened when first needed and kept.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Idle>,
    returned: Condvar,
}

#[derive(Default)]
struct Idle {
    connections: Vec<Connection>,
    opened: usize,
}

impl Readers {
    /// Readers of this file.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: Mutex::new(Idle::default()),
            returned: Condvar::new(),
        }
    }

    /// Reads in one transaction, so that everything is seen as of one commit. Waits a while when all connections are in
    /// use.
    pub fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        let connection = self.take()?;
        let result = in_transaction(&connection, work);
        self.lock().connections.push(connection);
        self.returned.notify_one();
        result
    }

    fn take(&self) -> Result<Connection, Fault> {
        let idle = self.lock();
        let in_use = |idle: &mut Idle| idle.connections.is_empty() && idle.opened >= READERS_MAX;
        let (mut idle, waited) = self
            .returned
            .wait_timeout_while(idle, BUSY_TIMEOUT, in_use)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(Fault::Unavailable("all readers are in use"));
        }
        if let Some(connection) = idle.connections.pop() {
            return Ok(connection);
        }
        let connection = open_reader(&self.path)?;
        idle.opened += 1;
        Ok(connection)
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_transaction<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    connection.execute_batch("BEGIN")?;
    let result = work(connection);
    // Ends the read; there is nothing to keep. A transaction that an error ended already is not there any more.
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    result
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    fn readers(dir: &tempfile::TempDir) -> Readers {
        let path = dir.path().join("s");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (7)")
            .unwrap();
        Readers::new(path)
    }

    fn number(connection: &Connection) -> Result<i64, Fault> {
        Ok(connection.query_row("SELECT a FROM t", [], |row| row.get(0))?)
    }

    #[test]
    fn more_readers_than_connections_take_turns() {
        let dir = tempfile::tempdir().unwrap();
        let readers = readers(&dir);
        // All connections are in use at the same time before the first is given back.
        let all_in_use = Barrier::new(READERS_MAX);
        std::thread::scope(|scope| {
            for place in 0..3 * READERS_MAX {
                let (readers, all_in_use) = (&readers, &all_in_use);
                scope.spawn(move || {
                    let read = readers.read(|connection| {
                        all_in_use.wait();
                        number(connection)
                    });
                    assert_eq!(read.unwrap(), 7, "reader {place}");
                });
            }
        });
        assert_eq!(readers.lock().opened, READERS_MAX);
    }

    #[test]
    fn a_reader_cannot_write_and_is_usable_after_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let readers = readers(&dir);
        for _ in 0..=READERS_MAX {
            let refused = readers.read(|c| Ok(c.execute("DELETE FROM t", [])?));
            assert!(matches!(refused, Err(Fault::Sqlite(_))));
        }
        assert_eq!(readers.read(number).unwrap(), 7);
    }
}

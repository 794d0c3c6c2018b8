use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};

use rusqlite::Connection;

use super::connection::open_reader;
use super::fault::Fault;

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

    /// Reads in one transaction, so that everything is seen as of one commit. Waits while all connections are in use.
    pub fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        let connection = self.take()?;
        let result = in_transaction(&connection, work);
        self.give_back(connection);
        result
    }

    fn take(&self) -> Result<Connection, Fault> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(connection) = idle.connections.pop() {
                return Ok(connection);
            }
            if idle.opened < READERS_MAX {
                let connection = open_reader(&self.path)?;
                idle.opened += 1;
                return Ok(connection);
            }
            idle = self
                .returned
                .wait(idle)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.connections.push(connection);
        drop(idle);
        self.returned.notify_one();
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

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::super::fault::Fault;

/// How long a statement waits for another program that writes to the same file (a `sqlite3` shell, a backup): longer
/// than such a tool needs for its own commit, shorter than the patience of a caller.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements that the writing connection keeps prepared: all that write rows, and those around them.
const STATEMENTS_MAX: usize = 64;

/// When a commit is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// Before it returns.
    Full,
    /// Some time later; a power cut may lose the last ones, never damage the file.
    Relaxed,
}

/// The connection that writes. `pages_max` bounds the size of the file, for tests of a full disk.
pub(super) fn open_writer(
    path: Option<&Path>,
    durability: Durability,
    pages_max: Option<u32>,
) -> Result<Connection, Fault> {
    let connection = match path {
        Some(path) => Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?,
        None => Connection::open_in_memory()?,
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    if let Some(path) = path {
        let mode = connection
            .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))?;
        if mode != "wal" {
            // Some network file systems. As durable, but readers and the writer wait for each other.
            tracing::warn!(store = %path.display(), mode, "the file system has no write-ahead log");
        }
    }
    connection.pragma_update(
        None,
        "synchronous",
        match durability {
            Durability::Full => "full",
            Durability::Relaxed => "normal",
        },
    )?;
    // The writer thread checkpoints by itself, because a failing one must not pass unseen.
    connection
        .pragma_update_and_check(None, "wal_autocheckpoint", 0, |row| row.get::<_, i64>(0))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    if let Some(pages) = pages_max {
        connection
            .pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0))?;
    }
    Ok(connection)
}

/// A connection that reads only.
pub(in crate::store) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// Looks for damage in the given tables; others in the same file are not ours to judge.
pub(super) fn check_tables<'a>(
    connection: &Connection,
    tables: impl IntoIterator<Item = &'a str>,
) -> Result<(), Fault> {
    for table in tables {
        let sql = format!("PRAGMA quick_check('{table}')");
        let verdict: String = connection.query_row(&sql, [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(Fault::Damaged(format!("table {table}: {verdict}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(connection: &Connection, pragma: &str) -> i64 {
        connection
            .pragma_query_value(None, pragma, |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn decisions_are_synced_at_every_commit_and_observations_are_not() {
        const FULL: i64 = 2;
        const NORMAL: i64 = 1;
        let dir = tempfile::tempdir().unwrap();
        for (durability, synchronous) in [(Durability::Full, FULL), (Durability::Relaxed, NORMAL)] {
            let path = dir.path().join(format!("{durability:?}"));
            std::fs::write(&path, "").unwrap();
            let connection = open_writer(Some(&path), durability, None).unwrap();
            assert_eq!(number(&connection, "synchronous"), synchronous);
            assert_eq!(number(&connection, "wal_autocheckpoint"), 0);
            let mode: String = connection
                .pragma_query_value(None, "journal_mode", |row| row.get(0))
                .unwrap();
            assert_eq!(mode, "wal");
        }
    }

    #[test]
    fn a_table_with_damage_is_named() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE good (a INTEGER); CREATE TABLE bad (a INTEGER CHECK (a > 0))",
            )
            .unwrap();
        connection
            .execute_batch("PRAGMA ignore_check_constraints = 1; INSERT INTO bad VALUES (-1); PRAGMA ignore_check_constraints = 0")
            .unwrap();
        check_tables(&connection, ["good"]).unwrap();
        let error = check_tables(&connection, ["good", "bad"]).unwrap_err();
        let text = error.at("/s").to_string();
        assert!(text.contains("table bad: "), "{text}");
    }
}

use std::path::{Path, PathBuf};

use orchestrator_core::domain::Timestamp;
use orchestrator_core::legacy::tables::{LEFT_BEHIND, OLD_LANDMARK, OLD_TABLES, OldTable};
use orchestrator_core::ports::{BoxFuture, OldRows, OldState, OldTables, OldTablesError};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::super::sqlite::connection::open_reader;
use super::{cut, select};

/// The predecessor's tables in an SQLite file.
#[derive(Clone, Debug)]
pub struct OldTablesInFile {
    path: PathBuf,
}

impl OldTablesInFile {
    /// Those in this file, which need not be there.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl OldTables for OldTablesInFile {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn read(&self) -> BoxFuture<'_, Result<Option<OldState>, OldTablesError>> {
        let path = self.path.clone();
        Box::pin(async move {
            let failed = |reason: String| OldTablesError {
                place: self.place(),
                reason,
            };
            let read = tokio::task::spawn_blocking(move || read(&path));
            match read.await {
                Ok(read) => read.map_err(|error| failed(error.to_string())),
                Err(error) => Err(failed(error.to_string())),
            }
        })
    }
}

fn read(path: &Path) -> rusqlite::Result<Option<OldState>> {
    if !path.exists() {
        return Ok(None);
    }
    // A journal that somebody left behind cannot be rolled back over this connection: that is an error, and right so.
    let connection = open_reader(path)?;
    // One transaction, so that all is of one moment. It ends with the connection.
    connection.execute_batch("BEGIN")?;
    if !has_table(&connection, OLD_LANDMARK)? {
        return Ok(None);
    }
    let read_at: i64 =
        connection.query_row("SELECT CAST(strftime('%s', 'now') AS INTEGER)", [], |row| {
            row.get(0)
        })?;
    let mut state = OldState {
        read_at: Timestamp::from_seconds(read_at),
        ..OldState::default()
    };
    for table in OLD_TABLES {
        if has_table(&connection, table.name)? {
            state.tables.insert(table.name, rows(&connection, table)?);
        }
    }
    for (table, _) in LEFT_BEHIND {
        if has_table(&connection, table)? {
            let sql = format!("SELECT COUNT(*) FROM {table}");
            let count: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
            state.counts.insert(table, count.unsigned_abs());
        }
    }
    Ok(Some(state))
}

fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    connection.prepare(sql)?.exists([name])
}

fn rows(connection: &Connection, table: &OldTable) -> rusqlite::Result<OldRows> {
    let mut statement = connection.prepare(&select(table, moment))?;
    let width = table.columns.len();
    let found = statement.query_map([], |row| {
        (0..width)
            .map(|column| row.get_ref(column).map(text))
            .collect()
    })?;
    let mut rows: Vec<Vec<Option<String>>> = found.collect::<Result<_, _>>()?;
    let has_more = cut(&mut rows, table);
    Ok(OldRows { rows, has_more })
}

/// The predecessor writes texts in UTC there. What is none of these is handed on as it is, marked, to be refused by name.
fn moment(column: &str) -> String {
    format!(
        "CASE WHEN {column} IS NULL OR {column} LIKE '0000-00-00%' THEN NULL \
         ELSE COALESCE(CAST(strftime('%s',{column}) AS TEXT),'no time: '||{column}) END"
    )
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "
        CREATE TABLE database_instance (hostname TEXT, port INTEGER, last_seen TIMESTAMP);
        CREATE TABLE database_instance_downtime (hostname TEXT, port INTEGER, downtime_active INTEGER,
            begin_timestamp TIMESTAMP, end_timestamp TIMESTAMP, owner TEXT, reason TEXT);
        CREATE TABLE node_health (hostname TEXT, last_seen_active TIMESTAMP);
        CREATE TABLE database_instance_tags (hostname TEXT);
        INSERT INTO database_instance_downtime VALUES
            ('db1', 3306, 1, '2026-11-28 06:00:00', '2026-11-28T07:00:00Z', 'ann', 'disk'),
            ('db2', '3307', 1, 'yesterday', '0000-00-00 00:00:00', NULL, x'ff');
        INSERT INTO database_instance_tags VALUES ('db1'), ('db2');";

    fn file(dir: &tempfile::TempDir) -> PathBuf {
        let path = dir.path().join("old");
        Connection::open(&path)
            .unwrap()
            .execute_batch(SCHEMA)
            .unwrap();
        path
    }

    #[tokio::test]
    async fn rows_are_read_as_texts_and_times_as_seconds() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(&dir);
        let before = std::fs::read(&path).unwrap();
        let state = OldTablesInFile::new(path.clone())
            .read()
            .await
            .unwrap()
            .unwrap();
        let cells = |row: &[Option<&str>]| -> Vec<Option<String>> {
            row.iter().map(|cell| cell.map(str::to_owned)).collect()
        };
        assert_eq!(
            state.tables["database_instance_downtime"].rows,
            [
                cells(&[
                    Some("db1"),
                    Some("3306"),
                    Some("1"),
                    Some("1795845600"),
                    Some("1795849200"),
                    Some("ann"),
                    Some("disk")
                ]),
                cells(&[
                    Some("db2"),
                    Some("3307"),
                    Some("1"),
                    Some("no time: yesterday"),
                    None,
                    None,
                    Some("\u{fffd}")
                ]),
            ]
        );
        assert_eq!(state.tables["node_health"], OldRows::default());
        assert!(!state.tables.contains_key("topology_recovery"));
        assert_eq!(state.counts["database_instance_tags"], 2);
        assert!(state.read_at > Timestamp::from_seconds(1_700_000_000));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        let beside: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(beside.len(), 1, "{beside:?}");
    }

    #[tokio::test]
    async fn other_files_have_none_and_what_is_no_database_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let missing = OldTablesInFile::new(dir.path().join("missing"));
        assert_eq!(missing.read().await, Ok(None));
        assert!(!dir.path().join("missing").exists());
        let other = dir.path().join("other");
        Connection::open(&other)
            .unwrap()
            .execute_batch("CREATE TABLE a (b)")
            .unwrap();
        assert_eq!(OldTablesInFile::new(other).read().await, Ok(None));
        let garbage = dir.path().join("garbage");
        std::fs::write(&garbage, "no database at all, ".repeat(100)).unwrap();
        let error = OldTablesInFile::new(garbage).read().await.unwrap_err();
        assert!(error.to_string().contains("is not a database"), "{error}");
    }

    #[tokio::test]
    async fn tables_of_another_release_are_an_error_that_names_the_column() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(&dir);
        let change = "ALTER TABLE database_instance_downtime DROP COLUMN owner";
        Connection::open(&path)
            .unwrap()
            .execute_batch(change)
            .unwrap();
        let error = OldTablesInFile::new(path).read().await.unwrap_err();
        assert!(
            error.to_string().contains("no such column: owner"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn what_is_in_a_write_ahead_log_is_read_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(&dir);
        let writer = Connection::open(&path).unwrap();
        let mode = "PRAGMA journal_mode = wal; INSERT INTO database_instance_tags VALUES ('db3')";
        writer.execute_batch(mode).unwrap();
        let state = OldTablesInFile::new(path).read().await.unwrap().unwrap();
        assert_eq!(state.counts["database_instance_tags"], 3);
    }
}

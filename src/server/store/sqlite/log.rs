use rusqlite::{Connection, OptionalExtension, params};

use super::super::fault::Fault;
use super::super::rows::{LOG, log_cells, read_entry};
use super::super::{AppliedEntry, LoggedEntry};
use super::{meta, rows};

const TRIM: &str = "DELETE FROM decision_log WHERE entry_index <= ?1";
const CLEAR: &str = "DELETE FROM decision_log";
const TAIL: &str = " ORDER BY entry_index DESC LIMIT ?1";
const OWED: &str = " WHERE entry_index > ?1 AND effects IS NOT NULL ORDER BY entry_index LIMIT ?2";

/// Statements that write, beside those of every table.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 2] = [TRIM, CLEAR];

pub(super) fn append(connection: &Connection, entry: &AppliedEntry) -> Result<(), Fault> {
    meta::index(entry.index)?;
    rows::put(connection, &LOG, &log_cells(entry)?)
}

/// Drops entries up to `last`.
pub(super) fn trim(connection: &Connection, last: u64) -> Result<(), Fault> {
    connection
        .prepare_cached(TRIM)?
        .execute(params![meta::index(last)?])?;
    Ok(())
}

pub(super) fn clear(connection: &Connection) -> Result<(), Fault> {
    connection.execute(CLEAR, [])?;
    Ok(())
}

/// Index of the last kept entry.
pub(super) fn last_index(connection: &Connection) -> Result<Option<u64>, Fault> {
    let sql = "SELECT entry_index FROM decision_log ORDER BY entry_index DESC LIMIT 1";
    Ok(connection
        .query_row(sql, [], |row| meta::unsigned(row, 0))
        .optional()?)
}

pub(super) fn tail(connection: &Connection, max: usize) -> Result<Vec<LoggedEntry>, Fault> {
    let mut entries = rows::select(connection, &LOG, TAIL, params![limit(max)], read_entry)?;
    entries.reverse();
    Ok(entries)
}

pub(super) fn owed_after(
    connection: &Connection,
    index: u64,
    max: usize,
) -> Result<Vec<LoggedEntry>, Fault> {
    let params = params![meta::index(index)?, limit(max)];
    rows::select(connection, &LOG, OWED, params, read_entry)
}

fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}

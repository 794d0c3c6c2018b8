use orchestrator_core::decided::codec;
use orchestrator_core::domain::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::super::{AppliedEntry, LoggedEntry};
use super::fault::Fault;
use super::meta;

const APPEND: &str = "INSERT INTO decision_log (entry_index, envelope, reply, effects, decided_at_micros) \
     VALUES (?1, ?2, ?3, ?4, ?5)";
const TRIM: &str = "DELETE FROM decision_log WHERE entry_index <= ?1";
const CLEAR: &str = "DELETE FROM decision_log";
const TAIL: &str = "SELECT entry_index, envelope, reply, effects, decided_at_micros FROM \
     (SELECT * FROM decision_log ORDER BY entry_index DESC LIMIT ?1) ORDER BY entry_index";
const OWED: &str = "SELECT entry_index, envelope, reply, effects, decided_at_micros FROM decision_log \
     WHERE entry_index > ?1 AND effects IS NOT NULL ORDER BY entry_index LIMIT ?2";

/// Statements that write.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 3] = [APPEND, TRIM, CLEAR];

pub(super) fn append(connection: &Connection, entry: &AppliedEntry) -> Result<(), Fault> {
    let effects = match entry.effects.is_empty() {
        true => None,
        false => Some(codec::encode(&entry.effects)?),
    };
    connection.prepare_cached(APPEND)?.execute(params![
        meta::index(entry.index)?,
        entry.envelope,
        codec::encode(&entry.reply)?,
        effects,
        entry.decided_at.as_micros()
    ])?;
    Ok(())
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
    entries(connection, TAIL, params![limit(max)])
}

pub(super) fn owed_after(
    connection: &Connection,
    index: u64,
    max: usize,
) -> Result<Vec<LoggedEntry>, Fault> {
    entries(connection, OWED, params![meta::index(index)?, limit(max)])
}

fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}

fn entries(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<Vec<LoggedEntry>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(entry(row)?);
    }
    Ok(entries)
}

fn entry(row: &Row<'_>) -> Result<LoggedEntry, Fault> {
    let index = meta::unsigned(row, 0)?;
    let damaged = |error| Fault::undecodable(&format!("decision_log, entry {index}"), &error);
    let reply: Vec<u8> = row.get(2)?;
    let effects: Option<Vec<u8>> = row.get(3)?;
    Ok(LoggedEntry {
        index,
        envelope: row.get(1)?,
        reply: codec::decode(&reply).map_err(damaged)?,
        effects: match effects {
            Some(bytes) => codec::decode(&bytes).map_err(damaged)?,
            None => Vec::new(),
        },
        decided_at: Timestamp::from_micros(row.get(4)?),
    })
}

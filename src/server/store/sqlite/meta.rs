use orchestrator_core::decided::GroupId;
use orchestrator_core::domain::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::fault::Fault;
use super::super::{Identity, StoreId};
use super::log;

const CREATE: &str = "INSERT INTO store_meta (anchor, store_id, group_id, applied_index, decided_at_micros, \
     performed_index, beats, beat_at_micros) VALUES (1, ?1, ?2, 0, 0, 0, 0, 0)";
const ADVANCE: &str =
    "UPDATE store_meta SET applied_index = ?1, decided_at_micros = max(decided_at_micros, ?2)";
const REPLACE: &str = "UPDATE store_meta SET group_id = ?1, applied_index = ?2, decided_at_micros = ?3, \
     performed_index = ?2";
const PERFORMED: &str = "UPDATE store_meta SET performed_index = max(performed_index, ?1)";
const BEAT: &str = "UPDATE store_meta SET beats = beats + 1, beat_at_micros = ?1";

/// Statements that write.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 5] = [CREATE, ADVANCE, REPLACE, PERFORMED, BEAT];

/// How far a store is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub applied_index: u64,
    pub decided_at: Timestamp,
    pub performed_index: u64,
}

/// Writes the identity of a new store; an existing one keeps its own.
pub(super) fn create(connection: &Connection, identity: Identity) -> Result<(), Fault> {
    let present: Option<i64> = connection
        .query_row("SELECT 1 FROM store_meta", [], |row| row.get(0))
        .optional()?;
    if present.is_none() {
        // A kill between the first migration and here leaves no row in either; anything else was done by hand.
        if log::last_index(connection)?.is_some() {
            return Err(Fault::Damaged("store_meta has no row".to_owned()));
        }
        connection.execute(
            CREATE,
            params![identity.store.as_bytes(), identity.group.as_bytes()],
        )?;
    }
    Ok(())
}

/// The log ends where the state is, unless a snapshot took its place.
pub(super) fn check_against_log(connection: &Connection) -> Result<(), Fault> {
    let applied = progress(connection)?.applied_index;
    match log::last_index(connection)? {
        Some(last) if last != applied => Err(Fault::Damaged(format!(
            "decision_log ends at entry {last}, and store_meta says that {applied} is the last"
        ))),
        Some(_) | None => Ok(()),
    }
}

pub(super) fn identity(connection: &Connection) -> Result<Identity, Fault> {
    let sql = "SELECT store_id, group_id FROM store_meta";
    Ok(connection.query_row(sql, [], |row| {
        Ok(Identity {
            store: StoreId::from_bytes(row.get(0)?),
            group: GroupId::from_bytes(row.get(1)?),
        })
    })?)
}

pub(super) fn progress(connection: &Connection) -> Result<Progress, Fault> {
    let sql = "SELECT applied_index, decided_at_micros, performed_index FROM store_meta";
    Ok(connection.query_row(sql, [], |row| {
        Ok(Progress {
            applied_index: unsigned(row, 0)?,
            decided_at: Timestamp::from_micros(row.get(1)?),
            performed_index: unsigned(row, 2)?,
        })
    })?)
}

/// An index as SQLite keeps it. No log reaches 2^63 entries.
pub(super) fn index(number: u64) -> Result<i64, Fault> {
    i64::try_from(number).map_err(|_| Fault::Unstorable(format!("no entry has index {number}")))
}

/// An index as it is read back; a negative one is out of range.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

pub(super) fn advance(connection: &Connection, applied: u64, at: Timestamp) -> Result<(), Fault> {
    connection
        .prepare_cached(ADVANCE)?
        .execute(params![index(applied)?, at.as_micros()])?;
    Ok(())
}

/// Takes the place of a snapshot. What its entries owed is the business of the node that wrote it.
pub(super) fn replace(
    connection: &Connection,
    group: GroupId,
    applied: u64,
    at: Timestamp,
) -> Result<(), Fault> {
    connection.execute(
        REPLACE,
        params![group.as_bytes(), index(applied)?, at.as_micros()],
    )?;
    Ok(())
}

pub(super) fn set_performed(connection: &Connection, performed: u64) -> Result<(), Fault> {
    connection.execute(PERFORMED, params![index(performed)?])?;
    Ok(())
}

pub(super) fn beat(connection: &Connection, at: Timestamp) -> Result<(), Fault> {
    connection.execute(BEAT, params![at.as_micros()])?;
    Ok(())
}

//! Rows of recoveries, of what was found before them, and of the switch.

use std::sync::Arc;

use orchestrator_core::decided::{RowChange, codec};
use orchestrator_core::domain::{
    Detection, Fence, InstanceKey, RecordedStep, RecoveriesDisabled, Recovery, RecoveryId,
    RecoveryNote, Timestamp,
};
use rusqlite::{Connection, Row, params};

use super::fault::Fault;
use super::rows::key;

const PUT_DETECTION: &str = "INSERT OR REPLACE INTO decided_detection \
     (number, recovery_id, host, port, detected_at_micros, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const PUT_RECOVERY: &str = "INSERT OR REPLACE INTO decided_recovery \
     (recovery_id, number, host, port, registered_at_micros, ended_at_micros, record) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const PUT_STEP: &str = "INSERT OR REPLACE INTO decided_recovery_step \
     (recovery_id, number, fence, recorded_at_micros, state) VALUES (?1, ?2, ?3, ?4, ?5)";
const PUT_NOTE: &str = "INSERT OR REPLACE INTO decided_recovery_note \
     (recovery_id, number, written_at_micros, text) VALUES (?1, ?2, ?3, ?4)";
const PUT_DISABLED: &str = "INSERT OR REPLACE INTO decided_recoveries_disabled \
     (anchor, disabled_by, disabled_at_micros) VALUES (1, ?1, ?2)";
const PUT_LEFT: &str =
    "INSERT OR REPLACE INTO decided_left_stopped (host, port, recovery_id) VALUES (?1, ?2, ?3)";
const DELETE_DETECTION: &str = "DELETE FROM decided_detection WHERE number = ?1";
const DELETE_RECOVERY: &str = "DELETE FROM decided_recovery WHERE recovery_id = ?1";
const DELETE_STEP: &str =
    "DELETE FROM decided_recovery_step WHERE recovery_id = ?1 AND number = ?2";
const DELETE_NOTE: &str =
    "DELETE FROM decided_recovery_note WHERE recovery_id = ?1 AND number = ?2";
const DELETE_DISABLED: &str = "DELETE FROM decided_recoveries_disabled";
const DELETE_LEFT: &str = "DELETE FROM decided_left_stopped WHERE host = ?1 AND port = ?2";
const DETECTIONS: &str = "SELECT number, record FROM decided_detection ORDER BY number";
const RECOVERIES: &str = "SELECT recovery_id, record FROM decided_recovery ORDER BY recovery_id";
const STEPS: &str = "SELECT recovery_id, number, fence, recorded_at_micros, state \
     FROM decided_recovery_step ORDER BY recovery_id, number";
const NOTES: &str = "SELECT recovery_id, number, written_at_micros, text \
     FROM decided_recovery_note ORDER BY recovery_id, number";
const DISABLED: &str = "SELECT disabled_by, disabled_at_micros FROM decided_recoveries_disabled";
const LEFT: &str = "SELECT host, port, recovery_id FROM decided_left_stopped ORDER BY host, port";

/// Statements that write.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 12] = [
    PUT_DETECTION,
    PUT_RECOVERY,
    PUT_STEP,
    PUT_NOTE,
    PUT_DISABLED,
    PUT_LEFT,
    DELETE_DETECTION,
    DELETE_RECOVERY,
    DELETE_STEP,
    DELETE_NOTE,
    DELETE_DISABLED,
    DELETE_LEFT,
];

pub(super) fn put_detection(
    connection: &Connection,
    number: u64,
    row: &Detection,
) -> Result<usize, Fault> {
    Ok(connection.prepare_cached(PUT_DETECTION)?.execute(params![
        number.cast_signed(),
        row.recovery.to_string(),
        row.subject.host().as_str(),
        row.subject.port(),
        row.detected_at.as_micros(),
        encoded(row)?,
    ])?)
}

pub(super) fn delete_detection(connection: &Connection, number: u64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(DELETE_DETECTION)?
        .execute(params![number.cast_signed()])
}

pub(super) fn put_recovery(
    connection: &Connection,
    id: RecoveryId,
    row: &Recovery,
) -> Result<usize, Fault> {
    Ok(connection.prepare_cached(PUT_RECOVERY)?.execute(params![
        id.to_string(),
        row.number.cast_signed(),
        row.subject.host().as_str(),
        row.subject.port(),
        row.registered_at.as_micros(),
        row.end.as_ref().map(|end| end.at.as_micros()),
        encoded(row)?,
    ])?)
}

pub(super) fn delete_recovery(connection: &Connection, id: RecoveryId) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(DELETE_RECOVERY)?
        .execute(params![id.to_string()])
}

pub(super) fn put_step(
    connection: &Connection,
    id: RecoveryId,
    number: u32,
    row: &RecordedStep,
) -> rusqlite::Result<usize> {
    connection.prepare_cached(PUT_STEP)?.execute(params![
        id.to_string(),
        number,
        row.fence.number().cast_signed(),
        row.at.as_micros(),
        row.state,
    ])
}

pub(super) fn delete_step(
    connection: &Connection,
    id: RecoveryId,
    number: u32,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(DELETE_STEP)?
        .execute(params![id.to_string(), number])
}

pub(super) fn put_note(
    connection: &Connection,
    id: RecoveryId,
    row: &RecoveryNote,
) -> rusqlite::Result<usize> {
    connection.prepare_cached(PUT_NOTE)?.execute(params![
        id.to_string(),
        row.number.cast_signed(),
        row.at.as_micros(),
        row.text,
    ])
}

pub(super) fn delete_note(
    connection: &Connection,
    id: RecoveryId,
    number: u64,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(DELETE_NOTE)?
        .execute(params![id.to_string(), number.cast_signed()])
}

pub(super) fn put_disabled(
    connection: &Connection,
    row: &RecoveriesDisabled,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(PUT_DISABLED)?
        .execute(params![row.by, row.at.as_micros()])
}

pub(super) fn delete_disabled(connection: &Connection) -> rusqlite::Result<usize> {
    connection.prepare_cached(DELETE_DISABLED)?.execute([])
}

pub(super) fn put_left(
    connection: &Connection,
    key: &InstanceKey,
    id: RecoveryId,
) -> rusqlite::Result<usize> {
    connection.prepare_cached(PUT_LEFT)?.execute(params![
        key.host().as_str(),
        key.port(),
        id.to_string()
    ])
}

pub(super) fn delete_left(connection: &Connection, key: &InstanceKey) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(DELETE_LEFT)?
        .execute(params![key.host().as_str(), key.port()])
}

/// Every row, as the change that writes it.
pub(super) fn load(connection: &Connection, into: &mut Vec<RowChange>) -> Result<(), Fault> {
    collect(connection, DETECTIONS, into, |row| {
        let record = decoded("decided_detection", &row.get::<_, Vec<u8>>(1)?)?;
        Ok(RowChange::PutDetection(unsigned(row, 0)?, Arc::new(record)))
    })?;
    collect(connection, RECOVERIES, into, |row| {
        let record = decoded("decided_recovery", &row.get::<_, Vec<u8>>(1)?)?;
        Ok(RowChange::PutRecovery(id(row)?, Arc::new(record)))
    })?;
    collect(connection, STEPS, into, |row| {
        let step = RecordedStep {
            fence: Fence::from_number(unsigned(row, 2)?),
            at: row.get(3).map(Timestamp::from_micros)?,
            state: row.get(4)?,
        };
        Ok(RowChange::PutRecoveryStep(id(row)?, row.get(1)?, step))
    })?;
    collect(connection, NOTES, into, |row| {
        let note = RecoveryNote {
            number: unsigned(row, 1)?,
            at: row.get(2).map(Timestamp::from_micros)?,
            text: row.get(3)?,
        };
        Ok(RowChange::PutRecoveryNote(id(row)?, note))
    })?;
    collect(connection, DISABLED, into, |row| {
        Ok(RowChange::PutRecoveriesDisabled(RecoveriesDisabled {
            by: row.get(0)?,
            at: row.get(1).map(Timestamp::from_micros)?,
        }))
    })?;
    collect(connection, LEFT, into, |row| {
        Ok(RowChange::PutLeftStopped(key(row)?, id_in(row, 2)?))
    })
}

fn collect(
    connection: &Connection,
    sql: &str,
    into: &mut Vec<RowChange>,
    read: impl Fn(&Row<'_>) -> Result<RowChange, Fault>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        into.push(read(row)?);
    }
    Ok(())
}

/// SQLite has signed numbers only; the bits are kept.
fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get(column).map(i64::cast_unsigned)
}

/// The id in the first column.
fn id(row: &Row<'_>) -> Result<RecoveryId, Fault> {
    id_in(row, 0)
}

fn id_in(row: &Row<'_>, column: usize) -> Result<RecoveryId, Fault> {
    let text: String = row.get(column)?;
    text.parse()
        .map_err(|error| Fault::Damaged(format!("a row of a recovery: {error}")))
}

fn encoded<T: codec::Stored>(value: &T) -> Result<Vec<u8>, Fault> {
    codec::encode(value).map_err(|error| Fault::Damaged(error.to_string()))
}

fn decoded<T: codec::Stored>(table: &str, bytes: &[u8]) -> Result<T, Fault> {
    codec::decode(bytes).map_err(|error| Fault::Damaged(format!("a row of {table}: {error}")))
}

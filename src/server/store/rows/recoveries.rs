//! Rows of recoveries, of what was found before them, and of the switch.

use std::sync::Arc;

use orchestrator_core::decided::{RowChange, codec};
use orchestrator_core::domain::{
    Detection, Fence, InstanceKey, RecordedStep, RecoveriesDisabled, Recovery, RecoveryId,
    RecoveryNote,
};

use super::super::fault::Fault;
use super::cell::{Cell, ReadRow, key, time};
use super::instances::{KEY, key_cells};
use super::{DecidedTable, Table};

/// The key of a table with one row.
pub(super) const ANCHOR: Cell<'static> = Cell::Integer(1);

pub(super) const DETECTION: DecidedTable = DecidedTable {
    table: Table {
        for_people: &["recovery_id", "host", "port", "detected_at_micros"],
        ..Table::new("decided_detection", &["number"], &["record"])
    },
    read: |row| {
        let record = decoded("decided_detection", &row.bytes(1)?)?;
        Ok(RowChange::PutDetection(row.unsigned(0)?, Arc::new(record)))
    },
};

pub(super) const RECOVERY: DecidedTable = DecidedTable {
    table: Table {
        for_people: &[
            "number",
            "host",
            "port",
            "registered_at_micros",
            "ended_at_micros",
        ],
        ..Table::new("decided_recovery", &["recovery_id"], &["record"])
    },
    read: |row| {
        let record = decoded("decided_recovery", &row.bytes(1)?)?;
        Ok(RowChange::PutRecovery(id(row, 0)?, Arc::new(record)))
    },
};

pub(super) const STEP: DecidedTable = DecidedTable {
    table: Table::new(
        "decided_recovery_step",
        &["recovery_id", "number"],
        &["fence", "recorded_at_micros", "state"],
    ),
    read: |row| {
        let step = RecordedStep {
            fence: Fence::from_number(row.unsigned(2)?),
            at: time(row, 3)?,
            state: row.bytes(4)?,
        };
        let number = u32::try_from(row.unsigned(1)?)
            .map_err(|_| Fault::Damaged("a row of decided_recovery_step: its number".to_owned()))?;
        Ok(RowChange::PutRecoveryStep(id(row, 0)?, number, step))
    },
};

pub(super) const NOTE: DecidedTable = DecidedTable {
    table: Table::new(
        "decided_recovery_note",
        &["recovery_id", "number"],
        &["written_at_micros", "text"],
    ),
    read: |row| {
        let note = RecoveryNote {
            number: row.unsigned(1)?,
            at: time(row, 2)?,
            text: row.text(3)?,
        };
        Ok(RowChange::PutRecoveryNote(id(row, 0)?, note))
    },
};

pub(super) const DISABLED: DecidedTable = DecidedTable {
    table: Table::new(
        "decided_recoveries_disabled",
        &["anchor"],
        &["disabled_by", "disabled_at_micros"],
    ),
    read: |row| {
        Ok(RowChange::PutRecoveriesDisabled(RecoveriesDisabled {
            by: row.text(1)?,
            at: time(row, 2)?,
        }))
    },
};

pub(super) const LEFT_STOPPED: DecidedTable = DecidedTable {
    table: Table::new("decided_left_stopped", KEY, &["recovery_id"]),
    read: |row| Ok(RowChange::PutLeftStopped(key(row)?, id(row, 2)?)),
};

pub(super) fn detection(number: u64, row: &Detection) -> Result<Vec<Cell<'_>>, Fault> {
    Ok(vec![
        Cell::Unsigned(number),
        Cell::blob(encoded(row)?),
        Cell::owned(row.recovery.to_string()),
        Cell::text(row.subject.host().as_str()),
        Cell::Unsigned(u64::from(row.subject.port())),
        Cell::time(row.detected_at),
    ])
}

pub(super) fn recovery(id: RecoveryId, row: &Recovery) -> Result<Vec<Cell<'_>>, Fault> {
    Ok(vec![
        Cell::owned(id.to_string()),
        Cell::blob(encoded(row)?),
        Cell::Unsigned(row.number),
        Cell::text(row.subject.host().as_str()),
        Cell::Unsigned(u64::from(row.subject.port())),
        Cell::time(row.registered_at),
        Cell::maybe(row.end.as_ref().map(|end| Cell::time(end.at))),
    ])
}

pub(super) fn step(id: RecoveryId, number: u32, row: &RecordedStep) -> Vec<Cell<'_>> {
    vec![
        Cell::owned(id.to_string()),
        Cell::Unsigned(u64::from(number)),
        Cell::Unsigned(row.fence.number()),
        Cell::time(row.at),
        Cell::bytes(&row.state),
    ]
}

pub(super) fn note(id: RecoveryId, row: &RecoveryNote) -> Vec<Cell<'_>> {
    vec![
        Cell::owned(id.to_string()),
        Cell::Unsigned(row.number),
        Cell::time(row.at),
        Cell::text(&row.text),
    ]
}

pub(super) fn disabled(row: &RecoveriesDisabled) -> Vec<Cell<'_>> {
    vec![ANCHOR, Cell::text(&row.by), Cell::time(row.at)]
}

pub(super) fn left_stopped(key: &InstanceKey, id: RecoveryId) -> Vec<Cell<'_>> {
    let mut cells = key_cells(key);
    cells.push(Cell::owned(id.to_string()));
    cells
}

fn id(row: &dyn ReadRow, column: usize) -> Result<RecoveryId, Fault> {
    row.text(column)?
        .parse()
        .map_err(|error| Fault::Damaged(format!("a row of a recovery: {error}")))
}

fn encoded<T: codec::Stored>(value: &T) -> Result<Vec<u8>, Fault> {
    codec::encode(value).map_err(|error| Fault::Damaged(error.to_string()))
}

fn decoded<T: codec::Stored>(table: &str, bytes: &[u8]) -> Result<T, Fault> {
    codec::decode(bytes).map_err(|error| Fault::Damaged(format!("a row of {table}: {error}")))
}

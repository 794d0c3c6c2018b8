//! Entries as the log of a store keeps them.

use orchestrator_core::decided::codec;

use super::super::fault::Fault;
use super::super::{AppliedEntry, LoggedEntry};
use super::Table;
use super::cell::{Cell, ReadRow, optional, time};

pub(in crate::store) static LOG: Table = Table::new(
    "decision_log",
    &["entry_index"],
    &["envelope", "reply", "effects", "decided_at_micros"],
);

pub(in crate::store) fn log_cells(entry: &AppliedEntry) -> Result<Vec<Cell<'_>>, Fault> {
    let effects = match entry.effects.is_empty() {
        true => Cell::Null,
        false => Cell::blob(codec::encode(&entry.effects)?),
    };
    Ok(vec![
        Cell::Unsigned(entry.index),
        Cell::bytes(&entry.envelope),
        Cell::blob(codec::encode(&entry.reply)?),
        effects,
        Cell::time(entry.decided_at),
    ])
}

pub(in crate::store) fn read_entry(row: &dyn ReadRow) -> Result<LoggedEntry, Fault> {
    let index = row.unsigned(0)?;
    let damaged = |error| Fault::undecodable(&format!("decision_log, entry {index}"), &error);
    let effects = optional(row, 3, |row, column| row.bytes(column))?;
    Ok(LoggedEntry {
        index,
        envelope: row.bytes(1)?,
        reply: codec::decode(&row.bytes(2)?).map_err(damaged)?,
        effects: match effects {
            Some(bytes) => codec::decode(&bytes).map_err(damaged)?,
            None => Vec::new(),
        },
        decided_at: time(row, 4)?,
    })
}

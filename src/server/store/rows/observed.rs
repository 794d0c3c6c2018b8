//! What this node observed, by instance.

use orchestrator_core::decided::codec;
use orchestrator_core::domain::InstanceRecord;

use super::super::fault::Fault;
use super::Table;
use super::cell::{Cell, ReadRow, key, time};
use super::instances::{KEY, key_cells};

pub(in crate::store) static OBSERVED: Table = Table {
    for_people: &["last_seen_at_micros"],
    ..Table::new("observed_instance", KEY, &["known_since_micros", "record"])
};

pub(in crate::store) fn observed_cells(record: &InstanceRecord) -> Result<Vec<Cell<'_>>, Fault> {
    let mut cells = key_cells(&record.key);
    cells.extend([
        Cell::time(record.known_since),
        Cell::blob(codec::encode(record)?),
        Cell::maybe(record.last_seen_at.map(Cell::time)),
    ]);
    Ok(cells)
}

/// The record, or the bare key when the record is of another release or damaged.
pub(in crate::store) fn read_record(row: &dyn ReadRow) -> Result<InstanceRecord, Fault> {
    let key = key(row)?;
    let known_since = time(row, 2)?;
    match codec::decode::<InstanceRecord>(&row.bytes(3)?) {
        // No probe is under way any more.
        Ok(record) if record.key == key => Ok(InstanceRecord {
            probing_since: None,
            ..record
        }),
        Ok(_) => Ok(InstanceRecord::heard_of(key, known_since)),
        Err(error) => {
            tracing::info!(instance = %key, %error, "what was observed cannot be read; it is probed again");
            Ok(InstanceRecord::heard_of(key, known_since))
        }
    }
}

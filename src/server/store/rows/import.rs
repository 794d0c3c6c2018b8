//! The row that says how far the import of the predecessor's rows is.

use orchestrator_core::decided::RowChange;
use orchestrator_core::domain::{Import, ImportPosition};

use super::super::fault::Fault;
use super::cell::{Cell, ReadRow, optional, time};
use super::{DecidedTable, Table};

/// There is one row.
const ANCHOR: Cell<'static> = Cell::Unsigned(1);

pub(super) const IMPORT: DecidedTable = DecidedTable {
    table: Table::new(
        "decided_import",
        &["anchor"],
        &[
            "source",
            "node",
            "begun_at_micros",
            "through_kind",
            "through_key",
            "taken",
            "kept",
            "ended_at_micros",
        ],
    ),
    read: |row| {
        Ok(RowChange::PutImport(Import {
            source: row.text(1)?,
            node: row.text(2)?,
            begun_at: time(row, 3)?,
            through: optional(row, 4, position)?,
            taken: number(row, 6)?,
            kept: number(row, 7)?,
            ended_at: optional(row, 8, time)?,
        }))
    },
};

pub(super) fn import(row: &Import) -> Vec<Cell<'_>> {
    let through = row.through.as_ref();
    vec![
        ANCHOR,
        Cell::text(&row.source),
        Cell::text(&row.node),
        Cell::time(row.begun_at),
        Cell::maybe(through.map(|it| Cell::Unsigned(u64::from(it.kind)))),
        Cell::maybe(through.map(|it| Cell::text(&it.key))),
        Cell::Unsigned(u64::from(row.taken)),
        Cell::Unsigned(u64::from(row.kept)),
        Cell::maybe(row.ended_at.map(Cell::time)),
    ]
}

fn position(row: &dyn ReadRow, column: usize) -> Result<ImportPosition, Fault> {
    let kind = u8::try_from(row.unsigned(column)?).map_err(|_| no_number())?;
    Ok(ImportPosition {
        kind,
        key: row.text(column + 1)?,
    })
}

fn number(row: &dyn ReadRow, column: usize) -> Result<u32, Fault> {
    u32::try_from(row.unsigned(column)?).map_err(|_| no_number())
}

fn no_number() -> Fault {
    Fault::Damaged("a row of decided_import has a number that is too large".to_owned())
}

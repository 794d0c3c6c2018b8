//! Rows of aliases of clusters.

use orchestrator_core::decided::RowChange;
use orchestrator_core::domain::{ClusterAlias, MovedAlias, RecoveryId};

use super::super::fault::Fault;
use super::cell::{Cell, ReadRow, optional, time};
use super::{DecidedTable, Table};

pub(super) const CLUSTER_ALIAS: DecidedTable = DecidedTable {
    table: Table {
        has_long_key: true,
        ..Table::new(
            "decided_cluster_alias",
            &["cluster_name"],
            &[
                "alias",
                "set_by",
                "decided_at_micros",
                "moved_from",
                "moved_by",
            ],
        )
    },
    read: |row| {
        let alias = ClusterAlias {
            alias: row.text(1)?,
            set_by: optional(row, 2, |row, column| row.text(column))?,
            at: time(row, 3)?,
            moved: optional(row, 4, moved)?,
        };
        Ok(RowChange::PutClusterAlias(row.text(0)?, alias))
    },
};

pub(super) fn alias<'a>(cluster: &'a str, row: &'a ClusterAlias) -> Vec<Cell<'a>> {
    let moved = row.moved.as_ref();
    vec![
        Cell::text(cluster),
        Cell::text(&row.alias),
        Cell::maybe(row.set_by.as_deref().map(Cell::text)),
        Cell::time(row.at),
        Cell::maybe(moved.map(|moved| Cell::text(&moved.from))),
        Cell::maybe(moved.map(|moved| Cell::owned(moved.recovery.to_string()))),
    ]
}

fn moved(row: &dyn ReadRow, column: usize) -> Result<MovedAlias, Fault> {
    let recovery = row
        .text(column + 1)?
        .parse::<RecoveryId>()
        .map_err(|error| Fault::Damaged(format!("a row of decided_cluster_alias: {error}")))?;
    Ok(MovedAlias {
        from: row.text(column)?,
        recovery,
    })
}

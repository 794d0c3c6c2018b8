//! Rows of nodes that the group is to have.

use orchestrator_core::decided::{GroupNode, RowChange};

use super::cell::Cell;
use super::{DecidedTable, Table};

pub(super) const GROUP_NODE: DecidedTable = DecidedTable {
    table: Table::new("decided_group_node", &["name"], &["reported"]),
    read: |row| {
        let reported = row.text(1)?;
        let names = reported.split(',').filter(|name| !name.is_empty());
        let node = GroupNode {
            reported: names.map(str::to_owned).collect(),
        };
        Ok(RowChange::PutGroupNode(row.text(0)?, node))
    },
};

pub(super) fn node<'a>(name: &'a str, row: &GroupNode) -> Vec<Cell<'a>> {
    vec![Cell::text(name), Cell::owned(row.reported.join(","))]
}

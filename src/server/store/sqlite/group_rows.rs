//! Rows of nodes that the group is to have.

use orchestrator_core::decided::{GroupNode, RowChange};
use rusqlite::{Connection, params};

use super::fault::Fault;

const PUT: &str = "INSERT OR REPLACE INTO decided_group_node (name, reported) VALUES (?1, ?2)";
const DELETE: &str = "DELETE FROM decided_group_node WHERE name = ?1";
const ALL: &str = "SELECT name, reported FROM decided_group_node ORDER BY name";

/// Statements that write.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 2] = [PUT, DELETE];

pub(super) fn put(connection: &Connection, name: &str, row: &GroupNode) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(PUT)?
        .execute(params![name, row.reported.join(",")])
}

pub(super) fn delete(connection: &Connection, name: &str) -> rusqlite::Result<usize> {
    connection.prepare_cached(DELETE)?.execute(params![name])
}

/// Every node, as the change that writes it.
pub(super) fn load(connection: &Connection, into: &mut Vec<RowChange>) -> Result<(), Fault> {
    let mut statement = connection.prepare(ALL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let reported: String = row.get(1)?;
        let names = reported.split(',').filter(|name| !name.is_empty());
        let node = GroupNode {
            reported: names.map(str::to_owned).collect(),
        };
        into.push(RowChange::PutGroupNode(row.get(0)?, node));
    }
    Ok(())
}

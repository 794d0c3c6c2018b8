//! Rows of aliases of clusters.

use orchestrator_core::decided::RowChange;
use orchestrator_core::domain::{ClusterAlias, MovedAlias, RecoveryId, Timestamp};
use rusqlite::{Connection, Row, params};

use super::fault::Fault;

const PUT: &str = "INSERT OR REPLACE INTO decided_cluster_alias \
     (cluster_name, alias, set_by, decided_at_micros, moved_from, moved_by) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const DELETE: &str = "DELETE FROM decided_cluster_alias WHERE cluster_name = ?1";
const ALL: &str = "SELECT cluster_name, alias, set_by, decided_at_micros, moved_from, moved_by \
     FROM decided_cluster_alias ORDER BY cluster_name";

/// Statements that write.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 2] = [PUT, DELETE];

pub(super) fn put(
    connection: &Connection,
    cluster: &str,
    row: &ClusterAlias,
) -> rusqlite::Result<usize> {
    let moved = row.moved.as_ref();
    connection.prepare_cached(PUT)?.execute(params![
        cluster,
        row.alias,
        row.set_by,
        row.at.as_micros(),
        moved.map(|moved| &moved.from),
        moved.map(|moved| moved.recovery.to_string()),
    ])
}

pub(super) fn delete(connection: &Connection, cluster: &str) -> rusqlite::Result<usize> {
    connection.prepare_cached(DELETE)?.execute(params![cluster])
}

/// Every alias, as the change that writes it.
pub(super) fn load(connection: &Connection, into: &mut Vec<RowChange>) -> Result<(), Fault> {
    let mut statement = connection.prepare(ALL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let alias = ClusterAlias {
            alias: row.get(1)?,
            set_by: row.get(2)?,
            at: row.get(3).map(Timestamp::from_micros)?,
            moved: moved(row)?,
        };
        into.push(RowChange::PutClusterAlias(row.get(0)?, alias));
    }
    Ok(())
}

fn moved(row: &Row<'_>) -> Result<Option<MovedAlias>, Fault> {
    let Some(from) = row.get::<_, Option<String>>(4)? else {
        return Ok(None);
    };
    let id: String = row.get(5)?;
    let recovery = id
        .parse::<RecoveryId>()
        .map_err(|error| Fault::Damaged(format!("a row of decided_cluster_alias: {error}")))?;
    Ok(Some(MovedAlias { from, recovery }))
}

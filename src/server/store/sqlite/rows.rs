use orchestrator_core::decided::RowChange;
use orchestrator_core::domain::{
    Candidate, Downtime, HostName, InstanceKey, PromotionRule, Timestamp,
};
use rusqlite::{Connection, Row, params};

use super::fault::Fault;
use super::{alias_rows, answer_rows, group_rows, recovery_rows, token_rows};

/// Every table of decided state, in the order of `Decided::rows`.
pub(super) const TABLES: [&str; 13] = [
    "decided_downtime",
    "decided_candidate",
    "decided_forgotten",
    "decided_access_token",
    "decided_detection",
    "decided_recovery",
    "decided_recovery_step",
    "decided_recovery_note",
    "decided_recoveries_disabled",
    "decided_left_stopped",
    "decided_group_node",
    "decided_answer",
    "decided_cluster_alias",
];

const PUT_DOWNTIME: &str = "INSERT OR REPLACE INTO decided_downtime \
     (host, port, owner, reason, begins_at_micros, ends_at_micros) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const PUT_CANDIDATE: &str = "INSERT OR REPLACE INTO decided_candidate \
     (host, port, promotion_rule, registered_at_micros, expires_at_micros) VALUES (?1, ?2, ?3, ?4, ?5)";
const PUT_FORGOTTEN: &str = "INSERT OR REPLACE INTO decided_forgotten \
     (host, port, forgotten_at_micros) VALUES (?1, ?2, ?3)";
const DELETE_DOWNTIME: &str = "DELETE FROM decided_downtime WHERE host = ?1 AND port = ?2";
const DELETE_CANDIDATE: &str = "DELETE FROM decided_candidate WHERE host = ?1 AND port = ?2";
const DELETE_FORGOTTEN: &str = "DELETE FROM decided_forgotten WHERE host = ?1 AND port = ?2";
const DOWNTIMES: &str = "SELECT host, port, owner, reason, begins_at_micros, ends_at_micros \
     FROM decided_downtime ORDER BY host, port";
const CANDIDATES: &str = "SELECT host, port, promotion_rule, registered_at_micros, expires_at_micros \
     FROM decided_candidate ORDER BY host, port";
const FORGOTTEN: &str = "SELECT host, port, forgotten_at_micros \
     FROM decided_forgotten ORDER BY host, port";

/// Makes one change.
pub(super) fn write(connection: &Connection, change: &RowChange) -> Result<(), Fault> {
    match change {
        RowChange::PutDowntime(key, row) => {
            connection.prepare_cached(PUT_DOWNTIME)?.execute(params![
                key.host().as_str(),
                key.port(),
                row.owner,
                row.reason,
                row.begins_at.as_micros(),
                row.ends_at.as_micros()
            ])?
        }
        RowChange::PutCandidate(key, row) => {
            connection.prepare_cached(PUT_CANDIDATE)?.execute(params![
                key.host().as_str(),
                key.port(),
                row.rule.as_str(),
                row.registered_at.as_micros(),
                row.expires_at.as_micros()
            ])?
        }
        RowChange::PutForgotten(key, at) => connection
            .prepare_cached(PUT_FORGOTTEN)?
            .execute(params![key.host().as_str(), key.port(), at.as_micros()])?,
        RowChange::DeleteDowntime(key) => delete(connection, DELETE_DOWNTIME, key)?,
        RowChange::DeleteCandidate(key) => delete(connection, DELETE_CANDIDATE, key)?,
        RowChange::DeleteForgotten(key) => delete(connection, DELETE_FORGOTTEN, key)?,
        RowChange::PutAccessToken(public, row) => token_rows::put(connection, public, row)?,
        RowChange::DeleteAccessToken(public) => token_rows::delete(connection, public)?,
        RowChange::PutDetection(number, row) => {
            recovery_rows::put_detection(connection, *number, row)?
        }
        RowChange::DeleteDetection(number) => recovery_rows::delete_detection(connection, *number)?,
        RowChange::PutRecovery(id, row) => recovery_rows::put_recovery(connection, *id, row)?,
        RowChange::DeleteRecovery(id) => recovery_rows::delete_recovery(connection, *id)?,
        RowChange::PutRecoveryStep(id, number, row) => {
            recovery_rows::put_step(connection, *id, *number, row)?
        }
        RowChange::DeleteRecoveryStep(id, number) => {
            recovery_rows::delete_step(connection, *id, *number)?
        }
        RowChange::PutRecoveryNote(id, row) => recovery_rows::put_note(connection, *id, row)?,
        RowChange::DeleteRecoveryNote(id, number) => {
            recovery_rows::delete_note(connection, *id, *number)?
        }
        RowChange::PutRecoveriesDisabled(row) => recovery_rows::put_disabled(connection, row)?,
        RowChange::DeleteRecoveriesDisabled => recovery_rows::delete_disabled(connection)?,
        RowChange::PutLeftStopped(key, id) => recovery_rows::put_left(connection, key, *id)?,
        RowChange::DeleteLeftStopped(key) => recovery_rows::delete_left(connection, key)?,
        RowChange::PutGroupNode(name, row) => group_rows::put(connection, name, row)?,
        RowChange::DeleteGroupNode(name) => group_rows::delete(connection, name)?,
        RowChange::PutAnswer(request, answer) => answer_rows::put(connection, *request, answer)?,
        RowChange::DeleteAnswer(request) => answer_rows::delete(connection, *request)?,
        RowChange::PutClusterAlias(cluster, row) => alias_rows::put(connection, cluster, row)?,
        RowChange::DeleteClusterAlias(cluster) => alias_rows::delete(connection, cluster)?,
    };
    Ok(())
}

fn delete(connection: &Connection, sql: &str, key: &InstanceKey) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(sql)?
        .execute(params![key.host().as_str(), key.port()])
}

/// Removes every row of decided state.
pub(super) fn clear(connection: &Connection) -> Result<(), Fault> {
    for table in TABLES {
        connection.execute(&format!("DELETE FROM {table}"), [])?;
    }
    Ok(())
}

/// Every row of decided state, as the change that writes it.
pub(super) fn load(connection: &Connection) -> Result<Vec<RowChange>, Fault> {
    let mut rows = Vec::new();
    collect(connection, DOWNTIMES, &mut rows, |key, row| {
        Ok(RowChange::PutDowntime(
            key,
            Downtime {
                owner: row.get(2)?,
                reason: row.get(3)?,
                begins_at: time(row, 4)?,
                ends_at: time(row, 5)?,
            },
        ))
    })?;
    collect(connection, CANDIDATES, &mut rows, |key, row| {
        Ok(RowChange::PutCandidate(
            key,
            Candidate {
                rule: rule(row)?,
                registered_at: time(row, 3)?,
                expires_at: time(row, 4)?,
            },
        ))
    })?;
    collect(connection, FORGOTTEN, &mut rows, |key, row| {
        Ok(RowChange::PutForgotten(key, time(row, 2)?))
    })?;
    token_rows::load(connection, &mut rows)?;
    recovery_rows::load(connection, &mut rows)?;
    group_rows::load(connection, &mut rows)?;
    answer_rows::load(connection, &mut rows)?;
    alias_rows::load(connection, &mut rows)?;
    Ok(rows)
}

fn collect(
    connection: &Connection,
    sql: &str,
    into: &mut Vec<RowChange>,
    read: impl Fn(InstanceKey, &Row<'_>) -> Result<RowChange, Fault>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        into.push(read(key(row)?, row)?);
    }
    Ok(())
}

/// The key in the first two columns.
pub(super) fn key(row: &Row<'_>) -> Result<InstanceKey, Fault> {
    let host: String = row.get(0)?;
    let port: u16 = row.get(1)?;
    HostName::parse(&host)
        .and_then(|host| InstanceKey::new(host, port))
        .map_err(|error| Fault::Damaged(format!("a row has no instance for key: {error}")))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_micros)
}

fn rule(row: &Row<'_>) -> Result<PromotionRule, Fault> {
    let text: String = row.get(2)?;
    text.parse()
        .map_err(|error| Fault::Damaged(format!("a row of decided_candidate: {error}")))
}

/// The first word in `sql` that would make what is written depend on the moment or on chance.
#[cfg(test)]
pub(super) fn impure_word(sql: &str) -> Option<&'static str> {
    const IMPURE: [&str; 12] = [
        "now",
        "random",
        "randomblob",
        "current_timestamp",
        "current_date",
        "current_time",
        "datetime",
        "unixepoch",
        "julianday",
        "strftime",
        "last_insert_rowid",
        "autoincrement",
    ];
    let code: String = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or(""))
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase();
    let is_word = |word: &str| {
        code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .any(|found| found == word)
    };
    IMPURE.into_iter().find(|word| is_word(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_statement_reads_a_clock_or_randomness() {
        for sql in [
            PUT_DOWNTIME,
            PUT_CANDIDATE,
            PUT_FORGOTTEN,
            DELETE_DOWNTIME,
            DELETE_CANDIDATE,
            DELETE_FORGOTTEN,
        ]
        .into_iter()
        .chain(token_rows::STATEMENTS)
        .chain(recovery_rows::STATEMENTS)
        .chain(answer_rows::STATEMENTS)
        .chain(group_rows::STATEMENTS)
        .chain(alias_rows::STATEMENTS)
        .chain(super::super::log::STATEMENTS)
        .chain(super::super::meta::STATEMENTS)
        {
            assert_eq!(impure_word(sql), None, "{sql}");
        }
        assert_eq!(impure_word("SELECT strftime('%s', 'now')"), Some("now"));
        assert_eq!(impure_word("-- now\nSELECT nowhere"), None);
    }
}

//! What a server has executed, and another has not.

use orchestrator_core::domain::InstanceKey;
use orchestrator_core::domain::gtid::{
    MariadbBinlogState, MariadbGap, MariadbPosition, OracleGtidSet,
};
use orchestrator_core::ports::{Beyond, ChangeError};

use super::servers::from_driver;
use crate::mysql::dialect::Dialect;
use crate::mysql::{Conn, DriverError};

/// Everything that a server has executed.
#[derive(Debug)]
pub(super) enum History {
    /// MySQL.
    Oracle(OracleGtidSet),
    /// MariaDB: the last transaction of each server in its binary logs, and the last one applied of each domain.
    Mariadb {
        state: MariadbBinlogState,
        applied: MariadbPosition,
    },
    /// A server without GTIDs.
    Untold,
}

/// Reads it.
///
/// # Errors
/// [`ChangeError`] of this server.
pub(super) async fn read(conn: &mut Conn, server: &InstanceKey) -> Result<History, ChangeError> {
    ask(conn).await.map_err(|error| from_driver(server, &error))
}

async fn ask(conn: &mut Conn) -> Result<History, DriverError> {
    const VERSION: &str =
        "SELECT @@global.version AS version, @@global.version_comment AS version_comment";
    const MARIADB: &str =
        "SELECT @@global.gtid_binlog_state AS state, @@global.gtid_slave_pos AS applied";
    let illegible = |_| DriverError::Protocol("GTIDs that cannot be read");
    let answer = conn.query(VERSION, 1).await?;
    let text = |answer: &crate::mysql::Answer, name: &str| {
        let row = answer.first();
        row.and_then(|row| row.text(name)).unwrap_or_default()
    };
    let dialect = Dialect::detect(&text(&answer, "version"), &text(&answer, "version_comment"));
    if dialect.has_mariadb_gtid() {
        let answer = conn.query(MARIADB, 1).await?;
        return Ok(History::Mariadb {
            state: MariadbBinlogState::parse(&text(&answer, "state")).map_err(illegible)?,
            applied: MariadbPosition::parse(&text(&answer, "applied")).map_err(illegible)?,
        });
    }
    if !dialect.has_oracle_gtid() {
        return Ok(History::Untold);
    }
    let statement = "SELECT @@global.gtid_executed AS executed, @@global.gtid_mode AS mode";
    let answer = conn.query(statement, 1).await?;
    if text(&answer, "mode") != "ON" {
        return Ok(History::Untold);
    }
    let executed = OracleGtidSet::parse(&text(&answer, "executed")).map_err(illegible)?;
    Ok(History::Oracle(executed))
}

/// What `old` has and `promoted` has not; `None` when they cannot be compared.
pub(super) fn beyond(old: &History, promoted: &History) -> Option<Beyond> {
    match (old, promoted) {
        (History::Oracle(old), History::Oracle(promoted)) => {
            let lost = old.subtract(promoted);
            Some(Beyond {
                set: lost.to_string(),
                transactions: lost.count(),
            })
        }
        (
            History::Mariadb { state: old, .. },
            History::Mariadb {
                state: promoted,
                applied,
            },
        ) => Some(of_gaps(&gaps(old, promoted, applied))),
        _ => None,
    }
}

/// A promoted server that did not log what it applied has it in its position alone.
fn gaps(
    old: &MariadbBinlogState,
    promoted: &MariadbBinlogState,
    applied: &MariadbPosition,
) -> Vec<MariadbGap> {
    let gaps = old.errant(promoted, &[]).into_iter();
    let unless_applied = gaps.filter_map(|gap| {
        let last = applied.last_of(gap.to.domain);
        let last = last.filter(|last| last.server_id == gap.to.server_id);
        match last {
            Some(last) if last.sequence >= gap.to.sequence => None,
            Some(last) => Some(MariadbGap {
                after: gap.after.max(Some(last)),
                ..gap
            }),
            None => Some(gap),
        }
    });
    unless_applied.collect()
}

fn of_gaps(gaps: &[MariadbGap]) -> Beyond {
    let texts: Vec<String> = gaps.iter().map(ToString::to_string).collect();
    Beyond {
        set: texts.join(", "),
        transactions: gaps.iter().map(|gap| u128::from(gap.count())).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mariadb(state: &str, applied: &str) -> History {
        History::Mariadb {
            state: MariadbBinlogState::parse(state).unwrap(),
            applied: MariadbPosition::parse(applied).unwrap(),
        }
    }

    #[test]
    fn mariadb_tells_what_only_the_old_primary_wrote() {
        let old = mariadb("0-1-105", "");
        let promoted = mariadb("0-1-100,0-2-140", "0-1-100");
        let lost = beyond(&old, &promoted).unwrap();
        assert_eq!(lost.transactions, 5);
        assert!(lost.set.contains("0-1-100") && lost.set.contains("0-1-105"));
        let none = beyond(&mariadb("0-1-100", ""), &promoted).unwrap();
        assert_eq!((none.transactions, none.set.as_str()), (0, ""));
    }

    #[test]
    fn what_a_promoted_mariadb_applied_without_logging_is_not_lost() {
        let old = mariadb("0-1-105", "");
        assert_eq!(
            beyond(&old, &mariadb("0-2-140", "0-1-105"))
                .unwrap()
                .transactions,
            0
        );
        assert_eq!(
            beyond(&old, &mariadb("0-2-140", "0-1-103"))
                .unwrap()
                .transactions,
            2
        );
    }

    #[test]
    fn mysql_tells_by_sets_and_flavours_are_not_compared() {
        const A: &str = "8ed31df4-e71d-11f1-917b-02fc00000001";
        let set = |text: &str| History::Oracle(OracleGtidSet::parse(text).unwrap());
        let lost = beyond(&set(&format!("{A}:1-9")), &set(&format!("{A}:1-7"))).unwrap();
        assert_eq!((lost.transactions, lost.set), (2, format!("{A}:8-9")));
        assert!(beyond(&set(""), &mariadb("", "")).is_none());
        assert!(beyond(&History::Untold, &History::Untold).is_none());
    }
}

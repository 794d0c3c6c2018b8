use std::collections::HashMap;

use orchestrator_core::domain::{BinlogPosition, ReplicationLink};

use super::ask::{Asker, FEW_ROWS};
use super::status::heartbeat_period;
use super::text::name;
use crate::mysql::Answer;
use crate::mysql::dialect::semi_sync as names;
use crate::mysql::failure::StepError;

/// Names with their values, as `SHOW VARIABLES` and `SHOW STATUS` list them; looked up ignoring case.
#[derive(Debug, Default)]
pub(super) struct Listed(HashMap<String, String>);

impl Listed {
    pub(super) fn read(answer: &Answer) -> Self {
        let pairs = answer.rows().filter_map(|row| {
            let name = row.at(0)?.to_ascii_lowercase();
            Some((name, row.at(1)?))
        });
        Self(pairs.collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.0.get(&name.to_ascii_lowercase()).cloned()
    }
}

/// Variables of MySQL 5.6, and of MariaDB, which has them in the replica's status too.
const HEARTBEAT_PERIOD: &str = "Slave_heartbeat_period";
const HEARTBEATS: &str = "Slave_received_heartbeats";

/// Adds what only counters tell about the link to the source.
pub(super) fn complete(counters: &Listed, link: &mut ReplicationLink) {
    let of = |name| counters.get(name);
    let period = || heartbeat_period(&of(HEARTBEAT_PERIOD)?);
    link.heartbeat_period = link.heartbeat_period.or_else(period);
    let received = || of(HEARTBEATS)?.parse().ok();
    link.heartbeats_received = link.heartbeats_received.or_else(received);
}

/// The end of MariaDB's binary log. `SHOW MASTER STATUS` says the same, but waits there for commits that wait for an acknowledgement
/// of semi-sync: a primary without replicas that acknowledge would look dead, and a promoted one never writable. These do not wait; they
/// lag by transactions that are written and not acknowledged (observed on 10.11.19).
const LOG_FILE: &str = "Binlog_snapshot_file";
const LOG_OFFSET: &str = "Binlog_snapshot_position";

/// The end of the binary log, of a server that counts it; see [`LOG_FILE`].
pub(super) fn binlog_position(counters: &Listed) -> Option<BinlogPosition> {
    let file = counters.get(LOG_FILE).filter(|file| !file.is_empty())?;
    let offset = counters.get(LOG_OFFSET)?.parse().ok()?;
    Some(BinlogPosition {
        file: name(Some(file)),
        offset,
    })
}

/// Uptime and the counters of semi-sync and heartbeats, in one statement.
pub(super) async fn ask(asker: &mut Asker<'_>) -> Result<Listed, StepError> {
    let answer = asker.must(STEP, &statement(), FEW_ROWS).await?;
    Ok(Listed::read(&answer))
}

pub(super) const STEP: &str = "reading counters";

pub(super) fn statement() -> String {
    let quoted: Vec<String> = [
        names::SOURCE_STATUS,
        names::SOURCE_CLIENTS,
        names::WAITING_COMMITS,
        names::REPLICA_STATUS,
    ]
    .iter()
    .flat_map(|names| [names.new, names.old])
    .chain(["Uptime", HEARTBEAT_PERIOD, HEARTBEATS, LOG_FILE, LOG_OFFSET])
    .map(|name| format!("'{name}'"))
    .collect();
    format!(
        "SHOW GLOBAL STATUS WHERE Variable_name IN ({})",
        quoted.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_names_are_found_whatever_their_case() {
        let answer = Answer::table(
            &["Variable_name", "Value"],
            &[&[Some("Uptime"), Some("42")], &[Some("x"), None]],
        );
        let listed = Listed::read(&answer);
        assert_eq!(listed.get("uptime").as_deref(), Some("42"));
        assert_eq!(listed.get("x"), None);
    }

    #[test]
    fn a_server_without_a_log_or_without_these_counters_has_no_counted_end() {
        let of = |rows: &[&[Option<&str>]]| {
            binlog_position(&Listed::read(&Answer::table(
                &["Variable_name", "Value"],
                rows,
            )))
        };
        let file: &[_] = &[Some(LOG_FILE), Some("b.000002")];
        let offset: &[_] = &[Some(LOG_OFFSET), Some("334")];
        let end = of(&[file, offset]).expect("it is counted");
        assert_eq!((end.file.as_str(), end.offset), ("b.000002", 334));
        assert_eq!(of(&[&[Some(LOG_FILE), Some("")], offset]), None);
        assert_eq!(of(&[file]), None);
        assert_eq!(of(&[]), None);
    }
}

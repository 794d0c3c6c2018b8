//! The status of a replica, as every product and version prints it. Pure.

use std::time::Duration;

use orchestrator_core::domain::{
    BinlogPosition, InstanceKey, ReplicationLink, SourceAddress, ThreadState,
};

use super::text::{ERROR_MAX, bounded, name};
use crate::mysql::dialect::{Names, column};
use crate::mysql::{Answer, DriverError, Row};

/// Channels at most, far more than the 256 that MySQL allows.
pub(in crate::mysql) const MAX_CHANNELS: usize = 1000;

/// Filters of replication; a replica that has one may lack data of its source.
const FILTERS: [&str; 6] = [
    "Replicate_Do_DB",
    "Replicate_Ignore_DB",
    "Replicate_Do_Table",
    "Replicate_Ignore_Table",
    "Replicate_Wild_Do_Table",
    "Replicate_Wild_Ignore_Table",
];

/// The mark before a source's host, by which a replica was detached on purpose.
pub(in crate::mysql) const DETACH_MARK: &str = "//";

/// The link to the source; `None` on a server that replicates from nobody.
///
/// A server with several channels is described by one of them: its default channel, or the last in the server's order
/// when it has none. The channels of group replication are no links of this kind and are left out; so is a row without a
/// host, which some versions print after a reset.
///
/// # Errors
/// A position or number that is none.
pub(super) fn link(answer: &Answer) -> Result<Option<ReplicationLink>, DriverError> {
    let links = link_rows(answer);
    let chosen = links
        .iter()
        .find(|row| either(row, column::CHANNEL).is_none_or(|channel| channel.is_empty()))
        .or(links.last());
    chosen.map(read).transpose()
}

/// The rows that are links to a source, of which [`link`] takes one.
pub(in crate::mysql) fn link_rows(answer: &Answer) -> Vec<Row<'_>> {
    answer.rows().filter(|row| is_link(row)).collect()
}

fn is_link(row: &Row<'_>) -> bool {
    let channel = either(row, column::CHANNEL).unwrap_or_default();
    let host = either(row, column::SOURCE_HOST).unwrap_or_default();
    !matches!(
        channel.as_str(),
        "group_replication_applier" | "group_replication_recovery"
    ) && !host.trim().is_empty()
}

/// One link.
///
/// # Errors
/// A position or number that is none.
pub(in crate::mysql) fn read(row: &Row<'_>) -> Result<ReplicationLink, DriverError> {
    let text = |column: &str| row.text(column).unwrap_or_default();
    let short = |names: Names| name(either(row, names));
    let thread = |names: Names| ThreadState::from_server(&either(row, names).unwrap_or_default());
    let seconds_behind = either(row, column::SECONDS_BEHIND);
    Ok(ReplicationLink {
        source: source_address(&short(column::SOURCE_HOST), &short(column::SOURCE_PORT)),
        source_uuid: short(column::SOURCE_UUID),
        receiver: thread(column::RECEIVER),
        applier: thread(column::APPLIER),
        received: position(row, column::RECEIVED_FILE, column::RECEIVED_OFFSET)?,
        applied: position(row, column::APPLIED_FILE, column::APPLIED_OFFSET)?,
        relay_log: position(row, same("Relay_Log_File"), same("Relay_Log_Pos"))?,
        receiver_error: bounded(text("Last_IO_Error"), ERROR_MAX),
        receiver_errno: number(&text("Last_IO_Errno"))?,
        applier_error: bounded(text("Last_SQL_Error"), ERROR_MAX),
        applier_errno: number(&text("Last_SQL_Errno"))?,
        delay: Duration::from_secs(number(&text("SQL_Delay"))?),
        // Negative when a replica's clock runs behind: not late at all.
        seconds_behind: seconds_behind
            .map(|text| signed(&text).map(|seconds| u64::try_from(seconds).unwrap_or(0)))
            .transpose()?,
        uses_oracle_gtid: text("Auto_Position") == "1",
        uses_mariadb_gtid: row
            .text("Using_Gtid")
            .is_some_and(|using| !using.is_empty() && using != "No"),
        mariadb_received: text("Gtid_IO_Pos"),
        retrieved: text("Retrieved_Gtid_Set").replace('\n', ""),
        has_filters: FILTERS.iter().any(|column| !text(column).is_empty()),
        has_credentials: !short(column::SOURCE_USER).is_empty(),
        tls_allowed: short(column::SOURCE_TLS) == "Yes",
        channel: short(column::CHANNEL),
        heartbeat_period: row
            .text("Slave_heartbeat_period")
            .and_then(|text| heartbeat_period(&text)),
        heartbeats_received: row
            .text("Slave_received_heartbeats")
            .and_then(|text| text.parse().ok()),
    })
}

/// Where the texts of a server say that it replicates from.
pub(super) fn source_address(host: &str, port: &str) -> SourceAddress {
    let (bare, is_detached) = match host.strip_prefix(DETACH_MARK) {
        Some(bare) => (bare, true),
        None => (host, false),
    };
    match InstanceKey::from_parts(bare, port) {
        Ok(key) if is_detached => SourceAddress::Detached(key),
        Ok(key) => SourceAddress::Attached(key),
        Err(_) => SourceAddress::Invalid(bounded(
            format!("{host}:{port}").escape_debug().to_string(),
            256,
        )),
    }
}

/// A column under its name of today or of old.
pub(in crate::mysql) fn either(row: &Row<'_>, names: Names) -> Option<String> {
    row.text(names.new).or_else(|| row.text(names.old))
}

/// A column that was never renamed.
const fn same(column: &'static str) -> Names {
    Names {
        new: column,
        old: column,
    }
}

fn position(row: &Row<'_>, file: Names, offset: Names) -> Result<BinlogPosition, DriverError> {
    Ok(BinlogPosition {
        file: name(either(row, file)),
        offset: number(&either(row, offset).unwrap_or_default())?,
    })
}

/// A number; 0 where the server prints nothing or has no such column.
fn number<T: std::str::FromStr + Default>(text: &str) -> Result<T, DriverError> {
    match text {
        "" => Ok(T::default()),
        text => text
            .parse()
            .map_err(|_| DriverError::Protocol("a replica status with a number that is none")),
    }
}

/// A heartbeat period as servers print it: seconds with a fraction.
pub(super) fn heartbeat_period(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn signed(text: &str) -> Result<i64, DriverError> {
    number(text)
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;

use orchestrator_core::domain::{BinlogPosition, Observation};

use super::semi_sync;
use super::text::{is_on, name};
use crate::mysql::dialect::{Dialect, semi_sync as names};
use crate::mysql::{Answer, DriverError, Row};

/// Facts among the variables that the observation does not hold as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// `@@hostname`.
    pub(super) hostname: String,
    /// `@@report_host`.
    pub(super) report_host: String,
    /// `@@performance_schema`.
    pub(super) has_performance_schema: bool,
    /// Whether replication credentials are kept in a table.
    pub(super) keeps_credentials_in_table: bool,
}

/// One statement for all variables that always exist in this version. `SHOW VARIABLES` would cut values at 1,024
/// characters; GTID sets are longer.
pub(super) fn statement(dialect: &Dialect) -> String {
    let mut variables = vec![
        "hostname",
        "report_host",
        "server_id",
        "version",
        "version_comment",
        "read_only",
        "binlog_format",
        "log_bin",
        "performance_schema",
        dialect.log_replica_updates(),
    ];
    if dialect.has_super_read_only() {
        variables.push("super_read_only");
    }
    if dialect.has_binlog_row_image() {
        variables.push("binlog_row_image");
    }
    if dialect.has_oracle_gtid() {
        variables.extend(["gtid_mode", "server_uuid", "gtid_executed", "gtid_purged"]);
    }
    if dialect.has_repository_choice() {
        variables.push("master_info_repository");
    }
    if dialect.has_mariadb_gtid() {
        variables.extend(["gtid_current_pos", "gtid_binlog_pos"]);
    }
    if dialect.has_semi_sync_built_in() {
        variables.extend([
            names::SOURCE_ENABLED.old,
            names::SOURCE_TIMEOUT.old,
            names::WAIT_POINT.old,
            names::WAIT_FOR_ABSENT.old,
            names::REPLICA_ENABLED.old,
        ]);
    }
    let selected: Vec<String> = variables
        .iter()
        .map(|variable| format!("@@global.{variable} AS {variable}"))
        .collect();
    format!("SELECT {}", selected.join(", "))
}

/// Reads the answer into `seen`.
pub(super) fn apply(
    answer: &Answer,
    dialect: &Dialect,
    seen: &mut Observation,
) -> Result<Found, DriverError> {
    let row = answer
        .first()
        .ok_or(DriverError::Protocol("no row of variables"))?;
    let text = |variable: &str| row.text(variable).unwrap_or_default();
    seen.identity.server_id = text("server_id")
        .parse()
        .map_err(|_| DriverError::Protocol("a server_id that is no number"))?;
    seen.identity.version = name(row.text("version"));
    seen.identity.version_comment = name(row.text("version_comment"));
    seen.identity.server_uuid = name(row.text("server_uuid"));
    seen.read_only = is_on(&text("read_only"));
    seen.super_read_only = row.text("super_read_only").map(|text| is_on(&text));
    seen.binlog.enabled = is_on(&text("log_bin"));
    seen.binlog.logs_replica_updates = is_on(&text(dialect.log_replica_updates()));
    seen.binlog.format = name(row.text("binlog_format"));
    seen.binlog.row_image = name(row.text("binlog_row_image"));
    seen.gtid.mode = name(row.text("gtid_mode"));
    seen.gtid.executed = gtid_set(&row, "gtid_executed");
    seen.gtid.purged = gtid_set(&row, "gtid_purged");
    seen.gtid.mariadb_current = gtid_set(&row, "gtid_current_pos");
    seen.gtid.mariadb_binlog = gtid_set(&row, "gtid_binlog_pos");
    if dialect.has_semi_sync_built_in() {
        let lookup = |variable: &str| row.text(variable);
        semi_sync::apply_settings(lookup, dialect, &mut seen.semi_sync);
    }
    Ok(Found {
        hostname: name(row.text("hostname")),
        report_host: name(row.text("report_host")),
        has_performance_schema: is_on(&text("performance_schema")),
        keeps_credentials_in_table: dialect.has_oracle_gtid()
            && (!dialect.has_repository_choice()
                || text("master_info_repository").eq_ignore_ascii_case("TABLE")),
    })
}

/// MySQL breaks long sets into lines.
fn gtid_set(row: &Row<'_>, column: &str) -> String {
    row.text(column).unwrap_or_default().replace('\n', "")
}

/// The end of the binary log; `None` when the answer has no row, which means that the log is off.
pub(super) fn binlog_position(answer: &Answer) -> Result<Option<BinlogPosition>, DriverError> {
    let Some(row) = answer.first() else {
        return Ok(None);
    };
    let offset = row
        .text("Position")
        .and_then(|text| text.parse().ok())
        .ok_or(DriverError::Protocol("a log position that is no number"))?;
    Ok(Some(BinlogPosition {
        file: name(row.text("File")),
        offset,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use orchestrator_core::domain::{InstanceKey, Timestamp};

    fn blank() -> Observation {
        Observation::blank(
            InstanceKey::parse("a", 3306).unwrap(),
            Timestamp::from_seconds(1),
        )
    }

    #[test]
    fn each_version_is_asked_only_what_it_has() {
        let of = |version| statement(&Dialect::detect(version, ""));
        let mariadb = of("10.11.19-MariaDB");
        assert!(mariadb.contains("@@global.gtid_binlog_pos AS gtid_binlog_pos"));
        assert!(mariadb.contains("rpl_semi_sync_slave_enabled"));
        assert!(!mariadb.contains("server_uuid") && !mariadb.contains("super_read_only"));
        let old = of("5.6.24");
        assert!(old.contains("master_info_repository") && old.contains("log_slave_updates"));
        assert!(!old.contains("super_read_only") && !old.contains("rpl_semi_sync"));
        let new = of("9.7.4");
        assert!(new.contains("super_read_only") && new.contains("log_replica_updates"));
        assert!(!new.contains("master_info_repository") && !new.contains("slave"));
        let ancient = of("5.5.62");
        assert!(!ancient.contains("gtid") && !ancient.contains("binlog_row_image"));
    }

    #[test]
    fn variables_of_mysql_97_are_read() {
        let uuid = "8ed31df4-e71d-11f1-917b-02fc00000001";
        let set =
            "8d4624b7-e71d-11f1-ace9-02fc00000001:1-6,\n8ed31df4-e71d-11f1-917b-02fc00000001:1";
        let answer = Answer::table(
            &[
                "hostname",
                "report_host",
                "server_id",
                "version",
                "version_comment",
                "read_only",
                "binlog_format",
                "log_bin",
                "performance_schema",
                "log_replica_updates",
                "super_read_only",
                "binlog_row_image",
                "gtid_mode",
                "server_uuid",
                "gtid_executed",
                "gtid_purged",
            ],
            &[&[
                Some("vm"),
                None,
                Some("12"),
                Some("9.7.4-2"),
                Some("(Debian)"),
                Some("1"),
                Some("ROW"),
                Some("1"),
                Some("1"),
                Some("1"),
                Some("0"),
                Some("FULL"),
                Some("ON"),
                Some(uuid),
                Some(set),
                Some(""),
            ]],
        );
        let mut seen = blank();
        let dialect = Dialect::detect("9.7.4-2", "(Debian)");
        let found = apply(&answer, &dialect, &mut seen).unwrap();
        assert_eq!(
            found,
            Found {
                hostname: "vm".into(),
                report_host: String::new(),
                has_performance_schema: true,
                keeps_credentials_in_table: true,
            }
        );
        assert_eq!(seen.identity.server_id, 12);
        assert_eq!(seen.identity.server_uuid, uuid);
        assert_eq!((seen.read_only, seen.super_read_only), (true, Some(false)));
        assert_eq!(seen.gtid.executed, set.replace('\n', ""));
        assert!(seen.gtid.supports_oracle());
        assert!(seen.binlog.enabled && seen.binlog.logs_replica_updates);
        assert!(!seen.semi_sync.available, "plugins are asked for apart");
    }

    #[test]
    fn answers_that_no_server_gives_are_refused() {
        let dialect = Dialect::detect("9.7.4", "");
        let mut seen = blank();
        assert!(apply(&Answer::table(&["server_id"], &[]), &dialect, &mut seen).is_err());
        let odd = Answer::table(&["server_id"], &[&[Some("x")]]);
        assert!(apply(&odd, &dialect, &mut seen).is_err());
        let odd = Answer::table(&["File", "Position"], &[&[Some("b.1"), Some("-1")]]);
        assert!(binlog_position(&odd).is_err());
        assert_eq!(
            binlog_position(&Answer::table(&["File", "Position"], &[])).unwrap(),
            None
        );
    }
}

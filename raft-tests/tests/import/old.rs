//! The predecessor's tables, as its release 3.2.6 has them (those that count here with all their columns), and rows in them.

use std::path::Path;

use anyhow::{Context as _, Result};
use rusqlite::{Connection, OpenFlags};

/// In words that SQLite, MySQL and MariaDB have.
const SCHEMA: &str = "
CREATE TABLE database_instance (
    hostname varchar(128) NOT NULL, port smallint NOT NULL, last_checked timestamp NULL, last_seen timestamp NULL,
    server_id int NOT NULL, version varchar(128) NOT NULL, cluster_name varchar(128) NOT NULL, PRIMARY KEY (hostname, port));
CREATE TABLE database_instance_downtime (
    hostname varchar(128) NOT NULL, port smallint NOT NULL, downtime_active smallint NULL, begin_timestamp timestamp NULL,
    end_timestamp timestamp NULL, owner varchar(128) NOT NULL, reason text NOT NULL, PRIMARY KEY (hostname, port));
CREATE TABLE candidate_database_instance (
    hostname varchar(128) NOT NULL, port smallint NOT NULL, last_suggested timestamp NULL, priority smallint NOT NULL DEFAULT 1,
    promotion_rule varchar(16) NOT NULL DEFAULT 'neutral', PRIMARY KEY (hostname, port));
CREATE TABLE cluster_alias_override (
    cluster_name varchar(128) NOT NULL, alias varchar(128) NOT NULL, PRIMARY KEY (cluster_name));
CREATE TABLE global_recovery_disable (disable_recovery smallint NOT NULL, PRIMARY KEY (disable_recovery));
CREATE TABLE topology_failure_detection (
    detection_id bigint NOT NULL, hostname varchar(128) NOT NULL, port smallint NOT NULL, in_active_period smallint NOT NULL,
    start_active_period timestamp NULL, end_active_period_unixtime int NOT NULL, processing_node_hostname varchar(128) NOT NULL,
    processcing_node_token varchar(128) NOT NULL, analysis varchar(128) NOT NULL, cluster_name varchar(128) NOT NULL,
    cluster_alias varchar(128) NOT NULL, count_affected_slaves int NOT NULL, slave_hosts text NOT NULL,
    is_actionable smallint NOT NULL, PRIMARY KEY (detection_id));
CREATE TABLE topology_recovery (
    recovery_id bigint NOT NULL, hostname varchar(128) NOT NULL, port smallint NOT NULL, in_active_period smallint NOT NULL,
    start_active_period timestamp NULL, end_active_period_unixtime int NOT NULL, end_recovery timestamp NULL,
    processing_node_hostname varchar(128) NOT NULL, processcing_node_token varchar(128) NOT NULL, successor_hostname varchar(128),
    successor_port smallint, analysis varchar(128) NOT NULL, cluster_name varchar(128) NOT NULL, cluster_alias varchar(128) NOT NULL,
    count_affected_slaves int NOT NULL, slave_hosts text NOT NULL, is_successful smallint NOT NULL, acknowledged smallint NOT NULL,
    acknowledged_by varchar(128) NOT NULL, acknowledge_comment text NOT NULL, participating_instances text NOT NULL,
    lost_slaves text NOT NULL, all_errors text NOT NULL, acknowledged_at timestamp NULL, last_detection_id bigint NOT NULL,
    successor_alias varchar(128), uid varchar(128) NOT NULL, PRIMARY KEY (recovery_id));
CREATE TABLE topology_recovery_steps (
    recovery_step_id bigint NOT NULL, recovery_uid varchar(128) NOT NULL, audit_at timestamp NULL, message text NOT NULL,
    PRIMARY KEY (recovery_step_id));
CREATE TABLE node_health (
    hostname varchar(128) NOT NULL, token varchar(128) NOT NULL, last_seen_active timestamp NULL, PRIMARY KEY (hostname, token));
CREATE TABLE database_instance_tags (
    hostname varchar(128) NOT NULL, port smallint NOT NULL, tag_name varchar(128) NOT NULL, tag_value varchar(128) NOT NULL,
    PRIMARY KEY (hostname, port, tag_name));
";

/// `{-60}` is the moment a minute ago. The servers are called `.invalid`, so that no node finds them.
const ROWS: &str = "
INSERT INTO database_instance VALUES ('a.invalid', 3306, {-5}, {-5}, 1, '8.0.36', 'a.invalid:3306');
INSERT INTO database_instance VALUES ('gone.invalid', 3306, {-900000}, {-900000}, 2, '8.0.36', 'gone.invalid:3306');
INSERT INTO database_instance_downtime VALUES ('a.invalid', 3306, 1, {-60}, {7200}, 'ann', 'disk: \u{fc}ber 90 %');
INSERT INTO database_instance_downtime VALUES ('b.invalid', 3306, 1, {-60}, {31536000}, 'orchestrator', 'lost-in-recovery');
INSERT INTO database_instance_downtime VALUES ('over.invalid', 3306, 1, {-120}, {-60}, 'ann', 'over');
INSERT INTO database_instance_downtime VALUES ('no such host', 3306, 1, {-60}, {7200}, 'ann', 'disk');
INSERT INTO database_instance_downtime VALUES ('noend.invalid', 3306, 1, {-60}, NULL, 'ann', 'disk');
INSERT INTO candidate_database_instance VALUES ('a.invalid', 3306, {-60}, 1, 'must_not');
INSERT INTO candidate_database_instance VALUES ('b.invalid', 3306, {-7200}, 1, 'prefer');
INSERT INTO candidate_database_instance VALUES ('c.invalid', 3306, {-60}, 1, 'perhaps');
INSERT INTO cluster_alias_override VALUES ('a.invalid:3306', 'shop');
INSERT INTO global_recovery_disable VALUES (1);
INSERT INTO topology_failure_detection VALUES (4, 'b.invalid', 3306, 1, {-900}, 0, 'orc1', 't', 'DeadMaster', 'b.invalid:3306', 'shop', 1,
    'a.invalid:3306', 1);
INSERT INTO topology_recovery VALUES (7, 'b.invalid', 3306, 1, {-900}, 0, {-890}, 'orc1', 't', 'a.invalid', 3306, 'DeadMaster', 'b.invalid:3306',
    'shop', 1, 'a.invalid:3306', 1, 1, 'ann', 'seen', 'a.invalid:3306', '', '', {-600}, 4, '', '1700000000000000000:abc');
INSERT INTO topology_recovery VALUES (8, 'x.invalid', 3306, 0, {-800}, 1, NULL, 'orc1', 't', NULL, NULL, 'DeadIntermediateMaster',
    'x.invalid:3306', '', 0, '', 0, 0, '', '', '', '', '', NULL, 0, NULL, '1700000000000000001:abc');
INSERT INTO topology_recovery_steps VALUES (1, '1700000000000000000:abc', {-899}, 'will handle DeadMaster event on b.invalid:3306');
INSERT INTO topology_recovery_steps VALUES (2, '1700000000000000000:abc', {-890}, 'promoted a.invalid:3306');
INSERT INTO node_health VALUES ('orc1.invalid', 't', {-3600});
INSERT INTO database_instance_tags VALUES ('a.invalid', 3306, 'role', 'shop');
";

/// The tables that were made.
pub const TABLES: [&str; 10] = [
    "database_instance",
    "database_instance_downtime",
    "candidate_database_instance",
    "cluster_alias_override",
    "global_recovery_disable",
    "topology_failure_detection",
    "topology_recovery",
    "topology_recovery_steps",
    "node_health",
    "database_instance_tags",
];

/// Statements that make the tables and their rows, with moments as `moment` writes them, which is told seconds from now.
pub fn statements(moment: impl Fn(i64) -> String) -> Vec<String> {
    let mut text = String::new();
    let mut rest = ROWS;
    while let Some((before, after)) = rest.split_once('{') {
        let (seconds, after) = after.split_once('}').expect("a moment is closed");
        text.push_str(before);
        text.push_str(&moment(
            seconds.parse().expect("a moment is a number of seconds"),
        ));
        rest = after;
    }
    text.push_str(rest);
    let all = format!("{SCHEMA}{text}");
    let statements = all.split(";\n").map(str::trim).filter(|it| !it.is_empty());
    statements.map(str::to_owned).collect()
}

/// The moment as the predecessor writes it into SQLite.
pub fn in_sqlite(seconds: i64) -> String {
    format!("datetime('now','{seconds} seconds')")
}

/// Makes the tables in a file, which may be there.
pub fn in_file(path: &Path) -> Result<()> {
    let connection = Connection::open(path).context("cannot make the file")?;
    for statement in statements(in_sqlite) {
        connection
            .execute_batch(&statement)
            .with_context(|| statement.clone())?;
    }
    Ok(())
}

/// All that is in the predecessor's tables of a file, schema and rows.
pub fn dump(path: &Path) -> Result<String> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut text = String::new();
    for table in TABLES {
        let sql = format!("SELECT sql FROM sqlite_schema WHERE name = '{table}'");
        text.push_str(&connection.query_row(&sql, [], |row| row.get::<_, String>(0))?);
        let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1"))?;
        let width = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..width {
                text.push_str(&format!("{:?},", row.get_ref(column)?));
            }
        }
    }
    Ok(text)
}

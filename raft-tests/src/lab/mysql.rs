//! MySQL 9: where it is, how its data directory is made, its replication statements.

use super::flavour::{Installation, Link, make_with, server_user, template_name, version_of};
use super::launch::Program;
use super::place::{environment, repository};
use super::settings::Settings;
use super::sql::Account;
use super::template::cached;
use anyhow::{Context as _, Result};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// What orchestrator needs on MySQL 8.0 and later: to watch, and to change servers.
const ORCHESTRATOR_GRANTS: &str = "PROCESS, REPLICATION CLIENT, REPLICATION SLAVE, \
     RELOAD, REPLICATION_SLAVE_ADMIN, SYSTEM_VARIABLES_ADMIN, CONNECTION_ADMIN, SYSTEM_USER";

/// Tables whose rows are read.
const ORCHESTRATOR_TABLES: [&str; 4] = [
    "mysql.slave_master_info",
    "performance_schema.replication_group_members",
    "performance_schema.replication_connection_status",
    "performance_schema.replication_connection_configuration",
];

pub(super) async fn installation() -> Result<Installation> {
    let program = program()?;
    let version = version_of(&program).await?;
    let name = template_name("mysql", &version);
    let template = cached(&name, async |folder| make(&program, folder).await).await?;
    Ok(Installation {
        program,
        version,
        template,
    })
}

/// `MYSQL97_HOME`, else where `raft-tests/run` puts the server it fetches. Never a `mysqld` of the path: on Debian that is
/// MariaDB.
fn program() -> Result<PathBuf> {
    let fetched = repository().join(".cache/mysql-9");
    let home = environment("MYSQL97_HOME").unwrap_or(fetched);
    let program = home.join("bin/mysqld");
    program.is_file().then_some(program).with_context(|| {
        format!(
            "these tests need a MySQL 9 server and {} has no bin/mysqld; `raft-tests/run` gets it",
            home.display()
        )
    })
}

async fn make(program: &Path, folder: &Path) -> Result<()> {
    let statements = folder.with_extension("accounts.sql");
    fs::write(&statements, accounts()).context("cannot write the accounts")?;
    let mut initialise = Program::new(program)
        .arg("--no-defaults")
        .arg("--initialize-insecure")
        .arg(format!("--datadir={}", folder.display()))
        .arg(format!("--init-file={}", statements.display()))
        .arg("--innodb-redo-log-capacity=8M")
        .arg("--performance-schema=0")
        .arg("--mysqlx=OFF")
        .arg("--secure-file-priv=");
    if let Some(user) = server_user() {
        initialise = initialise.arg(format!("--user={user}"));
    }
    make_with(initialise, "").await?;
    fs::remove_file(&statements).context("cannot remove the accounts file")?;
    // The file holds the server's UUID; each copy is given one of its own.
    fs::remove_file(folder.join("auto.cnf")).context("cannot remove auto.cnf")
}

/// Statements for `--init-file`, one per line.
fn accounts() -> String {
    let create = |Account { user, password }: Account| {
        format!("CREATE USER '{user}'@'%' IDENTIFIED BY '{password}';\n")
    };
    let grant = |account: Account, privileges: &str| {
        format!("GRANT {privileges} TO '{}'@'%';\n", account.user)
    };
    let mut text = [
        create(Account::LAB),
        create(Account::ORCHESTRATOR),
        create(Account::REPLICATION),
        grant(Account::LAB, "ALL PRIVILEGES ON *.*"),
        grant(Account::LAB, "GRANT OPTION ON *.*"),
        grant(
            Account::ORCHESTRATOR,
            &format!("{ORCHESTRATOR_GRANTS} ON *.*"),
        ),
        grant(Account::REPLICATION, "REPLICATION SLAVE ON *.*"),
    ]
    .concat();
    for table in ORCHESTRATOR_TABLES {
        text += &grant(Account::ORCHESTRATOR, &format!("SELECT ON {table}"));
    }
    text
}

pub(super) fn settings() -> Settings {
    Settings::of(&[
        ("innodb_redo_log_capacity", "8M"),
        ("gtid_mode", "ON"),
        ("enforce_gtid_consistency", "ON"),
        ("replica_net_timeout", "2"),
        ("mysqlx", "OFF"),
        ("secure_file_priv", ""),
    ])
}

pub(super) fn replicate_from(host: Ipv4Addr, port: u16, link: Link) -> Vec<String> {
    let Account { user, password } = Account::REPLICATION;
    let Link {
        connect_retry_seconds,
        heartbeat_seconds,
    } = link;
    vec![
        "STOP REPLICA".to_owned(),
        format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='{host}', SOURCE_PORT={port}, SOURCE_USER='{user}', \
             SOURCE_PASSWORD='{password}', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1, \
             SOURCE_CONNECT_RETRY={connect_retry_seconds}, SOURCE_HEARTBEAT_PERIOD={heartbeat_seconds}, \
             SOURCE_RETRY_COUNT=86400"
        ),
        "START REPLICA".to_owned(),
    ]
}

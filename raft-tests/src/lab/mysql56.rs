//! MySQL 5.6: where it is, how its data directory is made, its replication statements.
//!
//! The oldest server that GTID failover works with. It has no semi-sync plugin where it is fetched from.

use super::flavour::{Installation, Link, make_with, server_user, template_name, version_of};
use super::launch::Program;
use super::place::{environment, repository};
use super::settings::Settings;
use super::sql::Account;
use super::template::{cached, copy_tree};
use anyhow::{Context as _, Result};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// What orchestrator needs on MySQL before 8.0.
const ORCHESTRATOR_GRANTS: &str =
    "PROCESS, REPLICATION CLIENT, REPLICATION SLAVE, SUPER, RELOAD ON *.*";

pub(super) async fn installation() -> Result<Installation> {
    let home = home()?;
    let program = home.join("bin/mysqld");
    let version = version_of(&program).await?;
    let name = template_name("mysql", &version);
    let template = cached(&name, async |folder| make(&home, folder).await).await?;
    Ok(Installation {
        program,
        version,
        template,
    })
}

/// `MYSQL56_HOME`, else where `raft-tests/run` puts the server it fetches.
fn home() -> Result<PathBuf> {
    let fetched = repository().join(".cache/mysql-5.6");
    let home = environment("MYSQL56_HOME").unwrap_or(fetched);
    let is_there = home.join("bin/mysqld").is_file() && home.join("data").is_dir();
    is_there.then_some(home.clone()).with_context(|| {
        format!(
            "these tests need a MySQL 5.6 server and {} has not both bin/mysqld and data; `raft-tests/run` gets it",
            home.display()
        )
    })
}

async fn make(home: &Path, folder: &Path) -> Result<()> {
    copy_tree(&home.join("data"), folder)?;
    let mut bootstrap = Program::new(home.join("bin/mysqld"))
        .arg("--no-defaults")
        .arg(format!("--datadir={}", folder.display()))
        .arg("--innodb-log-file-size=8M")
        .arg("--performance-schema=0")
        .arg("--bootstrap");
    if let Some(user) = server_user() {
        bootstrap = bootstrap.arg(format!("--user={user}"));
    }
    make_with(bootstrap, &accounts()).await
}

/// Statements for `--bootstrap`, which reads one statement per line and starts without privileges loaded. The data directory
/// comes with anonymous accounts, which would go before ours.
fn accounts() -> String {
    let grant = |account: Account, privileges: &str| {
        let Account { user, password } = account;
        format!("GRANT {privileges} TO '{user}'@'%' IDENTIFIED BY '{password}';\n")
    };
    [
        "DELETE FROM mysql.user WHERE User = '';\n".to_owned(),
        "FLUSH PRIVILEGES;\n".to_owned(),
        grant(Account::LAB, "ALL PRIVILEGES ON *.*"),
        format!(
            "GRANT GRANT OPTION ON *.* TO '{}'@'%';\n",
            Account::LAB.user
        ),
        grant(Account::ORCHESTRATOR, ORCHESTRATOR_GRANTS),
        grant(Account::ORCHESTRATOR, "SELECT ON mysql.slave_master_info"),
        grant(Account::REPLICATION, "REPLICATION SLAVE ON *.*"),
    ]
    .concat()
}

pub(super) fn settings() -> Settings {
    Settings::of(&[
        ("innodb_log_file_size", "8M"),
        ("log_slave_updates", "1"),
        ("gtid_mode", "ON"),
        ("enforce_gtid_consistency", "ON"),
        ("slave_net_timeout", "2"),
        // Where it says so itself that a replica survives a crash.
        ("master_info_repository", "TABLE"),
        ("relay_log_info_repository", "TABLE"),
    ])
}

pub(super) fn replicate_from(host: Ipv4Addr, port: u16, link: Link) -> Vec<String> {
    let Account { user, password } = Account::REPLICATION;
    let Link {
        connect_retry_seconds,
        heartbeat_seconds,
    } = link;
    vec![
        "STOP SLAVE".to_owned(),
        format!(
            "CHANGE MASTER TO MASTER_HOST='{host}', MASTER_PORT={port}, MASTER_USER='{user}', \
             MASTER_PASSWORD='{password}', MASTER_AUTO_POSITION=1, \
             MASTER_CONNECT_RETRY={connect_retry_seconds}, MASTER_HEARTBEAT_PERIOD={heartbeat_seconds}"
        ),
        "START SLAVE".to_owned(),
    ]
}

//! MariaDB: where it is, how its data directory is made, its replication statements.

use super::flavour::{Installation, Link, make_with, server_user, template_name, version_of};
use super::launch::Program;
use super::place::on_path;
use super::settings::Settings;
use super::sql::Account;
use super::template::cached;
use anyhow::{Context as _, Result};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// What orchestrator needs on MariaDB 10.5.8 and later: to watch, and to change servers.
const ORCHESTRATOR_GRANTS: &str = "PROCESS, BINLOG MONITOR, SLAVE MONITOR, REPLICATION MASTER ADMIN, \
     RELOAD, REPLICATION SLAVE ADMIN, READ_ONLY ADMIN, CONNECTION ADMIN";

pub(super) async fn installation() -> Result<Installation> {
    let program = on_path("mariadbd")
        .context("these tests need a MariaDB server (mariadbd); `raft-tests/run` installs it")?;
    let version = version_of(&program).await?;
    let name = template_name("mariadb", &version);
    let template = cached(&name, async |folder| make(&program, folder).await).await?;
    Ok(Installation {
        program,
        version,
        template,
    })
}

async fn make(program: &Path, folder: &Path) -> Result<()> {
    let install: PathBuf = on_path("mariadb-install-db")
        .context("mariadb-install-db is missing beside mariadbd; `raft-tests/run` installs it")?;
    let install = with_common(Program::new(install), folder)
        // A machine that cannot look up its own name is none the worse for it here.
        .arg("--force")
        .arg("--auth-root-authentication-method=normal")
        .arg("--skip-test-db");
    make_with(install, "").await?;
    let bootstrap = with_common(Program::new(program), folder).arg("--bootstrap");
    make_with(bootstrap, &accounts()).await
}

fn with_common(program: Program, folder: &Path) -> Program {
    let datadir = format!("--datadir={}", folder.display());
    let mut program = program
        .arg("--no-defaults")
        .arg(datadir)
        // 8 MiB: a data directory of 26 MiB instead of 114, and as fast for tests.
        .arg("--innodb-log-file-size=8M");
    if let Some(user) = server_user() {
        program = program.arg(format!("--user={user}"));
    }
    program
}

/// Statements for `--bootstrap`, which reads one statement per line and starts without privileges loaded.
fn accounts() -> String {
    let grant = |account: Account, privileges: &str| {
        let Account { user, password } = account;
        format!(
            "CREATE USER '{user}'@'%' IDENTIFIED BY '{password}';\nGRANT {privileges} TO '{user}'@'%';\n"
        )
    };
    [
        "FLUSH PRIVILEGES;\n".to_owned(),
        grant(Account::LAB, "ALL PRIVILEGES ON *.*"),
        format!(
            "GRANT GRANT OPTION ON *.* TO '{}'@'%';\n",
            Account::LAB.user
        ),
        grant(
            Account::ORCHESTRATOR,
            &format!("{ORCHESTRATOR_GRANTS} ON *.*"),
        ),
        grant(Account::REPLICATION, "REPLICATION SLAVE ON *.*"),
    ]
    .concat()
}

pub(super) fn settings() -> Settings {
    Settings::of(&[
        ("innodb_log_file_size", "8M"),
        ("log_slave_updates", "1"),
        ("slave_net_timeout", "2"),
        ("gtid_strict_mode", "1"),
        ("gtid_domain_id", "0"),
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
             MASTER_PASSWORD='{password}', MASTER_USE_GTID=slave_pos, \
             MASTER_CONNECT_RETRY={connect_retry_seconds}, MASTER_HEARTBEAT_PERIOD={heartbeat_seconds}"
        ),
        "START SLAVE".to_owned(),
    ]
}

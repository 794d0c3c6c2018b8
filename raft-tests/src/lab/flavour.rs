//! What differs between MariaDB and MySQL in the lab.

use super::launch::Program;
use super::settings::Settings;
use super::{mariadb, mysql, mysql56};
use anyhow::{Context as _, Result, ensure};
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Making a data directory takes seconds; ten times that means a machine that cannot run the tests.
pub(super) const MAKING_DEADLINE: Duration = Duration::from_secs(60);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// MariaDB, whichever the machine has (10.11 on Debian 12).
    MariaDb,
    /// MySQL 9.
    MySql,
    /// MySQL 5.6.
    MySql56,
}

/// A server program that is there, with a data directory to copy.
#[derive(Clone, Debug)]
pub struct Installation {
    /// The program to start.
    pub program: PathBuf,
    /// Its version as it prints it, such as `10.11.19-MariaDB-0+deb12u1`.
    pub version: String,
    /// A data directory with the lab's accounts.
    pub template: PathBuf,
}

/// How a replica holds on to its source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Seconds between two attempts to connect.
    pub connect_retry_seconds: u32,
    /// Seconds after which an idle source sends a heartbeat; real servers have half of the net timeout.
    pub heartbeat_seconds: f32,
}

impl Default for Link {
    /// Quick: one second each, for a net timeout of two.
    fn default() -> Self {
        Self {
            connect_retry_seconds: 1,
            heartbeat_seconds: 1.0,
        }
    }
}

impl Flavour {
    /// The installed server, its template made at the first use.
    ///
    /// # Errors
    /// When there is no such server; the sentence says how to get it.
    pub async fn installation(self) -> Result<Installation> {
        match self {
            Self::MariaDb => mariadb::installation().await,
            Self::MySql => mysql::installation().await,
            Self::MySql56 => mysql56::installation().await,
        }
    }

    /// Options without which this flavour is slow, or no source and replica.
    pub(super) fn settings(self) -> Settings {
        match self {
            Self::MariaDb => mariadb::settings(),
            Self::MySql => mysql::settings(),
            Self::MySql56 => mysql56::settings(),
        }
    }

    /// Options of semi-synchronous replication for a server that waits for its replicas, acknowledges, or both. None on MySQL 5.6,
    /// which comes without the plugins.
    pub(super) fn semi_sync(self, waits: bool, acknowledges: bool) -> Settings {
        let [source, replica] = match self {
            Self::MySql56 => return Settings::new(),
            Self::MariaDb => [
                "rpl_semi_sync_master_enabled",
                "rpl_semi_sync_slave_enabled",
            ],
            Self::MySql => [
                "rpl_semi_sync_source_enabled",
                "rpl_semi_sync_replica_enabled",
            ],
        };
        let mut settings = Settings::new()
            .with(source, u8::from(waits))
            .with(replica, u8::from(acknowledges));
        // MariaDB has it built in since 10.3.
        if self == Self::MySql {
            settings.set("plugin_load_add", "semisync_source.so;semisync_replica.so");
        }
        settings
    }

    /// Whether its servers are told apart by the UUID in `auto.cnf`.
    pub(super) fn has_server_uuid(self) -> bool {
        self != Self::MariaDb
    }

    /// Statements that make a server replicate from `host:port` with GTID, whatever it did before.
    #[must_use]
    pub fn replicate_from(self, host: Ipv4Addr, port: u16, link: Link) -> Vec<String> {
        match self {
            Self::MariaDb => mariadb::replicate_from(host, port, link),
            Self::MySql => mysql::replicate_from(host, port, link),
            Self::MySql56 => mysql56::replicate_from(host, port, link),
        }
    }

    /// The statement by which a server takes up another certificate, not logged; those of old connections stay.
    #[must_use]
    pub fn reload_tls(self) -> &'static str {
        match self {
            Self::MariaDb => "FLUSH NO_WRITE_TO_BINLOG SSL",
            // MySQL 5.6 has none, and says so.
            Self::MySql | Self::MySql56 => "ALTER INSTANCE RELOAD TLS",
        }
    }

    /// Statements that make a replica, whose source has a certificate by this authority, connect to it over TLS.
    #[must_use]
    pub fn replicate_over_tls(self, authority: &Path) -> [String; 3] {
        let ca = authority.display();
        match self {
            Self::MySql => [
                "STOP REPLICA".to_owned(),
                format!("CHANGE REPLICATION SOURCE TO SOURCE_SSL = 1, SOURCE_SSL_CA = '{ca}'"),
                "START REPLICA".to_owned(),
            ],
            Self::MariaDb | Self::MySql56 => [
                "STOP SLAVE".to_owned(),
                format!("CHANGE MASTER TO MASTER_SSL = 1, MASTER_SSL_CA = '{ca}'"),
                "START SLAVE".to_owned(),
            ],
        }
    }

    /// The statement that shows a replica's state.
    #[must_use]
    pub fn replica_status(self) -> &'static str {
        match self {
            Self::MariaDb | Self::MySql56 => "SHOW SLAVE STATUS",
            Self::MySql => "SHOW REPLICA STATUS",
        }
    }

    /// The columns of that state which say whether the receiver and the applier run.
    #[must_use]
    pub fn running_columns(self) -> [&'static str; 2] {
        match self {
            Self::MariaDb | Self::MySql56 => ["Slave_IO_Running", "Slave_SQL_Running"],
            Self::MySql => ["Replica_IO_Running", "Replica_SQL_Running"],
        }
    }

    /// A query of one value: everything that a server has executed, as a GTID set or position.
    #[must_use]
    pub fn position(self) -> &'static str {
        match self {
            Self::MariaDb => "SELECT @@global.gtid_current_pos AS position",
            Self::MySql | Self::MySql56 => "SELECT @@global.gtid_executed AS position",
        }
    }

    /// A query of one value, `0` when a replica has applied that position. It does not wait.
    #[must_use]
    pub fn has_applied(self, position: &str) -> String {
        match self {
            Self::MariaDb => format!("SELECT MASTER_GTID_WAIT('{position}', 0) AS missing"),
            Self::MySql | Self::MySql56 => {
                format!("SELECT 1 - GTID_SUBSET('{position}', @@global.gtid_executed) AS missing")
            }
        }
    }
}

/// The version in what `PROGRAM --version` prints: `mariadbd  Ver 10.11.19-MariaDB for …`.
pub(super) async fn version_of(program: &Path) -> Result<String> {
    let printed = Program::new(program)
        .arg("--no-defaults")
        .arg("--version")
        .run("", MAKING_DEADLINE)
        .await?;
    let mut words = printed.stdout.split_whitespace();
    let version = words.find(|word| *word == "Ver").and_then(|_| words.next());
    version.map(ToOwned::to_owned).with_context(|| {
        format!(
            "{} --version does not print a version: {}{}",
            program.display(),
            printed.stdout,
            printed.stderr
        )
    })
}

/// Runs a program that makes part of a data directory.
pub(super) async fn make_with(program: Program, input: &str) -> Result<()> {
    let finished = program.run(input, MAKING_DEADLINE).await?;
    ensure!(
        finished.status.success(),
        "making a data directory failed ({}): {}{}",
        finished.status,
        finished.stdout,
        finished.stderr
    );
    Ok(())
}

/// A folder's name for a template of this version.
pub(super) fn template_name(flavour: &str, version: &str) -> String {
    // Raised when the content of templates changes, so that a cache of an older build is not used.
    const CONTENT: u32 = 4;
    let safe = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let version: String = version.chars().filter(|c| safe(*c)).collect();
    format!("{flavour}-{version}-{CONTENT}")
}

/// The name to pass as `--user`: servers refuse to run as root unless told to.
pub(super) fn server_user() -> Option<&'static str> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    is_root.then_some("root")
}

//! How a replica connects to its source: account, TLS, public key, heartbeat, retries.
//!
//! A server that has a profile keeps it when only its source changes, except for the heartbeat, which goes back to half of the
//! net timeout (30 s, 1,800 s on MySQL 5.6; seen on MariaDB 10.11, MySQL 5.6 and 9.7), so that is always said again. A
//! server without one gets another replica's. What can be read where:
//!
//! | | user, TLS, retries | heartbeat | password |
//! |---|---|---|---|
//! | MariaDB | replica status | replica status | in `master.info` only, which no statement reads |
//! | MySQL 5.6, repository `FILE` (default) | replica status | `SHOW STATUS` | in `master.info` only |
//! | MySQL, repository `TABLE` (all from 8.3 on) | replica status | `mysql.slave_master_info` | `mysql.slave_master_info` |
//!
//! `LOAD_FILE` does not help with `master.info`: it takes files that everybody may read, and that one is not. So on MariaDB the
//! password comes from `ReplicationCredentialsQuery` or not at all.

use orchestrator_core::domain::{InstanceKey, Secret};
use orchestrator_core::ports::ChangeError;

use super::literal::quoted;
use super::servers::from_driver;
use crate::mysql::dialect::Dialect;
use crate::mysql::probe::{MAX_CHANNELS, link_rows};
use crate::mysql::{Conn, DriverError, Row};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Flag,
}

/// An option of the statement that names a source: its column in the status, without `Source_` or `Master_`, its name without
/// `SOURCE_`, and the first MySQL version that has it.
struct Known {
    column: &'static str,
    option: &'static str,
    kind: Kind,
    since: (u32, u32, u32),
    /// Whether MariaDB has it too.
    in_mariadb: bool,
}

const fn known(
    column: &'static str,
    option: &'static str,
    kind: Kind,
    since: (u32, u32, u32),
    in_mariadb: bool,
) -> Known {
    Known {
        column,
        option,
        kind,
        since,
        in_mariadb,
    }
}

/// Not among them: what belongs to one server and not to how it connects (delay, filters, the address it binds to).
const STATUS: [Known; 13] = [
    known(
        "Connect_Retry",
        "CONNECT_RETRY",
        Kind::Number,
        (5, 0, 0),
        true,
    ),
    known("Retry_Count", "RETRY_COUNT", Kind::Number, (5, 6, 1), false),
    known("SSL_Allowed", "SSL", Kind::Flag, (5, 0, 0), true),
    known("SSL_CA_File", "SSL_CA", Kind::Text, (5, 0, 0), true),
    known("SSL_CA_Path", "SSL_CAPATH", Kind::Text, (5, 0, 0), true),
    known("SSL_Cert", "SSL_CERT", Kind::Text, (5, 0, 0), true),
    known("SSL_Cipher", "SSL_CIPHER", Kind::Text, (5, 0, 0), true),
    known("SSL_Key", "SSL_KEY", Kind::Text, (5, 0, 0), true),
    known(
        "SSL_Verify_Server_Cert",
        "SSL_VERIFY_SERVER_CERT",
        Kind::Flag,
        (5, 1, 18),
        true,
    ),
    known("SSL_Crl", "SSL_CRL", Kind::Text, (5, 6, 3), true),
    known("SSL_Crlpath", "SSL_CRLPATH", Kind::Text, (5, 6, 3), true),
    known("TLS_Version", "TLS_VERSION", Kind::Text, (5, 7, 10), false),
    known(
        "public_key_path",
        "PUBLIC_KEY_PATH",
        Kind::Text,
        (8, 0, 4),
        false,
    ),
];

/// Columns of `mysql.slave_master_info` that the status does not have.
const STORED: [Known; 3] = [
    known(
        "Tls_ciphersuites",
        "TLS_CIPHERSUITES",
        Kind::Text,
        (8, 0, 19),
        false,
    ),
    known(
        "Master_compression_algorithm",
        "COMPRESSION_ALGORITHMS",
        Kind::Text,
        (8, 0, 18),
        false,
    ),
    known(
        "Master_zstd_compression_level",
        "ZSTD_COMPRESSION_LEVEL",
        Kind::Number,
        (8, 0, 18),
        false,
    ),
];

/// Whose column and option have the source's name in the middle.
const GET_PUBLIC_KEY: (u32, u32, u32) = (8, 0, 4);

/// How a replica connects.
#[derive(Clone, Debug, Default)]
pub(super) struct Profile {
    pub(super) user: String,
    password: Option<Secret>,
    /// Seconds, as the server prints them.
    pub(super) heartbeat: Option<String>,
    gets_public_key: Option<bool>,
    /// Options with their values: the index is that of [`STATUS`].
    status: [Option<String>; STATUS.len()],
    stored: [Option<String>; STORED.len()],
}

impl Profile {
    /// What the status of a replica tells.
    pub(super) fn of_status(row: &Row<'_>) -> Self {
        let either = |column: &str| {
            row.text(&format!("Source_{column}"))
                .or_else(|| row.text(&format!("Master_{column}")))
                .or_else(|| row.text(column))
        };
        let gets_key = row
            .text("Get_Source_public_key")
            .or_else(|| row.text("Get_master_public_key"));
        Self {
            user: either("User").unwrap_or_default(),
            password: None,
            heartbeat: row.text("Slave_heartbeat_period").and_then(seconds),
            gets_public_key: gets_key.map(|text| is_on(&text)),
            status: std::array::from_fn(|at| either(STATUS[at].column)),
            stored: Default::default(),
        }
    }

    /// Whether two readings of one server's status tell the same profile.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.user == other.user
            && self.gets_public_key == other.gets_public_key
            && self.status == other.status
    }

    /// Whether everything is there that a server without a profile needs.
    pub(super) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Adds what only the table of replication credentials has.
    pub(super) fn add_stored(&mut self, row: &Row<'_>) {
        self.heartbeat = row
            .text("Heartbeat")
            .and_then(seconds)
            .or_else(|| self.heartbeat.take());
        let password = row.text("User_password").filter(|text| !text.is_empty());
        self.password = password.map(Secret::new);
        self.stored = std::array::from_fn(|at| row.text(STORED[at].column));
    }

    /// Takes what `ReplicationCredentialsQuery` brought: user, password, CA, certificate, key; what is empty changes nothing.
    fn add_queried(&mut self, row: &Row<'_>) {
        let at = |index| row.at(index).filter(|text: &String| !text.is_empty());
        if let Some(user) = at(0) {
            self.user = user;
            self.password = at(1).map(Secret::new);
        }
        for (index, option) in [(2, "SSL_CA"), (3, "SSL_CERT"), (4, "SSL_KEY")] {
            if let Some(path) = at(index) {
                self.set(option, path);
                self.set("SSL", "Yes".to_owned());
            }
        }
    }

    fn set(&mut self, option: &str, value: String) {
        let at = STATUS.iter().position(|known| known.option == option);
        self.status[at.expect("the option is one of the table")] = Some(value);
    }

    /// The heartbeat as an option for a server of this dialect; nothing where it is not known.
    pub(super) fn heartbeat_option(&self, dialect: &Dialect) -> Option<String> {
        let heartbeat = self.heartbeat.as_ref()?;
        Some(format!(
            "{}_HEARTBEAT_PERIOD = {heartbeat}",
            dialect.source()
        ))
    }

    /// All of it as options for a server of this dialect. Those that its version does not have are left out.
    pub(super) fn options(&self, dialect: &Dialect) -> Result<Vec<String>, DriverError> {
        let prefix = dialect.source();
        let mut options = vec![format!("{prefix}_USER = {}", quoted(&self.user)?)];
        if let Some(password) = &self.password {
            let password = quoted(password.expose())?;
            options.push(format!("{prefix}_PASSWORD = {password}"));
        }
        options.extend(self.heartbeat_option(dialect));
        let status = STATUS.iter().zip(&self.status);
        for (known, value) in status.chain(STORED.iter().zip(&self.stored)) {
            let has_it = dialect.has_source_option(known.since, known.in_mariadb);
            if let Some(value) = value.as_ref().filter(|_| has_it) {
                let value = written(known.kind, value)?;
                options.extend(value.map(|value| format!("{prefix}_{} = {value}", known.option)));
            }
        }
        let has_key = dialect.has_source_option(GET_PUBLIC_KEY, false);
        if let Some(gets) = self.gets_public_key.filter(|_| has_key) {
            options.push(format!("GET_{prefix}_PUBLIC_KEY = {}", u8::from(gets)));
        }
        Ok(options)
    }
}

/// A value as it stands in a statement; `None` for an empty text, which says nothing.
fn written(kind: Kind, value: &str) -> Result<Option<String>, DriverError> {
    match kind {
        Kind::Flag => Ok(Some(u8::from(is_on(value)).to_string())),
        _ if value.is_empty() => Ok(None),
        Kind::Text => quoted(value).map(Some),
        Kind::Number => match value.parse::<u64>() {
            Ok(number) => Ok(Some(number.to_string())),
            Err(_) => Err(DriverError::Protocol("a number that is none")),
        },
    }
}

/// `Ignored` is MariaDB's word for TLS that is asked for and that the server was built without.
fn is_on(text: &str) -> bool {
    !matches!(text, "" | "No" | "0")
}

/// Seconds with a fraction, checked to be some.
fn seconds(text: String) -> Option<String> {
    let number: f64 = text.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then(|| format!("{number:.3}"))
}

/// Adds to a replica's own profile the heartbeat, where the status does not have it, and what else is stored.
///
/// # Errors
/// [`DriverError`] when the connection breaks. What may not be read stays unknown.
pub(super) async fn complete(
    conn: &mut Conn,
    dialect: &Dialect,
    channel: &str,
    profile: &mut Profile,
) -> Result<(), DriverError> {
    const STORED: &str = "SELECT * FROM mysql.slave_master_info";
    const STATUS: &str = "SHOW GLOBAL STATUS LIKE 'Slave_heartbeat_period'";
    if dialect.is_mariadb() {
        return Ok(());
    }
    if let Some(answer) = may(conn, STORED).await? {
        let is_it = |row: &Row<'_>| row.text("Channel_name").unwrap_or_default() == channel;
        if let Some(row) = answer.rows().find(is_it) {
            profile.add_stored(&row);
        }
    }
    if profile.heartbeat.is_none() {
        let answer = may(conn, STATUS).await?;
        let text = answer.and_then(|answer| answer.first().and_then(|row| row.at(1)));
        profile.heartbeat = text.and_then(seconds);
    }
    if profile.heartbeat.is_none() && dialect.has_channels() {
        let statement = format!(
            "SELECT HEARTBEAT_INTERVAL FROM performance_schema.replication_connection_configuration \
             WHERE CHANNEL_NAME = {}",
            quoted(channel)?
        );
        let answer = may(conn, &statement).await?;
        let text = answer.and_then(|answer| answer.first().and_then(|row| row.at(0)));
        profile.heartbeat = text.and_then(seconds);
    }
    Ok(())
}

/// The answer, or nothing where the server refuses.
async fn may(
    conn: &mut Conn,
    statement: &str,
) -> Result<Option<crate::mysql::Answer>, DriverError> {
    match conn.query(statement, MAX_CHANNELS).await {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.leaves_connection_usable() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The whole profile of another replica, with its password.
///
/// # Errors
/// [`ChangeError`] of that server; [`ChangeError::Unsupported`] when it has no source either, or its password cannot be read.
pub(super) async fn of_replica(
    conn: &mut Conn,
    replica: &InstanceKey,
    credentials_query: &str,
) -> Result<Profile, ChangeError> {
    let failed = |error: DriverError| from_driver(replica, &error);
    let unsupported = |reason: &str| ChangeError::Unsupported {
        server: replica.clone(),
        reason: reason.to_owned(),
    };
    let dialect = dialect_of(conn).await.map_err(failed)?;
    let statement = dialect.show_replica_status();
    let answer = conn.query(statement, MAX_CHANNELS).await.map_err(failed)?;
    let rows = link_rows(&answer);
    let [row] = rows.as_slice() else {
        return Err(unsupported(
            "it has not exactly one source, whose connection profile could be taken",
        ));
    };
    let channel = row.text("Channel_Name").unwrap_or_default();
    let mut profile = Profile::of_status(row);
    complete(conn, &dialect, &channel, &mut profile)
        .await
        .map_err(failed)?;
    if !credentials_query.is_empty() {
        let answer = conn.query(credentials_query, 1).await.map_err(failed)?;
        if let Some(row) = answer.first() {
            profile.add_queried(&row);
        }
    }
    if !profile.has_password() {
        return Err(unsupported(
            "the password with which it replicates cannot be read; set ReplicationCredentialsQuery, or, on MySQL with \
             master_info_repository=TABLE, give SELECT on mysql.slave_master_info",
        ));
    }
    Ok(profile)
}

async fn dialect_of(conn: &mut Conn) -> Result<Dialect, DriverError> {
    const STATEMENT: &str =
        "SELECT @@global.version AS version, @@global.version_comment AS version_comment";
    let answer = conn.query(STATEMENT, 1).await?;
    let row = answer.first().ok_or(DriverError::Protocol("no version"))?;
    let text = |name| row.text(name).unwrap_or_default();
    Ok(Dialect::detect(&text("version"), &text("version_comment")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::Answer;

    fn profile(columns: &[&str], row: &[Option<&str>]) -> Profile {
        let answer = Answer::table(columns, &[row]);
        Profile::of_status(&answer.first().unwrap())
    }

    #[test]
    fn a_profile_is_written_in_the_words_of_the_server_that_gets_it() {
        let mut seen = profile(
            &[
                "Source_User",
                "Connect_Retry",
                "Source_Retry_Count",
                "Source_SSL_Allowed",
                "Source_SSL_CA_File",
                "Source_SSL_Key",
                "Source_SSL_Verify_Server_Cert",
                "Get_Source_public_key",
                "Source_public_key_path",
            ],
            &[
                Some("repl"),
                Some("3"),
                Some("77"),
                Some("Yes"),
                Some("/etc/it's.pem"),
                Some(""),
                Some("No"),
                Some("1"),
                Some(""),
            ],
        );
        let stored = Answer::table(
            &["User_password", "Heartbeat", "Tls_ciphersuites"],
            &[&[Some("secret"), Some("7.5"), None]],
        );
        seen.add_stored(&stored.first().unwrap());
        let of = |version| {
            seen.options(&Dialect::detect(version, ""))
                .unwrap()
                .join(", ")
        };
        assert_eq!(
            of("9.7.4"),
            "SOURCE_USER = 'repl', SOURCE_PASSWORD = 'secret', SOURCE_HEARTBEAT_PERIOD = 7.500, SOURCE_CONNECT_RETRY = 3, \
             SOURCE_RETRY_COUNT = 77, SOURCE_SSL = 1, SOURCE_SSL_CA = '/etc/it\\'s.pem', SOURCE_SSL_VERIFY_SERVER_CERT = 0, \
             GET_SOURCE_PUBLIC_KEY = 1"
        );
        let old = of("5.6.24");
        assert!(old.contains("MASTER_RETRY_COUNT = 77") && !old.contains("PUBLIC_KEY"));
        let mariadb = of("10.11.19-MariaDB");
        assert!(mariadb.contains("MASTER_SSL_CA = ") && !mariadb.contains("RETRY_COUNT"));
        assert!(!format!("{seen:?}").contains("secret"));
    }

    #[test]
    fn the_configured_query_wins_and_its_files_switch_tls_on() {
        let mut seen = profile(
            &["Master_User", "Master_SSL_Allowed"],
            &[Some("old"), Some("No")],
        );
        assert!(!seen.has_password());
        let answer = Answer::table(
            &["u", "p", "ca", "cert", "key"],
            &[&[Some("repl"), Some("pw"), Some("/ca.pem"), Some(""), None]],
        );
        seen.add_queried(&answer.first().unwrap());
        let options = seen
            .options(&Dialect::detect("10.11.19-MariaDB", ""))
            .unwrap();
        assert!(seen.has_password());
        assert_eq!(
            options.join(", "),
            "MASTER_USER = 'repl', MASTER_PASSWORD = 'pw', MASTER_SSL = 1, MASTER_SSL_CA = '/ca.pem'"
        );
    }

    #[test]
    fn what_is_no_number_does_not_become_part_of_a_statement() {
        let seen = profile(
            &["Master_User", "Connect_Retry"],
            &[Some("u"), Some("1, X = 2")],
        );
        assert!(seen.options(&Dialect::detect("9.7.4", "")).is_err());
        assert_eq!(seconds("inf".into()), None);
        assert_eq!(seconds("-1".into()), None);
        assert_eq!(seconds("30".into()).as_deref(), Some("30.000"));
    }
}

//! Statements to a server: one short connection each, bounded in time.

use anyhow::{Context as _, Result};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder, Row, Value};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

/// No statement of a test needs longer; a frozen server must not hang the test.
const STATEMENT_DEADLINE: Duration = Duration::from_secs(5);

/// A user of every lab server and its password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// User name; every account may come from any host.
    pub user: &'static str,
    /// Password.
    pub password: &'static str,
}

impl Account {
    /// May do everything; tests act on servers with it.
    pub const LAB: Self = Self {
        user: "lab",
        password: "lab_pw",
    };
    /// What orchestrator logs in with; it has the grants that the documentation asks for, and no more.
    pub const ORCHESTRATOR: Self = Self {
        user: "orchestrator",
        password: "orchestrator_pw",
    };
    /// What the writers log in with, once [`Writers::prepare`](super::Writers::prepare) made it: no right to write to a
    /// read-only server.
    pub const APPLICATION: Self = Self {
        user: "app",
        password: "app_pw",
    };
    /// What replicas log in with.
    pub const REPLICATION: Self = Self {
        user: "repl",
        password: "repl_pw",
    };
}

/// One row of a result as text, by column name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record(BTreeMap<String, Option<String>>);

impl Record {
    /// The column's text; `None` for NULL and for a column that is not there.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&str> {
        self.0.get(column)?.as_deref()
    }

    /// The column's text; empty for NULL and for a column that is not there.
    #[must_use]
    pub fn text(&self, column: &str) -> &str {
        self.get(column).unwrap_or_default()
    }

    /// Whether the result has this column.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        self.0.contains_key(column)
    }
}

impl From<Row> for Record {
    fn from(row: Row) -> Self {
        let columns = row.columns();
        let names = columns.iter().map(|column| column.name_str().into_owned());
        Self(names.zip(row.unwrap().into_iter().map(text_of)).collect())
    }
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true).trim_matches('\'').to_owned()),
    }
}

/// Where a server listens.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub host: Ipv4Addr,
    pub port: u16,
    pub socket: PathBuf,
}

impl Endpoint {
    /// Opens a connection: through the server's unix socket, so that also a server that is out of TCP connections or
    /// accepts passwords over safe links only can be acted on.
    pub async fn by_socket(&self, account: Account) -> Result<Conn> {
        let socket = self.socket.to_str().context("the socket's path is text")?;
        self.open(
            self.options(account.user, account.password)
                .socket(Some(socket)),
        )
        .await
    }

    /// Opens a connection over TCP, as other programs do.
    pub async fn by_tcp(&self, user: &str, password: &str) -> Result<Conn> {
        self.open(self.options(user, password)).await
    }

    fn options(&self, user: &str, password: &str) -> OptsBuilder {
        OptsBuilder::default()
            .ip_or_hostname(self.host.to_string())
            .tcp_port(self.port)
            .prefer_socket(false)
            .user(Some(user))
            .pass(Some(password))
    }

    async fn open(&self, options: OptsBuilder) -> Result<Conn> {
        tokio::time::timeout(STATEMENT_DEADLINE, Conn::new(options))
            .await
            .with_context(|| format!("no greeting from {}:{} in time", self.host, self.port))?
            .with_context(|| format!("cannot connect to {}:{}", self.host, self.port))
    }
}

/// Runs one statement and gives its rows.
pub(super) async fn rows(conn: &mut Conn, statement: &str) -> Result<Vec<Record>> {
    let answer = tokio::time::timeout(STATEMENT_DEADLINE, conn.query::<Row, _>(statement)).await;
    let rows = answer
        .with_context(|| format!("no answer in {STATEMENT_DEADLINE:?} to: {statement}"))?
        .with_context(|| format!("refused: {statement}"))?;
    Ok(rows.into_iter().map(Record::from).collect())
}

//! Clients that write, and the ledger of what they were told is committed.

use super::server::Server;
use super::sql::{Account, Endpoint};
use super::wait::wait_until;
use anyhow::{Result, ensure};
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// As an application does: four clients, a row each 40 ms.
const WRITERS: u64 = 4;
const PAUSE: Duration = Duration::from_millis(40);
/// Of eager clients: none but what the server takes.
const NO_PAUSE: Duration = Duration::ZERO;
/// Between two attempts to connect: a client that knows no patience, and yet leaves some of two cores to the servers.
const RECONNECT_PAUSE: Duration = Duration::from_millis(3);
/// A server that stands still must not hold a client for ever.
const STATEMENT_DEADLINE: Duration = Duration::from_secs(2);
/// For writers to write some rows on a busy machine, also where a failover is due first.
const SOON: Duration = Duration::from_secs(30);
/// Numbers of one writer's rows.
const ROWS_OF_A_WRITER: u64 = 1_000_000_000;

/// A row whose commit was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// Its primary key in `lab.ledger`.
    pub id: u64,
    /// Name of the server that acknowledged it.
    pub server: String,
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    is_paused: AtomicBool,
    ledger: Mutex<Vec<LedgerRow>>,
}

/// Running clients. Each connects to one server after the other until one takes its rows, stays there until something
/// fails, and starts over at once. A row counts only when its OK came back.
#[derive(Debug)]
pub struct Writers {
    tasks: JoinSet<()>,
    shared: Arc<Shared>,
}

impl Writers {
    /// Makes the table and the clients' account on `primary`, without any right to write to a read-only server.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn prepare(primary: &Server) -> Result<()> {
        let Account { user, password } = Account::APPLICATION;
        let mut statements = vec![
            "CREATE DATABASE lab".to_owned(),
            "CREATE TABLE lab.ledger (id BIGINT PRIMARY KEY, writer INT) ENGINE=InnoDB".to_owned(),
        ];
        statements.push(format!(
            "CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'"
        ));
        statements.push(format!("GRANT ALL ON lab.* TO '{user}'@'%'"));
        for statement in statements {
            primary.run(&statement).await?;
        }
        Ok(())
    }

    /// Starts clients that write to whichever of `servers` takes it.
    #[must_use]
    pub fn start(servers: &[Server]) -> Self {
        Self::from(0, servers, PAUSE)
    }

    /// Starts clients that know one server only, and write there as fast as it takes it: what an old primary that is back
    /// has to be closed against.
    #[must_use]
    pub fn eager(server: &Server) -> Self {
        Self::from(WRITERS, std::slice::from_ref(server), NO_PAUSE)
    }

    /// The same for clients elsewhere, beside those of [`Writers::start`]: those that know other servers, as where a network is cut.
    #[must_use]
    pub fn elsewhere(servers: &[Server]) -> Self {
        Self::from(2 * WRITERS, servers, PAUSE)
    }

    fn from(first: u64, servers: &[Server], pause: Duration) -> Self {
        let targets: Vec<(String, Endpoint)> = servers
            .iter()
            .map(|server| (server.name().to_owned(), server.endpoint().clone()))
            .collect();
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        for writer in first..first + WRITERS {
            let writing = write_and_reconnect(targets.clone(), writer, pause, shared.clone());
            tasks.spawn(writing);
        }
        Self { tasks, shared }
    }

    /// All rows acknowledged so far.
    #[must_use]
    pub fn ledger(&self) -> Vec<LedgerRow> {
        self.locked().clone()
    }

    /// Lets them stand still, or go on. A row that is under way is still taken.
    pub fn pause(&self, is_paused: bool) {
        self.shared.is_paused.store(is_paused, Ordering::SeqCst);
    }

    /// Waits until `server` acknowledged `count` more rows.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn write_on(&self, server: &Server, count: usize) -> Result<()> {
        let of = || {
            let ledger = self.locked();
            ledger
                .iter()
                .filter(|row| row.server == server.name())
                .count()
        };
        let before = of();
        let what = format!("{count} rows acknowledged by {}", server.name());
        wait_until(&what, SOON, async || {
            let more = of() - before;
            ensure!(more >= count, "only {more}");
            Ok(())
        })
        .await
    }

    /// Acknowledged rows that `server` does not have.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn missing_on(&self, server: &Server) -> Result<BTreeSet<u64>> {
        // First what is promised, then what is there: rows that come meanwhile are no loss.
        let promised: BTreeSet<u64> = self.locked().iter().map(|row| row.id).collect();
        Ok(&promised - &Self::rows_on(server).await?)
    }

    /// All rows that `server` has, acknowledged or not.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn rows_on(server: &Server) -> Result<BTreeSet<u64>> {
        let rows = server.rows("SELECT id FROM lab.ledger").await?;
        rows.iter()
            .map(|row| Ok(row.text("id").parse::<u64>()?))
            .collect()
    }

    /// Ends them and gives the ledger.
    pub async fn stop(mut self) -> Vec<LedgerRow> {
        self.shared.is_over.store(true, Ordering::SeqCst);
        while self.tasks.join_next().await.is_some() {}
        self.ledger()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Vec<LedgerRow>> {
        self.shared
            .ledger
            .lock()
            .expect("no code panics while it holds the ledger")
    }
}

async fn write_and_reconnect(
    targets: Vec<(String, Endpoint)>,
    writer: u64,
    pause: Duration,
    shared: Arc<Shared>,
) {
    let is_over = || shared.is_over.load(Ordering::SeqCst);
    let mut id = writer * ROWS_OF_A_WRITER;
    for (name, endpoint) in targets.iter().cycle() {
        if is_over() {
            return;
        }
        let Account { user, password } = Account::APPLICATION;
        if let Ok(mut conn) = endpoint.by_tcp(user, password).await {
            while !is_over() {
                if !shared.is_paused.load(Ordering::SeqCst) {
                    // A number is used once: a row of unknown outcome is never written again.
                    id += 1;
                    if !insert(&mut conn, id, writer).await {
                        break;
                    }
                    let mut ledger = shared
                        .ledger
                        .lock()
                        .expect("no code panics while it holds the ledger");
                    ledger.push(LedgerRow {
                        id,
                        server: name.clone(),
                    });
                }
                tokio::time::sleep(pause).await;
            }
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

async fn insert(conn: &mut Conn, id: u64, writer: u64) -> bool {
    let statement = format!("INSERT INTO lab.ledger (id, writer) VALUES ({id}, {writer})");
    let answer = tokio::time::timeout(STATEMENT_DEADLINE, conn.query_drop(statement)).await;
    matches!(answer, Ok(Ok(())))
}

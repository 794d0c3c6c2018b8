//! A server with databases on it, and stores in them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use mysql_async::prelude::Queryable as _;
use orchestrator::store::{DecisionStore, Error, MysqlOptions, MysqlStore};
use orchestrator_core::domain::{InstanceKey, Secret};
use orchestrator_core::ports::Ids;
use raft_tests::contract::{History, START, StorePlace};
use raft_tests::lab::{Account, Flavour, Fleet, Plan, RealClock};

pub const ALL: [Flavour; 3] = [Flavour::MariaDb, Flavour::MySql, Flavour::MySql56];

/// One server of a flavour, which loses nothing that it acknowledged.
pub async fn server(flavour: Flavour) -> Result<Fleet> {
    Plan::of(flavour, "a")
        .with("innodb_flush_log_at_trx_commit", 1)
        .build()
        .await
}

/// Numbers that no two processes of a test share.
pub struct Drawn;

static NEXT: AtomicU64 = AtomicU64::new(1);

impl Ids for Drawn {
    fn unique(&self) -> u128 {
        u128::from(NEXT.fetch_add(1, Ordering::SeqCst)) << 64 | 0xabc
    }

    fn fraction(&self) -> f64 {
        0.0
    }
}

/// A store in `database` of the server `a`, opened by the account that may do everything.
pub fn options(fleet: &Fleet, database: &str) -> Result<MysqlOptions> {
    let key = InstanceKey::parse(&fleet["a"].host().to_string(), fleet["a"].port())?;
    let mut options = MysqlOptions::new(key, database, "node1:3000");
    options.user = Account::LAB.user.to_owned();
    options.password = Secret::new(Account::LAB.password);
    options.read_timeout = Duration::from_secs(5);
    Ok(options)
}

pub fn open(options: MysqlOptions) -> Result<MysqlStore, Error> {
    MysqlStore::open(options, RealClock::start(), &Drawn, START)
}

/// Runs what blocks beside the test's own tasks.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .context("a call of the store panicked")
}

/// A history for this store, with as many entries committed.
pub fn grown(store: &dyn DecisionStore, entries: usize) -> Result<History> {
    let mut history = History::new(store.identity()?.group, 7);
    store.commit(history.entries(entries))?;
    Ok(history)
}

/// Tries something on a server of each flavour, side by side.
pub async fn on_each(what: impl AsyncFn(&Fleet) -> Result<()>) -> Result<()> {
    let try_on = async |flavour| {
        let fleet = server(flavour).await?;
        let tried = what(&fleet).await;
        tried.with_context(|| format!("{flavour:?}"))
    };
    let [first, second, third] = ALL;
    tokio::try_join!(try_on(first), try_on(second), try_on(third))?;
    Ok(())
}

/// A store there, with a history of as many entries.
pub async fn begun(options: MysqlOptions, entries: usize) -> Result<(MysqlStore, History)> {
    blocking(move || {
        let store = open(options)?;
        let history = grown(&store, entries)?;
        Ok((store, history))
    })
    .await?
}

/// Ends the connection of whoever has the database `store`, and waits until it is gone. Nobody connects meanwhile: a MySQL 5.6 may give a new
/// connection the socket's number while the ended one's thread still looks at it, and lists that one for ever.
pub async fn end_connection(fleet: &Fleet) -> Result<()> {
    let connection = fleet["a"]
        .value("SELECT holder_connection AS c FROM store.store_meta", "c")
        .await?;
    let mut conn = fleet["a"].connect().await?;
    conn.query_drop(format!("KILL {connection}")).await?;
    for _ in 0..500 {
        let left: Option<u64> = conn
            .query_first(format!(
                "SELECT COUNT(*) FROM information_schema.processlist WHERE ID = {connection}"
            ))
            .await?;
        if left == Some(0) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("connection {connection} does not end")
}

/// A connection that has the row of the database `store` locked.
pub async fn locked(fleet: &Fleet) -> Result<mysql_async::Conn> {
    let mut conn = fleet["a"].connect().await?;
    conn.query_drop("START TRANSACTION").await?;
    conn.query_drop("SELECT * FROM store.store_meta FOR UPDATE")
        .await?;
    Ok(conn)
}

/// Waits until a transaction waits for that lock; the number of its connection.
pub async fn waiting(fleet: &Fleet) -> Result<u64> {
    let mut conn = fleet["a"].connect().await?;
    // InnoDB shows what it showed before to whoever looks more often than ten times a second.
    const LOOK: Duration = Duration::from_millis(150);
    for _ in 0..40 {
        let found: Option<u64> = conn
            .query_first(
                "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx WHERE trx_state='LOCK WAIT'",
            )
            .await?;
        if let Some(found) = found {
            return Ok(found);
        }
        tokio::time::sleep(LOOK).await;
    }
    bail!("nobody waits for the lock")
}

/// A database as a place for a store.
pub struct Database(pub MysqlOptions);

impl StorePlace for Database {
    fn open(&self, log_entries_kept: u64) -> Box<dyn DecisionStore> {
        let mut options = self.0.clone();
        options.log_entries_kept = log_entries_kept;
        Box::new(open(options).unwrap())
    }
}

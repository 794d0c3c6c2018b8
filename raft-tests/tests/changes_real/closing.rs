//! Closing an old primary while clients write to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder};
use orchestrator_core::ports::{Change, ChangeError, Servers as _};
use raft_tests::lab::{Flavour, Fleet, Plan, Server, Stopwatch, wait_until};
use tokio::task::JoinSet;

use crate::world::{DEADLINE, SOON, is_on, key, on_behalf, open, rows, servers, table};

/// From the moment the old primary takes our connection until nobody can commit there.
const TARGET: Duration = Duration::from_millis(200);
const WRITERS: usize = 8;
const ROUNDS: usize = 3;

/// Clients that connect, write until something fails, and connect again at once.
struct Writers {
    tasks: JoinSet<()>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    committed: AtomicU64,
    failed: AtomicU64,
}

impl Writers {
    fn start(server: &Server) -> Self {
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        for writer in 0..WRITERS {
            let options = OptsBuilder::default()
                .ip_or_hostname(server.host().to_string())
                .tcp_port(server.port())
                .prefer_socket(false)
                .user(Some("app"))
                .pass(Some("app_pw"));
            tasks.spawn(write_and_reconnect(options, writer, shared.clone()));
        }
        Self { tasks, shared }
    }

    fn committed(&self) -> u64 {
        self.shared.committed.load(Ordering::SeqCst)
    }

    /// Waits until they have written some more.
    async fn write_on(&self) -> Result<()> {
        const SOME: u64 = 20;
        let before = self.committed();
        wait_until("writers to write", SOON, async || {
            let more = self.committed() - before;
            ensure!(more > SOME, "{more}");
            Ok(())
        })
        .await
    }

    /// Waits until they have tried so often again.
    async fn try_on(&self, count: u64) -> Result<()> {
        let before = self.shared.failed.load(Ordering::SeqCst);
        wait_until("the writers to try on", SOON, async || {
            let more = self.shared.failed.load(Ordering::SeqCst) - before;
            ensure!(more >= count, "{more} attempts");
            Ok(())
        })
        .await
    }

    async fn stop(mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn write_and_reconnect(options: OptsBuilder, writer: usize, shared: Arc<Shared>) {
    let insert = format!("INSERT INTO lab.t (writer) VALUES ({writer})");
    while !shared.is_over.load(Ordering::SeqCst) {
        if let Ok(mut conn) = Conn::new(options.clone()).await {
            while !shared.is_over.load(Ordering::SeqCst) && conn.query_drop(&insert).await.is_ok() {
                shared.committed.fetch_add(1, Ordering::SeqCst);
            }
        }
        shared.failed.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}

async fn with_application(flavour: Flavour) -> Result<Fleet> {
    application(Plan::of(flavour, "a [read_only=0]\n+ b"), flavour).await
}

async fn application(plan: Plan, flavour: Flavour) -> Result<Fleet> {
    let fleet = plan.build().await?;
    table(&fleet).await?;
    let statements = match flavour {
        Flavour::MySql56 => vec!["GRANT ALL ON lab.* TO app@'%' IDENTIFIED BY 'app_pw'"],
        _ => vec![
            "CREATE USER app@'%' IDENTIFIED BY 'app_pw'",
            "GRANT ALL ON lab.* TO app@'%'",
        ],
    };
    for statement in statements {
        fleet["a"].run(statement).await?;
    }
    Ok(fleet)
}

/// An old primary comes back writable and is written to at once. It is closed in time, and nothing is committed after that.
async fn nobody_commits_after(flavour: Flavour) -> Result<()> {
    let fleet = with_application(flavour).await?;
    let a = &fleet["a"];
    let writers = Writers::start(a);
    writers.write_on().await?;
    a.kill()?;
    a.launch()?;
    let servers = servers();
    let mut session = wait_until("a to accept", SOON, async || {
        Ok(servers.open(&key(a), on_behalf(), DEADLINE).await?)
    })
    .await?;
    let mut best = DEADLINE;
    for _ in 0..ROUNDS {
        // The writers are let in first: the worst case.
        writers.write_on().await?;
        let watch = Stopwatch::start();
        session.make(&Change::Close, DEADLINE).await?;
        let took = watch.elapsed();
        eprintln!("{flavour:?}: closed in {took:?} under {WRITERS} writers");
        best = best.min(took);
        let at_close = rows(a).await?;
        ensure!(is_on(a, "read_only").await?);
        writers.try_on(100).await?;
        let later = rows(a).await?;
        ensure!(
            later == at_close,
            "{} commits after the close",
            later - at_close
        );
        session.make(&Change::MakeWritable, DEADLINE).await?;
    }
    // The best of some: other tests of this machine take their time from the others.
    ensure!(best < TARGET, "it took {best:?} at best");
    fleet.replicating().await?;
    writers.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_commits_after_a_close_on_mariadb() -> Result<()> {
    nobody_commits_after(Flavour::MariaDb).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_commits_after_a_close_on_mysql_9() -> Result<()> {
    nobody_commits_after(Flavour::MySql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_commits_after_a_close_on_mysql_56() -> Result<()> {
    nobody_commits_after(Flavour::MySql56).await
}

/// Whatever would make `read_only` wait for ever: locked tables, a global lock, an open transaction.
async fn nothing_is_in_the_way(flavour: Flavour) -> Result<()> {
    let fleet = with_application(flavour).await?;
    let a = &fleet["a"];
    let mut open_transaction = a.connect_as("app", "app_pw").await?;
    open_transaction.query_drop("BEGIN").await?;
    open_transaction
        .query_drop("INSERT INTO lab.t (writer) VALUES (1)")
        .await?;
    let mut privileged = a.connect().await?;
    privileged.query_drop("CREATE TABLE lab.u (i INT)").await?;
    privileged.query_drop("LOCK TABLES lab.u WRITE").await?;
    let servers = servers();
    let mut session = open(&servers, a).await?;
    let watch = Stopwatch::start();
    session.make(&Change::Close, DEADLINE).await?;
    let took = watch.elapsed();
    ensure!(took < TARGET, "it took {took:?}");
    ensure!(open_transaction.query_drop("COMMIT").await.is_err());
    ensure!(
        privileged
            .query_drop("INSERT INTO lab.u VALUES (1)")
            .await
            .is_err()
    );
    ensure!(rows(a).await? == 0);
    // A global lock, on a server that is closed again.
    session.make(&Change::MakeWritable, DEADLINE).await?;
    let mut global = a.connect().await?;
    global.query_drop("FLUSH TABLES WITH READ LOCK").await?;
    session.make(&Change::Close, DEADLINE).await?;
    ensure!(is_on(a, "read_only").await?);
    ensure!(global.query_drop("UNLOCK TABLES").await.is_err());
    Ok(())
}

#[tokio::test]
async fn locks_do_not_keep_a_mariadb_open() -> Result<()> {
    nothing_is_in_the_way(Flavour::MariaDb).await
}

#[tokio::test]
async fn locks_do_not_keep_a_mysql_9_open() -> Result<()> {
    nothing_is_in_the_way(Flavour::MySql).await
}

#[tokio::test]
async fn locks_do_not_keep_a_mysql_56_open() -> Result<()> {
    nothing_is_in_the_way(Flavour::MySql56).await
}

/// A commit that waits for a replica which will never acknowledge: its client is told nothing, and the server is closed.
async fn a_waiting_commit(flavour: Flavour) -> Result<()> {
    let timeout = match flavour {
        Flavour::MariaDb => "rpl_semi_sync_master_timeout",
        _ => "rpl_semi_sync_source_timeout",
    };
    let plan = Plan::of(flavour, "a\n+ b")
        .semi_sync()
        .with(timeout, 600_000);
    let fleet = application(plan, flavour).await?;
    let a = &fleet["a"];
    let counter = match flavour {
        Flavour::MariaDb => "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_status'",
        _ => "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_source_status'",
    };
    ensure!(a.value(counter, "Value").await? == "ON", "semi-sync is on");
    fleet["b"].freeze()?;
    let mut client = a.connect().await?;
    let commit = tokio::spawn(async move {
        client
            .query_drop("INSERT INTO lab.t (writer) VALUES (1)")
            .await
    });
    // And others, which connect again as soon as they are ended.
    let writers = Writers::start(a);
    wait_until("the commits to wait", SOON, async || {
        let waiting = a
            .value(
                "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE INFO LIKE 'INSERT INTO lab.t%' AND TIME >= 1",
                "n",
            )
            .await?;
        // One waits for the replica, on MySQL the others for that one.
        ensure!(waiting.parse::<usize>()? > WRITERS, "{waiting} wait");
        Ok(())
    })
    .await?;
    let servers = servers();
    let mut session = open(&servers, a).await?;
    let watch = Stopwatch::start();
    session.make(&Change::Close, DEADLINE).await?;
    let took = watch.elapsed();
    eprintln!("{flavour:?}: closed in {took:?} with a commit waiting for semi-sync");
    // MySQL's thread that reads acknowledgements looks once a second whether it is to end, and the switch waits for it.
    let bound = match flavour {
        Flavour::MariaDb => TARGET,
        _ => Duration::from_secs(2),
    };
    ensure!(took < bound, "it took {took:?}");
    ensure!(is_on(a, "read_only").await?);
    let told = commit.await.context("the client panicked")?;
    ensure!(told.is_err(), "the client was told that its commit is safe");
    writers.try_on(50).await?;
    ensure!(writers.committed() == 0, "a writer was told so");
    writers.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_waits_for_semi_sync_does_not_keep_a_mariadb_open() -> Result<()> {
    a_waiting_commit(Flavour::MariaDb).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_waits_for_semi_sync_does_not_keep_a_mysql_9_open() -> Result<()> {
    a_waiting_commit(Flavour::MySql).await
}

/// Threads of replication go on through a close, on a replica that is a source too: nothing connects anew.
async fn replication_goes_on(flavour: Flavour) -> Result<()> {
    let fleet = Plan::of(flavour, "a\n+ b\n  + c").build().await?;
    let b = &fleet["b"];
    let threads = async || -> Result<Vec<String>> {
        let listed = b
            .rows(
                "SELECT CONCAT(ID, '') AS id FROM information_schema.processlist \
                 WHERE USER = 'system user' OR COMMAND LIKE 'Binlog Dump%' ORDER BY ID",
            )
            .await?;
        Ok(listed.iter().map(|row| row.text("id").to_owned()).collect())
    };
    let before = threads().await?;
    ensure!(before.len() >= 3, "receiver, applier and dump: {before:?}");
    let servers = servers();
    let mut session = open(&servers, b).await?;
    session.make(&Change::Close, DEADLINE).await?;
    let after = threads().await?;
    // Workers of an applier may have begun meanwhile.
    ensure!(
        before.iter().all(|thread| after.contains(thread)),
        "{before:?} became {after:?}"
    );
    fleet.replicating().await
}

#[tokio::test]
async fn replication_goes_on_through_a_close_on_mariadb() -> Result<()> {
    replication_goes_on(Flavour::MariaDb).await
}

#[tokio::test]
async fn replication_goes_on_through_a_close_on_mysql_9() -> Result<()> {
    replication_goes_on(Flavour::MySql).await
}

/// What stays possible without `super_read_only`, as the documentation says: an account that may write to a read-only server
/// writes when it connects again. Each close ends it again.
#[tokio::test]
async fn a_privileged_client_of_a_mariadb_is_ended_by_each_close() -> Result<()> {
    let fleet = with_application(Flavour::MariaDb).await?;
    let a = &fleet["a"];
    let servers = servers();
    let mut session = open(&servers, a).await?;
    for _ in 0..2 {
        let mut privileged = a.connect().await?;
        privileged.query_drop("BEGIN").await?;
        let insert = "INSERT INTO lab.t (writer) VALUES (1)";
        privileged.query_drop(insert).await?;
        session.make(&Change::Close, DEADLINE).await?;
        ensure!(privileged.query_drop("COMMIT").await.is_err());
        ensure!(rows(a).await? == 0);
    }
    Ok(())
}

/// Where an account may not be ended and is in the way, the refusal says what is missing, long before the deadline.
#[tokio::test]
async fn a_close_that_may_not_end_a_session_says_which_privilege_it_needs() -> Result<()> {
    let fleet = with_application(Flavour::MySql).await?;
    let a = &fleet["a"];
    a.run("REVOKE SYSTEM_USER ON *.* FROM orchestrator@'%'")
        .await?;
    let mut admin = a.connect().await?;
    admin.query_drop("LOCK TABLES lab.t WRITE").await?;
    let servers = servers();
    let mut session = open(&servers, a).await?;
    let watch = Stopwatch::start();
    match session.make(&Change::Close, DEADLINE).await {
        Err(ChangeError::Refused {
            errno: 1095,
            reason,
            ..
        }) => ensure!(reason.contains("SYSTEM_USER"), "{reason}"),
        other => bail!("{other:?}"),
    }
    ensure!(watch.elapsed() < DEADLINE / 2);
    crate::world::session_is_gone(a, session.connection_id()).await?;
    // One that is in nobody's way does not matter: nobody writes to a server that is super-read-only.
    admin.query_drop("UNLOCK TABLES").await?;
    let mut session = open(&servers, a).await?;
    session.make(&Change::Close, DEADLINE).await?;
    ensure!(
        admin
            .query_drop("INSERT INTO lab.t (writer) VALUES (1)")
            .await
            .is_err()
    );
    Ok(())
}

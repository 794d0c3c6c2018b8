//! Servers that hang while they are being changed.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use mysql_async::prelude::Queryable as _;
use orchestrator_core::ports::{Change, ChangeError, ServerSession, Servers as _};
use raft_tests::lab::{Flavour, Plan, Stopwatch, wait_until};

use crate::world::{
    DEADLINE, SOON, is_on, key, on_behalf, open, servers, session_is_gone, table, threads,
};

const SHORT: Duration = Duration::from_millis(800);
/// Beyond a deadline, for a busy machine.
const GRACE: Duration = Duration::from_secs(1);

/// Makes a change that cannot end, and says how.
async fn is_unknown(session: &mut Box<dyn ServerSession>, change: Change) -> Result<String> {
    let watch = Stopwatch::start();
    let made = session.make(&change, SHORT).await;
    let took = watch.elapsed();
    ensure!(took < SHORT + GRACE, "it took {took:?}");
    match made {
        Err(error @ ChangeError::Unknown { .. }) => Ok(error.to_string()),
        other => bail!("{other:?}"),
    }
}

async fn a_frozen_server(flavour: Flavour) -> Result<()> {
    let fleet = Plan::of(flavour, "a\n+ b").build().await?;
    let b = &fleet["b"];
    let servers = servers();
    let mut session = open(&servers, b).await?;
    let id = session.connection_id();
    b.freeze()?;
    let error = is_unknown(&mut session, Change::MakeWritable).await?;
    ensure!(error.contains("will be ended"), "{error}");
    // Nobody gets in meanwhile, and is not kept waiting.
    let watch = Stopwatch::start();
    let opened = servers.open(&key(b), on_behalf(), SHORT).await.err();
    ensure!(
        matches!(opened, Some(ChangeError::Unreachable { .. })),
        "{opened:?}"
    );
    ensure!(watch.elapsed() < SHORT + GRACE);
    b.thaw()?;
    session_is_gone(b, id).await?;
    ensure!(
        is_on(b, "read_only").await?,
        "it became writable afterwards"
    );
    let over = session.make(&Change::MakeWritable, DEADLINE).await;
    ensure!(
        matches!(over, Err(ChangeError::Unreachable { .. })),
        "{over:?}"
    );
    // Another session finds out, and does it.
    let mut next = open(&servers, b).await?;
    ensure!(next.observe().await.is_ok_and(|seen| seen.read_only));
    next.make(&Change::MakeWritable, DEADLINE).await?;
    Ok(())
}

#[tokio::test]
async fn a_frozen_server_is_given_up_and_its_session_ended_on_mariadb() -> Result<()> {
    a_frozen_server(Flavour::MariaDb).await
}

#[tokio::test]
async fn a_frozen_server_is_given_up_and_its_session_ended_on_mysql_9() -> Result<()> {
    a_frozen_server(Flavour::MySql).await
}

#[tokio::test]
async fn a_frozen_server_is_given_up_and_its_session_ended_on_mysql_56() -> Result<()> {
    a_frozen_server(Flavour::MySql56).await
}

/// A statement that waits inside a server which answers: its session is told to end, and does when it can.
async fn a_blocked_statement(flavour: Flavour) -> Result<()> {
    let fleet = Plan::of(flavour, "a\n+ b").build().await?;
    table(&fleet).await?;
    let b = &fleet["b"];
    // An applier in the middle of a transaction on a locked table is not stopped.
    let mut lock = b.connect().await?;
    lock.query_drop("LOCK TABLES lab.t READ").await?;
    crate::world::write(&fleet["a"]).await?;
    wait_until("the applier to wait", SOON, async || {
        let waiting = b
            .value(
                "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE USER = 'system user' AND STATE LIKE 'Waiting for table%lock'",
                "n",
            )
            .await?;
        ensure!(waiting != "0", "it does not");
        Ok(())
    })
    .await?;
    let servers = servers();
    let mut session = open(&servers, b).await?;
    let id = session.connection_id();
    match session.make(&Change::StopApplier, SHORT).await {
        Err(ChangeError::Unknown { .. }) => {}
        other => bail!("{other:?}"),
    }
    // `STOP` of an applier in the middle of a transaction does not heed `KILL` before that is over.
    lock.query_drop("UNLOCK TABLES").await?;
    session_is_gone(b, id).await?;
    let mut next = open(&servers, b).await?;
    next.make(&Change::StopApplier, DEADLINE).await?;
    ensure!(threads(b).await?.1 == "No");
    Ok(())
}

#[tokio::test]
async fn a_blocked_statement_is_ended_with_its_session_on_mariadb() -> Result<()> {
    a_blocked_statement(Flavour::MariaDb).await
}

#[tokio::test]
async fn a_blocked_statement_is_ended_with_its_session_on_mysql_9() -> Result<()> {
    a_blocked_statement(Flavour::MySql).await
}

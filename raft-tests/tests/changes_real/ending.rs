//! Ending the sessions of an earlier leadership, and nobody else's.

use anyhow::{Result, ensure};
use mysql_async::prelude::Queryable as _;
use orchestrator_core::ports::{Change, ChangeError, Servers as _};
use raft_tests::lab::{Account, Flavour, Plan};

use crate::world::{DEADLINE, key, on_behalf, open, servers, session_is_gone};

async fn only_our_sessions_are_ended(flavour: Flavour) -> Result<()> {
    let fleet = Plan::of(flavour, "a").build().await?;
    let a = &fleet["a"];
    let servers = servers();
    let mut earlier = open(&servers, a).await?;
    let mut other = open(&servers, a).await?;
    // Of our account, but not opened for changes: after a restart of the server an id may be a probe's. And a client's.
    let Account { user, password } = Account::ORCHESTRATOR;
    let mut probe = a.connect_as(user, password).await?;
    let mut client = a.connect().await?;
    let ids = [
        earlier.connection_id(),
        u64::from(probe.id()),
        u64::from(client.id()),
        4_000_000_000,
    ];
    servers.end_sessions(&key(a), &ids, DEADLINE).await?;
    session_is_gone(a, earlier.connection_id()).await?;
    a.run("SET GLOBAL read_only = 1").await?;
    let gone = earlier.make(&Change::MakeWritable, DEADLINE).await;
    // It was sent, and nobody said what became of it.
    ensure!(matches!(gone, Err(ChangeError::Unknown { .. })), "{gone:?}");
    let is_closed = a.value("SELECT @@global.read_only AS it", "it").await?;
    ensure!(is_closed == "1", "{is_closed}");
    let again = earlier.make(&Change::MakeWritable, DEADLINE).await;
    ensure!(
        matches!(again, Err(ChangeError::Unreachable { .. })),
        "{again:?}"
    );
    for conn in [&mut probe, &mut client] {
        conn.query_drop("SELECT 1").await?;
    }
    other.make(&Change::MakeWritable, DEADLINE).await?;
    // Once more: nothing is left to end.
    servers.end_sessions(&key(a), &ids, DEADLINE).await?;
    Ok(())
}

#[tokio::test]
async fn only_our_sessions_are_ended_on_mariadb() -> Result<()> {
    only_our_sessions_are_ended(Flavour::MariaDb).await
}

#[tokio::test]
async fn only_our_sessions_are_ended_on_mysql_9() -> Result<()> {
    only_our_sessions_are_ended(Flavour::MySql).await
}

#[tokio::test]
async fn only_our_sessions_are_ended_on_mysql_56() -> Result<()> {
    only_our_sessions_are_ended(Flavour::MySql56).await
}

async fn the_next_session_ends_a_fleeting_one(flavour: Flavour) -> Result<()> {
    let fleet = Plan::of(flavour, "a").build().await?;
    let a = &fleet["a"];
    // Of another node, which died.
    let lost = servers();
    let mut fleeting = lost.open_fleeting(&key(a), on_behalf(), DEADLINE).await?;
    let mut recorded = open(&lost, a).await?;
    session_is_gone(a, fleeting.connection_id()).await?;
    a.run("SET GLOBAL read_only = 1").await?;
    let over = fleeting.make(&Change::MakeWritable, DEADLINE).await;
    ensure!(matches!(over, Err(ChangeError::Unknown { .. })), "{over:?}");
    let is_closed = a.value("SELECT @@global.read_only AS it", "it").await?;
    ensure!(is_closed == "1", "{is_closed}");
    // One after the other, and never one of those that stand in a record.
    let servers = servers();
    let first = servers
        .open_fleeting(&key(a), on_behalf(), DEADLINE)
        .await?;
    let mut second = servers
        .open_fleeting(&key(a), on_behalf(), DEADLINE)
        .await?;
    session_is_gone(a, first.connection_id()).await?;
    second.make(&Change::MakeWritable, DEADLINE).await?;
    recorded.make(&Change::MakeWritable, DEADLINE).await?;
    // It can be ended by its id, too, which its deadline does.
    let ids = [second.connection_id()];
    servers.end_sessions(&key(a), &ids, DEADLINE).await?;
    session_is_gone(a, ids[0]).await
}

#[tokio::test]
async fn the_next_session_ends_a_fleeting_one_on_mariadb() -> Result<()> {
    the_next_session_ends_a_fleeting_one(Flavour::MariaDb).await
}

#[tokio::test]
async fn the_next_session_ends_a_fleeting_one_on_mysql_9() -> Result<()> {
    the_next_session_ends_a_fleeting_one(Flavour::MySql).await
}

#[tokio::test]
async fn the_next_session_ends_a_fleeting_one_on_mysql_56() -> Result<()> {
    the_next_session_ends_a_fleeting_one(Flavour::MySql56).await
}

/// MariaDB crashes when a session is ended at the wrong moment of reading `information_schema`; none of ours may be caught there.
#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_survives_that_sessions_are_ended_while_they_close_it() -> Result<()> {
    // Hundreds of moments, some milliseconds each.
    const ROUNDS: usize = 300;
    let fleet = Plan::mariadb("a").build().await?;
    let a = &fleet["a"];
    let (servers, key) = (servers(), key(a));
    for _ in 0..ROUNDS {
        let mut closing = open(&servers, a).await?;
        let ids = [closing.connection_id()];
        let (_, ended) = tokio::join!(
            // Either way: it was done in time, or cut off.
            closing.make(&Change::Close, DEADLINE),
            servers.end_sessions(&key, &ids, DEADLINE)
        );
        // A close ends also whoever is logging in just then and has no name yet; callers try such a call again.
        match ended {
            Err(ChangeError::Unreachable { .. }) => {}
            other => other?,
        }
    }
    a.run("SELECT 1").await
}

#[tokio::test]
async fn a_dead_server_and_a_wrong_password_are_told_apart() -> Result<()> {
    let fleet = Plan::mariadb("a").build().await?;
    let a = &fleet["a"];
    let mut config = crate::world::config();
    config.password = orchestrator_core::domain::Secret::new("wrong");
    let strangers = crate::world::servers_with(config);
    let refused = strangers.open(&key(a), on_behalf(), DEADLINE).await.err();
    ensure!(
        matches!(refused, Some(ChangeError::Refused { errno: 1045, .. })),
        "{refused:?}"
    );
    a.kill()?;
    let servers = servers();
    let gone = servers.open(&key(a), on_behalf(), DEADLINE).await.err();
    ensure!(
        matches!(gone, Some(ChangeError::Unreachable { .. })),
        "{gone:?}"
    );
    let gone = servers.end_sessions(&key(a), &[1], DEADLINE).await;
    ensure!(
        matches!(gone, Err(ChangeError::Unreachable { .. })),
        "{gone:?}"
    );
    Ok(())
}

//! What a failover lost, read from the old primary when it is back.

use anyhow::{Result, ensure};
use orchestrator_core::ports::{Change, ChangeError, Histories as _};
use raft_tests::lab::{Flavour, Plan};

use crate::world::{DEADLINE, everywhere, key, open, servers, table, write};

async fn the_exact_range(flavour: Flavour) -> Result<()> {
    let fleet = Plan::of(flavour, "a\n+ b").build().await?;
    table(&fleet).await?;
    write(&fleet["a"]).await?;
    everywhere(&fleet).await?;
    let (a, b) = (&fleet["a"], &fleet["b"]);
    let servers = servers();
    let lost = servers.executed_beyond(&key(a), &key(b), DEADLINE).await?;
    ensure!(lost.transactions == 0 && lost.set.is_empty(), "{lost:?}");
    let mut session = open(&servers, b).await?;
    for change in [
        Change::StopReceiver,
        Change::ForgetSource,
        Change::MakeWritable,
    ] {
        session.make(&change, DEADLINE).await?;
    }
    // Three that never arrive, and more on the other side, so that numbers alone would hide them.
    for _ in 0..3 {
        write(a).await?;
    }
    for _ in 0..5 {
        write(b).await?;
    }
    let lost = servers.executed_beyond(&key(a), &key(b), DEADLINE).await?;
    ensure!(lost.transactions == 3, "{lost:?}");
    let last = a.position().await?;
    let last = last.rsplit([':', '-', ',']).next().unwrap().trim();
    ensure!(lost.set.contains(last), "{lost:?} has not {last}");
    b.kill()?;
    let unread = servers
        .executed_beyond(&key(a), &key(b), DEADLINE)
        .await
        .err();
    ensure!(
        matches!(&unread, Some(ChangeError::Unreachable { server, .. }) if *server == key(b)),
        "{unread:?}"
    );
    Ok(())
}

#[tokio::test]
async fn the_lost_range_is_exact_on_mariadb() -> Result<()> {
    the_exact_range(Flavour::MariaDb).await
}

#[tokio::test]
async fn the_lost_range_is_exact_on_mysql_9() -> Result<()> {
    the_exact_range(Flavour::MySql).await
}

#[tokio::test]
async fn the_lost_range_is_exact_on_mysql_56() -> Result<()> {
    the_exact_range(Flavour::MySql56).await
}

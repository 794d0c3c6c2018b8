//! The grants that the README tells people to give are enough for every change, word by word; and without them a refusal says so.

use anyhow::{Result, bail, ensure};
use orchestrator_core::domain::Secret;
use orchestrator_core::ports::{Change, ChangeError};
use raft_tests::lab::{Flavour, Fleet, Plan, wait_until};
use raft_tests::readme::{ACCOUNT, documented};

use crate::world::{
    DEADLINE, SOON, config, everywhere, key, open, servers_with, table, twice, write,
};

async fn documented_account(fleet: &Fleet, words: &[&str]) -> Result<()> {
    for word in words {
        for statement in documented(word)? {
            fleet["a"].run(&statement).await?;
        }
    }
    everywhere(fleet).await
}

fn servers_of_that_account() -> orchestrator::mysql::MysqlServers {
    let [user, password] = ACCOUNT;
    let mut config = config();
    config.user = user.to_owned();
    config.password = Secret::new(password);
    servers_with(config)
}

/// A failover and all that may follow it: `c` is promoted, `b` comes below it, and `a` too.
async fn a_whole_failover(flavour: Flavour, watching: &str, changing: &str) -> Result<()> {
    let fleet = Plan::of(flavour, "a\n+ b\n+ c").semi_sync().build().await?;
    table(&fleet).await?;
    documented_account(&fleet, &[watching]).await?;
    let (a, b, c) = (&fleet["a"], &fleet["b"], &fleet["c"]);
    let servers = servers_of_that_account();
    let mut session = open(&servers, c).await?;
    match session.make(&Change::StopReceiver, DEADLINE).await {
        // What may be watched may not yet be changed: it says which statement's right is missing, by number.
        Err(ChangeError::Refused { errno: 1227, .. }) => {}
        other => bail!("{other:?}"),
    }
    documented_account(&fleet, &[changing]).await?;
    // Privileges of a session that is open stay as they were.
    let mut session = open(&servers, c).await?;
    let stopping = [
        Change::StopReceiver,
        Change::StopApplier,
        Change::StartApplier,
    ];
    for change in stopping {
        twice(&mut session, change).await?;
    }
    let mut old = open(&servers, a).await?;
    twice(&mut old, Change::Close).await?;
    let promoting = [
        Change::ForgetSource,
        Change::SemiSyncReplica(false),
        Change::SemiSyncSource(true),
        Change::MakeWritable,
    ];
    for change in promoting {
        twice(&mut session, change).await?;
    }
    let mut session = open(&servers, b).await?;
    let below_c = Change::Repoint {
        source: key(c),
        profile_of: Some(key(b)),
    };
    twice(&mut session, Change::Detach).await?;
    twice(&mut session, below_c.clone()).await?;
    twice(&mut session, Change::StartReplication).await?;
    wait_until("b to replicate", SOON, async || b.is_replicating().await).await?;
    write(c).await?;
    if flavour == Flavour::MySql {
        twice(&mut old, below_c).await?;
        twice(&mut old, Change::StartReplication).await?;
        wait_until("a to replicate", SOON, async || a.is_replicating().await).await?;
    }
    ensure!(
        session
            .observe()
            .await
            .is_ok_and(|seen| seen.source() == Some(&key(c)))
    );
    Ok(())
}

#[tokio::test]
async fn the_documented_grants_are_enough_for_changes_on_mariadb() -> Result<()> {
    a_whole_failover(Flavour::MariaDb, "BINLOG MONITOR", "READ_ONLY ADMIN").await
}

#[tokio::test]
async fn the_documented_grants_are_enough_for_changes_on_mysql_9() -> Result<()> {
    a_whole_failover(
        Flavour::MySql,
        "REPLICATION CLIENT",
        "REPLICATION_SLAVE_ADMIN",
    )
    .await
}

//! Every change on every product, twice in a row, looked at by another client.

use anyhow::{Result, ensure};
use orchestrator_core::ports::{Change, ChangeError, ServerSession};
use raft_tests::lab::{Flavour, Fleet, Link, Plan, wait_until};

use crate::world::{
    DEADLINE, FENCE, RECOVERY, SOON, everywhere, is_on, key, open, rows, servers, source_host,
    table, threads, twice, write,
};

const DRAWING: &str = "a\n+ b\n+ c";

/// A heartbeat that is nobody's default.
const HEARTBEAT: f32 = 0.7;

async fn fleet(flavour: Flavour) -> Result<Fleet> {
    let link = Link {
        connect_retry_seconds: 3,
        heartbeat_seconds: HEARTBEAT,
    };
    let fleet = Plan::of(flavour, DRAWING)
        .semi_sync()
        .with("performance_schema", 1)
        .link(link)
        .build()
        .await?;
    table(&fleet).await?;
    Ok(fleet)
}

async fn says(server: &raft_tests::lab::Server, receiver: &str, applier: &str) -> Result<()> {
    let seen = threads(server).await?;
    let expected = (receiver.to_owned(), applier.to_owned());
    ensure!(seen == expected, "{seen:?} and not {expected:?}");
    Ok(())
}

async fn heartbeat(server: &raft_tests::lab::Server) -> Result<String> {
    match server.flavour() {
        Flavour::MySql => {
            server
                .value("SELECT heartbeat AS x FROM mysql.slave_master_info", "x")
                .await
        }
        _ => {
            server
                .value("SHOW GLOBAL STATUS LIKE 'Slave_heartbeat_period'", "Value")
                .await
        }
    }
}

async fn every_change(flavour: Flavour) -> Result<()> {
    let fleet = fleet(flavour).await?;
    let servers = servers();
    let b = &fleet["b"];
    let mut session = open(&servers, b).await?;
    the_threads(&fleet, &mut session).await?;
    another_source(&fleet, &mut session).await?;
    no_source(&fleet, &mut session).await?;
    semi_sync(&fleet, &mut session).await
}

async fn the_threads(fleet: &Fleet, session: &mut Box<dyn ServerSession>) -> Result<()> {
    let b = &fleet["b"];
    twice(session, Change::StopReceiver).await?;
    says(b, "No", "Yes").await?;
    twice(session, Change::StopApplier).await?;
    says(b, "No", "No").await?;
    twice(session, Change::StartApplier).await?;
    says(b, "No", "Yes").await?;
    twice(session, Change::StartReplication).await?;
    fleet.replicating().await?;
    for _ in 0..2 {
        session.make(&Change::RestartReceiver, DEADLINE).await?;
        fleet.replicating().await?;
    }
    let seen = session
        .observe()
        .await
        .map_err(|e| anyhow::anyhow!(e.message))?;
    ensure!(seen.key == key(b) && seen.is_replicating(), "{seen:?}");
    Ok(())
}

async fn another_source(fleet: &Fleet, session: &mut Box<dyn ServerSession>) -> Result<()> {
    let (b, c) = (&fleet["b"], &fleet["c"]);
    let below_c = Change::Repoint {
        source: key(c),
        profile_of: None,
    };
    let before = heartbeat(b).await?;
    ensure!(before.starts_with("0.7"), "{before}");
    twice(session, below_c.clone()).await?;
    says(b, "No", "No").await?;
    ensure!(source_host(b).await? == c.host().to_string());
    let after = heartbeat(b).await?;
    ensure!(after == before, "heartbeat {after} instead of {before}");
    twice(session, Change::StartReplication).await?;
    write(&fleet["a"]).await?;
    everywhere(fleet).await?;
    ensure!(rows(b).await? == 1);

    twice(session, Change::Detach).await?;
    ensure!(source_host(b).await? == format!("//{}", c.host()));
    twice(session, below_c).await?;
    twice(session, Change::StartReplication).await?;
    write(&fleet["a"]).await?;
    everywhere(fleet).await?;
    let after = heartbeat(b).await?;
    ensure!(after == before, "heartbeat {after} instead of {before}");

    let itself = Change::Repoint {
        source: key(b),
        profile_of: None,
    };
    let refused = session.make(&itself, DEADLINE).await;
    ensure!(
        matches!(refused, Err(ChangeError::Unsupported { .. })),
        "{refused:?}"
    );
    Ok(())
}

async fn no_source(fleet: &Fleet, session: &mut Box<dyn ServerSession>) -> Result<()> {
    let b = &fleet["b"];
    twice(session, Change::ForgetSource).await?;
    let status = b.replica_status().await?;
    ensure!(
        status.is_none_or(|row| row.text("Master_Host").is_empty()),
        "it has a source"
    );
    for change in [
        Change::StartApplier,
        Change::StartReplication,
        Change::Detach,
    ] {
        let refused = session.make(&change, DEADLINE).await;
        ensure!(
            matches!(refused, Err(ChangeError::Unsupported { .. })),
            "{change:?}: {refused:?}"
        );
    }
    // Nothing is to be stopped there.
    twice(session, Change::StopReceiver).await?;
    twice(session, Change::StopApplier).await?;
    if b.flavour() == Flavour::MySql {
        b.run("SET GLOBAL super_read_only = 1").await?;
    }
    twice(session, Change::MakeWritable).await?;
    ensure!(!is_on(b, "read_only").await?);
    write(b).await?;
    twice(session, Change::Close).await?;
    ensure!(is_on(b, "read_only").await?);
    if b.flavour() == Flavour::MySql {
        ensure!(is_on(b, "super_read_only").await?);
    }
    Ok(())
}

async fn semi_sync(fleet: &Fleet, session: &mut Box<dyn ServerSession>) -> Result<()> {
    let b = &fleet["b"];
    let [source, replica] = match b.flavour() {
        Flavour::MariaDb => [
            "rpl_semi_sync_master_enabled",
            "rpl_semi_sync_slave_enabled",
        ],
        Flavour::MySql => [
            "rpl_semi_sync_source_enabled",
            "rpl_semi_sync_replica_enabled",
        ],
        Flavour::MySql56 => {
            let refused = session.make(&Change::SemiSyncSource(true), DEADLINE).await;
            ensure!(
                matches!(refused, Err(ChangeError::Unsupported { .. })),
                "{refused:?}"
            );
            return twice(session, Change::SemiSyncReplica(false)).await;
        }
    };
    for wanted in [true, false] {
        twice(session, Change::SemiSyncSource(wanted)).await?;
        ensure!(is_on(b, source).await? == wanted, "{source}");
        twice(session, Change::SemiSyncReplica(wanted)).await?;
        ensure!(is_on(b, replica).await? == wanted, "{replica}");
    }
    Ok(())
}

#[tokio::test]
async fn every_change_is_made_once_on_mariadb() -> Result<()> {
    every_change(Flavour::MariaDb).await
}

#[tokio::test]
async fn every_change_is_made_once_on_mysql_9() -> Result<()> {
    every_change(Flavour::MySql).await
}

#[tokio::test]
async fn every_change_is_made_once_on_mysql_56() -> Result<()> {
    every_change(Flavour::MySql56).await
}

/// What a server's own log must show: who did what, under which leadership.
async fn the_log_tells(flavour: Flavour) -> Result<()> {
    let fleet = Plan::of(flavour, "a\n+ b").build().await?;
    let b = &fleet["b"];
    for statement in [
        "SET GLOBAL log_output = 'TABLE'",
        "SET GLOBAL general_log = 1",
    ] {
        b.run(statement).await?;
    }
    let servers = servers();
    let mut session = open(&servers, b).await?;
    for change in [
        Change::StopReceiver,
        Change::ForgetSource,
        Change::MakeWritable,
        Change::Close,
    ] {
        session.make(&change, DEADLINE).await?;
    }
    let logged = b
        .rows("SELECT CONVERT(argument USING utf8) AS s FROM mysql.general_log WHERE command_type = 'Query'")
        .await?;
    let logged: Vec<&str> = logged.iter().map(|row| row.text("s")).collect();
    for word in ["STOP ", "RESET ", "read_only = IF(", "read_only = 1"] {
        let statement = logged.iter().find(|statement| statement.contains(word));
        let mark = format!("/* orchestrator recovery={RECOVERY:032x} fence={FENCE} */ ");
        ensure!(
            statement.is_some_and(|statement| statement.starts_with(&mark)),
            "{word}: {statement:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn statements_carry_recovery_and_fence_on_mariadb() -> Result<()> {
    the_log_tells(Flavour::MariaDb).await
}

#[tokio::test]
async fn statements_carry_recovery_and_fence_on_mysql_9() -> Result<()> {
    the_log_tells(Flavour::MySql).await
}

/// A replica that follows by file and position keeps its place when it is detached, and is given GTID when it is repointed.
#[tokio::test]
async fn a_replica_without_gtid_keeps_its_place_when_detached() -> Result<()> {
    let fleet = Plan::mariadb("a\n+ b").build().await?;
    table(&fleet).await?;
    let b = &fleet["b"];
    for statement in [
        "STOP SLAVE",
        "CHANGE MASTER TO MASTER_USE_GTID = no",
        "START SLAVE",
    ] {
        b.run(statement).await?;
    }
    write(&fleet["a"]).await?;
    everywhere(&fleet).await?;
    let place = |row: raft_tests::lab::Record| {
        (
            row.text("Relay_Master_Log_File").to_owned(),
            row.text("Exec_Master_Log_Pos").to_owned(),
        )
    };
    let before = place(b.replica_status().await?.unwrap());
    let servers = servers();
    let mut session = open(&servers, b).await?;
    twice(&mut session, Change::Detach).await?;
    let after = place(b.replica_status().await?.unwrap());
    ensure!(after == before, "{after:?} instead of {before:?}");
    let back = Change::Repoint {
        source: key(&fleet["a"]),
        profile_of: None,
    };
    twice(&mut session, back).await?;
    twice(&mut session, Change::StartReplication).await?;
    write(&fleet["a"]).await?;
    b.applied(&fleet["a"].position().await?, SOON).await?;
    ensure!(rows(b).await? == 2);
    ensure!(crate::world::status(b, "Using_Gtid", "Using_Gtid").await? == "Slave_Pos");
    Ok(())
}

#[tokio::test]
async fn a_replica_of_two_sources_is_left_alone() -> Result<()> {
    let fleet = Plan::mariadb("a\n+ b\n+ c").build().await?;
    let (b, c) = (&fleet["b"], &fleet["c"]);
    let second = format!(
        "CHANGE MASTER 'second' TO MASTER_HOST='{}', MASTER_USER='repl', MASTER_PASSWORD='repl_pw'",
        c.host()
    );
    b.run(&second).await?;
    let servers = servers();
    let mut session = open(&servers, b).await?;
    for change in [Change::StopReceiver, Change::ForgetSource, Change::Detach] {
        let refused = session.make(&change, DEADLINE).await;
        ensure!(
            matches!(refused, Err(ChangeError::Unsupported { .. })),
            "{change:?}: {refused:?}"
        );
    }
    Ok(())
}

/// A replica whose only source has a name: statements are about that one.
async fn a_named_source(flavour: Flavour, named: [String; 2]) -> Result<()> {
    let fleet = Plan::of(flavour, "a\n+ b\n+ c").build().await?;
    table(&fleet).await?;
    let (b, c) = (&fleet["b"], &fleet["c"]);
    let servers = servers();
    let mut session = open(&servers, b).await?;
    session.make(&Change::ForgetSource, DEADLINE).await?;
    let [change, start] = named;
    b.run(&change.replace("HOST=''", &format!("HOST='{}'", fleet["a"].host())))
        .await?;
    b.run(&start).await?;
    let all = match flavour {
        Flavour::MariaDb => "SHOW ALL SLAVES STATUS",
        _ => "SHOW REPLICA STATUS",
    };
    let links = async || -> Result<Vec<String>> {
        let rows = b.rows(all).await?;
        let host = |row: &raft_tests::lab::Record| {
            let [new, old] = ["Source_Host", "Master_Host"].map(|name| row.text(name).to_owned());
            new + &old
        };
        Ok(rows.iter().map(host).collect())
    };
    twice(&mut session, Change::StopReceiver).await?;
    twice(&mut session, Change::StartReplication).await?;
    wait_until("both threads to run", SOON, async || {
        // Refused while the receiver still connects.
        Ok(session.make(&Change::RestartReceiver, DEADLINE).await?)
    })
    .await?;
    let below_c = Change::Repoint {
        source: key(c),
        profile_of: None,
    };
    twice(&mut session, below_c).await?;
    ensure!(links().await? == [c.host().to_string()]);
    twice(&mut session, Change::StartReplication).await?;
    write(&fleet["a"]).await?;
    let at = fleet["a"].position().await?;
    wait_until("b to have the row", SOON, async || {
        ensure!(rows(b).await? == 1, "it has not come to {at}");
        Ok(())
    })
    .await?;
    twice(&mut session, Change::Detach).await?;
    ensure!(links().await? == [format!("//{}", c.host())]);
    twice(&mut session, Change::ForgetSource).await?;
    ensure!(links().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_source_with_a_name_is_meant_on_mariadb() -> Result<()> {
    let named = [
        "CHANGE MASTER 'it''s' TO MASTER_HOST='', MASTER_USER='repl', MASTER_PASSWORD='repl_pw', MASTER_USE_GTID=slave_pos",
        "START SLAVE 'it''s'",
    ];
    a_named_source(Flavour::MariaDb, named.map(str::to_owned)).await
}

#[tokio::test]
async fn a_source_with_a_name_is_meant_on_mysql_9() -> Result<()> {
    let named = [
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST='', SOURCE_USER='repl', SOURCE_PASSWORD='repl_pw', \
         SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1 FOR CHANNEL 'dc1'",
        "START REPLICA FOR CHANNEL 'dc1'",
    ];
    a_named_source(Flavour::MySql, named.map(str::to_owned)).await
}

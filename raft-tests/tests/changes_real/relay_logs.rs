//! No statement of ours discards what was received and is not applied.
//!
//! The table of what keeps and what loses rows on MariaDB with GTID, whose source is dead:
//!
//! | keeps | loses |
//! |---|---|
//! | start the applier while the receiver runs | stop the receiver, then start the applier |
//! | stop the receiver while the applier runs | stop both, then start either |
//! | restart the receiver while the applier runs | restart the receiver while the applier is stopped |
//! | wait until all is applied, then repoint | repoint, forget or detach before |

use anyhow::{Result, ensure};
use mysql_async::prelude::Queryable as _;
use orchestrator_core::ports::{Change, ChangeError, ServerSession};
use raft_tests::lab::{Fate, Flavour, Fleet, Late, Plan, Server, StopAt, wait_until};

use crate::world::{
    DEADLINE, SOON, everywhere, key, open, refuses, rows, servers, source_host, status, table,
    threads, twice, write,
};

/// Replica `b` has received two rows and applied none, and the source is dead.
async fn two_unapplied_rows(flavour: Flavour) -> Result<Fleet> {
    let fleet = Plan::of(flavour, "a\n+ b\n+ c").build().await?;
    table(&fleet).await?;
    let b = &fleet["b"];
    b.run(match flavour {
        Flavour::MySql => "STOP REPLICA SQL_THREAD",
        _ => "STOP SLAVE SQL_THREAD",
    })
    .await?;
    receive_two(&fleet).await?;
    fleet["a"].kill()?;
    Ok(fleet)
}

/// Writes two rows and waits until `b` has received them.
async fn receive_two(fleet: &Fleet) -> Result<()> {
    write(&fleet["a"]).await?;
    write(&fleet["a"]).await?;
    let at = match fleet["a"].flavour() {
        Flavour::MySql => "SHOW BINARY LOG STATUS",
        _ => "SHOW MASTER STATUS",
    };
    let end = fleet["a"].value(at, "Position").await?;
    wait_until("the rows to be received", SOON, async || {
        let read = status(&fleet["b"], "Read_Source_Log_Pos", "Read_Master_Log_Pos").await?;
        ensure!(read == end, "{read} of {end}");
        Ok(())
    })
    .await?;
    // The other one is to be promoted in these stories.
    let applied = fleet["a"].position().await?;
    fleet["c"].applied(&applied, SOON).await
}

async fn both_rows_are_there(fleet: &Fleet) -> Result<()> {
    wait_until("both rows", SOON, async || {
        let count = rows(&fleet["b"]).await?;
        ensure!(count == 2, "{count} rows");
        Ok(())
    })
    .await
}

fn below_c(fleet: &Fleet) -> Change {
    Change::Repoint {
        source: key(&fleet["c"]),
        profile_of: None,
    }
}

async fn nothing_discards_them(flavour: Flavour) -> Result<()> {
    let fleet = two_unapplied_rows(flavour).await?;
    let servers = servers();
    let mut session = open(&servers, &fleet["b"]).await?;
    let before = threads(&fleet["b"]).await?;
    for change in [below_c(&fleet), Change::ForgetSource, Change::Detach] {
        refuses(&mut session, change).await?;
        let now = threads(&fleet["b"]).await?;
        ensure!(now == before, "a refusal changed {before:?} to {now:?}");
        ensure!(source_host(&fleet["b"]).await? == fleet["a"].host().to_string());
    }
    twice(&mut session, Change::StartApplier).await?;
    both_rows_are_there(&fleet).await?;
    then_it_follows_c(&fleet, &mut session).await
}

async fn then_it_follows_c(fleet: &Fleet, session: &mut Box<dyn ServerSession>) -> Result<()> {
    twice(session, Change::StopReceiver).await?;
    twice(session, below_c(fleet)).await?;
    twice(session, Change::StartReplication).await?;
    wait_until("b to replicate", SOON, async || {
        fleet["b"].is_replicating().await
    })
    .await?;
    ensure!(rows(&fleet["b"]).await? == 2);
    Ok(())
}

#[tokio::test]
async fn unapplied_rows_survive_on_mariadb() -> Result<()> {
    nothing_discards_them(Flavour::MariaDb).await
}

#[tokio::test]
async fn unapplied_rows_survive_on_mysql_9() -> Result<()> {
    nothing_discards_them(Flavour::MySql).await
}

#[tokio::test]
async fn unapplied_rows_survive_on_mysql_56() -> Result<()> {
    nothing_discards_them(Flavour::MySql56).await
}

/// The order that loses rows on MariaDB is not carried out.
#[tokio::test]
async fn a_receiver_is_not_stopped_before_the_applier_runs_on_mariadb() -> Result<()> {
    let fleet = two_unapplied_rows(Flavour::MariaDb).await?;
    let servers = servers();
    let mut session = open(&servers, &fleet["b"]).await?;
    refuses(&mut session, Change::StopReceiver).await?;
    let (receiver, _) = threads(&fleet["b"]).await?;
    ensure!(receiver != "No", "it was stopped");
    twice(&mut session, Change::StartApplier).await?;
    both_rows_are_there(&fleet).await
}

/// On MySQL the same order is harmless, and is carried out.
#[tokio::test]
async fn a_receiver_may_be_stopped_before_the_applier_runs_on_mysql_9() -> Result<()> {
    let fleet = two_unapplied_rows(Flavour::MySql).await?;
    let servers = servers();
    let mut session = open(&servers, &fleet["b"]).await?;
    twice(&mut session, Change::StopReceiver).await?;
    twice(&mut session, Change::StartApplier).await?;
    both_rows_are_there(&fleet).await
}

/// Where somebody stopped both, starting the applier, or both, would make MariaDB drop the rows. It is refused; and that the refusal is no
/// superstition is seen by what the server does.
#[tokio::test]
async fn nothing_is_started_after_both_were_stopped_on_mariadb() -> Result<()> {
    let fleet = two_unapplied_rows(Flavour::MariaDb).await?;
    let b = &fleet["b"];
    b.run("STOP SLAVE IO_THREAD").await?;
    let servers = servers();
    let mut session = open(&servers, b).await?;
    refuses(&mut session, Change::StartApplier).await?;
    refuses(&mut session, Change::StartReplication).await?;
    ensure!(threads(b).await? == ("No".to_owned(), "No".to_owned()));
    b.run("START SLAVE SQL_THREAD").await?;
    wait_until("the applier to have read its relay log", SOON, async || {
        let state = status(b, "Slave_SQL_Running_State", "Slave_SQL_Running_State").await?;
        ensure!(state.contains("has read all relay log"), "{state}");
        Ok(())
    })
    .await?;
    ensure!(
        rows(b).await? == 0,
        "this server keeps the rows: the refusal is needed no more"
    );
    Ok(())
}

/// Somebody stops the applier between our last look and the statement that restarts the receiver, and two rows come. What came of the
/// restart, and the rows, whose source is dead, once the applier runs again.
async fn restarted_after_somebody_stopped_the_applier(
    flavour: Flavour,
) -> Result<(Result<(), ChangeError>, Fleet)> {
    let plan = Plan::of(flavour, "a\n+ b\n+ c").behind_relays();
    let fleet = plan.build().await?;
    table(&fleet).await?;
    fleet.replicating().await?;
    everywhere(&fleet).await?;
    let (b, relay) = (&fleet["b"], fleet.relay()?);
    let servers = servers();
    let mut session = open(&servers, b).await?;
    relay.stop_at(StopAt {
        number: 1,
        fate: Fate::Held,
        late: Late::WhenReleased,
    });
    let (made, between) = tokio::join!(session.make(&Change::RestartReceiver, DEADLINE), async {
        let came = relay.reaches(SOON).await?;
        ensure!(came[0].text.contains("STOP"), "{came:?}");
        relay.stopped();
        let replica = match flavour {
            Flavour::MySql => "REPLICA",
            _ => "SLAVE",
        };
        b.run(&format!("STOP {replica} SQL_THREAD")).await?;
        receive_two(&fleet).await?;
        relay.release(SOON).await?;
        Ok::<_, anyhow::Error>(replica)
    });
    let replica = between?;
    fleet["a"].kill()?;
    b.run(&format!("START {replica} SQL_THREAD")).await?;
    Ok((made, fleet))
}

/// The server looks itself, in the statement.
#[tokio::test]
async fn a_receiver_is_not_restarted_once_somebody_stopped_the_applier_on_mariadb() -> Result<()> {
    let (made, fleet) = restarted_after_somebody_stopped_the_applier(Flavour::MariaDb).await?;
    ensure!(
        matches!(made, Err(ChangeError::Unsupported { .. })),
        "{made:?}"
    );
    both_rows_are_there(&fleet).await
}

/// MySQL keeps them, whether the applier runs or not.
#[tokio::test]
async fn a_restarted_receiver_keeps_rows_that_are_not_applied_on_mysql_9() -> Result<()> {
    let (made, fleet) = restarted_after_somebody_stopped_the_applier(Flavour::MySql).await?;
    made?;
    both_rows_are_there(&fleet).await
}

#[tokio::test]
async fn a_restarted_receiver_keeps_rows_that_are_not_applied_on_mysql_56() -> Result<()> {
    let (made, fleet) = restarted_after_somebody_stopped_the_applier(Flavour::MySql56).await?;
    made?;
    both_rows_are_there(&fleet).await
}

/// An applier that is busy is waited for, and not stopped when the time is over.
async fn a_busy_applier_is_waited_for(flavour: Flavour) -> Result<()> {
    let fleet = Plan::of(flavour, "a\n+ b\n+ c").build().await?;
    table(&fleet).await?;
    let b = &fleet["b"];
    let mut lock = b.connect().await?;
    lock.query_drop("LOCK TABLES lab.t READ").await?;
    receive_two(&fleet).await?;
    fleet["a"].kill()?;
    let servers = servers();
    let mut session = open(&servers, b).await?;
    refuses(&mut session, below_c(&fleet)).await?;
    refuses(&mut session, Change::ForgetSource).await?;
    let (receiver, applier) = threads(b).await?;
    ensure!(
        receiver != "No",
        "the receiver that was stopped for it goes on"
    );
    ensure!(applier == "Yes", "the applier goes on");
    twice(&mut session, Change::StopReceiver).await?;
    refuses(&mut session, Change::Detach).await?;
    ensure!(threads(b).await? == ("No".to_owned(), "Yes".to_owned()));
    // While a change waits, the way becomes free.
    let change = below_c(&fleet);
    let (made, unlocked) = tokio::join!(session.make(&change, DEADLINE), async {
        it_waits(b).await?;
        Ok::<_, anyhow::Error>(lock.query_drop("UNLOCK TABLES").await?)
    });
    unlocked?;
    made?;
    ensure!(rows(b).await? == 2);
    twice(&mut session, Change::StartReplication).await
}

/// Looks until somebody has looked many times.
async fn it_waits(server: &Server) -> Result<()> {
    const LOOKS: u64 = 40;
    let asked = async || -> Result<u64> {
        let counter = "SHOW GLOBAL STATUS LIKE 'Questions'";
        Ok(server.value(counter, "Value").await?.parse()?)
    };
    let before = asked().await?;
    wait_until("looks at the applier", SOON, async || {
        let count = asked().await? - before;
        ensure!(count > LOOKS, "{count}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_busy_applier_is_waited_for_on_mariadb() -> Result<()> {
    a_busy_applier_is_waited_for(Flavour::MariaDb).await
}

#[tokio::test]
async fn a_busy_applier_is_waited_for_on_mysql_9() -> Result<()> {
    a_busy_applier_is_waited_for(Flavour::MySql).await
}

/// An applier that an error stopped, with rows behind the error: the replica is left as it is.
#[tokio::test]
async fn an_applier_with_an_error_keeps_its_replica_as_it_is() -> Result<()> {
    let fleet = Plan::mariadb("a\n+ b\n+ c").build().await?;
    table(&fleet).await?;
    let b = &fleet["b"];
    let mut stray = b.connect().await?;
    stray.query_drop("SET SESSION sql_log_bin = 0").await?;
    stray.query_drop("INSERT INTO lab.t VALUES (1, 99)").await?;
    write(&fleet["a"]).await?;
    wait_until("the applier to fail", SOON, async || {
        let errno = status(b, "Last_SQL_Errno", "Last_SQL_Errno").await?;
        ensure!(errno == "1062", "{errno}");
        Ok(())
    })
    .await?;
    let servers = servers();
    let mut session = open(&servers, b).await?;
    for change in [
        below_c(&fleet),
        Change::ForgetSource,
        Change::Detach,
        Change::StopReceiver,
    ] {
        refuses(&mut session, change).await?;
    }
    let started = session.make(&Change::StartApplier, DEADLINE).await;
    if let Err(error) = started {
        ensure!(matches!(error, ChangeError::NotSeen { .. }), "{error}");
        ensure!(error.to_string().contains("1062"), "{error}");
    }
    Ok(())
}

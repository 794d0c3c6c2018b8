//! A receiver that waits for the greeting of a frozen source: MySQL 9 takes two seconds to end it, and it takes nothing in meanwhile.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use orchestrator_core::domain::{Observation, ProbeFailure, ThreadState};
use orchestrator_core::ports::{Change, ServerSession};
use raft_tests::lab::{Flavour, Fleet, Plan, Stopwatch, wait_until};

use crate::world::{
    DEADLINE, SOON, is_on, open, rows, servers, session_is_gone, status, table, threads, write,
};

/// What goes on beside the stop has to be over in so long: well before the stop is, also on a busy machine.
const BESIDE: Duration = Duration::from_millis(1_500);

/// The receiver as it was seen.
fn receiver(seen: Result<Observation, ProbeFailure>) -> Result<ThreadState> {
    let seen = seen.map_err(|failure| anyhow!("{}", failure.message))?;
    let link = seen.replication.as_ref().context("it has no source")?;
    Ok(link.receiver)
}

async fn received(server: &raft_tests::lab::Server) -> Result<String> {
    status(server, "Retrieved_Gtid_Set", "Retrieved_Gtid_Set").await
}

/// A frozen primary, and its replica `b` that was told to reconnect.
async fn waiting_for_a_greeting(flavour: Flavour) -> Result<Fleet> {
    let fleet = Plan::of(flavour, "a\n+ b").build().await?;
    table(&fleet).await?;
    fleet["a"].freeze()?;
    let b = &fleet["b"];
    let word = match flavour {
        Flavour::MySql => "REPLICA",
        Flavour::MariaDb | Flavour::MySql56 => "SLAVE",
    };
    for verb in ["STOP", "START"] {
        b.run(&format!("{verb} {word} IO_THREAD")).await?;
    }
    wait_until("the receiver to connect", SOON, async || {
        ensure!(
            threads(b).await?.0 == "Connecting",
            "{:?}",
            threads(b).await?
        );
        Ok(())
    })
    .await?;
    Ok(fleet)
}

/// Looks beside a stop until the receiver is seen as ending.
async fn seen_ending(beside: &mut Box<dyn ServerSession>, stopping: u64) -> Result<()> {
    loop {
        match receiver(beside.observe_beside(stopping).await)? {
            ThreadState::Stopping => return Ok(()),
            ThreadState::Other => tokio::time::sleep(Duration::from_millis(10)).await,
            other => bail!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn mysql_9_goes_on_beside_it_and_takes_nothing_in_when_the_source_is_back() -> Result<()> {
    let fleet = waiting_for_a_greeting(Flavour::MySql).await?;
    let (a, b) = (&fleet["a"], &fleet["b"]);
    let had = received(b).await?;
    let servers = servers();
    let mut stopping = open(&servers, b).await?;
    let mut beside = open(&servers, b).await?;
    // Nobody stops it yet.
    let id = stopping.connection_id();
    ensure!(receiver(beside.observe_beside(id).await)? == ThreadState::Other);

    let watch = Stopwatch::start();
    let stop = tokio::spawn(async move {
        let made = stopping.make(&Change::StopReceiver, DEADLINE).await;
        (stopping, made)
    });
    tokio::time::timeout(BESIDE, seen_ending(&mut beside, id)).await??;
    // Who is not told that somebody stops it sees what the server shows.
    ensure!(receiver(beside.observe().await)? == ThreadState::Other);
    ensure!(receiver(beside.observe_beside(id + 1000).await)? == ThreadState::Other);
    beside.make(&Change::MakeWritable, DEADLINE).await?;
    ensure!(!is_on(b, "read_only").await?);
    write(b).await?;
    ensure!(watch.elapsed() < BESIDE, "{:?}", watch.elapsed());
    ensure!(!stop.is_finished(), "it is ended at once");

    // The source goes on, and has more: none of it comes.
    a.thaw()?;
    write(a).await?;
    let (_stopped, made) = stop.await?;
    made.context("the stop")?;
    ensure!(threads(b).await?.0 == "No");
    ensure!(received(b).await? == had, "{} came", received(b).await?);
    ensure!(rows(b).await? == 1);
    for change in [Change::StopApplier, Change::ForgetSource] {
        beside.make(&change, DEADLINE).await?;
    }
    ensure!(b.replica_status().await?.is_none(), "it has a source");
    Ok(())
}

#[tokio::test]
async fn mysql_9_ends_it_after_two_seconds_and_statements_about_threads_wait_so_long() -> Result<()>
{
    let fleet = waiting_for_a_greeting(Flavour::MySql).await?;
    let b = &fleet["b"];
    let servers = servers();
    let mut stopping = open(&servers, b).await?;
    let mut beside = open(&servers, b).await?;
    let id = stopping.connection_id();
    let watch = Stopwatch::start();
    let stop = tokio::spawn(async move { stopping.make(&Change::StopReceiver, DEADLINE).await });
    tokio::time::timeout(BESIDE, seen_ending(&mut beside, id)).await??;
    beside.make(&Change::StopApplier, DEADLINE).await?;
    let waited = watch.elapsed();
    ensure!(waited > Duration::from_millis(1_900), "{waited:?}");
    stop.await??;
    ensure!(threads(b).await? == ("No".to_owned(), "No".to_owned()));
    session_is_gone(b, id).await?;
    Ok(())
}

async fn ends_it_at_once(flavour: Flavour) -> Result<()> {
    let fleet = waiting_for_a_greeting(flavour).await?;
    let b = &fleet["b"];
    let mut session = open(&servers(), b).await?;
    let watch = Stopwatch::start();
    session.make(&Change::StopReceiver, DEADLINE).await?;
    let took = watch.elapsed();
    ensure!(took < BESIDE, "{took:?}");
    ensure!(threads(b).await?.0 == "No");
    Ok(())
}

#[tokio::test]
async fn mariadb_ends_it_at_once() -> Result<()> {
    ends_it_at_once(Flavour::MariaDb).await
}

#[tokio::test]
async fn mysql_56_ends_it_at_once() -> Result<()> {
    ends_it_at_once(Flavour::MySql56).await
}

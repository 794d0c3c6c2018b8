//! A supervisor starts the killed primary again, writable as its option file says, while clients reconnect in a loop.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use raft_tests::lab::{Flavour, Node, Stopwatch, Writers, holds_for, wait_until};

use crate::record::{is_busy, newest, recoveries, succeeded};
use crate::tally::{Tally, runs};
use crate::world::{SOON, World};

/// How long the supervisor waits, one after the other.
const DELAYS: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
];
/// Within this the old primary is to be closed, from its first answer on: counted, and told.
const CLOSED_WITHIN: Duration = Duration::from_millis(200);
/// Longer than this is a failure on any machine: on cores that are shared with many others a login alone takes half a second.
const CLOSED_AT_LAST: Duration = Duration::from_secs(10);
/// Two polls to see it dead, one to see it alive, and the rest for a busy machine: whatever would have been done is under way.
const SETTLED: Duration = Duration::from_secs(6);
/// How long a closed old primary is watched.
const WATCHED: Duration = Duration::from_secs(3);

/// When the supervisor starts it again.
#[derive(Clone, Copy, Debug)]
enum When {
    After(Duration),
    /// As soon as the record says that receivers are stopped: too late to be called off.
    ReceiversStopped,
}

#[derive(Default)]
struct Figures {
    window: Tally,
    /// How often that was longer than it is to be.
    over: usize,
    /// How often the server itself crashed while it was closed; the supervisor starts it again then.
    crashed: usize,
    stayed: usize,
    named: usize,
}

async fn restarted(flavour: Flavour, when: When, figures: &mut Figures) -> Result<()> {
    let (world, node) = World::with_node(flavour).await?;
    let a = &world.fleet["a"];
    let killed = world.sampler.now();
    a.kill()?;
    match when {
        When::After(delay) => tokio::time::sleep(delay).await,
        When::ReceiversStopped => receivers_stopped(&node).await?,
    }
    a.launch()?;
    let _eager = Writers::eager(a);
    if fails_over(&world, &node).await? {
        closed_and_named(&world, &node, killed, figures).await
    } else {
        ensure!(
            matches!(when, When::After(_)),
            "no failover after receivers were stopped"
        );
        figures.stayed += 1;
        nothing_lost(&world).await
    }
}

async fn receivers_stopped(node: &Node) -> Result<()> {
    wait_until("receivers to be stopped", SOON, async || {
        let record = newest(node).await?;
        let steps = record["steps"].as_array().context("no steps")?;
        let begun = steps.iter().any(|step| step["state"] != "waiting");
        ensure!(begun, "phase {}", record["phase"]);
        Ok(())
    })
    .await
}

/// Waits until a failover is over, or the old primary has its replicas again. True for a failover.
async fn fails_over(world: &World, node: &Node) -> Result<bool> {
    let watch = Stopwatch::start();
    wait_until("a failover, or none", SOON, async || {
        if succeeded(node).await? > 0 {
            return Ok(true);
        }
        ensure!(watch.elapsed() >= SETTLED, "it may still come");
        ensure!(!is_busy(node).await?, "a recovery is under way");
        for name in ["b", "c"] {
            world.fleet[name].is_replicating().await?;
        }
        Ok(false)
    })
    .await
}

async fn nothing_lost(world: &World) -> Result<()> {
    let a = &world.fleet["a"];
    world
        .one_tree(a, &[&world.fleet["b"], &world.fleet["c"]])
        .await?;
    let missing = world.writers.missing_on(a).await?;
    ensure!(
        missing.is_empty(),
        "rows are lost without a failover: {missing:?}"
    );
    Ok(())
}

async fn closed_and_named(
    world: &World,
    node: &Node,
    killed: Duration,
    figures: &mut Figures,
) -> Result<()> {
    let a = &world.fleet["a"];
    let record = newest(node).await?;
    let promoted = world.promoted(&record)?;
    let started = Mutex::new(killed);
    let look = async || {
        if a.revive()? {
            *started.lock().expect("nobody panics with it") = world.sampler.now();
        }
        newest(node).await
    };
    let named = world.old_primary_named(a, promoted, look).await?;
    let since = *started.lock().expect("nobody panics with it");
    figures.crashed += usize::from(since != killed);
    figures.named += named;
    let window = world.sampler.window("a", since)?.context("it is back")?;
    let length = window.length().context("it was never closed")?;
    println!("the old primary was closed after {length:?}; {named} rows are named");
    if length >= CLOSED_WITHIN {
        figures.over += 1;
        println!(
            "{window:?}, restarted at {since:?}; {:#}",
            newest(node).await?
        );
    }
    figures.window.add(length);
    ensure!(
        length < CLOSED_AT_LAST,
        "the old primary was open for {length:?}"
    );
    holds_for("the old primary closed", WATCHED, async || {
        let open = world.sampler.open_now();
        ensure!(!open.contains(&"a"), "open: {open:?}");
        Ok(())
    })
    .await?;
    let window = world.sampler.window("a", since)?.context("it is back")?;
    if window.last_open > window.closed {
        bail!("the old primary took writes again: {window:?}");
    }
    let left = world.left_beside(promoted)?;
    world.one_tree(promoted, &[left]).await?;
    // Never adopted: it is nobody's replica unless an operator makes it one.
    ensure!(
        a.replica_status().await?.is_none(),
        "the old primary has a source"
    );
    ensure!(recoveries(node).await?.len() == 1, "one recovery");
    Ok(())
}

fn print(flavour: Flavour, figures: &mut Figures) {
    figures
        .window
        .print(&format!("{flavour:?}: old primary open after it answered"));
    println!(
        "{flavour:?}: over {CLOSED_WITHIN:?} {} times; no failover {} times; {} rows named; crashed {} times",
        figures.over, figures.stayed, figures.named, figures.crashed
    );
}

/// In the long lane, the supervisor's delays one after the other, on every flavour.
async fn with_each_delay(flavour: Flavour) -> Result<()> {
    let mut figures = Figures::default();
    for run in 0..runs()? {
        let when = When::After(DELAYS[run % DELAYS.len()]);
        let outcome = restarted(flavour, when, &mut figures).await;
        outcome.with_context(|| format!("run {run}, {when:?}"))?;
    }
    print(flavour, &mut figures);
    Ok(())
}

async fn too_late(flavour: Flavour) -> Result<()> {
    let mut figures = Figures::default();
    for run in 0..runs()? {
        let outcome = restarted(flavour, When::ReceiversStopped, &mut figures).await;
        outcome.with_context(|| format!("run {run}"))?;
    }
    print(flavour, &mut figures);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_back_at_once_stays_primary_on_mariadb() -> Result<()> {
    with_each_delay(Flavour::MariaDb).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_back_at_once_stays_primary_or_is_closed_on_mysql_9() -> Result<()> {
    with_each_delay(Flavour::MySql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_back_at_once_stays_primary_or_is_closed_on_mysql_56() -> Result<()> {
    with_each_delay(Flavour::MySql56).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_back_too_late_is_closed_and_its_rows_are_named_on_mariadb() -> Result<()>
{
    too_late(Flavour::MariaDb).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_back_too_late_is_closed_and_its_rows_are_named_on_mysql_56() -> Result<()>
{
    too_late(Flavour::MySql56).await
}

/// Its start takes seconds, so it is back after the failover at the earliest.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_back_too_late_is_closed_and_its_rows_are_named_on_mysql_9() -> Result<()>
{
    too_late(Flavour::MySql).await
}

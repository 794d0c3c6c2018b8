//! Failovers by beats: polls are a minute apart, so nothing here waits for one, and nothing can come of one.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_core::beats::BeatPolicy;
use raft_tests::lab::{Flavour, Link, Node, NodePlan, Plan, Server, Stopwatch, wait_until};
use serde_json::Value;

use crate::record::{recoveries, recovery_of};
use crate::tally::{Tally, runs};
use crate::world::{SOME_ROWS, SOON, TREE, World};

/// Polls that nobody waits for.
pub fn rarely(plan: NodePlan) -> NodePlan {
    plan.with("InstancePollSeconds", 60)
}

/// For how long one recovery holds back the next (`recovering`), and a moment more.
const BLOCKED: Duration = Duration::from_millis(1_200);

/// A world whose node beats its primary.
pub async fn beating(plan: Plan) -> Result<(World, Node)> {
    let (world, node) = World::with_node_as(plan, rarely).await?;
    is_beaten(&node, &world.fleet["a"]).await?;
    Ok((world, node))
}

/// Waits until this primary has beats that were answered: its vigil, which comes after them, waits there, and the node counts on it.
pub async fn is_beaten(node: &Node, primary: &Server) -> Result<()> {
    is_beaten_by(std::slice::from_ref(node), primary).await
}

/// The same by several nodes.
pub async fn is_beaten_by(nodes: &[Node], primary: &Server) -> Result<()> {
    wait_until("the primary to have beats", SOON, async || {
        let sessions = primary.rows("SHOW FULL PROCESSLIST").await?;
        let vigils = sessions
            .iter()
            .filter(|one| one.text("Info").starts_with("DO SLEEP"));
        let count = vigils.count();
        ensure!(
            count == nodes.len(),
            "{count} vigils, perhaps one of before"
        );
        for node in nodes {
            let metrics = node.get("/metrics").await?.text;
            let known = metric(&metrics, "orchestrator_beats_vigils").unwrap_or(0.0);
            ensure!(known == 1.0, "{known} vigils");
        }
        Ok(())
    })
    .await
}

pub fn metric(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[derive(Default)]
pub struct Figures {
    pub writable: Tally,
    pub recorded: Tally,
    parts: BTreeMap<&'static str, Tally>,
}

impl Figures {
    /// The parts of the time that the record names.
    pub fn split(&mut self, record: &Value) {
        for part in ["detect", "decide", "close", "promote", "publish"] {
            let took = &record["end"]["time_split"][format!("{part}_seconds")];
            if let Some(took) = took.as_f64() {
                let part = self.parts.entry(part).or_default();
                part.add(Duration::from_secs_f64(took));
            }
        }
    }

    pub fn print(&mut self, what: &str) {
        self.writable.print(&format!("{what}: to writable"));
        self.recorded.print(&format!("{what}: to finished record"));
        for (part, tally) in &mut self.parts {
            tally.print(&format!("{what}:   {part}"));
        }
    }
}

pub async fn fail_over<'a>(
    world: &'a World,
    node: &Node,
    primary: &Server,
    end: impl FnOnce(&Server) -> Result<()>,
    figures: &mut Figures,
) -> Result<(&'a Server, Value)> {
    let ended = world.sampler.now();
    end(primary)?;
    let record = recovery_of(node, primary).await?;
    figures.recorded.add(world.sampler.now() - ended);
    figures.split(&record);
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    let promoted = world.promoted(&record)?;
    wait_until("the promoted server to take writes", SOON, async || {
        let open = world.sampler.first_open(promoted.name(), ended)?;
        figures.writable.add(open - ended);
        Ok(())
    })
    .await?;
    world.loss_is_owned_up(&record, promoted).await?;
    Ok((promoted, record))
}

/// Primaries end in the way of `end`, twice in each world; the old one is `revived` and has to be closed.
async fn replaced(
    plan: impl Fn() -> Plan,
    what: &str,
    end: fn(&Server) -> Result<()>,
    revive: impl AsyncFn(&Server) -> Result<()>,
) -> Result<()> {
    let mut figures = Figures::default();
    // Ends are spread evenly over the second between two beats: which of them comes to nothing first is a part of the time.
    let runs = runs()?;
    let part = BeatPolicy::EVERY / 2 / u32::try_from(runs.max(1))?;
    for run in 0..runs {
        let later = part * u32::try_from(2 * run)?;
        let (world, node) = beating(plan()).await?;
        let old = &world.fleet["a"];
        tokio::time::sleep(later).await;
        let (first, _) = fail_over(&world, &node, old, end, &mut figures).await?;
        let ended = Stopwatch::start();
        revive(old).await?;
        let look = async || crate::record::newest(&node).await;
        world.old_primary_named(old, first, look).await?;
        world.writers.write_on(first, SOME_ROWS).await?;
        is_beaten(&node, first).await?;
        // Else the figures would be of the block period.
        tokio::time::sleep(BLOCKED.saturating_sub(ended.elapsed())).await;
        tokio::time::sleep(later + part).await;
        let (second, _) = fail_over(&world, &node, first, end, &mut figures).await?;
        world.one_tree(second, &[]).await?;
    }
    figures.print(what);
    Ok(())
}

async fn killed(flavour: Flavour) -> Result<()> {
    let revive = async |old: &Server| old.start().await;
    let what = format!("{flavour:?}, killed");
    replaced(|| Plan::of(flavour, TREE), &what, Server::kill, revive).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_primary_is_replaced_before_any_poll_on_mariadb() -> Result<()> {
    killed(Flavour::MariaDb).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_primary_is_replaced_before_any_poll_on_mysql_9() -> Result<()> {
    killed(Flavour::MySql).await
}

/// Receivers notice by themselves after two seconds, and get a heartbeat each second.
pub fn noticing(flavour: Flavour) -> Plan {
    Plan::of(flavour, TREE)
}

/// Receivers notice by themselves after a minute, and get a heartbeat each half.
fn late(flavour: Flavour) -> Plan {
    let timeout = match flavour {
        Flavour::MySql => "replica_net_timeout",
        Flavour::MariaDb | Flavour::MySql56 => "slave_net_timeout",
    };
    let link = Link {
        heartbeat_seconds: 30.0,
        ..Link::default()
    };
    Plan::of(flavour, TREE).with(timeout, "60").link(link)
}

async fn frozen(plan: impl Fn() -> Plan, what: &str) -> Result<()> {
    let thaw = async |old: &Server| old.thaw();
    replaced(plan, what, Server::freeze, thaw).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_primary_is_replaced_and_closed_when_it_goes_on_on_mariadb() -> Result<()> {
    let plan = || noticing(Flavour::MariaDb);
    frozen(plan, "MariaDB, frozen, timeout 2").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_primary_is_replaced_and_closed_when_it_goes_on_on_mysql_9() -> Result<()> {
    let plan = || noticing(Flavour::MySql).with("performance_schema", "1");
    frozen(plan, "MySQL, frozen, timeout 2").await
}

/// Nothing that replicas receive tells in time: one of them is told to reconnect.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_primary_is_replaced_though_replicas_would_notice_late_on_mariadb() -> Result<()> {
    frozen(|| late(Flavour::MariaDb), "MariaDB, frozen, timeout 60").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_primary_is_replaced_though_replicas_would_notice_late_on_mysql_9() -> Result<()> {
    frozen(|| late(Flavour::MySql), "MySQL, frozen, timeout 60").await
}

pub async fn nothing_was_done(node: &Node, what: &str) -> Result<()> {
    let all = recoveries(node).await?;
    ensure!(all.is_empty(), "{what}, and: {all:?}");
    Ok(())
}

/// It would have been done: a primary that crashes is replaced.
pub async fn but_a_crash_is_something(world: &World, node: &Node) -> Result<()> {
    is_beaten(node, &world.fleet["a"]).await?;
    a_crash_is_something(world, node).await
}

/// The same of one that does not let us in.
pub async fn a_crash_is_something(world: &World, node: &Node) -> Result<()> {
    let primary = &world.fleet["a"];
    primary.kill()?;
    let record = recovery_of(node, primary).await?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_of_a_second_and_a_half_is_left_alone() -> Result<()> {
    let (world, node) = beating(noticing(Flavour::MariaDb)).await?;
    let primary = &world.fleet["a"];
    for _ in 0..runs()? {
        primary.freeze()?;
        // This long, and no longer, is what the test is about.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        primary.thaw()?;
        world.writers.write_on(primary, SOME_ROWS).await?;
        nothing_was_done(&node, "a short freeze").await?;
    }
    but_a_crash_is_something(&world, &node).await
}

/// Shuts a primary down in order, and starts it five seconds later; nothing is done meanwhile.
pub async fn down_for_five_seconds(primary: &Server, node: &Node) -> Result<()> {
    let down = Stopwatch::start();
    primary.stop().await?;
    // This long is what the tests are about; some of it has passed while it went down.
    tokio::time::sleep(Duration::from_secs(5).saturating_sub(down.elapsed())).await;
    nothing_was_done(node, "an orderly shutdown").await?;
    primary.start().await
}

/// A primary is shut down in order, and comes back five seconds later.
async fn restarted(flavour: Flavour) -> Result<()> {
    let (world, node) = beating(Plan::of(flavour, TREE)).await?;
    let primary = &world.fleet["a"];
    for _ in 0..runs()? {
        down_for_five_seconds(primary, &node).await?;
        world.writers.write_on(primary, SOME_ROWS).await?;
        is_beaten(&node, primary).await?;
        nothing_was_done(&node, "an orderly restart").await?;
    }
    but_a_crash_is_something(&world, &node).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_restart_is_left_alone_on_mariadb() -> Result<()> {
    restarted(Flavour::MariaDb).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_restart_is_left_alone_on_mysql_9() -> Result<()> {
    restarted(Flavour::MySql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_restart_is_left_alone_on_mysql_5_6() -> Result<()> {
    restarted(Flavour::MySql56).await
}

/// One that does not come back is replaced when its time is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_shut_down_for_good_is_replaced_after_its_time() -> Result<()> {
    let briefly = |plan: NodePlan| rarely(plan).with("PrimaryRestartGraceSeconds", 3);
    let (world, node) = World::with_node_as(Plan::of(Flavour::MariaDb, TREE), briefly).await?;
    let primary = &world.fleet["a"];
    is_beaten(&node, primary).await?;
    let down = world.sampler.now();
    primary.stop().await?;
    let record = recovery_of(&node, primary).await?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    let open = world
        .sampler
        .first_open(world.promoted(&record)?.name(), down)?;
    let took = open - down;
    ensure!(took >= Duration::from_secs(3), "after {took:?}");
    Ok(())
}

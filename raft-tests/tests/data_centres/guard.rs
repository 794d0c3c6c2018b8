//! The opt-in guard: a node that is cut off with its data centre closes the primary beside it, and only then.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Cut, Door, Flavour, Node, Part, holds_for, wait_until};
use serde_json::Value;

use crate::record::{newest, recovery_of};
use crate::sites::{Sites, each_time, others};
use crate::statements::changes_by;
use crate::tally::Tally;
use crate::world::{SOME_ROWS, SOON, TREE};

/// `IsolationGuardAfterSeconds` here.
const AFTER: u64 = 3;

/// How long a primary that must stay open is watched: far longer than the guard would take.
const WATCHED: Duration = Duration::from_secs(20);

/// Three data centres with the guard on in each, whose kernels give up a silent connection after seconds, and not a quarter of an hour:
/// by that a primary knows that nobody outside receives from it.
async fn guarded(flavour: Flavour) -> Result<Sites> {
    let sites = Sites::of(flavour, TREE, &[0, 1, 2], |number, plan| {
        plan.with("IsolationGuard", true)
            .with("IsolationGuardDataCenter", format!("dc{number}"))
            .with("IsolationGuardAfterSeconds", AFTER)
    })
    .await?;
    for centre in 0..3 {
        sites.centres.set(centre, "net/ipv4/tcp_retries2", "3")?;
    }
    Ok(sites)
}

/// What the guard of a node says of itself.
async fn report(node: &Node) -> Result<Value> {
    let answer = node.get("/api/v2/isolation-guard").await?;
    ensure!(answer.is_ok(), "{}", answer.text);
    ensure!(answer.json["is_on"] == true, "{}", answer.text);
    Ok(answer.json)
}

async fn closes(flavour: Flavour, leader: usize, took: &mut Tally) -> Result<()> {
    let sites = guarded(flavour).await?;
    let (world, group) = (&sites.world, &sites.group);
    sites.lead(leader).await?;
    let a = sites.server("a");
    wait_until(
        "the guard to find that its node is connected",
        SOON,
        async || {
            let why = report(&group[0]).await?;
            let why = why["why_nothing_is_closed"].as_str().unwrap_or_default();
            ensure!(why.contains("connected"), "{why}");
            Ok(())
        },
    )
    .await?;
    let began = world.sampler.now();
    sites.centres.cut_off(0, Cut::Silent)?;
    let closed = wait_until("the guard to close the primary", SOON, async || {
        let closed = world.sampler.samples("a")?;
        let closed = closed
            .iter()
            .find(|it| it.at >= began && it.door == Door::Closed);
        let closed = closed.with_context(|| "it is open".to_owned());
        match closed {
            Ok(sample) => Ok(sample.at - began),
            Err(why) => Err(why.context(report(&group[0]).await?)),
        }
    })
    .await?;
    took.add(closed);
    ensure!(
        closed >= Duration::from_secs(AFTER),
        "closed after {closed:?}"
    );
    let told = wait_until("the guard to say so", SOON, async || {
        let told = report(&group[0]).await?;
        let one = &told["primaries"][0];
        ensure!(!one["closed_at"].is_null(), "{told}");
        Ok(told)
    })
    .await?;
    ensure!(
        told["primaries"][0]["server"]["hostname"] == a.host().to_string(),
        "{told}"
    );
    let outside = sites.leader_among(&others(0)).await?;
    let record = recovery_of(&group[outside], a).await?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    let promoted = world.promoted(&record)?;
    sites.outside.write_on(promoted, SOME_ROWS).await?;
    let by_guard = changes_by(a, sites.centres.node(0))?;
    ensure!(
        by_guard.iter().any(|it| it.contains("read_only")),
        "{by_guard:?}"
    );
    ensure!(
        by_guard.iter().all(|it| it.contains("fence=0 ")),
        "{by_guard:?}"
    );
    for other in ["b", "c"] {
        let changes = changes_by(sites.server(other), sites.centres.node(0))?;
        ensure!(changes.is_empty(), "the guard changed {other}: {changes:?}");
    }
    sites.centres.heal()?;
    let look = async || newest(&group[group.leader().await?]).await;
    world.old_primary_named(a, promoted, look).await?;
    let left = world.left_beside(promoted)?;
    world.one_tree(promoted, &[left]).await?;
    wait_until("what the guard did to be told", SOON, async || {
        let log = group[0].log()?;
        ensure!(
            log.contains("its guard closed this primary"),
            "the log does not say it"
        );
        Ok(())
    })
    .await?;
    group.agree(&[0, 1, 2]).await
}

async fn told(flavour: Flavour, leader: usize) -> Result<()> {
    let what = format!("{flavour:?}, guard on, data centre cut off, node {leader} leads");
    let took = tokio::sync::Mutex::new(Tally::default());
    each_time(&what, async || {
        closes(flavour, leader, &mut *took.lock().await).await
    })
    .await?;
    took.into_inner().print(&format!("{what}: cut to closed"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guard_closes_a_primary_that_is_cut_off_with_its_node_on_mariadb() -> Result<()> {
    told(Flavour::MariaDb, 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guard_closes_a_primary_that_is_cut_off_with_its_node_on_mysql_9() -> Result<()> {
    told(Flavour::MySql, 1).await
}

/// One that led until it was cut off stays elected until it hears of another, and leads nobody.
#[tokio::test(flavor = "multi_thread")]
async fn the_guard_closes_a_primary_that_is_cut_off_with_the_leader() -> Result<()> {
    told(Flavour::MariaDb, 0).await
}

/// It stays open, for a reason that is told.
async fn stays_open(sites: &Sites, said: &str) -> Result<()> {
    let group = &sites.group;
    wait_until("the reason to be told", SOON, async || {
        let told = report(&group[0]).await?;
        ensure!(told.to_string().contains(said), "{told}");
        Ok(())
    })
    .await?;
    holds_for("the primary stays open", WATCHED, async || {
        let open = sites.world.sampler.open_now();
        ensure!(open == ["a"], "open: {open:?}");
        Ok(())
    })
    .await?;
    let told = report(&group[0]).await?;
    ensure!(told.to_string().contains(said), "{told}");
    sites.nothing_is_done("the primary lives").await?;
    sites.changed_nothing(&[0, 1, 2])?;
    sites.centres.heal()?;
    sites.works_again().await
}

/// The node alone is cut off: its primary is connected, and says so.
async fn only_the_node() -> Result<()> {
    let sites = guarded(Flavour::MariaDb).await?;
    sites.lead(1).await?;
    sites.centres.cut_node_off(0, Cut::Silent)?;
    stays_open(&sites, "receives from it still").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guard_leaves_a_primary_open_whose_replicas_outside_receive() -> Result<()> {
    each_time("guard on, the node alone is cut off", only_the_node).await
}

/// The node hears no other node, and one server outside answers it.
async fn a_server_answers() -> Result<()> {
    let sites = guarded(Flavour::MariaDb).await?;
    sites.lead(1).await?;
    for other in others(0) {
        sites
            .centres
            .cut_both_ways(Part::Node(0), Part::Node(other), Cut::Silent)?;
    }
    stays_open(&sites, "' answers").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guard_leaves_a_primary_open_while_any_server_outside_answers() -> Result<()> {
    each_time("guard on, other nodes are cut off", a_server_answers).await
}

//! A third of the fleet hangs: whoever lives keeps its beats and its place.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Fleet, Node, NodePlan, Plan, Server, Stopwatch, holds_for, wait_until};
use serde_json::Value;

use crate::beats::nothing_was_done;
use crate::record::recovery_of;
use crate::tally::{Tally, runs};
use crate::world::SOON;

/// Three clusters of three.
const FLEET: &str = "a\n+ b\n+ c\nd\n+ e\n+ f\ng\n+ h\n+ i";
const PRIMARIES: [&str; 3] = ["a", "d", "g"];

/// One replica of each cluster; and all of one cluster, where nobody is left who could take over.
const HUNG: [[&str; 3]; 2] = [["c", "f", "i"], ["g", "h", "i"]];

/// Several times what a probe waits.
const WATCHED: Duration = Duration::from_secs(8);

/// Beats that a server has answered, and no more than a few pings besides.
async fn pings(server: &Server) -> Result<f64> {
    let count = "SHOW GLOBAL STATUS LIKE 'Com_admin_commands'";
    let count = server.value(count, "Value").await?;
    count.parse().with_context(|| count.clone())
}

async fn all_seen(fleet: &Fleet, node: &Node) -> Result<()> {
    let count = fleet.servers().len();
    wait_until("all servers to be seen", SOON, async || {
        let all = node.get("/api/all-instances").await?.json;
        let all = all.as_array().context("all-instances is a list")?;
        let valid = all.iter().filter(|one| one["IsLastCheckValid"] == true);
        let replicating = |one: &&Value| one["ReplicationIOThreadRuning"] == true;
        let replicas = all.iter().filter(replicating).count();
        let valid = valid.count();
        ensure!(
            valid == count && replicas == count - PRIMARIES.len(),
            "{valid} of {count}, {replicas} replicas"
        );
        Ok(())
    })
    .await
}

async fn left_alone(fleet: &Fleet, node: &Node, hung: &[&str]) -> Result<()> {
    for name in hung {
        fleet[*name].freeze()?;
    }
    let alive: Vec<&Server> = PRIMARIES
        .iter()
        .filter(|name| !hung.contains(name))
        .map(|name| &fleet[*name])
        .collect();
    let mut before = Vec::new();
    for primary in &alive {
        before.push(pings(primary).await?);
    }
    let watch = Stopwatch::start();
    let what = format!("{hung:?} hang");
    holds_for("no recovery", WATCHED, async || {
        nothing_was_done(node, &what).await
    })
    .await?;
    for (primary, before) in alive.iter().zip(before) {
        let (beats, seconds) = (
            pings(primary).await? - before,
            watch.elapsed().as_secs_f64(),
        );
        println!(
            "{what}: {beats} beats of {} in {seconds:.1} s",
            primary.name()
        );
        // One was due a moment before, and one may be due in a moment.
        ensure!(
            beats >= seconds * 0.9 - 1.0,
            "{beats} beats of {} in {seconds:.1} s",
            primary.name()
        );
    }
    for name in hung {
        fleet[*name].thaw()?;
    }
    fleet.replicating().await?;
    all_seen(fleet, node).await
}

pub async fn primaries_left_alone() -> Result<()> {
    let fleet = Plan::mariadb(FLEET).build().await?;
    let seeds = PRIMARIES.map(|name| fleet[name].key());
    let plan = NodePlan::on(fleet.node_address()?)
        .with("RecoverMasterClusterFilters", vec!["*"])
        .with("RecoveryPeriodBlockSeconds", 1)
        .with("DiscoverySeeds", seeds.to_vec());
    let node = Node::start(plan).await?;
    all_seen(&fleet, &node).await?;
    for run in 0..runs()? {
        for hung in HUNG {
            let outcome = left_alone(&fleet, &node, &hung).await;
            outcome.with_context(|| format!("run {run}"))?;
        }
    }
    // It would have been done, and is done no later while others hang.
    for name in HUNG[0] {
        fleet[name].freeze()?;
    }
    let mut took = Tally::default();
    let died = Stopwatch::start();
    fleet["a"].kill()?;
    let record = recovery_of(&node, &fleet["a"]).await?;
    took.add(died.elapsed());
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    took.print("killed while a third of the fleet hangs: to finished record");
    for name in HUNG[0] {
        fleet[name].thaw()?;
    }
    Ok(())
}

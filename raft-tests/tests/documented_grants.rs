//! The grants that the README tells people to give are enough, word by word.

use std::time::Duration;

use anyhow::{Result, ensure};
use raft_tests::lab::{Fleet, Node, NodePlan, Plan, wait_until};
use raft_tests::readme::documented;

const SOON: Duration = Duration::from_secs(15);

async fn everything_is_seen_with(fleet: &Fleet, statements: &[String]) -> Result<()> {
    // On the source; it replicates to the others.
    for statement in statements {
        fleet["a"].run(statement).await?;
    }
    let at = fleet["a"].position().await?;
    for server in &fleet.servers()[1..] {
        server.applied(&at, SOON).await?;
    }
    let plan = NodePlan::on(fleet.node_address()?)
        .with("MySQLTopologyUser", "documented")
        .with("MySQLTopologyPassword", "documented_pw")
        .with("DiscoverySeeds", vec![fleet["a"].key()]);
    let node = Node::start(plan).await?;
    wait_until("the whole tree", SOON, async || {
        let all = node.get("/api/all-instances").await?.json;
        let valid = all
            .as_array()
            .into_iter()
            .flatten()
            .filter(|i| i["IsLastCheckValid"] == true)
            .count();
        ensure!(
            valid == fleet.servers().len(),
            "{valid} valid: {}",
            node.get("/api/v2/probes").await?.text
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_grants_for_mariadb_are_enough() -> Result<()> {
    let fleet = Plan::mariadb("a\n+ b\n  + c").build().await?;
    everything_is_seen_with(&fleet, &documented("BINLOG MONITOR")?).await
}

#[tokio::test]
async fn the_grants_for_mysql_are_enough() -> Result<()> {
    let fleet = Plan::mysql("a\n+ b").build().await?;
    everything_is_seen_with(&fleet, &documented("REPLICATION CLIENT")?).await
}

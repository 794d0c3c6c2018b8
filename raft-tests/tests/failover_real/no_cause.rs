//! What looks bad and is no dead primary calls for nothing.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mysql_async::prelude::Queryable as _;
use raft_tests::lab::{Account, Flavour, Node, Server, holds_for, wait_until};
use serde_json::Value;

use crate::record::{recoveries, recovery_of};
use crate::tally::runs;
use crate::vetoes::{NODES, separable};
use crate::world::{SOON, World};

/// Five polls, where a dead primary is recovered after two.
const WATCHED: Duration = Duration::from_secs(5);

/// Not logged, so that the other servers do not get it.
async fn unlogged(server: &Server, statements: &[&str]) -> Result<()> {
    let mut conn = server.connect().await?;
    conn.query_drop("SET SESSION sql_log_bin = 0").await?;
    for statement in statements {
        conn.query_drop(*statement).await?;
    }
    Ok(())
}

/// Waits until the node sees what was done (`is` of that instance), and then watches that it leaves it at that.
async fn seen_and_left(
    world: &World,
    node: &Node,
    name: &str,
    what: &str,
    is: impl Fn(&Value) -> bool,
) -> Result<()> {
    let server = &world.fleet[name];
    let path = format!("/api/instance/{}/{}", server.host(), server.port());
    wait_until(what, SOON, async || {
        let seen = node.get(&path).await?.json;
        ensure!(is(&seen), "{seen}");
        Ok(())
    })
    .await?;
    left_alone(node, what).await
}

async fn left_alone(node: &Node, what: &str) -> Result<()> {
    holds_for("no recovery", WATCHED, async || {
        let all = recoveries(node).await?;
        ensure!(all.is_empty(), "{what}, and: {all:?}");
        Ok(())
    })
    .await
    .with_context(|| what.to_owned())
}

async fn appliers_stopped_by_an_error(world: &World, node: &Node) -> Result<()> {
    let replicas = ["b", "c"].map(|name| &world.fleet[name]);
    let clash = "INSERT INTO lab.ledger (id, writer) VALUES (0, 99)";
    for replica in replicas {
        unlogged(replica, &[clash]).await?;
    }
    world.fleet["a"].run(clash).await?;
    let stopped = |seen: &Value| seen["ReplicationSQLThreadRuning"] == false;
    for name in ["b", "c"] {
        seen_and_left(
            world,
            node,
            name,
            "the applier stopped by an error",
            stopped,
        )
        .await?;
    }
    for replica in replicas {
        unlogged(
            replica,
            &["DELETE FROM lab.ledger WHERE id = 0", "START SLAVE"],
        )
        .await?;
    }
    world.fleet.replicating().await?;
    // So that it can be done again.
    let a = &world.fleet["a"];
    a.run("DELETE FROM lab.ledger WHERE id = 0").await?;
    let at = a.position().await?;
    for replica in replicas {
        replica.applied(&at, SOON).await?;
    }
    Ok(())
}

async fn receivers_stopped_by_hand(world: &World, node: &Node) -> Result<()> {
    for name in ["b", "c"] {
        world.fleet[name].run("STOP SLAVE IO_THREAD").await?;
    }
    let stopped = |seen: &Value| seen["ReplicationIOThreadRuning"] == false;
    seen_and_left(world, node, "c", "receivers stopped by hand", stopped).await?;
    for name in ["b", "c"] {
        world.fleet[name].run("START SLAVE IO_THREAD").await?;
    }
    world.fleet.replicating().await
}

/// The node cannot look at the primary any more, and its replicas can.
async fn account_revoked(world: &World, node: &Node) -> Result<()> {
    let Account { user, .. } = Account::ORCHESTRATOR;
    let lock = format!("ALTER USER '{user}'@'%' ACCOUNT LOCK");
    let unlock = format!("ALTER USER '{user}'@'%' ACCOUNT UNLOCK");
    let end = format!("KILL CONNECTION USER '{user}'");
    unlogged(&world.fleet["a"], &[&lock, &end]).await?;
    let unseen = |seen: &Value| seen["IsLastCheckValid"] == false;
    seen_and_left(world, node, "a", "the primary refuses the node", unseen).await?;
    unlogged(&world.fleet["a"], &[&unlock]).await?;
    world.seen_by(node).await
}

async fn a_replica_dead(world: &World, node: &Node) -> Result<()> {
    world.fleet["b"].kill()?;
    let unseen = |seen: &Value| seen["IsLastCheckValid"] == false;
    seen_and_left(world, node, "b", "a dead replica", unseen).await?;
    world.fleet["b"].start().await?;
    world.fleet.replicating().await?;
    world.seen_by(node).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_not_dead_is_left_alone() -> Result<()> {
    let (world, node) = World::with_node(Flavour::MariaDb).await?;
    for _ in 0..runs()? {
        appliers_stopped_by_an_error(&world, &node).await?;
        receivers_stopped_by_hand(&world, &node).await?;
        account_revoked(&world, &node).await?;
        a_replica_dead(&world, &node).await?;
    }
    // It would have been done: the same node recovers a primary that is dead.
    world.fleet["a"].kill()?;
    let record = recovery_of(&node, &world.fleet["a"]).await?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    Ok(())
}

/// One node of three cannot reach the primary, all others can: the leader, and then one that does not lead.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_one_node_cannot_reach_is_left_alone() -> Result<()> {
    let (world, group) = separable().await?;
    let (fleet, relay) = (&world.fleet, world.fleet.relay()?);
    let leader = group.leader().await?;
    for _ in 0..runs()? {
        for cut_off in [leader, (leader + 1) % NODES.len()] {
            relay.cut(NODES[cut_off], "a");
            let unseen = |seen: &Value| seen["IsLastCheckValid"] == false;
            let what = "the primary out of reach of one node";
            // Each node answers by what it has seen itself only where it leads.
            match cut_off == leader {
                true => seen_and_left(&world, &group[leader], "a", what, unseen).await?,
                false => left_alone(&group[leader], what).await?,
            }
            relay.mend();
            world.seen_by(&group[leader]).await?;
        }
        ensure!(
            group.leader().await? == leader,
            "leadership changed hands without a cause"
        );
    }
    fleet["a"].kill()?;
    let record = recovery_of(&group[leader], &fleet["a"]).await?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    Ok(())
}

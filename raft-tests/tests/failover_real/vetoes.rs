//! Networks that are cut for some and not for others.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Account, Flavour, Group, Plan, holds_for, wait_until};

use crate::beats::nothing_was_done;
use crate::record::recovery_of;
use crate::tally::{Tally, runs};
use crate::world::{SOON, TREE, World, recovering};

/// Accounts of the nodes, so that one can be cut off without the others.
pub const NODES: [&str; 3] = ["orchestrator-0", "orchestrator-1", "orchestrator-2"];

/// After the disagreement is shown, some three attempts.
const WATCHED: Duration = Duration::from_secs(3);

/// Longer than a silence that is evidence, and than it takes replicas to notice that they hear nothing, together.
const CUT_FOR: Duration = Duration::from_secs(6);

/// Servers behind relays, and three nodes with accounts of their own, all of which have seen all.
pub async fn separable() -> Result<(World, Group)> {
    let world = World::of(Plan::of(Flavour::MariaDb, TREE).behind_relays()).await?;
    let primary = &world.fleet["a"];
    let Account { password, .. } = Account::ORCHESTRATOR;
    for user in NODES {
        let create = format!("CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'");
        primary.run(&create).await?;
        let grant = format!("GRANT ALL PRIVILEGES ON *.* TO '{user}'@'%'");
        primary.run(&grant).await?;
    }
    let group = Group::start(|number, plan| {
        recovering(plan, &world.fleet)
            .with("MySQLTopologyUser", NODES[number])
            // Through a relay that is cut for some, a crash looks like a server that stops listening first.
            .with("PrimaryRestartGraceSeconds", 0)
    })
    .await?;
    group.leader().await?;
    for node in group.nodes() {
        world.seen_by(node).await?;
    }
    Ok((world, group))
}

/// The leader and the replicas hear nothing of the primary, so that for the leader it is dead; the other nodes hear it.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_other_nodes_hear_is_left_alone_until_nobody_does() -> Result<()> {
    let (world, group) = separable().await?;
    let (fleet, relay) = (&world.fleet, world.fleet.relay()?);
    let leader = group.leader().await?;
    let node = &group[leader];
    let others: Vec<String> = (0..NODES.len())
        .filter(|other| *other != leader)
        .map(|other| group.entry(other))
        .collect();
    let mut to_recovery = Tally::default();
    let runs = runs()?;
    for run in 1..=runs {
        relay.cut(NODES[leader], "a");
        relay.cut(Account::REPLICATION.user, "a");
        wait_until("the disagreement to be shown", SOON, async || {
            nothing_was_done(node, "other nodes hear the primary").await?;
            let shown = node.get("/api/v2/why-not").await?.text;
            let is_shown = shown.contains(&fleet["a"].host().to_string())
                && others.iter().any(|name| shown.contains(name));
            ensure!(is_shown, "{shown}");
            Ok(())
        })
        .await?;
        let log = node.log()?;
        let said = log
            .lines()
            .rfind(|line| line.contains("other nodes hear this primary"));
        let said = said.context("the log says nothing of it")?;
        ensure!(others.iter().any(|name| said.contains(name)), "{said}");
        holds_for("no recovery", WATCHED, async || {
            nothing_was_done(node, "other nodes hear the primary").await
        })
        .await?;
        ensure!(group.leader().await? == leader, "another node leads");
        if run < runs {
            relay.mend();
            world.seen_by(node).await?;
        }
    }
    // Now it does die, still cut off from the leader.
    let died = world.sampler.now();
    fleet["a"].kill()?;
    let record = recovery_of(node, &fleet["a"]).await?;
    to_recovery.add(world.sampler.now() - died);
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    to_recovery.print("a primary that only other nodes heard: killed, to finished record");
    let promoted = world.promoted(&record)?;
    world
        .one_tree(promoted, &[world.left_beside(promoted)?])
        .await
}

/// The leader hears no server at all: that is its own link.
pub async fn own_link_down() -> Result<()> {
    let (world, group) = separable().await?;
    let (fleet, relay) = (&world.fleet, world.fleet.relay()?);
    for _ in 0..runs()? {
        let leader = group.leader().await?;
        for server in fleet.servers() {
            relay.cut(NODES[leader], server.name());
        }
        holds_for("no recovery", CUT_FOR, async || {
            for node in group.nodes() {
                nothing_was_done(node, "the leader's link is down").await?;
            }
            Ok(())
        })
        .await?;
        relay.mend();
        for node in group.nodes() {
            world.seen_by(node).await?;
        }
    }
    let leader = group.leader().await?;
    fleet["a"].kill()?;
    let record = recovery_of(&group[leader], &fleet["a"]).await?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    Ok(())
}

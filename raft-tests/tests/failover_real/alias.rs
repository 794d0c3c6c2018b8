//! An alias that an operator has set leads to the promoted server from the moment that clients are told, whichever node leads then.

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Flavour, Group, Node, Server, wait_until};
use serde_json::Value;

use crate::leader_stopped::{How, leader_of};
use crate::record::{newest, recovery_of};
use crate::world::{SOME_ROWS, SOON, TREE, World, recovering};

/// What a client finds under the alias: the writable members of its cluster, and the cluster's name.
async fn found(node: &Node) -> Result<(Vec<Value>, Value)> {
    let members = node.get("/api/cluster/alias/shop").await?;
    ensure!(members.is_ok(), "{}", members.text);
    let members = members.json.as_array().context("it is a list")?.clone();
    let info = node.get("/api/cluster-info/alias/shop").await?;
    ensure!(info.is_ok(), "{}", info.text);
    ensure!(info.json["ClusterAlias"] == "shop", "{}", info.text);
    Ok((members, info.json["ClusterName"].clone()))
}

/// Waits until the alias leads to this server's cluster.
async fn leads_to(node: &Node, primary: &Server) -> Result<()> {
    wait_until(
        "the alias to lead to the promoted server",
        SOON,
        async || {
            let (members, name) = found(node).await?;
            ensure!(name == primary.key(), "it leads to {name}");
            let is_it = |one: &&Value| one["Key"]["Hostname"] == primary.host().to_string();
            let head = members.iter().find(is_it).context("it is no member")?;
            ensure!(head["ReadOnly"] == false, "it is read-only");
            ensure!(head["SuggestedClusterAlias"] == "shop", "{head:#}");
            Ok(())
        },
    )
    .await
}

async fn phase_is(node: &Node, phase: &str) -> Result<()> {
    wait_until(&format!("a recovery that is {phase}"), SOON, async || {
        let record = newest(node).await?;
        ensure!(record["phase"] == phase, "{}", record["phase"]);
        Ok(())
    })
    .await
}

/// The leader is killed while hooks tell of the promotion: the alias has been moved by then, and is not moved again.
#[tokio::test(flavor = "multi_thread")]
async fn an_alias_leads_to_the_promoted_server_also_when_the_leader_dies_while_hooks_run()
-> Result<()> {
    let world = World::build(Flavour::MariaDb, TREE).await?;
    let fleet = &world.fleet;
    let group = Group::start(|_, plan| {
        recovering(plan, fleet)
            .with("PostMasterFailoverProcesses", vec!["sleep 10"])
            // What configuration makes of names counts less.
            .with("DetectClusterAliasQuery", "SELECT 'said-by-servers'")
    })
    .await?;
    let first = group.leader().await?;
    for node in group.nodes() {
        world.seen_by(node).await?;
    }
    let (a, others): (&Server, Vec<usize>) = (
        &fleet["a"],
        (0..group.nodes().len()).filter(|n| *n != first).collect(),
    );
    // Through a node that does not lead.
    let follower = &group[others[0]];
    let key = a.key();
    let set = follower
        .client(&["-c", "set-cluster-alias", "-i", &key, "-a", "shop"])
        .await?;
    ensure!(set.status.success(), "{}", set.stderr);
    let alias = follower
        .client(&["-c", "which-cluster-alias", "-i", &fleet["b"].key()])
        .await?;
    ensure!(alias.stdout.trim() == "shop", "{}", alias.stdout);
    leads_to(&group[first], a).await?;
    world.writers.write_on(a, SOME_ROWS).await?;
    a.kill()?;
    phase_is(&group[first], "promoted").await?;
    let record = newest(&group[first]).await?;
    ensure!(record["cluster_alias"] == "shop", "{record:#}");
    // Hooks are running, and clients that ask find the promoted server.
    wait_until("the alias to leave the dead primary", SOON, async || {
        let (_, name) = found(&group[first]).await?;
        ensure!(name != a.key());
        let record = newest(&group[first]).await?;
        ensure!(record["phase"] == "promoted", "{}", record["phase"]);
        Ok(())
    })
    .await?;
    How::Killed.stop(&group[first])?;
    let second = &group[leader_of(&group, &others).await?];
    let record = recovery_of(second, a).await?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    let promoted = world.promoted(&record)?;
    for number in &others {
        leads_to(&group[*number], promoted).await?;
    }
    group.agree(&others).await?;
    let client = |command: &'static str| async move {
        let found = second.client(&["-c", command, "-a", "shop"]).await?;
        ensure!(found.status.success(), "{}", found.stderr);
        anyhow::Ok(found.stdout.trim().to_owned())
    };
    ensure!(client("which-cluster").await? == promoted.key());
    ensure!(client("which-cluster-alias").await? == "shop");
    // The old primary is back: it has no claim to the alias, and what names servers suggest does not count.
    a.start().await?;
    wait_until("the old primary to be seen again", SOON, async || {
        let path = format!("/api/cluster-info/{}", a.key());
        let info = second.get(&path).await?;
        ensure!(info.is_ok(), "{}", info.text);
        ensure!(info.json["ClusterName"] == a.key(), "{}", info.text);
        ensure!(info.json["ClusterAlias"] != "shop", "{}", info.text);
        let path = format!("/api/instance/{}/{}", a.host(), a.port());
        let seen = second.get(&path).await?.json;
        ensure!(seen["IsLastCheckValid"] == true, "{}", seen["LastSeen"]);
        Ok(())
    })
    .await?;
    leads_to(second, promoted).await?;
    let uid = record["uid"].as_str().context("it has no UID")?;
    let path = format!("/api/audit-recovery-steps/{uid}");
    let notes = second.get(&path).await?.text;
    let told = format!("the alias shop leads to {} now", promoted.key());
    ensure!(notes.contains(&told), "{notes}");
    Ok(())
}

//! Cuts that are no reason to replace a primary that lives: of the leader, of one node and the primary, of everybody and everybody.

use anyhow::{Result, ensure};
use raft_tests::lab::{Cut, Flavour, Part, Server, holds_for, wait_until};

use crate::record::recovery_of;
use crate::sites::{Sites, WATCHED, each_time, others, why_not};
use crate::world::{SOME_ROWS, SOON};

/// The leader is cut off from all other data centres: another node leads, and that is all.
async fn leader_cut(leader: usize) -> Result<()> {
    let sites = Sites::build(Flavour::MariaDb).await?;
    sites.lead(leader).await?;
    sites.centres.cut_node_off(leader, Cut::Silent)?;
    sites.leader_among(&others(leader)).await?;
    sites
        .nothing_is_done("the leader was cut off, and the primary lives")
        .await?;
    let now = sites.leader_among(&others(leader)).await?;
    ensure!(now != leader, "the one that is cut off leads again");
    sites
        .world
        .writers
        .write_on(sites.server("a"), SOME_ROWS)
        .await?;
    sites.changed_nothing(&[0, 1, 2])?;
    sites.centres.heal()?;
    sites.works_again().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_beside_the_primary_is_followed_and_nothing_is_done() -> Result<()>
{
    each_time("the leader beside the primary is cut off", async || {
        leader_cut(0).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_elsewhere_is_followed_and_nothing_is_done() -> Result<()> {
    each_time("the leader elsewhere is cut off", async || {
        leader_cut(1).await
    })
    .await
}

/// One node and the primary do not reach each other, while everybody else does.
async fn cut_from_the_primary(leads: bool) -> Result<()> {
    let sites = Sites::build(Flavour::MariaDb).await?;
    let a = sites.server("a");
    sites.lead(if leads { 1 } else { 2 }).await?;
    let primary = Part::Server(a.host());
    sites
        .centres
        .cut_both_ways(Part::Node(1), primary, Cut::Silent)?;
    if leads {
        // Its replicas receive from it, so it is not dead, whatever this node hears.
        wait_until("the finding to be shown", SOON, async || {
            let shown = why_not(&sites.group[1]).await?;
            ensure!(shown.contains("UnreachableMaster"), "{shown}");
            Ok(())
        })
        .await?;
    }
    sites
        .nothing_is_done("one node does not reach the primary")
        .await?;
    sites.changed_nothing(&[0, 1, 2])?;
    sites.world.writers.write_on(a, SOME_ROWS).await?;
    // It does die, while that node still does not reach it.
    a.kill()?;
    let leader = sites.group.leader().await?;
    let record = recovery_of(&sites.group[leader], a).await?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    let promoted = sites.world.promoted(&record)?;
    let left = sites.world.left_beside(promoted)?;
    sites.centres.heal()?;
    sites.world.one_tree(promoted, &[left]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_cut_from_a_healthy_primary_leaves_it_alone() -> Result<()> {
    each_time("the leader is cut from the primary only", async || {
        cut_from_the_primary(true).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_cut_from_a_healthy_primary_leaves_it_alone() -> Result<()> {
    each_time("a follower is cut from the primary only", async || {
        cut_from_the_primary(false).await
    })
    .await
}

/// No data centre reaches another one: nobody has a majority.
async fn no_quorum(how: Cut) -> Result<()> {
    let sites = Sites::build(Flavour::MariaDb).await?;
    sites.lead(1).await?;
    let a = sites.server("a");
    sites.centres.cut_off(0, how)?;
    sites
        .centres
        .cut_both_ways(Part::Centre(1), Part::Centre(2), how)?;
    wait_until("nobody to lead", SOON, async || {
        let leaders = sites.group.leaders().await;
        ensure!(leaders.is_empty(), "{leaders:?} lead");
        Ok(())
    })
    .await?;
    holds_for("nobody leads", WATCHED, async || {
        let leaders = sites.group.leaders().await;
        ensure!(leaders.is_empty(), "{leaders:?} lead");
        Ok(())
    })
    .await?;
    for node in sites.group.nodes() {
        let downtime = format!("/api/begin-downtime/{}/3306/ann/test/600s", a.host());
        let refused = node.get(&downtime).await?;
        ensure!(!refused.is_ok(), "without a majority: {}", refused.text);
    }
    sites.nothing_is_done("there is no majority").await?;
    sites.changed_nothing(&[0, 1, 2])?;
    sites.world.writers.write_on(a, SOME_ROWS).await?;
    sites.centres.heal()?;
    sites.works_again().await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_nobody_does_anything_and_after_healing_all_works() -> Result<()> {
    each_time("all data centres are cut from each other", async || {
        no_quorum(Cut::Silent).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_that_is_unreachable_nobody_does_anything_either() -> Result<()> {
    each_time(
        "all data centres are unreachable for each other",
        async || no_quorum(Cut::Unreachable).await,
    )
    .await
}

/// A server that is not the primary is cut off with its data centre: nobody is replaced, and it follows again.
async fn replica_cut_off(leads: bool) -> Result<()> {
    let sites = Sites::build(Flavour::MariaDb).await?;
    sites.lead(if leads { 2 } else { 1 }).await?;
    sites.centres.cut_off(2, Cut::Silent)?;
    sites.leader_among(&others(2)).await?;
    sites
        .nothing_is_done("a data centre without a primary was cut off")
        .await?;
    sites.changed_nothing(&[0, 1, 2])?;
    let replicates: &Server = sites.server("b");
    replicates.is_replicating().await?;
    sites.centres.heal()?;
    sites.works_again().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_centre_without_a_primary_that_is_cut_off_with_the_leader_is_left_alone()
-> Result<()> {
    each_time(
        "a replica's data centre is cut off, with the leader",
        async || replica_cut_off(true).await,
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_centre_without_a_primary_that_is_cut_off_with_a_follower_is_left_alone()
-> Result<()> {
    each_time("a replica's data centre is cut off", async || {
        replica_cut_off(false).await
    })
    .await
}

//! The primary is killed, and stays away until the failover is over.

use anyhow::{Result, ensure};
use raft_tests::lab::{Flavour, Node, Server};

use crate::record::{newest, recovery_of};
use crate::tally::{Tally, runs};
use crate::world::{SOME_ROWS, SOON, World};

struct Figures {
    /// From the kill until an application could write again.
    writable: Tally,
    /// From the kill until the record was finished.
    recorded: Tally,
    lost: usize,
}

async fn killed(flavour: Flavour) -> Result<()> {
    let mut figures = Figures {
        writable: Tally::default(),
        recorded: Tally::default(),
        lost: 0,
    };
    let count = runs()?;
    for run in 1..=count {
        one_kill(flavour, &mut figures)
            .await
            .map_err(|error| error.context(format!("run {run} of {count}")))?;
    }
    figures
        .writable
        .print(&format!("{flavour:?}: kill to writable"));
    figures
        .recorded
        .print(&format!("{flavour:?}: kill to finished record"));
    println!("{flavour:?}: rows lost and named: {}", figures.lost);
    Ok(())
}

async fn one_kill(flavour: Flavour, figures: &mut Figures) -> Result<()> {
    let (world, node) = World::with_node(flavour).await?;
    let fleet = &world.fleet;
    let first = fail_over(&world, &node, &fleet["a"], figures).await?;
    let left = world.left_beside(first)?;
    world.one_tree(first, &[left]).await?;
    world.writers.write_on(first, SOME_ROWS).await?;
    // What the dead one had taken with it is named when it is back.
    fleet["a"].start().await?;
    let look = async || newest(&node).await;
    figures.lost += world.old_primary_named(&fleet["a"], first, look).await?;
    world.one_tree(first, &[left]).await?;
    // And the next failover works too: nobody takes the old primary for a candidate.
    let second = fail_over(&world, &node, first, figures).await?;
    ensure!(
        second.name() == left.name(),
        "{} was promoted",
        second.name()
    );
    world.writers.write_on(second, SOME_ROWS).await?;
    world.one_tree(second, &[]).await
}

/// Kills a primary and gives the server that took its place.
async fn fail_over<'a>(
    world: &'a World,
    node: &Node,
    primary: &Server,
    figures: &mut Figures,
) -> Result<&'a Server> {
    let killed = world.sampler.now();
    primary.kill()?;
    let record = recovery_of(node, primary).await?;
    figures.recorded.add(world.sampler.now() - killed);
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    let promoted = world.promoted(&record)?;
    raft_tests::lab::wait_until("the promoted server to take writes", SOON, async || {
        let open = world.sampler.first_open(promoted.name(), killed)?;
        figures.writable.add(open - killed);
        Ok(())
    })
    .await?;
    world.loss_is_owned_up(&record, promoted).await?;
    Ok(promoted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_primary_is_replaced_on_mariadb() -> Result<()> {
    killed(Flavour::MariaDb).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_primary_is_replaced_on_mysql_9() -> Result<()> {
    killed(Flavour::MySql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_primary_is_replaced_on_mysql_56() -> Result<()> {
    killed(Flavour::MySql56).await
}

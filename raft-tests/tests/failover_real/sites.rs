//! Sixty milliseconds between everybody: each node, each server, and all others.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Flavour, Group, Plan};

use crate::beats::{Figures, fail_over, is_beaten_by, rarely};
use crate::tally::runs;
use crate::world::{SOME_ROWS, TREE, World, recovering};

/// Half of a round trip.
const DELAY: Duration = Duration::from_millis(30);

async fn once(flavour: Flavour, figures: &mut Figures) -> Result<()> {
    let world = World::of(Plan::of(flavour, TREE).far_away(DELAY)).await?;
    let group = Group::with_delay(DELAY, |_, plan| rarely(recovering(plan, &world.fleet))).await?;
    group.settled().await?;
    for node in group.nodes() {
        world.seen_by(node).await?;
    }
    let primary = &world.fleet["a"];
    world.writers.write_on(primary, SOME_ROWS).await?;
    is_beaten_by(group.nodes(), primary).await?;
    let leader = group.leader().await?;
    let (promoted, record) = fail_over(
        &world,
        &group[leader],
        primary,
        raft_tests::lab::Server::kill,
        figures,
    )
    .await?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    world.goes_on(promoted, &record).await
}

/// A primary is killed, in a new world each time.
pub async fn killed(flavour: Flavour) -> Result<()> {
    let mut figures = Figures::default();
    for run in 0..runs()? {
        let outcome = once(flavour, &mut figures).await;
        outcome.with_context(|| format!("run {run}, {flavour:?}"))?;
    }
    figures.print(&format!("{flavour:?}, 60 ms between all, killed"));
    Ok(())
}

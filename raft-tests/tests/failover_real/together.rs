//! The hosts of the primary and of the leader are lost in one moment, of a group of three: the next leader knows the primary by beats of
//! its own, and asks nobody who cannot answer for longer than an answer may take.

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Flavour, Group, wait_until};

use crate::beats::Figures;
use crate::leader_stopped::{How, in_time, leader_of};
use crate::record::recovery_of;
use crate::tally::runs;
use crate::world::{SOME_ROWS, SOON, TREE, World, recovering};

async fn lost_together(flavour: Flavour, how: How, figures: &mut Figures) -> Result<()> {
    let world = World::build(flavour, TREE).await?;
    let fleet = &world.fleet;
    let group = Group::start(|_, plan| recovering(plan, fleet)).await?;
    group.leader().await?;
    for node in group.nodes() {
        world.seen_by(node).await?;
    }
    world.writers.write_on(&fleet["a"], SOME_ROWS).await?;
    let first = group.leader().await?;
    let lost = world.sampler.now();
    match how {
        How::Killed => fleet["a"].kill()?,
        How::Frozen => fleet["a"].freeze()?,
    }
    how.stop(&group[first])?;
    let others: Vec<usize> = (0..group.nodes().len()).filter(|n| *n != first).collect();
    let second = leader_of(&group, &others).await?;
    let record = recovery_of(&group[second], &fleet["a"]).await?;
    let took = world.sampler.now() - lost;
    in_time(took)?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    figures.recorded.add(took);
    figures.split(&record);
    let promoted = world.promoted(&record)?;
    wait_until("the promoted server to take writes", SOON, async || {
        let open = world.sampler.first_open(promoted.name(), lost)?;
        figures.writable.add(open - lost);
        Ok(())
    })
    .await?;
    world.goes_on(promoted, &record).await
}

/// Both are lost in one moment, in a new world each time.
pub async fn each_time(flavour: Flavour, how: How) -> Result<()> {
    let mut figures = Figures::default();
    for run in 0..runs()? {
        let outcome = lost_together(flavour, how, &mut figures).await;
        outcome.with_context(|| format!("run {run}, {flavour:?}, {how:?}"))?;
    }
    figures.print(&format!("{flavour:?}, leader and primary {how:?} together"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_and_a_primary_that_are_killed_together_are_both_replaced() -> Result<()> {
    each_time(Flavour::MariaDb, How::Killed).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_and_a_primary_that_freeze_together_are_both_replaced() -> Result<()> {
    each_time(Flavour::MariaDb, How::Frozen).await
}

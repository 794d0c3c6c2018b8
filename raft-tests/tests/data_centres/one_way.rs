//! Packets arrive one way and not the other.

use anyhow::{Result, ensure};
use raft_tests::lab::{Cut, DataCentres, Flavour, LeaderWatch, Part, never_two};

use crate::fenced::{Figures, Leader, story};
use crate::sites::{Sites, each_time, others};
use crate::world::SOME_ROWS;

/// Nothing gets out of the first data centre, though all gets in.
fn nothing_out(centres: &DataCentres) -> Result<()> {
    for other in others(0) {
        centres.cut(Part::Centre(0), Part::Centre(other), Cut::Silent)?;
    }
    Ok(())
}

/// Nothing gets in, though all gets out.
fn nothing_in(centres: &DataCentres) -> Result<()> {
    for other in others(0) {
        centres.cut(Part::Centre(other), Part::Centre(0), Cut::Silent)?;
    }
    Ok(())
}

async fn told(leader: Leader, what: &str, cut: fn(&DataCentres) -> Result<()>) -> Result<()> {
    let what = format!("MariaDB, {what} of the primary's data centre, leader {leader:?}");
    let figures = tokio::sync::Mutex::new(Figures::default());
    each_time(&what, async || {
        let mut figures = figures.lock().await;
        story(Flavour::MariaDb, leader, cut, &mut figures).await
    })
    .await?;
    figures.into_inner().print(&what);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_centre_that_nothing_leaves_is_as_one_that_is_cut_off_with_the_leader() -> Result<()>
{
    told(Leader::Inside, "nothing gets out", nothing_out).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_centre_that_nothing_leaves_is_as_one_that_is_cut_off_with_a_follower() -> Result<()>
{
    told(Leader::Outside, "nothing gets out", nothing_out).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_centre_that_nothing_enters_is_as_one_that_is_cut_off_with_the_leader() -> Result<()>
{
    told(Leader::Inside, "nothing gets in", nothing_in).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_centre_that_nothing_enters_is_as_one_that_is_cut_off_with_a_follower() -> Result<()>
{
    told(Leader::Outside, "nothing gets in", nothing_in).await
}

/// Two nodes do not hear each other, one way, while the third is heard by both.
async fn between_two_nodes(from: usize, to: usize) -> Result<()> {
    let sites = Sites::build(Flavour::MariaDb).await?;
    sites.lead(1).await?;
    let watch = LeaderWatch::start(&sites.group)?;
    sites
        .centres
        .cut(Part::Node(from), Part::Node(to), Cut::Silent)?;
    sites
        .nothing_is_done("two nodes do not hear each other")
        .await?;
    // Whoever leads now has a majority by way of the third.
    let leader = sites.group.leader().await?;
    sites.group.downtime(leader, "some.host").await?;
    sites.changed_nothing(&[0, 1, 2])?;
    sites
        .world
        .writers
        .write_on(sites.server("a"), SOME_ROWS)
        .await?;
    let samples = watch.end().await?;
    ensure!(samples.iter().any(|of| !of.is_empty()), "nobody was asked");
    never_two(&samples)?;
    sites.centres.heal()?;
    sites.works_again().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_one_follower_does_not_hear_changes_nothing() -> Result<()> {
    each_time("the leader's packets do not reach a follower", async || {
        between_two_nodes(1, 2).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_does_not_hear_one_follower_changes_nothing() -> Result<()> {
    each_time("a follower's packets do not reach the leader", async || {
        between_two_nodes(2, 1).await
    })
    .await
}

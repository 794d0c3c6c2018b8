//! Sixty milliseconds between all members, as between data centres.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Group, Stopwatch, wait_until};

use super::{SOON, asked};

/// Half of a round trip.
const DELAY: Duration = Duration::from_millis(30);

/// What the group may go without a leader.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(5);

/// How long nothing may happen in the fast lane: ten of the longest elections. The long lane has 600.
const IDLE_SECONDS: u64 = 10;

/// A term that stays this long is one that follows the measured round trips; before, timing may have been adjusted.
const CALM: Duration = Duration::from_secs(5);

async fn term(group: &Group) -> Result<(usize, u64)> {
    let leader = group.leader().await?;
    let status = group[leader].get("/api/raft-status").await?.json;
    Ok((leader, status["Term"].as_u64().context("no term")?))
}

async fn calm(group: &Group) -> Result<(usize, u64)> {
    group.settled().await?;
    wait_until("a term that stays", SOON, async || {
        let before = term(group).await?;
        tokio::time::sleep(CALM).await;
        ensure!(term(group).await? == before, "{before:?} has passed");
        Ok(before)
    })
    .await
}

#[tokio::test]
async fn between_sites_a_dead_leader_is_followed_and_a_living_one_is_left_alone() -> Result<()> {
    let group = Group::with_delay(DELAY, |_, plan| plan).await?;
    let (first, _) = calm(&group).await?;
    group[first].kill()?;
    let watch = Stopwatch::start();
    let second = group.leader().await?;
    let took = watch.elapsed();
    println!("followed after {took:?}");
    ensure!(second != first);
    ensure!(took < FOLLOWED_WITHIN, "{took:?}");
    group[first].start_again().await?;
    let before = calm(&group).await?;
    let idle = Duration::from_secs(asked("GROUP_IDLE_SECONDS", IDLE_SECONDS)?);
    let watch = Stopwatch::start();
    while watch.elapsed() < idle {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = term(&group).await?;
        ensure!(
            now == before,
            "{before:?} became {now:?} after {:?}",
            watch.elapsed()
        );
    }
    Ok(())
}

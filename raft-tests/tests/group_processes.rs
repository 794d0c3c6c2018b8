//! Three processes that decide together, on loopback addresses of their own.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Group, Stopwatch, wait_until};

/// Anything that needs an election or a start, on a machine busy with other tests.
const SOON: Duration = Duration::from_secs(30);

/// A leader that is told to stop is followed at once; the rest is for busy machines.
const HANDED_OVER: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_killed_leader_is_followed_by_another_and_comes_back_as_follower() -> Result<()> {
    let group = Group::start(|_, plan| plan).await?;
    let first = group.leader().await?;
    let follower = (first + 1) % 3;
    group.downtime(follower, "db1").await?;
    group[first].kill()?;
    let watch = Stopwatch::start();
    let second = group.leader().await?;
    println!("the next leader served after {:?}", watch.elapsed());
    ensure!(second != first);
    group.downtime(second, "db2").await?;
    group[first].start_again().await?;
    group.agree(&[0, 1, 2]).await?;
    ensure!(group.leaders().await == [second]);
    Ok(())
}

#[tokio::test]
async fn a_leader_that_is_told_to_stop_hands_over_and_ends_well() -> Result<()> {
    let group = Group::start(|_, plan| plan).await?;
    let first = group.leader().await?;
    group.downtime(first, "db1").await?;
    // Everybody is known to be well, so that there is somebody to hand over to.
    wait_until("healthy members", SOON, async || {
        let status = group[first].get("/api/raft-status").await?.json;
        let members = status["Members"].as_array().context("no members")?;
        ensure!(
            members.len() == 3 && members.iter().all(|m| m["IsHealthy"] == true),
            "{status}"
        );
        Ok(())
    })
    .await?;
    let watch = Stopwatch::start();
    let status = group[first].terminate().await?;
    ensure!(status.success(), "{status}");
    let second = group.leader().await?;
    println!("handed over and ended after {:?}", watch.elapsed());
    ensure!(second != first);
    ensure!(watch.elapsed() < HANDED_OVER, "{:?}", watch.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_node_with_another_secret_is_not_let_in_and_the_others_go_on() -> Result<()> {
    let group = Group::start(|number, plan| {
        let secret = if number == 2 { "wrong" } else { "right" };
        plan.with("RaftSharedSecret", secret)
            .flag("-raft-start-without-silent")
    })
    .await?;
    let leader = group.leader().await?;
    ensure!(leader != 2);
    group.downtime(leader, "db1").await?;
    wait_until("the stranger says why it waits", SOON, async || {
        let status = group[2].get("/api/raft-status").await?.json;
        let warnings = status["Warnings"].to_string();
        ensure!(warnings.contains("2 of the 3 nodes"), "{status}");
        Ok(())
    })
    .await?;
    ensure!(!group.leaders().await.contains(&2));
    Ok(())
}

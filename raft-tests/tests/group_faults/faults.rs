//! Leaders are killed, frozen and cut off under writers that remember what was acknowledged to them.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Group, LeaderWatch, never_two, wait_until};

use super::writers::Writers;
use super::{SOON, asked};

/// Faults in the fast lane: one of each kind. The long lane has 50.
const FAULTS: u64 = 3;

/// How long a thawed or mended old leader is watched before the next fault: several of the longest elections (300 ms).
const WATCHED_AFTER: Duration = Duration::from_secs(1);

/// Waits for a leader other than `old`.
async fn followed(group: &Group, old: usize) -> Result<usize> {
    wait_until("another leader", SOON, async || {
        let leaders = group.leaders().await;
        let new = leaders.into_iter().find(|leader| *leader != old);
        new.context("nobody else leads")
    })
    .await
}

async fn fault(group: &Group, number: u64, writers: &Writers) -> Result<()> {
    let leader = group.settled().await?;
    match number % 3 {
        0 => {
            group[leader].kill()?;
            followed(group, leader).await?;
            writers.go_on().await?;
            group[leader].start_again().await
        }
        1 => {
            group[leader].signal("STOP")?;
            followed(group, leader).await?;
            writers.go_on().await?;
            group[leader].signal("CONT")?;
            tokio::time::sleep(WATCHED_AFTER).await;
            Ok(())
        }
        _ => {
            let forwarders = group.forwarders()?;
            forwarders.isolate(leader);
            followed(group, leader).await?;
            writers.go_on().await?;
            forwarders.mend();
            tokio::time::sleep(WATCHED_AFTER).await;
            Ok(())
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_never_lead_at_once_and_nothing_acknowledged_is_lost() -> Result<()> {
    let group = Group::with_delay(Duration::ZERO, |_, plan| plan).await?;
    group.settled().await?;
    let watch = LeaderWatch::start(&group)?;
    let writers = Writers::start(&group)?;
    writers.go_on().await?;
    let faults = asked("GROUP_FAULTS", FAULTS)?;
    for number in 0..faults {
        fault(&group, number, &writers)
            .await
            .with_context(|| format!("fault {number}"))?;
    }
    group.settled().await?;
    writers.go_on().await?;
    let acknowledged = writers.end().await?.hosts;
    group.agree(&[0, 1, 2]).await?;
    let answers = watch.end().await?;
    let counted: Vec<usize> = answers.iter().map(Vec::len).collect();
    let reigned = answers.iter().filter(|a| a.iter().any(|s| s.leads));
    ensure!(reigned.count() > 1, "leadership never moved");
    println!(
        "{faults} faults, {} acknowledged, leader-check answers per node: {counted:?}",
        acknowledged.len()
    );
    never_two(&answers)?;
    for node in 0..3 {
        let stored = group.downtimed_hosts(node)?;
        let lost: Vec<_> = acknowledged.difference(&stored).collect();
        ensure!(lost.is_empty(), "node {node} lost {lost:?}");
    }
    Ok(())
}

//! A node whose own state is damaged leaves; the group goes on.

use std::time::Duration;

use anyhow::{Result, ensure};
use raft_tests::lab::Group;
use rusqlite::Connection;

/// A store that refuses for good ends its node at once; one that may recover, after 30 s.
const ENDS_WITHIN: Duration = Duration::from_secs(40);

/// What tells a supervisor that a restart may help.
const CORE_FAILED: i32 = 70;

/// Somebody's hand in a file of the leader, while it runs: a table is gone. The leader ends with code 70 and says why; the change asked of another
/// node meanwhile is made, once another leads, and nothing is lost.
async fn a_leader_without(file: &str, table: &str) -> Result<()> {
    let group = Group::start(|_, plan| plan).await?;
    let first = group.settled().await?;
    group.downtime(first, "db1").await?;
    let wrecked = Connection::open(group[first].folder().join(file))?;
    wrecked.execute_batch(&format!("DROP TABLE {table}"))?;
    drop(wrecked);
    let through = (first + 1) % 3;
    let (status, change) = tokio::join!(
        group[first].ended(ENDS_WITHIN),
        group.downtime(through, "db2")
    );
    let status = status?;
    ensure!(status.code() == Some(CORE_FAILED), "{status}");
    change?;
    let log = group[first].log()?;
    ensure!(log.contains(table), "the log does not say why: {log}");
    ensure!(group.leader().await? != first);
    let others: Vec<usize> = (0..3).filter(|node| *node != first).collect();
    group.agree(&others).await?;
    for node in others {
        let hosts = group.downtimed_hosts(node)?;
        ensure!(hosts.contains("db1") && hosts.contains("db2"), "{hosts:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_leader_whose_store_is_wrecked_ends_with_code_70_and_another_leads() -> Result<()> {
    // The change is committed by the log; its own store cannot take it.
    a_leader_without("orchestrator.sqlite3", "decided_downtime").await
}

#[tokio::test]
async fn a_leader_whose_log_takes_no_entries_ends_with_code_70_and_another_leads() -> Result<()> {
    // What it cannot write, it does not acknowledge; the next leader is asked instead.
    a_leader_without("data/raft-log.sqlite3", "group_log").await
}

//! A node whose own state is damaged leaves; the group goes on.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use orchestrator::store::{GroupLog, GroupLogEntry};
use orchestrator::wire::{Envelope, Kind};
use orchestrator_core::domain::Timestamp;
use prost::Message;
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

/// `orchestrator.raft.v1.LogPosition`: up to where the log is committed.
#[derive(Message)]
struct Position {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    leader: u64,
    #[prost(uint64, tag = "3")]
    index: u64,
}

/// A format that no release has yet.
const NEWER_FORMAT: u32 = 99;

/// Puts a committed command of a newer release behind the last entry of a node that does not run, as a newer release would
/// have done that was taken back since.
fn commit_what_a_newer_release_wrote(directory: &Path) -> Result<u64> {
    let log = GroupLog::open(directory, Timestamp::from_seconds(1))?;
    let (_, last) = log.bounds()?.context("the log is empty")?;
    let last = log.entries(last, last, 1)?;
    let last = Envelope::from_bytes(last.first().context("no last entry")?)?;
    let next = Envelope {
        index: last.index + 1,
        kind: Kind::Command,
        format: NEWER_FORMAT,
        payload: vec![99, 1, 2, 3],
        ..last
    };
    let entry = GroupLogEntry {
        index: next.index,
        kind: 2,
        envelope: next.to_bytes(),
    };
    let committed = Position {
        term: next.term,
        leader: next.leader,
        index: next.index,
    };
    let (sender, synced) = mpsc::channel();
    let answer = move |result: Result<(), orchestrator::store::Error>| {
        // Nobody waits any more when the test has failed meanwhile.
        let _ = sender.send(result);
    };
    let marks = vec![("committed", committed.encode_to_vec())];
    log.append(Arc::new(vec![entry]), marks, answer)?;
    synced.recv()??;
    Ok(next.index)
}

#[tokio::test]
async fn a_node_that_is_too_old_for_its_log_ends_with_code_70_at_each_start_and_the_group_goes_on()
-> Result<()> {
    let group = Group::start(|_, plan| plan).await?;
    let leader = group.settled().await?;
    group.downtime(leader, "db1").await?;
    let old = (leader + 1) % 3;
    let others: Vec<usize> = (0..3).filter(|node| *node != old).collect();
    ensure!(group[old].terminate().await?.success());
    let index = commit_what_a_newer_release_wrote(&group[old].folder().join("data"))?;
    let sentence = format!(
        "log entry {index} cannot be applied here, and what follows it neither: the proposal is in format {NEWER_FORMAT}, \
         and this release reads formats up to 1 only; use the release of orchestrator that wrote it, or a newer one"
    );
    let mut said = 0;
    for _ in 0..2 {
        group[old].launch()?;
        let status = group[old].ended(ENDS_WITHIN).await?;
        ensure!(status.code() == Some(CORE_FAILED), "{status}");
        let log = group[old].log()?;
        let now = log.matches(&sentence).count();
        ensure!(now > said, "it does not say why: {log}");
        said = now;
    }
    group.downtime(leader, "db2").await?;
    group.agree(&others).await?;
    for node in others {
        let hosts = group.downtimed_hosts(node)?;
        ensure!(hosts.contains("db1") && hosts.contains("db2"), "{hosts:?}");
    }
    Ok(())
}

//! Leaders are killed, frozen and cut off under writers that remember what was acknowledged to them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use raft_tests::lab::{Group, LeaderWatch, never_two, wait_until};
use reqwest::{Client, StatusCode};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{SOON, asked};

/// Faults in the fast lane: one of each kind. The long lane has 50.
const FAULTS: u64 = 3;

/// Clients that write all the time.
const WRITERS: usize = 4;

/// A client gives one node this long before it asks the next, with the same key.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a thawed or mended old leader is watched before the next fault: several of the longest elections (300 ms).
const WATCHED_AFTER: Duration = Duration::from_secs(1);

/// Clients with a ledger.
struct Writers {
    stop: CancellationToken,
    acknowledged: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Result<BTreeSet<String>>>>,
}

impl Writers {
    fn start(group: &Group) -> Result<Self> {
        let stop = CancellationToken::new();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let client = Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let urls: Vec<String> = group.nodes().iter().map(|node| node.at("")).collect();
        let tasks = (0..WRITERS).map(|writer| {
            let (client, urls) = (client.clone(), urls.clone());
            tokio::spawn(write(
                writer,
                client,
                urls,
                stop.clone(),
                Arc::clone(&acknowledged),
            ))
        });
        Ok(Self {
            tasks: tasks.collect(),
            stop: stop.clone(),
            acknowledged,
        })
    }

    /// Waits until more is acknowledged than now.
    async fn go_on(&self) -> Result<()> {
        let before = self.acknowledged.load(Ordering::Relaxed);
        wait_until("writers to be served", SOON, async || {
            let now = self.acknowledged.load(Ordering::Relaxed);
            ensure!(now >= before + 10, "{} since then", now - before);
            Ok(())
        })
        .await
    }

    async fn end(self) -> Result<BTreeSet<String>> {
        self.stop.cancel();
        let mut all = BTreeSet::new();
        for task in self.tasks {
            all.append(&mut task.await??);
        }
        Ok(all)
    }
}

/// One writer: each downtime until somebody acknowledges it, through whichever node is next, with a key of its own.
async fn write(
    writer: usize,
    client: Client,
    urls: Vec<String>,
    stop: CancellationToken,
    count: Arc<AtomicU64>,
) -> Result<BTreeSet<String>> {
    let mut acknowledged = BTreeSet::new();
    for number in 0_usize.. {
        let host = format!("w{writer}-{number}");
        let mut through = writer + number;
        loop {
            if stop.is_cancelled() {
                return Ok(acknowledged);
            }
            let url = &urls[through % urls.len()];
            let path = format!("{url}/api/begin-downtime/{host}/3306/ann/test/3600s");
            let request = client.post(path).header("Idempotency-Key", &host);
            if let Ok(answer) = request.send().await
                && answer.status() == StatusCode::OK
            {
                acknowledged.insert(host);
                count.fetch_add(1, Ordering::Relaxed);
                break;
            }
            through += 1;
            // A node that refuses at once would be asked thousands of times a second.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    bail!("more downtimes than numbers")
}

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
    let acknowledged = writers.end().await?;
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

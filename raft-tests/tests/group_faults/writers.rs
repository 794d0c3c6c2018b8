//! Clients that write all the time, and remember what was acknowledged to them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use raft_tests::lab::{Group, wait_until};
use reqwest::{Client, StatusCode};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::SOON;

/// Clients that write all the time.
const WRITERS: usize = 4;

/// A client gives one node this long before it asks the next, with the same key.
const PATIENCE: Duration = Duration::from_secs(3);

/// Hosts of downtimes, each with when it was acknowledged.
type Answered = Vec<(String, Instant)>;

/// Clients with a ledger.
pub(super) struct Writers {
    stop: CancellationToken,
    acknowledged: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Result<Answered>>>,
}

impl Writers {
    pub fn start(group: &Group) -> Result<Self> {
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
    pub async fn go_on(&self) -> Result<()> {
        let before = self.acknowledged.load(Ordering::Relaxed);
        wait_until("writers to be served", SOON, async || {
            let now = self.acknowledged.load(Ordering::Relaxed);
            ensure!(now >= before + 10, "{} since then", now - before);
            Ok(())
        })
        .await
    }

    /// Stops them.
    pub async fn end(self) -> Result<Ledger> {
        self.stop.cancel();
        let mut all = Ledger::default();
        let mut times = Vec::new();
        for task in self.tasks {
            for (host, at) in task.await?? {
                all.hosts.insert(host);
                times.push(at);
            }
        }
        times.sort_unstable();
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        all.longest_gap = gaps.max().unwrap_or_default();
        Ok(all)
    }
}

/// What was acknowledged.
#[derive(Default)]
pub(super) struct Ledger {
    /// Hosts of downtimes.
    pub hosts: BTreeSet<String>,
    /// The longest time in which nobody was answered.
    pub longest_gap: Duration,
}

/// One writer: each downtime until somebody acknowledges it, through whichever node is next, with a key of its own.
async fn write(
    writer: usize,
    client: Client,
    urls: Vec<String>,
    stop: CancellationToken,
    count: Arc<AtomicU64>,
) -> Result<Answered> {
    let mut acknowledged = Vec::new();
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
                acknowledged.push((host, now()));
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

#[allow(
    clippy::disallowed_methods,
    reason = "real clients of real processes are timed"
)]
fn now() -> Instant {
    Instant::now()
}

//! A process that tests of stores start and kill.
//!
//! `store-child write PATH SEED` opens the store and proposes downtimes without end, four at a time; it prints
//! `REQUEST INDEX` for each one that was acknowledged. `store-child fill PATH` proposes until one is refused and prints why.
//! `store-child hold PATH` opens the store, says so, and waits to be killed. `store-child digest SEED` prints the digest of a history.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail};
use orchestrator::store::{LocalOptions, LocalProposer, Place, SqliteOptions, SqliteStore};
use orchestrator_core::decided::{Command, Digest, GroupId, Origin, Proposal};
use orchestrator_core::domain::{InstanceKey, Timestamp};
use orchestrator_core::ports::{Ids, Proposer};
use raft_tests::contract::{History, MINUTE, START};
use raft_tests::lab::RealClock;

/// Writers at the same time, so that transactions hold several entries.
const WRITERS: u64 = 4;

/// Changes of 8 KiB that `fill` tries at most: far more than the limit that it is given has room for.
const FILL_MAX: u64 = 5_000;

struct Seeded(AtomicU64);

impl Ids for Seeded {
    fn unique(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Ordering::SeqCst)) << 64
    }
    fn fraction(&self) -> f64 {
        0.0
    }
}

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["write", path, seed] => runtime()?.block_on(write(path.into(), seed.parse()?)),
        ["fill", path] => runtime()?.block_on(fill(path.into())),
        ["hold", path] => hold(path.into()),
        ["digest", seed] => {
            let mut history = History::new(GroupId::from_number(1), seed.parse()?);
            history.entries(2_000);
            println!("{}", Digest::of(history.state()));
            Ok(())
        }
        _ => bail!("usage: store-child write PATH SEED | fill PATH | hold PATH | digest SEED"),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")
}

fn open(path: PathBuf) -> anyhow::Result<Arc<SqliteStore>> {
    let options = SqliteOptions::new(Place::File(path));
    let store = SqliteStore::open(&options, &Seeded(AtomicU64::new(1)), START)?;
    Ok(Arc::new(store))
}

fn start(path: PathBuf) -> anyhow::Result<LocalProposer> {
    let (clock, options) = (RealClock::start(), LocalOptions::default());
    Ok(LocalProposer::start(open(path)?, clock, options)?)
}

fn downtime(request: u64, reason: &str) -> anyhow::Result<Proposal> {
    let port = 1 + request % 50_000;
    Ok(Proposal {
        request: u128::from(request),
        proposed_at: Timestamp::from_micros(START.as_micros() + request as i64),
        origin: Origin::default(),
        command: Command::BeginDowntime {
            key: InstanceKey::from_parts("db", &port.to_string())?,
            owner: format!("request {request}"),
            reason: reason.to_owned(),
            ends_at: START.plus(MINUTE * 1_000_000),
        },
    })
}

async fn write(path: PathBuf, first: u64) -> anyhow::Result<()> {
    let proposer = Arc::new(start(path)?);
    let next = Arc::new(AtomicU64::new(first));
    let writers = (0..WRITERS).map(|_| {
        let (proposer, next) = (Arc::clone(&proposer), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let request = next.fetch_add(1, Ordering::SeqCst);
                let committed = proposer.propose(downtime(request, "kill me")?).await?;
                let mut out = std::io::stdout().lock();
                writeln!(out, "{request} {}", committed.index)?;
                out.flush()?;
            }
        })
    });
    let writers: Vec<tokio::task::JoinHandle<anyhow::Result<()>>> = writers.collect();
    for writer in writers {
        writer.await??;
    }
    Ok(())
}

async fn fill(path: PathBuf) -> anyhow::Result<()> {
    let proposer = start(path)?;
    let reason = "x".repeat(4_000);
    for request in 1..=FILL_MAX {
        match proposer.propose(downtime(request, &reason)?).await {
            Ok(committed) => println!("{request} {}", committed.index),
            Err(error) => {
                println!("refused {request}: {error}");
                proposer.stop().await;
                return Ok(());
            }
        }
    }
    bail!("{FILL_MAX} changes were stored, and none refused")
}

fn hold(path: PathBuf) -> anyhow::Result<()> {
    let _store = open(path)?;
    println!("held");
    std::io::stdout().flush()?;
    // Until it is killed, or its parent is gone.
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

//! Thousands of connections on every peer port that are no members'.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Group, LeaderWatch};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Connections on each port.
const CONNECTIONS: usize = 2_000;

/// Addresses that they come from, so that the limit per address is not all that holds them.
const SOURCES: u8 = 20;

/// How long they go on: twice as long as a stranger may take to say who it is (5 s).
const LENGTH: Duration = Duration::from_secs(10);

/// When one that was thrown out comes back. All of them at once, all the time, would measure the machine: three debug
/// builds and the flood share its cores.
const BACK_AFTER: Duration = Duration::from_secs(3);

/// What a node may grow by meanwhile, in KiB.
const GROWTH_MAX: u64 = 50 * 1024;

/// Files that the test itself needs besides.
const FILES_BESIDES: u64 = 500;

fn allow_files() -> Result<()> {
    let needed = 3 * CONNECTIONS as u64 + FILES_BESIDES;
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    ensure!(
        maximum >= needed,
        "this test opens {needed} connections, and the hard limit of open files is {maximum}: raise it (ulimit -Hn)"
    );
    let wanted = Rlimit {
        current: Some(limit.current.unwrap_or(u64::MAX).max(needed)),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, wanted).context("cannot raise the limit of open files")
}

/// Resident memory of a process in KiB.
fn memory_kib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("the kernel tells no VmRSS")?.parse()?)
}

async fn connect(source: Ipv4Addr, port: (Ipv4Addr, u16)) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((source, 0)))?;
    socket.connect(SocketAddr::from(port)).await
}

/// One intruder: comes back whenever it is thrown out, and counts how often it was let in at all.
async fn intrude(
    number: usize,
    source: Ipv4Addr,
    port: (Ipv4Addr, u16),
    stop: CancellationToken,
) -> usize {
    let mut came = 0;
    while !stop.is_cancelled() {
        let visit = async {
            let mut stream = connect(source, port).await?;
            came += 1;
            match number % 3 {
                // Garbage.
                0 => stream.write_all(&[0xa5; 8 * 1024]).await?,
                // The right beginning, a byte at a time.
                1 => {
                    for byte in b"ORCP\x01\x01\x01\x00" {
                        stream.write_all(&[*byte]).await?;
                        tokio::time::sleep(Duration::from_millis(700)).await;
                    }
                }
                // Nothing at all.
                _ => {}
            }
            stream.read_to_end(&mut Vec::new()).await
        };
        tokio::select! {
            () = stop.cancelled() => break,
            // However it ended, the next visit follows.
            _ = visit => tokio::time::sleep(BACK_AFTER).await,
        }
    }
    came
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_on_every_peer_port_moves_neither_leadership_nor_memory() -> Result<()> {
    allow_files()?;
    // Six thousand intruders and three nodes share what may be two cores here, where a process now and then stands still for longer than
    // the 150 ms after which members on one machine elect.
    let group = Group::start(|_, plan| plan.with("RaftHeartbeatMilliseconds", 100)).await?;
    let leader = group.settled().await?;
    let term = group[leader].get("/api/raft-status").await?.json["Term"].clone();
    let before = memory(&group)?;
    let (stop, mut visits) = (CancellationToken::new(), JoinSet::new());
    for node in 0..3 {
        for number in 0..CONNECTIONS {
            let last = u8::try_from(number % usize::from(SOURCES))?;
            let source = Ipv4Addr::new(127, 99, 0, last + 1);
            visits.spawn(intrude(number, source, group.peer_port(node), stop.clone()));
        }
    }
    let watch = LeaderWatch::start(&group)?;
    let mut most = before.clone();
    while watch.now() < LENGTH {
        group.downtime((leader + 1) % 3, "db1").await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        for (most, now) in most.iter_mut().zip(memory(&group)?) {
            *most = (*most).max(now);
        }
    }
    let answers = watch.end().await?;
    stop.cancel();
    let mut came = 0;
    while let Some(count) = visits.join_next().await {
        came += count?;
    }
    println!("{came} connections; memory in KiB before {before:?}, at most {most:?}");
    ensure!(came >= 3 * CONNECTIONS, "only {came} connections were made");
    for (before, most) in before.iter().zip(&most) {
        ensure!(most - before < GROWTH_MAX, "{before} KiB grew to {most}");
    }
    let doubts = answers[leader].iter().filter(|s| !s.leads).count();
    println!(
        "the leader answered {} times, {doubts} times that it cannot tell",
        answers[leader].len()
    );
    ensure!(answers[leader].len() > 100, "the leader was busy");
    // A majority that was not heard in time is no change of leaders, but it must be rare.
    ensure!(doubts * 20 < answers[leader].len(), "{doubts} doubts");
    let other = (0..3).find(|n| *n != leader && answers[*n].iter().any(|s| s.leads));
    ensure!(other.is_none(), "{other:?} led meanwhile");
    let after = group[leader].get("/api/raft-status").await?.json["Term"].clone();
    ensure!(after == term, "term {term} became {after}");
    Ok(())
}

fn memory(group: &Group) -> Result<Vec<u64>> {
    let pids = group.nodes().iter().map(|node| node.pid());
    pids.map(|pid| memory_kib(pid.context("a node ended")?))
        .collect()
}

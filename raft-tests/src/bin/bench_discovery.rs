//! Measures the discovery loop alone, against simulated servers in real time: CPU per 1,000 probes and memory at 1,000
//! and 10,000 instances. What it costs to simulate the servers is measured apart and printed beside.
//!
//! Run with `cargo run --release -p raft-tests --bin bench_discovery`; it takes about a minute.

use std::time::Duration;

use anyhow::{Context, Result};
use orchestrator::discovery::Config;
use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::Prober;
use raft_tests::world::{DiscoveryWorld, Server, SimulatedServers, key};

/// How long each fleet is watched.
const WINDOW: Duration = Duration::from_secs(15);

/// Poll interval while measuring; short, so that the window holds many probes.
const POLL: Duration = Duration::from_secs(1);

/// Servers in one tree.
const TREE: usize = 20;

#[tokio::main]
async fn main() -> Result<()> {
    for size in [1_000, 10_000] {
        measure(size).await?;
    }
    Ok(())
}

async fn measure(size: usize) -> Result<()> {
    let config = Config {
        seeds: (0..size).step_by(TREE).map(nth).collect(),
        poll_interval: POLL,
        ..Config::default()
    };
    let mut memory_before = 0;
    let world = DiscoveryWorld::start(config, |servers| {
        fill(servers, size);
        memory_before = memory_kib().unwrap_or(0);
    });
    while world.picture().len() < size {
        world.seconds(1).await;
    }
    world.seconds(3).await;
    world.servers.clear_starts();
    let cpu = cpu_time()?;
    world.pass(WINDOW).await;
    let cpu = cpu_time()?.saturating_sub(cpu);
    let probes = world.servers.starts().len();
    world.servers.clear_starts();
    let memory = memory_kib()?.saturating_sub(memory_before);
    world.discovery.stop().await;
    let simulating = cost_of_simulating(&world.servers, size).await?;
    println!(
        "{size} instances: {:.4} s CPU per 1,000 probes, of which {:.4} s are the simulated servers' ({probes} probes); {:.1} MiB for discovery, picture and store in memory",
        per_thousand(cpu, probes),
        simulating,
        f64::from(u32::try_from(memory)?) / 1024.0,
    );
    Ok(())
}

fn fill(servers: &SimulatedServers, size: usize) {
    for n in 0..size {
        let mut server = match n % TREE {
            0 => Server::up(),
            _ => Server::below(nth(n - n % TREE)),
        };
        server.latency = Duration::from_millis(3);
        servers.put(&nth(n), server);
    }
}

fn nth(n: usize) -> InstanceKey {
    key(&format!("db{n:05}.dc1.example.com"))
}

/// Seconds of CPU for 1,000 probes without a discovery loop around them.
async fn cost_of_simulating(servers: &SimulatedServers, size: usize) -> Result<f64> {
    const ROUNDS: usize = 5;
    let sessions: Vec<_> = (0..size).map(|n| servers.session(&nth(n))).collect();
    let before = cpu_time()?;
    let tasks: Vec<_> = sessions
        .into_iter()
        .map(|mut session| {
            tokio::spawn(async move {
                for _ in 0..ROUNDS {
                    session
                        .probe()
                        .await
                        .map_err(|e| anyhow::anyhow!(e.message))?;
                }
                Ok::<(), anyhow::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(per_thousand(
        cpu_time()?.saturating_sub(before),
        size * ROUNDS,
    ))
}

fn per_thousand(cpu: Duration, probes: usize) -> f64 {
    let probes = u32::try_from(probes.max(1)).unwrap_or(u32::MAX);
    cpu.as_secs_f64() * 1_000.0 / f64::from(probes)
}

/// CPU time of all threads so far (`/proc/self/task/*/schedstat`, first number: nanoseconds).
fn cpu_time() -> Result<Duration> {
    let mut total = 0;
    for thread in std::fs::read_dir("/proc/self/task").context("reading the list of threads")? {
        let stat = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let on_cpu = stat.split(' ').next().context("schedstat is empty")?;
        total += on_cpu.parse::<u64>().context("schedstat holds no number")?;
    }
    Ok(Duration::from_nanos(total))
}

/// Resident memory in KiB (`VmRSS` of `/proc/self/status`).
fn memory_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("the kernel tells no VmRSS")?.parse()?)
}

//! Measures a group of three, or a single node, on one machine: commands by HTTP beside `fdatasync` of the same file system, and how long
//! nobody leads when the leader is killed, frozen, or told to stop.
//!
//! ```text
//! cargo build --release -p orchestrator
//! cargo run --release -p raft-tests --bin bench_group                       # all, about five minutes
//! cargo run --release -p raft-tests --bin bench_group -- commands          # only commands
//! cargo run --release -p raft-tests --bin bench_group -- leader            # only changes of leaders
//! BENCH_STORE=mariadb cargo run --release -p raft-tests --bin bench_group -- commands single   # stores on a server
//! BENCH_DELAY_MS=30 cargo run --release -p raft-tests --bin bench_group -- leader idle     # 60 ms between nodes
//! ```
//!
//! `single` measures commands of a single node, whose store is in their way. `BENCH_STORE` is `sqlite` (the default), `mariadb`, `mysql` or
//! `mysql56`: each node then has a database of its own on one such server, which syncs every commit in its log and its binary log.
//!
//! `BENCH_SECONDS` is how long each command figure takes (10), `BENCH_ROUNDS` how many leaders go in each way (20),
//! `BENCH_IDLE_SECONDS` how long `idle` waits for an election that must not come (600). `ORCHESTRATOR_BIN` names another program.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use raft_tests::lab::{
    Account, AddressBlock, Flavour, Fleet, Group, Node, NodePlan, Plan, SYNCED_BYTES, Sorted,
    Stopwatch, millis, syncs, wait_until,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Different instances that commands are about; then the first comes again, so that the state does not outgrow what a
/// fleet has.
const INSTANCES: u64 = 20_000;

/// Time between two looks for the next leader.
const LOOK: Duration = Duration::from_millis(2);

/// A change of leaders that takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let wants = |part: &str| wanted.iter().any(|w| w == part);
    let delay = Duration::from_millis(number("BENCH_DELAY_MS", 0)?);
    let server = server().await?;
    let plan = |number: usize, plan: NodePlan| {
        let plan = plan.with("Debug", false);
        match &server {
            None => plan,
            Some(fleet) => plan.store_on(&fleet["a"], &format!("store{number}"), Account::LAB),
        }
    };
    if wants("single") {
        single(plan).await?;
    }
    if wants("single") && wanted.len() == 1 {
        return Ok(());
    }
    let group = match delay.is_zero() {
        true => Group::start(plan).await?,
        false => Group::with_delay(delay, plan).await?,
    };
    group.settled().await?;
    println!("three nodes on loopback, {delay:?} each way between them");
    if wanted.is_empty() || wants("commands") {
        let leader = async || group.leader().await.map(|leader| &group[leader]);
        commands(group.nodes(), leader).await?;
        if server.is_none() {
            group.agree(&[0, 1, 2]).await?;
            println!("digests of all nodes are equal");
        }
    }
    if wanted.is_empty() || wants("leader") {
        leaders(&group).await?;
    }
    if wants("idle") {
        idle(&group).await?;
    }
    Ok(())
}

/// The server that has the stores of the nodes, when they are not in files.
async fn server() -> Result<Option<Fleet>> {
    let name = std::env::var("BENCH_STORE").unwrap_or_else(|_| "sqlite".to_owned());
    let flavour = match name.as_str() {
        "sqlite" => return Ok(None),
        "mariadb" => Flavour::MariaDb,
        "mysql" => Flavour::MySql,
        "mysql56" => Flavour::MySql56,
        other => bail!("BENCH_STORE is {other}, which is none of sqlite, mariadb, mysql, mysql56"),
    };
    let fleet = Plan::of(flavour, "a")
        .with("innodb_flush_log_at_trx_commit", 1)
        .with("sync_binlog", 1)
        .build()
        .await?;
    println!("stores on {name} {}", fleet["a"].version());
    Ok(Some(fleet))
}

/// A single node: a command is answered when its store has it.
async fn single(plan: impl Fn(usize, NodePlan) -> NodePlan) -> Result<()> {
    let block = AddressBlock::claim()?;
    let alone = NodePlan::on(block.next_node()?).with("AuthenticationMethod", "none");
    let nodes = [Node::start(plan(9, alone)).await?];
    println!("a single node");
    commands(&nodes, async || Ok(&nodes[0])).await
}

fn number(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{name} is no number: {text}")),
        Err(_) => Ok(default),
    }
}

async fn commands<'a>(nodes: &'a [Node], leader: impl AsyncFn() -> Result<&'a Node>) -> Result<()> {
    let seconds = Duration::from_secs(number("BENCH_SECONDS", 10)?);
    let asked = Arc::new(AtomicU64::new(0));
    for clients in [1, 16, 64] {
        // Beside the nodes' own files, while nothing else is written.
        let disk = syncs(nodes[0].folder())?;
        println!(
            "fdatasync of {SYNCED_BYTES} appended bytes: p50 {:.2} ms, p99 {:.2} ms",
            millis(disk.at(50)),
            millis(disk.at(99))
        );
        let leader = leader().await?;
        let before = cpu_of(nodes)?;
        let watch = Stopwatch::start();
        let tasks: Vec<_> = (0..clients)
            .map(|_| {
                let address = (leader.host(), leader.port());
                tokio::spawn(client(address, seconds, Arc::clone(&asked)))
            })
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            times.append(&mut task.await??);
        }
        let took = watch.elapsed();
        let cpu = cpu_of(nodes)? - before;
        let count = times.len();
        let times = Sorted::of(times)?;
        println!(
            "{clients} clients: p50 {:.2} ms, p99 {:.2} ms, worst {:.1} ms, {:.0} commands per s ({count}); {:.3} ms CPU of all nodes per command",
            millis(times.at(50)),
            millis(times.at(99)),
            millis(times.worst()),
            per_second(count, took),
            millis(cpu) / count_of(count),
        );
    }
    Ok(())
}

fn count_of(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn per_second(count: usize, took: Duration) -> f64 {
    count_of(count) / took.as_secs_f64()
}

/// CPU time of all nodes so far: user and system time of `/proc/PID/stat`, in hundredths of a second.
fn cpu_of(nodes: &[Node]) -> Result<Duration> {
    let mut ticks = 0;
    for node in nodes {
        let pid = node.pid().context("a node does not run")?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // Behind the name in brackets, which may hold anything.
        let (_, rest) = stat.rsplit_once(')').context("no name in stat")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        for field in [11, 12] {
            let text = fields.get(field).context("stat is short")?;
            ticks += text.parse::<u64>()?;
        }
    }
    Ok(Duration::from_millis(ticks * 10))
}

/// One client: the next command when the last is answered, over one connection.
async fn client(
    address: (std::net::Ipv4Addr, u16),
    length: Duration,
    asked: Arc<AtomicU64>,
) -> Result<Vec<Duration>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let (watch, mut times) = (Stopwatch::start(), Vec::new());
    while watch.elapsed() < length {
        let n = asked.fetch_add(1, Ordering::Relaxed) % INSTANCES;
        let request = format!(
            "POST /api/begin-downtime/db{n}/3306/bench/measuring/3600s HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n",
            address.0
        );
        let once = Stopwatch::start();
        stream.write_all(request.as_bytes()).await?;
        read_answer(&mut stream).await?;
        times.push(once.elapsed());
    }
    Ok(times)
}

/// Reads one answer and makes sure that it is 200.
async fn read_answer(stream: &mut BufReader<TcpStream>) -> Result<()> {
    let (mut line, mut head, mut length) = (String::new(), String::new(), None);
    loop {
        line.clear();
        ensure!(
            stream.read_line(&mut line).await? > 0,
            "the node hung up: {head}"
        );
        head.push_str(&line);
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = Some(value.trim().parse()?);
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length.context("no length of the answer")?];
    stream.read_exact(&mut body).await?;
    if !head.starts_with("HTTP/1.1 200 ") {
        bail!("{head}{}", String::from_utf8_lossy(&body));
    }
    Ok(())
}

/// Ways in which a leader goes.
#[derive(Clone, Copy, Debug)]
enum End {
    Killed,
    Frozen,
    ToldToStop,
}

async fn leaders(group: &Group) -> Result<()> {
    let rounds = number("BENCH_ROUNDS", 20)?;
    for end in [End::Killed, End::Frozen, End::ToldToStop] {
        let mut times = Vec::new();
        for _ in 0..rounds {
            times.push(round(group, end).await?);
        }
        let times = Sorted::of(times)?;
        println!(
            "leader {end:?}: the next answers leader-check after {:.0} ms (median), {:.0} ms (worst of {rounds}), {:.0} ms (best)",
            millis(times.at(50)),
            millis(times.worst()),
            millis(times.at(0)),
        );
    }
    Ok(())
}

async fn round(group: &Group, end: End) -> Result<Duration> {
    let leader = group.settled().await?;
    let watch = Stopwatch::start();
    let took = match end {
        End::Killed => {
            group[leader].kill()?;
            let took = next_leader(group, leader, watch).await?;
            group[leader].start_again().await?;
            took
        }
        End::Frozen => {
            group[leader].signal("STOP")?;
            let took = next_leader(group, leader, watch).await?;
            group[leader].signal("CONT")?;
            took
        }
        End::ToldToStop => {
            let (status, took) =
                tokio::join!(group[leader].terminate(), next_leader(group, leader, watch));
            ensure!(status?.success(), "the old leader did not end well");
            group[leader].start_again().await?;
            took?
        }
    };
    Ok(took)
}

/// Time until a node other than `old` answers 200.
async fn next_leader(group: &Group, old: usize, watch: Stopwatch) -> Result<Duration> {
    loop {
        for (number, node) in group.nodes().iter().enumerate() {
            if number == old {
                continue;
            }
            if node.get("/api/leader-check").await?.is_ok() {
                return Ok(watch.elapsed());
            }
        }
        ensure!(
            watch.elapsed() < PATIENCE,
            "nobody leads after {PATIENCE:?}"
        );
        tokio::time::sleep(LOOK).await;
    }
}

async fn term(group: &Group) -> Result<u64> {
    let leader = group.leader().await?;
    let status = group[leader].get("/api/raft-status").await?.json;
    status["Term"].as_u64().context("no term in raft-status")
}

/// Nothing happens, and nobody asks to be elected.
async fn idle(group: &Group) -> Result<()> {
    let length = Duration::from_secs(number("BENCH_IDLE_SECONDS", 600)?);
    group.settled().await?;
    // After a change of members' measured round trips leadership may be handed over once; that is over when the term stays.
    let (leader, before) = wait_until("a term that stays", PATIENCE, async || {
        let (leader, before) = (group.leader().await?, term(group).await?);
        tokio::time::sleep(Duration::from_secs(5)).await;
        ensure!(term(group).await? == before, "the term changed");
        Ok((leader, before))
    })
    .await?;
    let watch = Stopwatch::start();
    while watch.elapsed() < length {
        tokio::time::sleep(Duration::from_secs(1)).await;
        ensure!(
            group.leaders().await == [leader],
            "another leader after {:?}",
            watch.elapsed()
        );
    }
    let after = term(group).await?;
    ensure!(after == before, "term {before} became {after} while idle");
    println!("idle for {length:?}: no election, node {leader} led in term {before} throughout");
    Ok(())
}

//! What beats cost: one process beats primaries on loopback that another process (this program again) plays.
//!
//! `cargo run --release -p raft-tests --bin bench_beats -- 2500` prints the CPU time of the beating process, in per cent of one core.
//! After the number, `no-vigils` does without the second connection of each primary, and `bare` only sends and receives the same packets
//! in batches, as a loop without anything else: what the kernel wants at least.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench measures real time, and starts the servers that it asks"
)]

use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use orchestrator::beats::{BeatLoop, Config, Deps};
use orchestrator::mysql::{self, Connector, MysqlBeater};
use orchestrator_core::beats::{BeatPolicy, Standing};
use orchestrator_core::decided::Decided;
use orchestrator_core::domain::{
    InstanceKey, InstanceRecord, Observation, Picture, ReplicationLink, Secret, SourceAddress,
    Timestamp,
};
use orchestrator_core::ports::{
    BeatReader as _, BoxFuture, Clock, DecisionReader, DiscoverError, Discovery, Ids,
    PictureReader, ProbeState,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// All primaries listen on addresses of their own, because real ones do.
fn address(n: usize) -> Ipv4Addr {
    let [_, _, high, low] = u32::try_from(n).unwrap_or(0).to_be_bytes();
    Ipv4Addr::new(127, 60, high, low)
}

const PORT: u16 = 43306;
/// Long enough that each primary is asked some twenty times.
const MEASURED: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().unwrap_or_else(|| "2500".to_owned());
    if first == "serve" {
        let count = arguments.next().context("how many")?.parse()?;
        return serve(count).await;
    }
    let count = first.parse()?;
    let mut served = served(count).await?;
    match arguments.next().as_deref() {
        None => measure(count, BeatPolicy::default()).await?,
        Some("no-vigils") => {
            let policy = BeatPolicy {
                restart_grace: Duration::ZERO,
                ..BeatPolicy::default()
            };
            measure(count, policy).await?;
        }
        Some("bare") => bare(count)?,
        Some(other) => bail!("{other}: say nothing, no-vigils or bare"),
    }
    Ok(served.kill().await?)
}

/// Another process that plays the primaries.
async fn served(count: usize) -> Result<Child> {
    let mut served = tokio::process::Command::new(std::env::current_exe()?)
        .args(["serve", &count.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = served.stdout.take().context("it prints")?;
    let mut ready = String::new();
    BufReader::new(output).read_line(&mut ready).await?;
    ensure!(
        ready.trim() == "ready",
        "the servers are not there: {ready}"
    );
    Ok(served)
}

async fn measure(count: usize, policy: BeatPolicy) -> Result<()> {
    let world = Arc::new(World {
        began: Instant::now(),
        picture: Arc::new(picture(count)?),
    });
    let config = mysql::Config {
        user: "bench".to_owned(),
        password: Secret::new("bench"),
        ..mysql::Config::default()
    };
    let (_mysql, config) = watch::channel(Arc::new(config));
    let connector = Arc::new(Connector::new(config, world.clone()));
    let (_beats, config) = watch::channel(Arc::new(Config {
        policy,
        ..Config::default()
    }));
    let beats = BeatLoop::new(
        Deps {
            beater: Arc::new(MysqlBeater::new(connector)),
            discovery: world.clone(),
            picture: world.clone(),
            clock: world.clone(),
            ids: world.clone(),
            decisions: world.clone(),
        },
        config,
    );
    let stop = CancellationToken::new();
    let running = tokio::spawn(beats.clone().run_apart(stop.clone())?);
    let alive = || {
        let known = beats.beats();
        let alive = known.iter().filter(|(_, beat)| is_alive(beat.standing));
        alive.count()
    };
    while alive() < count {
        ensure!(
            world.began.elapsed() < Duration::from_secs(60),
            "{} of {count} answer",
            alive()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Logins are over; from here on it is beats alone.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = cpu_time()?;
    tokio::time::sleep(MEASURED).await;
    let used = cpu_time()?.saturating_sub(before);
    ensure!(alive() == count, "{} of {count} answer", alive());
    say(count, used);
    stop.cancel();
    running.await?;
    Ok(())
}

fn say(count: usize, used: Duration) {
    println!(
        "{count} primaries, asked once a second: {:.1} % of one core, {:.1} µs each",
        used.as_secs_f64() * 100.0 / MEASURED.as_secs_f64(),
        used.as_secs_f64() * 1e6 / MEASURED.as_secs_f64() / count as f64,
    );
}

/// Batches of a second, as beats have them.
const BATCHES: u32 = 100;

/// One thread that sends a ping over each connection once a second, and reads the answer when the next batch is due.
fn bare(count: usize) -> Result<()> {
    let mut lines = Vec::new();
    for n in 0..count {
        let mut line = std::net::TcpStream::connect((address(n), PORT))?;
        line.set_nodelay(true)?;
        ensure!(line.read(&mut [0; 256])? > 0, "there is no greeting");
        lines.push(line);
    }
    let batch = lines.len().div_ceil(BATCHES as usize).max(1);
    let before = cpu_time()?;
    let began = Instant::now();
    let mut number = 0;
    while began.elapsed() < MEASURED {
        let mut asked: &mut [std::net::TcpStream] = &mut [];
        for due in lines.chunks_mut(batch) {
            number += 1;
            let at = Duration::from_secs(1) * number / BATCHES;
            std::thread::sleep(at.saturating_sub(began.elapsed()));
            for line in asked {
                ensure!(line.read(&mut [0; 256])? == OK.len(), "half an answer");
            }
            for line in &mut *due {
                line.write_all(&PING)?;
            }
            asked = due;
        }
        std::thread::sleep(Duration::from_secs(1) / BATCHES);
        for line in asked {
            ensure!(line.read(&mut [0; 256])? == OK.len(), "half an answer");
        }
    }
    say(count, cpu_time()?.saturating_sub(before));
    Ok(())
}

fn is_alive(standing: Standing) -> bool {
    matches!(standing, Standing::Alive { .. })
}

/// CPU time of all threads so far (`/proc/self/task/*/schedstat`, first number: nanoseconds).
fn cpu_time() -> Result<Duration> {
    let mut total = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let stat = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let on_cpu = stat.split(' ').next().context("schedstat is empty")?;
        total += on_cpu.parse::<u64>().context("schedstat holds no number")?;
    }
    Ok(Duration::from_nanos(total))
}

fn picture(count: usize) -> Result<Picture> {
    let mut picture = Picture::default();
    for n in 0..count {
        let primary = InstanceKey::parse(&address(n).to_string(), PORT)?;
        let mut replica = blank(InstanceKey::parse(&format!("r{n}"), 3306)?);
        let source = SourceAddress::Attached(primary.clone());
        replica.replication = Some(ReplicationLink::running(source));
        replica.read_only = true;
        picture.put(record(blank(primary)));
        picture.put(record(replica));
    }
    Ok(picture)
}

fn blank(key: InstanceKey) -> Observation {
    Observation::blank(key, Timestamp::from_seconds(1))
}

fn record(seen: Observation) -> InstanceRecord {
    let (key, at) = (seen.key.clone(), seen.observed_at);
    InstanceRecord {
        observation: Some(Arc::new(seen)),
        last_checked_at: Some(at),
        last_seen_at: Some(at),
        ..InstanceRecord::heard_of(key, at)
    }
}

struct World {
    began: Instant,
    picture: Arc<Picture>,
}

impl PictureReader for World {
    fn picture(&self) -> Arc<Picture> {
        self.picture.clone()
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1000).plus(self.began.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(length))
    }
}

impl DecisionReader for World {
    fn decided(&self) -> Arc<Decided> {
        Arc::default()
    }
}

impl Ids for World {
    fn unique(&self) -> u128 {
        u128::from(self.began.elapsed().subsec_nanos())
    }

    fn fraction(&self) -> f64 {
        f64::from(self.began.elapsed().subsec_nanos() % 1_000_003) / 1_000_003.0
    }
}

impl Discovery for World {
    fn discover(&self, key: InstanceKey) -> BoxFuture<'_, Result<Arc<Observation>, DiscoverError>> {
        Box::pin(async move { Err(DiscoverError::Forgotten { key }) })
    }

    fn discover_soon(&self, _: InstanceKey) -> Result<(), DiscoverError> {
        Ok(())
    }

    fn forget(&self, _: &InstanceKey) -> bool {
        false
    }

    fn probe_states(&self) -> Vec<ProbeState> {
        Vec::new()
    }
}

/// What a vigil asks for.
const SLEEPS: Duration = Duration::from_secs(10);

const PING: [u8; 5] = [1, 0, 0, 0, 0x0e];
const OK: [u8; 11] = [7, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0];

async fn serve(count: usize) -> Result<()> {
    for n in 0..count {
        let listener = TcpListener::bind((address(n), PORT)).await?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move { welcome(stream).await.ok() });
            }
        });
    }
    println!("ready");
    std::future::pending().await
}

/// Lets everybody in, and answers every packet, those of a vigil when its time is over.
async fn welcome(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut greeting = b"\x0a8.0.40\0\x07\0\0\x0012345678\0".to_vec();
    greeting.extend([0x01, 0x82, 45, 2, 0, 0x18, 0x00, 21]);
    greeting.extend([0; 10]);
    greeting.extend(b"abcdefghijkl\0mysql_native_password\0");
    let length = u8::try_from(greeting.len())?;
    stream
        .write_all(&[&[length, 0, 0, 0], &greeting[..]].concat())
        .await?;
    loop {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        let [low, high, _, number] = head;
        let mut packet = vec![0; usize::from(u16::from_le_bytes([low, high]))];
        stream.read_exact(&mut packet).await?;
        if packet.starts_with(b"\x03DO SLEEP") {
            tokio::time::sleep(SLEEPS).await;
        }
        let mut answer = OK;
        answer[3] = number.wrapping_add(1);
        stream.write_all(&answer).await?;
    }
}

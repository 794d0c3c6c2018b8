use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use orchestrator_core::ports::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::support::*;
use crate::raft::peer::*;

const SECRET: &str = "a secret of the group, long enough";
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
const TLS: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// From one of the addresses of strangers.
async fn call_from(stranger: usize, to: SocketAddr) -> io::Result<TcpStream> {
    let [high, low] = u16::try_from(stranger % 50_000).unwrap().to_be_bytes();
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 66, high, low], 0)))?;
    socket.connect(to).await
}

async fn call(to: SocketAddr) -> io::Result<TcpStream> {
    call_from(1, to).await
}

/// What a stranger of this kind sends; the last ones send nothing more and wait.
fn attack(kind: usize) -> Vec<u8> {
    let mut hello = b"ORCP\x01\x01\x00\x4c\x01".to_vec();
    hello.extend([7; 75]);
    let proof = [b"ORCP\x01\x03\x00\x20".as_slice(), &[0; 32]].concat();
    match kind % 8 {
        0 => b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        1 => HTTP2.to_vec(),
        2 => TLS.to_vec(),
        3 => vec![0xa5; 64 * 1024],
        4 => b"ORCP\x01\x01\xff\xff".to_vec(),
        5 => [hello, proof].concat(),
        6 => hello,
        _ => b"ORC".to_vec(),
    }
}

/// Sends, and reads until the other side closes; how many bytes came back.
async fn attempt(stranger: usize, to: SocketAddr, bytes: &[u8]) -> usize {
    let mut stream = call_from(stranger, to).await.unwrap();
    // A reset while sending is as good as a refusal.
    drop(stream.write_all(bytes).await);
    drop(stream.shutdown().await);
    let mut back = Vec::new();
    drop(stream.read_to_end(&mut back).await);
    back.len()
}

#[tokio::test]
async fn nothing_reaches_the_server_before_a_proof() {
    let node = Node::start(links(secret_config("127.0.1.1:0", SECRET)));
    for kind in 0..8 {
        let back = attempt(1, node.address, &attack(kind)).await;
        assert!(
            back <= 8 + 365 + 8 + 2,
            "kind {kind}: a card and a refusal at most, got {back} bytes"
        );
    }
    assert_eq!(node.links.status().open, 0);
    assert!(node.links.status().refused >= 7);
    let none = attempt(1, node.address, HTTP2).await;
    assert_eq!(none, 0, "no settings frame: HTTP/2 has not begun");
}

#[tokio::test]
async fn a_slow_or_silent_stranger_is_cut_after_the_time_to_identify() {
    let mut config = secret_config("127.0.1.1:0", SECRET);
    assert_eq!(
        config.limits.identify,
        Duration::from_secs(5),
        "as promised; shorter here to be quick"
    );
    config.limits.identify = Duration::from_millis(400);
    let node = Node::start(links(config));
    let clock = TestClock::start();
    let silent = async {
        let mut stream = call(node.address).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        clock.monotonic()
    };
    // A byte every 20 ms does not buy more time.
    let trickling = async {
        let (mut reader, mut writer) = call(node.address).await.unwrap().into_split();
        let trickle = async {
            for byte in attack(6) {
                if writer.write_all(&[byte]).await.is_err() {
                    break;
                }
                clock.sleep(Duration::from_millis(20)).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = trickle => {}
            end = reader.read_u8() => assert!(end.is_err()),
        }
        clock.monotonic()
    };
    let (silent, trickling) = tokio::join!(silent, trickling);
    for took in [silent, trickling] {
        assert!(
            (Duration::from_millis(400)..Duration::from_millis(900)).contains(&took),
            "{took:?}"
        );
    }
    assert_eq!(node.links.status().unidentified, 0);
}

#[tokio::test(start_paused = true)]
async fn five_seconds_are_five_seconds() {
    let node = Node::start(links(secret_config("127.0.1.1:0", SECRET)));
    let clock = TestClock::start();
    let mut stream = call(node.address).await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    let took = clock.monotonic();
    assert!(
        (Duration::from_secs(5)..Duration::from_millis(5_500)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test]
async fn the_oldest_silent_stranger_is_cut_at_once_when_its_address_has_too_many() {
    let mut config = secret_config("127.0.1.1:0", SECRET);
    config.limits.strangers_per_address = 2;
    let node = Node::start(links(config));
    let mut first = call(node.address).await.unwrap();
    let (mut second, mut third) = (
        call(node.address).await.unwrap(),
        call(node.address).await.unwrap(),
    );
    let mut back = Vec::new();
    let cut = first.read_to_end(&mut back);
    let cut = tokio::time::timeout(Duration::from_secs(1), cut).await;
    assert!(cut.is_ok(), "long before the five seconds");
    node.refused(1).await;
    let refusal = node.links.status().last_refusal.unwrap();
    assert!(refusal.ends_with("too many connections were waiting to be identified"));
    for other in [&mut second, &mut third] {
        let mut byte = [0];
        let waiting = tokio::time::timeout(Duration::from_millis(50), other.read(&mut byte));
        assert!(waiting.await.is_err(), "it still has its time");
    }
}

/// Calls one after the other, as an appending leader does; the times they took, sorted.
async fn exchange(channel: &Channel, calls: usize) -> Vec<Duration> {
    let clock = TestClock::start();
    let mut took = Vec::with_capacity(calls);
    for _ in 0..calls {
        let before = clock.monotonic();
        echo(channel, "entry")
            .await
            .expect("a member is served throughout");
        took.push(clock.monotonic() - before);
        // As a leader between two heartbeats; it leaves the attackers their turn.
        clock.sleep(Duration::from_millis(1)).await;
    }
    took.sort();
    took
}

/// Descriptors that this process may have (proc(5)); both ends of each connection are in it.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.unwrap().split_whitespace().nth(3).unwrap();
    soft.parse().unwrap_or(usize::MAX)
}

/// Bytes of memory that this process has (proc(5), `VmRSS`).
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_strangers_at_once_do_not_disturb_a_member() {
    let node = Node::start(links(secret_config("127.0.1.1:0", SECRET)));
    let peer = links(secret_config("127.0.1.2:0", SECRET));
    let channel = peer.dialer().channel(node.target());
    echo(&channel, "hello").await.unwrap();
    let calm = exchange(&channel, 200).await;
    let before = memory();

    let at_once = descriptors().saturating_sub(200) / 2;
    let at_once = at_once.min(2_000);
    let mut strangers = JoinSet::new();
    for worker in 0..at_once {
        let to = node.address;
        strangers.spawn(async move {
            let clock = TestClock::start();
            // Whoever is cut comes again after about a second: some 2,000 attempts a second.
            for round in 0.. {
                attempt_and_hold(worker, to, round).await;
                clock
                    .sleep(Duration::from_millis(700 + (worker as u64 * 7) % 600))
                    .await;
            }
        });
    }
    let stormy = exchange(&channel, 1_000).await;
    let fresh = peer.dialer().channel(node.target());
    echo(&fresh, "a new connection gets in too").await.unwrap();
    let grown = memory().saturating_sub(before);
    let status = node.links.status();
    assert!(status.unidentified <= Limits::default().strangers);
    assert!(
        status.refused > at_once as u64,
        "the strangers did come: {status:?}"
    );
    strangers.shutdown().await;

    let p99 = |sorted: &[Duration]| sorted[sorted.len() * 99 / 100];
    // Less than the shortest election timeout.
    assert!(
        p99(&stormy) < Duration::from_millis(150),
        "calm {:?}, stormy {:?}",
        p99(&calm),
        p99(&stormy)
    );
    assert!(grown < 64 * 1024 * 1024, "{grown} bytes");
}

/// Sends, and stays until cut.
async fn attempt_and_hold(worker: usize, to: SocketAddr, round: usize) {
    // Half of them share one address.
    let stranger = if worker.is_multiple_of(2) {
        1
    } else {
        2 + worker
    };
    let mut stream = call_from(stranger, to).await.unwrap();
    drop(stream.write_all(&attack(worker + round)).await);
    drop(stream.read_to_end(&mut Vec::new()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_hostile_attempts_change_nothing() {
    let node = Node::start(links(secret_config("127.0.1.1:0", SECRET)));
    let peer = links(secret_config("127.0.1.2:0", SECRET));
    let channel = peer.dialer().channel(node.target());
    echo(&channel, "before").await.unwrap();
    let mut workers = JoinSet::new();
    for worker in 0..50 {
        let to = node.address;
        workers.spawn(async move {
            for round in 0..200 {
                attempt(1 + worker * 200 + round, to, &attack(worker + round)).await;
            }
        });
    }
    workers.join_all().await;
    echo(&channel, "after").await.unwrap();
    let status = node.links.status();
    assert_eq!(status.open, 1, "the member's connection and no other");
    assert!(status.refused >= 9_900, "{}", status.refused);
}

#[tokio::test]
async fn members_cannot_take_all_descriptors_either() {
    let mut config = secret_config("127.0.1.1:0", SECRET);
    config.limits.peers_per_address = 3;
    let node = Node::start(links(config));
    let peer = links(secret_config("127.0.1.2:0", SECRET));
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(peer.dialer().connect(&node.target()).await.unwrap());
    }
    // The fourth passes the handshake and is closed then.
    let mut fourth = peer.dialer().connect(&node.target()).await.unwrap();
    let closed = fourth.read(&mut [0]).await;
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    assert_eq!(node.links.status().open, 3);
    drop(held);
    let freed = async {
        while node.links.status().open > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), freed)
        .await
        .unwrap();
    peer.dialer().connect(&node.target()).await.unwrap();
}

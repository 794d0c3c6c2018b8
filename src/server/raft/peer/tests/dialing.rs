use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use orchestrator_core::ports::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::support::*;
use crate::raft::peer::*;

const SECRET: &str = "a secret of the group, long enough";

fn target(address: impl ToString) -> Target {
    Target {
        member: "127.0.1.1".into(),
        address: address.to_string(),
    }
}

#[tokio::test]
async fn nobody_there_is_told_from_no_answer() {
    let peer = links(config("127.0.1.2:0"));
    let free = TcpListener::bind("127.0.1.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let error = failure(echo(&peer.dialer().channel(target(address)), "hello").await);
    assert_eq!(
        error.to_string(),
        format!("{address} refuses connections: nothing listens there")
    );
    assert!(error.is_absent());
    let error = peer
        .dialer()
        .connect(&target("no.such.name:1"))
        .await
        .err()
        .unwrap();
    assert!(error.is_absent(), "{error}");

    let silent = TcpListener::bind("127.0.1.1:0").await.unwrap();
    let mut config = config("127.0.1.2:0");
    config.limits.dial_handshake = Duration::from_millis(100);
    let error = links(config)
        .dialer()
        .connect(&target(silent.local_addr().unwrap()))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(error, DialError::Silent { .. }) && !error.is_absent(),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_service_that_hangs_is_no_proof_of_absence() {
    let names = Names::of(&[]);
    names.hangs.store(true, Ordering::SeqCst);
    let peer =
        PeerLinks::with_names(config("127.0.1.2:0"), TestClock::start(), names.clone()).unwrap();
    for _ in 0..20 {
        let error = peer
            .dialer()
            .connect(&target("node1:1"))
            .await
            .err()
            .unwrap();
        assert!(
            matches!(error, DialError::NoNameService { .. }) && !error.is_absent(),
            "{error}"
        );
    }
    assert_eq!(
        names.asked.load(Ordering::SeqCst),
        1,
        "the one question that hangs is not repeated beside itself"
    );
}

#[tokio::test]
async fn the_source_is_the_address_of_raft_bind() {
    let listener = TcpListener::bind("127.0.1.1:0").await.unwrap();
    let to = target(listener.local_addr().unwrap());
    for (bind, expected) in [
        ("127.0.1.77:0", "127.0.1.77"),
        ("0.0.0.0:0", "127.0.0.1"),
        (":0", "127.0.0.1"),
    ] {
        let peer = links(config(bind));
        let dialer = peer.dialer();
        let (accepted, _) = tokio::join!(
            listener.accept(),
            tokio::time::timeout(Duration::from_millis(20), dialer.connect(&to))
        );
        assert_eq!(accepted.unwrap().1.ip().to_string(), expected, "{bind}");
    }
    let mut elsewhere = config("127.0.0.1:10008");
    elsewhere.nodes.push("192.0.2.1".into());
    let to = Target {
        member: "192.0.2.1".into(),
        address: "192.0.2.1:10008".into(),
    };
    let error = links(elsewhere).dialer().connect(&to).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "192.0.2.1:10008 cannot be reached from the address of RaftBind, 127.0.0.1: set RaftBind to an address that the other members can reach"
    );
}

#[tokio::test]
async fn names_are_resolved_on_every_dial() {
    let names = Names::of(&[("node1", "127.0.1.1")]);
    let mut config = secret_config("127.0.1.3:0", SECRET);
    config.nodes = vec!["node1".into()];
    let peer = PeerLinks::with_names(config, TestClock::start(), names.clone()).unwrap();
    let first = Node::start(links(secret_config("127.0.1.1:0", SECRET)));
    let port = first.address.port();
    let to = Target {
        member: "node1".into(),
        address: format!("node1:{port}"),
    };
    let channel = peer.dialer().channel(to.clone());
    echo(&channel, "hello").await.unwrap();
    let second = Node::start(links(secret_config(&format!("127.0.1.2:{port}"), SECRET)));
    names.set("node1", "127.0.1.2");
    first.kill().await;
    let moved = async {
        while echo(&channel, "hello").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), moved)
        .await
        .unwrap();
    assert_eq!(second.links.status().open, 1);
}

#[tokio::test]
async fn a_restarted_member_is_reached_again_within_200_ms_however_long_it_was_away() {
    let clock = TestClock::start();
    let node = Node::start(links(secret_config("127.0.1.1:0", SECRET)));
    let (address, to) = (node.address, node.target());
    let peer = links(secret_config("127.0.1.2:0", SECRET));
    let channel = peer.dialer().channel(to);
    echo(&channel, "hello").await.unwrap();
    node.kill().await;
    let mut failures = 0;
    let left_at = clock.monotonic();
    while clock.monotonic() - left_at < Duration::from_secs(2) {
        assert!(echo(&channel, "anybody?").await.is_err());
        failures += 1;
    }
    assert!(
        (10..=60).contains(&failures),
        "{failures} dials in 2 s: paced, and never longer apart"
    );
    let node = Node::start(links(secret_config(&address.to_string(), SECRET)));
    let back_at = clock.monotonic();
    while echo(&channel, "hello").await.is_err() {}
    let took = clock.monotonic() - back_at;
    assert!(took < Duration::from_millis(200), "{took:?}");
    drop(node);
}

/// Passes bytes on with a delay in each direction.
async fn delayed(to: SocketAddr, delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.1.9:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = tokio::net::TcpStream::connect(to).await.unwrap();
            near.set_nodelay(true).unwrap();
            far.set_nodelay(true).unwrap();
            let ((near_read, near_write), (far_read, far_write)) =
                (near.into_split(), far.into_split());
            tokio::spawn(pass(near_read, far_write, delay));
            tokio::spawn(pass(far_read, near_write, delay));
        }
    });
    address
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    delay: Duration,
) {
    let (sender, mut receiver) =
        tokio::sync::mpsc::channel::<(tokio::time::Instant, Vec<u8>)>(1024);
    tokio::spawn(async move {
        while let Some((due, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 65_536];
    while let Ok(got @ 1..) = from.read(&mut buffer).await {
        #[allow(clippy::disallowed_methods, reason = "the delay of a network")]
        let due = tokio::time::Instant::now() + delay;
        if sender.send((due, buffer[..got].to_vec())).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn sites_60_ms_apart_connect_stay_connected_when_idle_and_pay_one_round_trip_a_call() {
    let node = Node::start(links(secret_config("127.0.1.1:0", SECRET)));
    let far = delayed(node.address, Duration::from_millis(30)).await;
    let peer = links(secret_config("127.0.1.2:0", SECRET));
    let channel = peer.dialer().channel(target(far));
    let clock = TestClock::start();
    echo(&channel, "first").await.unwrap();
    let first = clock.monotonic();
    // Two round trips of the handshake and one of the call; the forwarder opens the connection itself.
    assert!(
        (Duration::from_millis(180)..Duration::from_millis(400)).contains(&first),
        "{first:?}"
    );
    // Idle for longer than a ping and its deadline.
    clock.sleep(Duration::from_secs(3)).await;
    let before = clock.monotonic();
    echo(&channel, "second").await.unwrap();
    let took = clock.monotonic() - before;
    assert!(
        (Duration::from_millis(60)..Duration::from_millis(110)).contains(&took),
        "{took:?}"
    );
    assert_eq!(node.links.status().open, 1, "still the first connection");
}

#[tokio::test]
async fn wrong_and_taken_addresses_are_said_in_one_sentence() {
    let bad = |bind: &str| {
        PeerLinks::with_names(config(bind), TestClock::start(), Names::of(&[]))
            .map(|links| links.listen().map(|_| ()))
            .and_then(|listened| listened)
            .expect_err(bind)
            .to_string()
    };
    assert_eq!(bad("node1:x"), "RaftBind 'node1:x' is not host:port");
    assert_eq!(
        bad("192.0.2.1:10008"),
        "RaftBind 192.0.2.1:10008 is not an address of this machine; use one that is, or 0.0.0.0 for all"
    );
    assert_eq!(
        bad("no.such.name.invalid:1"),
        "RaftBind no.such.name.invalid:1 cannot be resolved"
    );
    let node = Node::start(links(config("127.0.1.1:0")));
    assert_eq!(
        bad(&node.address.to_string()),
        format!(
            "RaftBind {} is taken by another process; stop it, or choose another port",
            node.address
        )
    );
}

#[tokio::test]
async fn a_stopped_acceptor_gives_its_port_back() {
    let first = links(config("127.0.1.1:0")).listen().unwrap();
    let address = first.local_addr().unwrap();
    let stop = CancellationToken::new();
    let mut incoming = first.incoming(stop.clone());
    stop.cancel();
    let ended = std::future::poll_fn(|cx| {
        futures_core::Stream::poll_next(std::pin::Pin::new(&mut incoming), cx)
    });
    assert!(ended.await.is_none());
    links(config(&address.to_string())).listen().unwrap();
}

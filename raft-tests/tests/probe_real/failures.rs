//! Servers that are gone, silent, unwilling, or changed by hand.

use std::time::{Duration, Instant};

use orchestrator::mysql::Purpose;
use orchestrator_core::domain::{InstanceKey, ProbeFailureKind, Secret, SourceAddress};

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::servers::{PASSWORD, Product, Server};
use crate::world::{answers, config, fails, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_frozen_or_restarted_is_told_as_such() {
    let mut servers = Server::start(Product::MariaDb, 1, &[]).await;
    let server = &mut servers[0];
    let world = world(config());
    let mut session = world.session(&server.key());
    answers(&mut session).await;

    server.freeze();
    let began = Instant::now();
    let failure = fails(&mut session, ProbeFailureKind::Timeout, 0).await;
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_secs(6),
        "the deadlines of 2 s and 1 s are not added up again and again: {took:?}"
    );
    assert!(!failure.is_partial);
    let failure = fails(&mut session, ProbeFailureKind::Timeout, 0).await;
    assert!(
        failure.message.contains("logging in"),
        "{}",
        failure.message
    );
    server.thaw();
    answers(&mut session).await;

    server.kill();
    let failure = fails(&mut session, ProbeFailureKind::Refused, 0).await;
    assert_eq!(
        failure.message,
        format!("{}: connecting failed: connection refused", server.key())
    );
    server.restart().await;
    answers(&mut session).await;

    // Restarted between two probes: the kept connection is gone, and the next probe does not even notice.
    server.restart().await;
    let seen = answers(&mut session).await;
    assert!(seen.identity.uptime < Duration::from_secs(60));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_ended_is_replaced_within_the_probe() {
    let servers = Server::start(Product::MariaDb, 1, &[]).await;
    let world = world(config());
    let mut session = world.session(&servers[0].key());
    session.probe().await.unwrap();
    let id = servers[0]
        .text("SELECT id FROM information_schema.processlist WHERE user = 'orchestrator'")
        .await;
    servers[0].sql(&format!("KILL {id}")).await;
    session.probe().await.unwrap();
    let count = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'orchestrator'";
    assert_eq!(
        servers[0].text(count).await,
        "1",
        "one connection for each instance"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_missing_grants_and_full_servers_have_their_kinds() {
    let servers = Server::start(Product::MariaDb, 1, &["--max-connections=10".into()]).await;
    let server = &servers[0];
    let world = world(config());
    let mut session = world.session(&server.key());
    session.probe().await.unwrap();

    world.reload(|config| config.password = Secret::new("wrong"));
    let failure = fails(&mut session, ProbeFailureKind::AccessDenied, 1045).await;
    assert!(failure.kind.server_answered() && !failure.is_partial);
    world.reload(|config| config.password = Secret::new(PASSWORD));
    session.probe().await.unwrap();

    server
        .sql("CREATE USER poor@'%' IDENTIFIED BY 'poor'")
        .await;
    world.reload(|config| {
        config.user = "poor".into();
        config.password = Secret::new("poor");
    });
    let failure = fails(&mut session, ProbeFailureKind::AccessDenied, 1227).await;
    assert!(failure.is_partial, "it is up: {}", failure.message);

    let mut held = Vec::new();
    let full = loop {
        match world
            .connector
            .connect(&server.key(), Purpose::Operation)
            .await
        {
            Ok(conn) => held.push(conn),
            Err(failure) => break failure,
        }
        assert!(held.len() < 20, "the server takes any number");
    };
    assert_eq!(
        (full.kind, full.code),
        (ProbeFailureKind::RefusesUs, 1040),
        "{}",
        full.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_re_pointed_detached_or_stopped_is_seen_at_the_next_probe() {
    let servers = Server::start(Product::MariaDb, 3, &[]).await;
    let (a, b, replica) = (&servers[0], &servers[1], &servers[2]);
    replica.replicate_from(a).await;
    let world = world(config());
    let mut session = world.session(&replica.key());
    let seen = session.probe().await.unwrap();
    assert_eq!(seen.source(), Some(&a.key()));
    assert!(seen.is_replicating());

    replica.sql("STOP SLAVE").await;
    let seen = session.probe().await.unwrap();
    assert!(seen.is_replica() && !seen.is_replicating());
    assert_eq!(seen.lag_seconds, None);

    replica
        .sql(&format!("CHANGE MASTER TO MASTER_HOST='{}'", b.host))
        .await;
    assert_eq!(session.probe().await.unwrap().source(), Some(&b.key()));

    replica
        .sql(&format!("CHANGE MASTER TO MASTER_HOST='//{}'", b.host))
        .await;
    let seen = session.probe().await.unwrap();
    assert_eq!(seen.source(), None);
    assert_eq!(
        seen.replication.unwrap().source,
        SourceAddress::Detached(b.key())
    );

    replica.sql("CHANGE MASTER TO MASTER_HOST='x y'").await;
    let link = session.probe().await.unwrap().replication.unwrap();
    assert_eq!(
        link.source,
        SourceAddress::Invalid(format!("x y:{}", a.port))
    );

    replica.sql("RESET SLAVE ALL").await;
    assert_eq!(session.probe().await.unwrap().replication, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_are_not_there_are_refused_or_unknown() {
    let (hosts, port) = crate::servers::addresses(1);
    let world = world(config());
    let key = InstanceKey::parse(&format!("{}:{port}", hosts[0]), 1).unwrap();
    fails(&mut world.session(&key), ProbeFailureKind::Refused, 0).await;
    let key = InstanceKey::parse("no-such-host.invalid", 3306).unwrap();
    fails(&mut world.session(&key), ProbeFailureKind::UnknownHost, 0).await;
}

/// An address that swallows what is sent to it, as behind a firewall: its few waiting connections are taken, so the system
/// drops the next ones.
async fn black_hole() -> (InstanceKey, Vec<TcpStream>, tokio::net::TcpListener) {
    let (hosts, _) = crate::servers::addresses(1);
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(format!("{}:0", hosts[0]).parse().unwrap())
        .unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(taken) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        waiting.push(taken.unwrap());
        assert!(waiting.len() < 100, "it takes any number");
    }
    let key = InstanceKey::parse(&address.to_string(), 1).unwrap();
    (key, waiting, listener)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_swallows_everything_is_unreachable_and_not_a_silent_server() {
    let (key, _waiting, _listener) = black_hole().await;
    let world = world(config());
    let began = Instant::now();
    let failure = fails(&mut world.session(&key), ProbeFailureKind::Unreachable, 0).await;
    let took = began.elapsed();
    assert!(
        took >= Duration::from_millis(900) && took < Duration::from_millis(1800),
        "{took:?}"
    );
    assert_eq!(
        failure.message,
        format!("{key}: connecting failed: no answer within 1s")
    );
}

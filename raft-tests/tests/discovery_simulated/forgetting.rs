use std::time::Duration;

use orchestrator::discovery::Config;
use orchestrator_core::ports::{DiscoverError, Discovery};
use raft_tests::world::{Condition, DiscoveryWorld, Server, SimulatedServers, key};

use super::seeded;

fn pair(servers: &SimulatedServers) {
    servers.put(&key("a"), Server::up());
    servers.put(&key("b"), Server::below(key("a")));
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_instance_stays_away_three_polls_then_live_replication_brings_it_back() {
    let world = DiscoveryWorld::start(seeded(&["a"]), pair);
    world.seconds(12).await;
    assert!(world.discovery.forget(&key("b")));
    assert_eq!(world.hosts(), ["a"], "gone at once");
    assert!(!world.discovery.forget(&key("b")), "not known any more");
    world.servers.clear_starts();
    world.pass(Duration::from_millis(14_900)).await;
    assert_eq!(world.hosts(), ["a"]);
    assert!(
        world.servers.starts_of(&key("b")).is_empty(),
        "not even asked"
    );
    assert!(world.store.record(&key("b")).is_none(), "nor stored");
    world.seconds(6).await;
    assert_eq!(world.hosts(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_under_way_does_not_bring_a_forgotten_instance_back() {
    let world = DiscoveryWorld::start(seeded(&["a"]), |servers| {
        pair(servers);
        servers.change(&key("a"), |a| a.latency = Duration::from_millis(700));
        servers.change(&key("b"), |b| {
            b.receiver = raft_tests::world::Receiver::Stopped
        });
    });
    // Forgets at every stage of a probe: waiting for it, in it, just before its end.
    for step in 0..60 {
        world.discovery.discover_soon(key("a")).unwrap();
        world.pass(Duration::from_millis(13 * step)).await;
        world.discovery.forget(&key("a"));
        world.seconds(3).await;
        assert!(world.picture().get(&key("a")).is_none(), "step {step}");
        assert_eq!(
            world.servers.sessions(),
            world.discovery.tracked(),
            "its session is dropped"
        );
    }
    world.seconds(1).await;
    assert!(world.store.record(&key("a")).is_none());
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_an_instance_that_is_forgotten_is_told() {
    let world = DiscoveryWorld::start(seeded(&[]), |servers| {
        servers.put(&key("a"), Server::up());
        servers.set(&key("a"), Condition::Frozen);
    });
    let discovery = world.discovery.clone();
    let waiting = tokio::spawn(async move { discovery.discover(key("a")).await });
    world.seconds(2).await;
    assert!(world.record(&key("a")).probing_since.is_some());
    assert!(world.discovery.forget(&key("a")));
    assert_eq!(
        waiting.await.unwrap(),
        Err(DiscoverError::Forgotten { key: key("a") })
    );
    assert_eq!(world.discovery.tracked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_brings_a_forgotten_instance_back_at_once() {
    let world = DiscoveryWorld::start(seeded(&["a"]), pair);
    world.seconds(12).await;
    assert!(world.discovery.forget(&key("b")));
    let seen = world.discovery.discover(key("b")).await.unwrap();
    assert_eq!(seen.key, key("b"));
    assert_eq!(world.hosts(), ["a", "b"]);
    world.seconds(10).await;
    assert!(world.store.record(&key("b")).is_some());
}

#[tokio::test(start_paused = true)]
async fn an_instance_unseen_for_the_configured_time_is_forgotten() {
    let config = Config {
        forget_unseen_after: Duration::from_secs(3600),
        ..seeded(&["a", "never"])
    };
    let world = DiscoveryWorld::start(config, pair);
    world.seconds(12).await;
    world.servers.set(&key("b"), Condition::Dead);
    world.seconds(3500).await;
    assert_eq!(world.hosts(), ["a", "b", "never"]);
    world.seconds(200).await;
    assert_eq!(world.hosts(), ["a"]);
    assert_eq!(
        (world.discovery.tracked(), world.servers.sessions()),
        (1, 1)
    );
    assert!(world.store.record(&key("b")).is_none());
    world.servers.set(&key("b"), Condition::Up);
    world.seconds(10).await;
    assert_eq!(world.hosts(), ["a", "b"], "it replicates again");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_was_not_asked_since_the_start_is_not_forgotten_for_its_age() {
    let day = Duration::from_secs(86_400);
    let config = Config {
        forget_unseen_after: day,
        ..seeded(&["a"])
    };
    let world = DiscoveryWorld::start(config, pair);
    world.seconds(12).await;
    world.discovery.stop().await;
    world.pass(day * 3).await;
    let world = world.restart().await;
    world.seconds(300).await;
    assert_eq!(world.hosts(), ["a", "b"]);
}

use std::sync::Arc;
use std::time::Duration;

use orchestrator::discovery::Config;
use orchestrator_core::domain::HostFilters;
use orchestrator_core::domain::ProbeFailureKind;
use orchestrator_core::ports::{Clock, DiscoverError, Discovery};
use raft_tests::world::{Condition, DiscoveryWorld, Server, key};

use super::{nth, seeded};

#[tokio::test(start_paused = true)]
async fn a_discovered_instance_is_in_the_picture_when_the_answer_comes_and_its_tree_soon_after() {
    let world = DiscoveryWorld::start(seeded(&[]), |servers| {
        servers.put(&key("a"), Server::up());
        servers.put(&key("b"), Server::below(key("a")));
    });
    world.seconds(1).await;
    assert!(world.picture().is_empty());
    let seen = world.discovery.discover(key("b")).await.unwrap();
    assert_eq!(Some(&seen), world.picture().observation(&key("b")));
    world.seconds(1).await;
    assert_eq!(world.hosts(), ["a", "b"]);
    assert!(world.discovery.discover_soon(key("a")).is_ok());
}

#[tokio::test(start_paused = true)]
async fn many_requests_share_the_probe_under_way() {
    let world = DiscoveryWorld::start(seeded(&["a"]), |servers| {
        servers.put(&key("a"), Server::up());
    });
    world.seconds(8).await;
    world
        .servers
        .change(&key("a"), |a| a.latency = Duration::from_millis(1_500));
    world.servers.clear_starts();
    let ask = || {
        let discovery = world.discovery.clone();
        tokio::spawn(async move { discovery.discover(key("a")).await })
    };
    let mut asked = vec![ask()];
    for _ in 0..50 {
        world.pass(Duration::from_millis(20)).await;
        asked.push(ask());
    }
    let mut answers = Vec::new();
    for answer in asked {
        answers.push(answer.await.unwrap().unwrap());
    }
    assert!(
        answers
            .iter()
            .all(|answer| Arc::ptr_eq(answer, &answers[0]))
    );
    assert_eq!(world.servers.starts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_request_says_why_and_the_instance_is_shown_with_the_reason() {
    let world = DiscoveryWorld::start(seeded(&[]), |servers| {
        servers.put(&key("locked"), Server::up());
        servers.set(&key("locked"), Condition::Locked);
    });
    for (name, kind) in [
        ("locked", ProbeFailureKind::AccessDenied),
        ("nowhere", ProbeFailureKind::UnknownHost),
    ] {
        match world.discovery.discover(key(name)).await {
            Err(DiscoverError::Probe(failure)) => assert_eq!(failure.kind, kind),
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(
            world.record(&key(name)).failure.as_ref().unwrap().kind,
            kind
        );
    }
    let ignore = HostFilters::parse(["no.*"]).unwrap();
    world.reload(|config| config.ignore = ignore);
    world.seconds(1).await;
    assert_eq!(
        world.discovery.discover(key("nowhere")).await,
        Err(DiscoverError::Ignored {
            key: key("nowhere")
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_does_not_wait_behind_hanging_servers() {
    let config = Config {
        max_concurrency: 2,
        ..seeded(&["seed"])
    };
    let world = DiscoveryWorld::start(config, |servers| {
        servers.put(&key("seed"), Server::up());
        for n in 0..100 {
            servers.put(&nth(n), Server::up());
            servers.set(&nth(n), Condition::Frozen);
        }
        servers.change(&key("seed"), |seed| {
            seed.guesses = (0..100).map(nth).collect()
        });
    });
    (0..100).for_each(|n| world.discovery.discover_soon(nth(n)).unwrap());
    world.seconds(60).await;
    let waiting = world.discovery.probe_states();
    assert_eq!(
        waiting
            .iter()
            .filter(|state| state.is_on_slow_queue)
            .count(),
        100
    );
    // This one is back, and somebody wants to know; its turn on the slow queue would come much later.
    world.servers.set(&nth(50), Condition::Up);
    let began = world.clock.monotonic();
    assert!(world.discovery.discover(nth(50)).await.is_ok());
    assert!(world.clock.monotonic() - began < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn probe_states_tell_when_and_where_each_instance_is_asked() {
    let world = DiscoveryWorld::start(seeded(&["a", "b"]), |servers| {
        servers.put(&key("a"), Server::up());
        servers.put(&key("b"), Server::up());
        servers.set(&key("b"), Condition::Frozen);
    });
    world.pass(Duration::from_millis(300)).await;
    let states = world.discovery.probe_states();
    let now = world.clock.now();
    assert_eq!((&states[0].key, &states[1].key), (&key("a"), &key("b")));
    let due = states[0].next_due_at.unwrap();
    assert!(due.since(now) <= super::POLL && states[0].probing_since.is_none());
    let since = states[1].probing_since.unwrap();
    assert!(now.since(since) >= Duration::from_millis(299));
    assert_eq!(states[1].next_due_at, None);
}

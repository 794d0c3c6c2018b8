use std::time::Duration;

use orchestrator::discovery::Config;
use orchestrator_core::domain::HostFilters;
use orchestrator_core::domain::ThreadState;
use raft_tests::world::{Condition, DiscoveryWorld, Receiver, Server, SimulatedServers, key};

use super::{POLL, nth, seeded};

/// A source `a` with replicas `b` and `c`, and `d` below `c`.
fn small_tree(servers: &SimulatedServers) {
    servers.put(&key("a"), Server::up());
    for (replica, source) in [("b", "a"), ("c", "a"), ("d", "c")] {
        servers.put(&key(replica), Server::below(key(source)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_tree_is_discovered_from_one_seed_in_both_directions() {
    const SIZE: usize = 200;
    let world = DiscoveryWorld::start(seeded(&[&nth(77).to_string()]), |servers| {
        servers.put(&nth(0), Server::up());
        (1..SIZE).for_each(|n| servers.put(&nth(n), Server::below(nth((n - 1) / 3))));
    });
    let all_seen = |picture: &orchestrator_core::domain::Picture| {
        let seen = picture.records().filter(|r| r.is_last_check_valid());
        seen.count() == SIZE
    };
    let took = world.until(POLL, "all are seen", all_seen).await;
    assert!(
        took < Duration::from_secs(1),
        "it follows at once: {took:?}"
    );
    assert_eq!(
        world
            .record(&nth(199))
            .observation
            .as_ref()
            .unwrap()
            .source(),
        Some(&nth(66))
    );
}

#[tokio::test(start_paused = true)]
async fn a_replica_added_below_a_replica_is_seen_within_a_poll() {
    let world = DiscoveryWorld::start(seeded(&["b"]), small_tree);
    world.seconds(12).await;
    assert_eq!(world.hosts(), ["a", "b", "c", "d"]);
    world.servers.put(&key("e"), Server::below(key("d")));
    let bound = POLL + Duration::from_millis(100);
    world
        .until(bound, "e is seen", |picture| {
            picture.observation(&key("e")).is_some()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_pointed_elsewhere_is_told_within_a_poll_and_followed() {
    let world = DiscoveryWorld::start(seeded(&["b"]), |servers| {
        small_tree(servers);
        servers.put(&key("x"), Server::up());
    });
    world.seconds(12).await;
    assert!(
        !world.hosts().contains(&"x".to_owned()),
        "nobody spoke of x"
    );
    world
        .servers
        .change(&key("d"), |d| d.source = Some(key("x")));
    let bound = POLL + Duration::from_millis(100);
    world
        .until(bound, "d and x are seen", |picture| {
            picture.observation(&key("d")).unwrap().source() == Some(&key("x"))
                && picture.observation(&key("x")).is_some()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_ignored_host_is_never_asked_nor_shown() {
    let ignore = HostFilters::parse(["^c:3306$"]).unwrap();
    let config = Config {
        ignore,
        ..seeded(&["b", "c"])
    };
    let world = DiscoveryWorld::start(config, small_tree);
    world.seconds(60).await;
    assert_eq!(
        world.hosts(),
        ["a", "b"],
        "d is below c, and nobody else speaks of it"
    );
    assert!(world.servers.starts_of(&key("c")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn filters_of_sources_and_replicas_stop_only_their_direction() {
    let ignore_sources = HostFilters::parse(["^a:"]).unwrap();
    let config = Config {
        ignore_sources,
        ..seeded(&["c"])
    };
    let upwards = DiscoveryWorld::start(config, small_tree);
    upwards.seconds(60).await;
    assert_eq!(upwards.hosts(), ["c", "d"]);

    let ignore_replicas = HostFilters::parse(["^[bd]:"]).unwrap();
    let config = Config {
        ignore_replicas,
        ..seeded(&["d"])
    };
    let downwards = DiscoveryWorld::start(config, small_tree);
    downwards.seconds(60).await;
    assert_eq!(
        downwards.hosts(),
        ["a", "c", "d"],
        "d is a seed, b is a filtered replica"
    );
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_answers_is_shown_while_a_replica_tries_to_reach_it() {
    let world = DiscoveryWorld::start(seeded(&["b"]), |servers| {
        servers.put(&key("b"), Server::below(key("gone")));
        servers.put(&key("a"), Server::up());
    });
    world.seconds(7).await;
    let stub = world.record(&key("gone"));
    assert!(stub.observation.is_none() && stub.failure.is_some());
    let b = world.record(&key("b"));
    let link = b.observation.as_ref().unwrap().replication.clone().unwrap();
    assert_eq!(link.receiver, ThreadState::Other, "it tries to connect");

    world
        .servers
        .change(&key("b"), |b| b.source = Some(key("a")));
    world.seconds(20).await;
    assert_eq!(
        world.hosts(),
        ["a", "b"],
        "nobody points at the unknown one any more"
    );
    world.seconds(3600).await;
    assert_eq!(world.discovery.tracked(), 2, "and it is no longer asked");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_answers_is_not_shown_for_a_stopped_receiver() {
    let world = DiscoveryWorld::start(seeded(&["b"]), |servers| {
        let mut b = Server::below(key("gone"));
        b.receiver = Receiver::Stopped;
        servers.put(&key("b"), b);
    });
    world.seconds(30).await;
    assert_eq!(world.hosts(), ["b"]);
    world
        .servers
        .change(&key("b"), |b| b.receiver = Receiver::Started);
    world.seconds(6).await;
    assert_eq!(world.hosts(), ["b", "gone"], "now somebody wants it");
}

#[tokio::test(start_paused = true)]
async fn guessed_replicas_that_never_answer_are_not_shown_and_asked_ever_more_rarely() {
    let world = DiscoveryWorld::start(seeded(&["a"]), |servers| {
        let mut a = Server::up();
        a.guesses = vec![key("guess1"), key("guess2")];
        servers.put(&key("a"), a);
    });
    for _ in 0..60 {
        world.seconds(60).await;
        assert_eq!(world.hosts(), ["a"]);
    }
    let asked = world.servers.starts_of(&key("guess1")).len();
    assert!((8..=14).contains(&asked), "{asked} times in an hour");
    world.servers.put(&key("guess2"), Server::below(key("a")));
    world.seconds(601).await;
    assert_eq!(world.hosts(), ["a", "guess2"], "but not given up");
    world.servers.change(&key("a"), |a| a.guesses.clear());
    world.seconds(3600).await;
    assert_eq!(
        world.discovery.tracked(),
        2,
        "a guess that nobody repeats is"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_once_stays_when_nobody_speaks_of_it_any_more() {
    let world = DiscoveryWorld::start(seeded(&["a"]), small_tree);
    world.seconds(6).await;
    world.servers.set(&key("d"), Condition::Dead);
    world.seconds(7200).await;
    assert_eq!(world.hosts(), ["a", "b", "c", "d"]);
    assert!(
        world
            .record(&key("d"))
            .age(orchestrator_core::ports::Clock::now(&*world.clock))
            > Some(Duration::from_secs(7000))
    );
}

use std::time::Duration;

use orchestrator::discovery::Config;
use orchestrator_core::domain::HostFilters;
use orchestrator_core::ports::{Clock, DiscoverError, Discovery};
use raft_tests::world::{Condition, DiscoveryWorld, Server, SimulatedServers, key};

use super::{POLL, nth, seeded};

fn fleet(servers: &SimulatedServers) {
    servers.put(&nth(0), Server::up());
    (1..100).for_each(|n| servers.put(&nth(n), Server::below(nth(0))));
}

fn config() -> Config {
    seeded(&[&nth(0).to_string()])
}

/// Tasks of this test's runtime; the test itself is none.
fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn stopping_ends_every_task_and_session_and_stores_the_last_changes() {
    let world = DiscoveryWorld::start(config(), fleet);
    world.seconds(7).await;
    (1..50).for_each(|n| world.servers.set(&nth(n), Condition::Frozen));
    world.seconds(7).await;
    let discovery = world.discovery.clone();
    let waiting = tokio::spawn(async move { discovery.discover(nth(1)).await });
    world.pass(Duration::from_millis(1)).await;
    assert!(tasks() > 100);
    let began = world.clock.monotonic();
    world.discovery.stop().await;
    assert!(
        world.clock.monotonic() - began < Duration::from_millis(500),
        "at once"
    );
    assert_eq!(waiting.await.unwrap(), Err(DiscoverError::Stopping));
    assert_eq!((tasks(), world.servers.sessions()), (0, 0));
    assert_eq!(world.keeper.write_behind_state().pending, 0);
    for record in world.picture().records() {
        let stored = world.store.record(&record.key).unwrap();
        assert_eq!(stored.last_checked_at, record.last_checked_at);
    }
    assert_eq!(
        world.discovery.discover(nth(1)).await,
        Err(DiscoverError::Stopping)
    );
    assert_eq!(
        world.discovery.discover_soon(nth(1)),
        Err(DiscoverError::Stopping)
    );
    world.discovery.stop().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_loop_ends_its_tasks_too() {
    let world = DiscoveryWorld::start(config(), fleet);
    world.seconds(7).await;
    let clock = world.clock.clone();
    drop(world);
    clock.sleep(Duration::from_secs(1)).await;
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reload_changes_the_poll_interval_at_once_without_a_burst() {
    let config = Config {
        poll_interval: Duration::from_secs(3600),
        ..config()
    };
    let world = DiscoveryWorld::start(config, fleet);
    world.seconds(2).await;
    world.servers.clear_starts();
    world.reload(|config| config.poll_interval = POLL);
    world.seconds(5).await;
    let starts = world.servers.starts();
    assert_eq!(
        starts.len(),
        100,
        "every instance once in the first interval"
    );
    let first = starts[0].at.as_millis();
    let last = starts[99].at.as_millis();
    assert!(last - first > 4_000, "spread over it");
    world.servers.clear_starts();
    world.seconds(50).await;
    assert_eq!(world.servers.starts().len(), 1_000);
    world.reload(|config| config.poll_interval = POLL * 2);
    world.seconds(20).await;
    world.servers.clear_starts();
    world.seconds(50).await;
    assert_eq!(world.servers.starts().len(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_reload_drops_what_is_ignored_now_and_adds_seeds() {
    let world = DiscoveryWorld::start(config(), |servers| {
        fleet(servers);
        servers.put(&key("other"), Server::up());
    });
    world.seconds(7).await;
    assert_eq!(world.picture().len(), 100);
    world.reload(|config| {
        config.ignore = HostFilters::parse(["^db0009"]).unwrap();
        config.seeds.push(key("other"));
    });
    world.seconds(1).await;
    assert_eq!(world.picture().len(), 91, "ten are ignored, one is new");
    world.servers.clear_starts();
    world.seconds(30).await;
    assert!(world.servers.starts_of(&nth(95)).is_empty());
    assert!(world.store.record(&nth(95)).is_none());
    world.reload(|config| config.ignore = HostFilters::default());
    world.seconds(6).await;
    assert_eq!(world.picture().len(), 101, "and they come back");
}

#[tokio::test(start_paused = true)]
async fn no_more_instances_are_tracked_than_the_capacity() {
    let config = Config {
        queue_capacity: 30,
        ..config()
    };
    let world = DiscoveryWorld::start(config, fleet);
    world.seconds(20).await;
    assert_eq!((world.discovery.tracked(), world.picture().len()), (30, 30));
    world.servers.put(&key("other"), Server::up());
    assert_eq!(
        world.discovery.discover(key("other")).await,
        Err(DiscoverError::Busy { capacity: 30 })
    );
    let victim = world.picture().records().last().unwrap().key.clone();
    assert!(world.discovery.forget(&victim));
    assert!(
        world.discovery.discover(key("other")).await.is_ok(),
        "there is room"
    );
    world.seconds(20).await;
    assert_eq!(world.discovery.tracked(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_reload_does_not_bring_back_a_seed_that_was_forgotten() {
    let world = DiscoveryWorld::start(seeded(&["a"]), |servers| {
        servers.put(&key("a"), Server::up());
        servers.put(&key("b"), Server::up());
    });
    world.seconds(7).await;
    assert!(world.discovery.forget(&key("a")));
    world.reload(|config| config.seeds.push(key("b")));
    world.seconds(60).await;
    assert_eq!(world.hosts(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn an_instance_whose_probe_panics_is_asked_again() {
    let world = DiscoveryWorld::start(seeded(&["a"]), |servers| {
        servers.put(&key("a"), Server::up());
    });
    world.seconds(7).await;
    world.servers.set(&key("a"), Condition::Baffling);
    world.seconds(30).await;
    assert_eq!(world.discovery.tracked(), 1);
    world.servers.set(&key("a"), Condition::Up);
    world.pass(POLL).await;
    let record = world.record(&key("a"));
    assert!(
        record.age(world.clock.now()) <= Some(POLL),
        "asked and seen again"
    );
    world.discovery.stop().await;
    assert_eq!(tasks(), 0);
}

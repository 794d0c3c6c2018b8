use std::time::Duration;

use orchestrator_core::domain::ProbeFailureKind;
use orchestrator_core::ports::{Clock, Discovery};
use raft_tests::world::{Condition, DiscoveryWorld, Server, key};

use super::{POLL, seeded};

/// A probe of a simulated server, and the step in which tests look.
const MARGIN: Duration = Duration::from_millis(50);

fn one_server() -> DiscoveryWorld {
    DiscoveryWorld::start(seeded(&["a"]), |servers| {
        servers.put(&key("a"), Server::up())
    })
}

#[tokio::test(start_paused = true)]
async fn a_killed_server_is_told_within_a_poll_and_a_restarted_one_within_two() {
    let world = one_server();
    for step in 0..20 {
        world.pass(Duration::from_millis(5_000 + 977 * step)).await;
        world.servers.set(&key("a"), Condition::Dead);
        let is_dead = |p: &orchestrator_core::domain::Picture| {
            !p.get(&key("a")).unwrap().is_last_check_valid()
        };
        world.until(POLL + MARGIN, "told as dead", is_dead).await;
        let record = world.record(&key("a"));
        assert_eq!(
            record.failure.as_ref().unwrap().kind,
            ProbeFailureKind::Refused
        );
        assert!(record.observation.is_some(), "what was seen stays");

        world.pass(Duration::from_millis(1_313 * step)).await;
        world.servers.set(&key("a"), Condition::Up);
        world
            .until(POLL * 2 + MARGIN, "told as back", |p| !is_dead(p))
            .await;
        let record = world.record(&key("a"));
        assert_eq!((record.failures_in_a_row, &record.failure), (0, &None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_server_is_asked_every_two_polls() {
    let world = one_server();
    world.seconds(11).await;
    world.servers.set(&key("a"), Condition::Dead);
    world.seconds(20).await;
    world.servers.clear_starts();
    world.seconds(100).await;
    assert_eq!(world.servers.starts_of(&key("a")).len(), 10);
    assert!(world.discovery.probe_states()[0].is_on_slow_queue);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_server_shows_its_age_and_the_probe_under_way_before_the_probe_fails() {
    let world = one_server();
    world.seconds(11).await;
    world.servers.set(&key("a"), Condition::Frozen);
    let took = world
        .until(
            POLL + Duration::from_secs(1) + MARGIN,
            "a probe is shown as under way",
            |picture| picture.get(&key("a")).unwrap().probing_since.is_some(),
        )
        .await;
    assert!(took >= Duration::from_secs(1));
    let record = world.record(&key("a"));
    let now = world.clock.now();
    assert!(now.since(record.probing_since.unwrap()) >= Duration::from_secs(1));
    assert!(record.is_last_check_valid(), "nothing has failed yet");
    assert!(record.age(now) > Some(Duration::from_secs(1)));

    world
        .until(
            Duration::from_secs(9) + MARGIN,
            "it fails in the end",
            |picture| picture.get(&key("a")).unwrap().failure.is_some(),
        )
        .await;
    let record = world.record(&key("a"));
    assert_eq!(
        record.failure.as_ref().unwrap().kind,
        ProbeFailureKind::Timeout
    );
    assert_eq!(record.probing_since, None);

    world.servers.set(&key("a"), Condition::Up);
    world
        .until(POLL * 2 + MARGIN, "it is back", |p| {
            p.get(&key("a")).unwrap().failure.is_none()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_thaws_answers_the_probe_under_way() {
    let world = one_server();
    world.seconds(11).await;
    world.servers.set(&key("a"), Condition::Frozen);
    world.seconds(8).await;
    assert!(world.record(&key("a")).probing_since.is_some());
    world.servers.set(&key("a"), Condition::Up);
    world.pass(MARGIN).await;
    let record = world.record(&key("a"));
    assert!(record.probing_since.is_none() && record.is_last_check_valid());
    assert!(record.age(world.clock.now()) < Some(MARGIN * 2));
}

#[tokio::test(start_paused = true)]
async fn a_slow_but_healthy_server_keeps_its_poll() {
    let world = DiscoveryWorld::start(seeded(&["a"]), |servers| {
        let mut slow = Server::up();
        slow.latency = Duration::from_millis(2_500);
        servers.put(&key("a"), slow);
    });
    world.seconds(20).await;
    world.servers.clear_starts();
    world.seconds(50).await;
    assert_eq!(world.servers.starts_of(&key("a")).len(), 10);
    assert!(!world.discovery.probe_states()[0].is_on_slow_queue);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_changes_its_kind_is_told() {
    let world = one_server();
    world.seconds(11).await;
    for (condition, kind) in [
        (Condition::Locked, ProbeFailureKind::AccessDenied),
        (Condition::Dead, ProbeFailureKind::Refused),
    ] {
        world.servers.set(&key("a"), condition);
        world.pass(POLL * 2 + MARGIN).await;
        assert_eq!(world.record(&key("a")).failure.as_ref().unwrap().kind, kind);
    }
    world.servers.remove(&key("a"));
    world.pass(POLL * 2 + MARGIN).await;
    let failure = world.record(&key("a")).failure.clone().unwrap();
    assert_eq!(failure.kind, ProbeFailureKind::UnknownHost);
}

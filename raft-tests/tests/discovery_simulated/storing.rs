use std::time::Duration;

use orchestrator::discovery::Config;
use orchestrator_core::ports::{Clock, Discovery};
use raft_tests::world::{Condition, DiscoveryWorld, Server, SimulatedServers, key};

use super::{nth, seeded};

const FLEET: usize = 200;

fn fleet(servers: &SimulatedServers) {
    servers.put(&nth(0), Server::up());
    (1..FLEET).for_each(|n| servers.put(&nth(n), Server::below(nth(0))));
}

fn config() -> Config {
    seeded(&[&nth(0).to_string()])
}

#[tokio::test(start_paused = true)]
async fn observations_are_stored_in_batches_within_the_flush_interval() {
    let world = DiscoveryWorld::start(config(), fleet);
    world.seconds(1).await;
    assert_eq!(world.store.len(), FLEET);
    world.seconds(5).await;
    let last = world.record(&nth(3)).last_seen_at.unwrap();
    world.pass(Duration::from_millis(200)).await;
    assert!(world.store.record(&nth(3)).unwrap().last_seen_at >= Some(last));
    let batches = world.store.batches();
    assert!(batches.iter().all(|size| *size <= 100), "{batches:?}");
    assert!(
        batches.len() < 80,
        "ten a second at most: {}",
        batches.len()
    );
}

#[tokio::test(start_paused = true)]
async fn a_failing_store_costs_bounded_memory_and_gets_the_latest_when_it_works_again() {
    let world = DiscoveryWorld::start(config(), fleet);
    world.seconds(10).await;
    world.store.fail(true);
    let failed_at = world.clock.now();
    let attempts = world.store.attempts();
    world.seconds(180).await;
    let state = world.keeper.write_behind_state();
    assert!(
        state.pending <= FLEET,
        "one change for each instance: {}",
        state.pending
    );
    assert_eq!(state.dropped, 0);
    assert!(state.error.is_some());
    assert!(state.failing_since.unwrap().since(failed_at) < Duration::from_secs(1));
    let tried = world.store.attempts() - attempts;
    assert!(
        (18..30).contains(&tried),
        "{tried} attempts in three minutes"
    );
    assert!(
        world.record(&nth(9)).age(world.clock.now()) < Some(super::POLL * 2),
        "probing goes on"
    );

    world.store.mend();
    world.seconds(11).await;
    let state = world.keeper.write_behind_state();
    assert_eq!((state.error, state.failing_since), (None, None));
    for n in 0..FLEET {
        let stored = world.store.record(&nth(n)).unwrap();
        assert!(
            stored.age(world.clock.now()) < Some(Duration::from_secs(6)),
            "{n}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_beyond_repair_is_tried_rarely() {
    let world = DiscoveryWorld::start(config(), fleet);
    world.seconds(10).await;
    world.store.fail(false);
    let attempts = world.store.attempts();
    world.seconds(180).await;
    assert!((5..=7).contains(&(world.store.attempts() - attempts)));
}

#[tokio::test(start_paused = true)]
async fn changes_beyond_the_bound_are_given_up_and_made_good_by_later_probes() {
    let config = Config {
        queue_capacity: FLEET,
        ..config()
    };
    let world = DiscoveryWorld::start(config, fleet);
    world.store.fail(true);
    world.seconds(10).await;
    // Instances that come and go leave a removal each.
    for n in FLEET..FLEET * 3 {
        world.discovery.forget(&nth(1));
        let was = nth(n);
        world.servers.put(&was, Server::up());
        world.discovery.discover(was.clone()).await.unwrap();
        world.discovery.forget(&was);
    }
    let state = world.keeper.write_behind_state();
    assert!(state.pending <= FLEET * 2 && state.dropped > 0, "{state:?}");
    world.store.mend();
    world.seconds(60).await;
    assert_eq!(world.store.len(), FLEET);
    world.discovery.stop().await;
    assert_eq!(world.keeper.write_behind_state().pending, 0);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_service_knows_the_topology_before_its_first_probe_ends() {
    let world = DiscoveryWorld::start(config(), fleet);
    world.seconds(12).await;
    world.servers.set(&nth(7), Condition::Dead);
    world.seconds(12).await;
    let before = world.record(&nth(3));
    let world = world.restart().await;
    assert_eq!(world.picture().len(), FLEET);
    let restored = world.record(&nth(3));
    assert!(
        restored.last_seen_at >= before.last_seen_at,
        "the last flush was made"
    );
    assert!(
        restored.age(world.clock.now()) > Some(Duration::ZERO),
        "with its age"
    );
    assert_eq!(restored.probing_since, None);
    let failing = world.record(&nth(7));
    assert!(failing.failure.is_some() && failing.observation.is_some());
    world.seconds(6).await;
    assert!(world.record(&nth(3)).last_seen_at > restored.last_seen_at);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_delays_stopping_by_a_few_seconds_only() {
    let world = DiscoveryWorld::start(config(), fleet);
    world.seconds(10).await;
    world.store.hang();
    world.seconds(10).await;
    let began = world.clock.monotonic();
    world.discovery.stop().await;
    assert!(world.clock.monotonic() - began <= Duration::from_secs(8));
    assert!(
        world.keeper.write_behind_state().pending > 0,
        "and says what is missing"
    );
    assert!(world.store.record(&key("nobody")).is_none());
}

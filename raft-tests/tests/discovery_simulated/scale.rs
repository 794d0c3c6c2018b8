use std::time::Duration;

use orchestrator::discovery::Config;
use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::Clock;
use raft_tests::world::{Condition, DiscoveryWorld, SeededIds, Server, SimulatedServers};

use super::{POLL, nth, seeded};

/// Allowed beside the poll interval: `ReasonableInstanceCheckSeconds`.
const ALLOWED: Duration = Duration::from_secs(1);

/// Trees of 50 with latencies of 2 to 41 ms; every head is a seed.
fn fleet(size: usize) -> impl FnOnce(&SimulatedServers) {
    move |servers| {
        for n in 0..size {
            let mut server = match n % 50 {
                0 => Server::up(),
                _ => Server::below(nth(n - n % 50)),
            };
            server.latency = Duration::from_millis(2 + (n as u64 * 7) % 40);
            servers.put(&nth(n), server);
        }
    }
}

fn config(size: usize) -> Config {
    let heads: Vec<String> = (0..size).step_by(50).map(|n| nth(n).to_string()).collect();
    seeded(&heads.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Whether the server is one of the 30 % that hang.
fn hangs(n: usize) -> bool {
    n % 10 >= 7
}

/// Ages of all healthy instances at `instants` random moments of the next `seconds`.
async fn ages(world: &DiscoveryWorld, size: usize, instants: usize, seconds: u64) -> Vec<Duration> {
    let ids = SeededIds::new(11);
    let mut moments: Vec<u64> = (0..instants).map(|_| ids.below(seconds * 1_000)).collect();
    moments.sort_unstable();
    let began = world.clock.monotonic();
    let healthy: Vec<InstanceKey> = (0..size).filter(|n| !hangs(*n)).map(nth).collect();
    let mut ages = Vec::new();
    for moment in moments {
        let at = began + Duration::from_millis(moment);
        world.pass(at.saturating_sub(world.clock.monotonic())).await;
        let (picture, now) = (world.picture(), world.clock.now());
        for key in &healthy {
            ages.push(picture.get(key).unwrap().age(now).expect("it was seen"));
        }
    }
    ages.sort_unstable();
    ages
}

async fn hanging_servers_do_not_delay_healthy_ones(size: usize, seconds: u64, p99: f64) {
    let world = DiscoveryWorld::start(config(size), fleet(size));
    world
        .until(POLL * 3, "all are seen", |picture| {
            picture.len() == size && picture.records().all(|r| r.observation.is_some())
        })
        .await;
    world.seconds(1).await;
    (0..size)
        .filter(|n| hangs(*n))
        .for_each(|n| world.servers.set(&nth(n), Condition::Frozen));
    let ages = ages(&world, size, 50, seconds).await;
    let worst = *ages.last().unwrap();
    assert!(
        worst <= POLL + ALLOWED,
        "the oldest of {size} was {worst:?}"
    );
    let p99_age = ages[ages.len() * 99 / 100];
    assert!(p99_age <= POLL.mul_f64(p99), "p99 {p99_age:?}");
    let picture = world.picture();
    let told = (0..size).filter(|n| hangs(*n)).filter(|n| {
        let record = picture.get(&nth(*n)).unwrap();
        record.probing_since.is_some() || record.failure.is_some()
    });
    assert_eq!(
        told.count(),
        size * 3 / 10,
        "each hanging one is told as such"
    );
}

#[tokio::test(start_paused = true)]
async fn thirty_percent_hanging_of_1_000_slow_only_themselves() {
    hanging_servers_do_not_delay_healthy_ones(1_000, 45, 1.1).await;
}

#[tokio::test(start_paused = true)]
async fn thirty_percent_hanging_of_10_000_slow_only_themselves() {
    hanging_servers_do_not_delay_healthy_ones(10_000, 11, 1.2).await;
}

#[tokio::test(start_paused = true)]
async fn known_instances_are_asked_first_spread_over_one_interval() {
    const SIZE: usize = 1_000;
    let world = DiscoveryWorld::start(config(SIZE), fleet(SIZE));
    world.seconds(12).await;
    let world = world.restart().await;
    world.servers.clear_starts();
    let began = world.clock.monotonic();
    world.pass(POLL).await;
    let mut slots = [0_usize; 10];
    for start in world.servers.starts() {
        let slot = (start.at - began).as_millis() / 500;
        slots[usize::try_from(slot).unwrap().min(9)] += 1;
    }
    assert!(
        slots.iter().all(|count| (90..=110).contains(count)),
        "{slots:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fleet_discovered_in_one_burst_spreads_out_after_it() {
    const SIZE: usize = 1_000;
    let world = DiscoveryWorld::start(config(SIZE), fleet(SIZE));
    world.seconds(12).await;
    world.servers.clear_starts();
    let began = world.clock.monotonic();
    world.pass(POLL).await;
    let mut slots = [0_usize; 10];
    for start in world.servers.starts() {
        let slot = (start.at - began).as_millis() / 500;
        slots[usize::try_from(slot).unwrap().min(9)] += 1;
    }
    assert!(
        slots.iter().all(|count| (80..=120).contains(count)),
        "{slots:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn starts_do_not_drift() {
    let world = DiscoveryWorld::start(config(10), fleet(10));
    world.seconds(20).await;
    world.servers.clear_starts();
    world.seconds(3600).await;
    for n in [0, 4, 9] {
        let starts = world.servers.starts_of(&nth(n));
        assert_eq!(starts.len(), 720, "{n}");
        let span = *starts.last().unwrap() - starts[0];
        let off = span.abs_diff(POLL * 719);
        assert!(
            off < Duration::from_millis(5),
            "{n}: off by {off:?} after an hour"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_healthy_probes_run_at_once_than_configured() {
    let config = Config {
        max_concurrency: 20,
        ..config(1_000)
    };
    let world = DiscoveryWorld::start(config, |servers| {
        fleet(1_000)(servers);
        (0..1_000).for_each(|n| servers.change(&nth(n), |s| s.latency = Duration::from_millis(60)));
    });
    world.seconds(30).await;
    assert_eq!(world.picture().len(), 1_000);
    assert_eq!(
        world.servers.most_in_flight(),
        20,
        "the bound is reached and kept"
    );
}

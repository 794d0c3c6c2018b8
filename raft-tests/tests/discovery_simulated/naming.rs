use orchestrator::discovery::Config;
use orchestrator_core::domain::HostFilters;
use orchestrator_core::ports::{DiscoverError, Discovery};
use raft_tests::world::{Condition, DiscoveryWorld, Server, SimulatedServers, key};

use super::seeded;

/// A server that reports the name `name` under each of these addresses.
fn put_under(servers: &SimulatedServers, name: &str, addresses: &[&str]) {
    for address in addresses {
        let mut server = Server::up();
        server.reports = Some(key(name));
        servers.put(&key(address), server);
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_is_known_and_asked_under_the_name_it_reports() {
    let world = DiscoveryWorld::start(seeded(&["10.0.0.1"]), |servers| {
        put_under(servers, "db1", &["10.0.0.1", "db1"]);
    });
    world.seconds(60).await;
    assert_eq!(world.hosts(), ["db1"]);
    assert_eq!(world.servers.starts_of(&key("10.0.0.1")).len(), 1);
    assert!(world.servers.starts_of(&key("db1")).len() >= 11);
    assert_eq!(world.servers.sessions(), 1);
    assert!(world.store.record(&key("10.0.0.1")).is_none());
    assert!(world.store.record(&key("db1")).is_some());
}

#[tokio::test(start_paused = true)]
async fn two_names_of_one_server_become_one_instance_that_others_may_go_on_naming_wrongly() {
    let world = DiscoveryWorld::start(seeded(&["10.0.0.1", "alias"]), |servers| {
        put_under(servers, "db1", &["10.0.0.1", "alias", "db1"]);
        servers.put(&key("r1"), Server::below(key("10.0.0.1")));
        servers.put(&key("r2"), Server::below(key("alias")));
        servers.change(&key("db1"), |db1| db1.guesses = vec![key("r1"), key("r2")]);
    });
    world.seconds(600).await;
    assert_eq!(world.hosts(), ["db1", "r1", "r2"]);
    for address in ["10.0.0.1", "alias"] {
        let asked = world.servers.starts_of(&key(address)).len();
        assert_eq!(asked, 1, "{address} is known by now");
    }
    assert_eq!(world.discovery.tracked(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_changes_its_name_moves_in_one_step() {
    let world = DiscoveryWorld::start(seeded(&["old"]), |servers| {
        servers.put(&key("old"), Server::up());
    });
    world.seconds(12).await;
    put_under(&world.servers, "new", &["old", "new"]);
    world
        .until(super::POLL * 2, "the new name", |picture| {
            assert_eq!(picture.len(), 1, "never none, never both");
            picture.get(&key("new")).is_some()
        })
        .await;
    world.seconds(1).await;
    assert!(world.store.record(&key("old")).is_none());
}

#[tokio::test(start_paused = true)]
async fn two_servers_that_claim_each_others_name_keep_the_one_they_are_reached_by() {
    let world = DiscoveryWorld::start(seeded(&["a", "b"]), |servers| {
        put_under(servers, "b", &["a"]);
        put_under(servers, "a", &["b"]);
    });
    world.seconds(30).await;
    assert_eq!(world.hosts(), ["a", "b"]);
    let version = world.picture().version();
    world.servers.clear_starts();
    world.seconds(3 * 3600).await;
    assert_eq!(world.hosts(), ["a", "b"]);
    for name in ["a", "b"] {
        assert_eq!(
            world.servers.starts_of(&key(name)).len(),
            3 * 720,
            "asked once per poll"
        );
        assert_eq!(
            world.record(&key(name)).observation.as_ref().unwrap().key,
            key(name)
        );
    }
    let changes = world.picture().version() - version;
    assert_eq!(
        changes,
        2 * 3 * 720,
        "one change for each probe: nothing flaps"
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_whose_server_fails_is_not_painted_over_through_another_name() {
    let world = DiscoveryWorld::start(seeded(&["10.0.0.1"]), |servers| {
        put_under(servers, "db1", &["10.0.0.1", "db1"]);
    });
    world.seconds(12).await;
    world.servers.set(&key("db1"), Condition::Dead);
    world.seconds(12).await;
    let seen = world.discovery.discover(key("10.0.0.1")).await.unwrap();
    assert_eq!(seen.key, key("db1"));
    assert!(
        world.record(&key("db1")).failure.is_some(),
        "asked there, it does not answer"
    );
    assert_eq!(world.hosts(), ["db1"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_under_an_ignored_name_is_left_out_and_not_asked_again_and_again() {
    let ignore = HostFilters::parse(["^secret:"]).unwrap();
    let world = DiscoveryWorld::start(
        Config {
            ignore,
            ..seeded(&["a"])
        },
        |servers| {
            put_under(servers, "secret", &["10.0.0.9", "secret"]);
            servers.put(&key("a"), Server::below(key("10.0.0.9")));
        },
    );
    world.seconds(300).await;
    assert_eq!(world.hosts(), ["a"]);
    assert_eq!(world.servers.starts_of(&key("10.0.0.9")).len(), 1);
    assert_eq!(
        world.discovery.discover(key("10.0.0.9")).await,
        Err(DiscoverError::Ignored { key: key("secret") })
    );
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_instance_does_not_come_back_through_another_name() {
    let world = DiscoveryWorld::start(seeded(&["a"]), |servers| {
        put_under(servers, "db1", &["10.0.0.1", "10.0.0.2", "db1"]);
        servers.put(&key("a"), Server::below(key("10.0.0.1")));
    });
    world.seconds(12).await;
    assert_eq!(world.hosts(), ["a", "db1"]);
    assert!(world.discovery.forget(&key("db1")));
    world.servers.put(&key("b"), Server::below(key("10.0.0.2")));
    world
        .servers
        .change(&key("a"), |a| a.guesses = vec![key("b")]);
    world.seconds(14).await;
    assert_eq!(
        world.hosts(),
        ["a", "b"],
        "neither through the old name nor a new one"
    );
    world.seconds(7).await;
    assert_eq!(
        world.hosts(),
        ["a", "b", "db1"],
        "live replication brings it back"
    );
    assert!(world.discovery.forget(&key("db1")));
    assert_eq!(
        world.discovery.discover(key("10.0.0.2")).await.unwrap().key,
        key("db1")
    );
    assert_eq!(world.hosts(), ["a", "b", "db1"], "and so does a request");
}

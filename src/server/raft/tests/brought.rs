//! Stores that nodes bring along: of a node alone, of another node, of another group.

use std::sync::Arc;

use orchestrator_core::decided::{GroupId, Snapshot};
use orchestrator_core::domain::Timestamp;
use orchestrator_core::ports::{DecisionReader as _, Proposer as _};

use super::super::OpenError;
use super::super::brought::{GivenUp, give_up};
use super::doubles::copy;
use super::support::{PATIENCE, TestIds, World, key, open_store, until};
use crate::effects::fakes::FakeClock;
use crate::store::{
    DecisionStore as _, InstallMode, LocalOptions, LocalProposer, Place, SqliteOptions, SqliteStore,
};

const THREE: [&str; 3] = ["a", "b", "c"];
const STORE: &str = "orchestrator.sqlite3";

/// What `name` has decided before it was a node of a group.
async fn decides_alone(world: &mut World, name: &str, instances: &[&str]) -> GroupId {
    let ids = TestIds::new();
    let place = Place::File(world.directory(name).join(STORE));
    let now = Timestamp::from_seconds(1_700_000_000);
    let store = SqliteStore::open(&SqliteOptions::new(place), ids.as_ref(), now).unwrap();
    let store = Arc::new(store);
    let local =
        LocalProposer::start(store.clone(), FakeClock::new(), LocalOptions::default()).unwrap();
    for instance in instances {
        let proposal = world.forget(instance);
        local.propose(proposal).await.unwrap();
    }
    local.stop().await;
    store.identity().unwrap().group
}

fn has(world: &World, name: &str, instance: &str) -> bool {
    let state = world.node(name).decided();
    state.forgotten.contains_key(&key(instance))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_alone_grows_into_three_and_loses_nothing() {
    let mut world = World::new(&THREE);
    let before = decides_alone(&mut world, "a", &["db1", "db2", "db3"]).await;
    world.start_all();
    until("all three vote", || {
        THREE.iter().all(|name| world.status(name).me.is_voter)
    })
    .await;
    let written = world.write("db4").await;
    assert!(written.index > 4, "indices go on");
    world.converge(written.index).await;
    for name in THREE {
        assert!(
            has(&world, name, "db1") && has(&world, name, "db4"),
            "{name}"
        );
        let group = world.status(name).group;
        assert!(group.is_some() && group != Some(before), "a new group");
    }
    // As any other: one may be lost, also the one that brought it.
    world.kill("a").await;
    let written = world.write("db5").await;
    world.start("a");
    world.converge(written.index).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_alone_in_its_list_begins_with_its_store() {
    let mut world = World::new(&["a"]);
    decides_alone(&mut world, "a", &["db1"]).await;
    world.start_all();
    world.leader().await;
    let written = world.write("db2").await;
    assert!(has(&world, "a", "db1"));
    world.kill("a").await;
    world.start("a");
    world.leader().await;
    world.converge(written.index).await;
    assert!(has(&world, "a", "db1") && has(&world, "a", "db2"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_with_stores_neither_begins() {
    let mut world = World::new(&THREE);
    decides_alone(&mut world, "a", &["db1"]).await;
    decides_alone(&mut world, "b", &["db2"]).await;
    world.start_all();
    until("all say why", || {
        THREE.iter().all(|name| {
            let warnings = &world.status(name).warnings;
            warnings.iter().any(|w| w.contains("both bring a store"))
        })
    })
    .await;
    // One goes, and the other's is what the group begins with.
    world.kill("b").await;
    world.wipe("b");
    world.start("b");
    world.leader().await;
    let written = world.write("db3").await;
    world.converge(written.index).await;
    for name in THREE {
        assert!(
            has(&world, name, "db1") && !has(&world, name, "db2"),
            "{name}"
        );
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_another_nodes_store_is_taken_without_a_log_and_beside_one_the_log_wins() {
    let mut world = World::new(&THREE);
    world.start_all();
    let leader = world.settled().await;
    let written = world.write("db1").await;
    world.converge(written.index).await;
    let mut others = THREE.into_iter().filter(|name| *name != leader);
    let (one, other) = (others.next().unwrap(), others.next().unwrap());

    // Beside a log, although it is further than the log.
    world.kill(other).await;
    let written = world.write("db2").await;
    world.converge(written.index).await;
    world.kill(one).await;
    for file in ["", "-wal", "-shm"] {
        std::fs::remove_file(world.directory(other).join(format!("{STORE}{file}"))).ok();
    }
    copy(&world.directory(one), &world.directory(other), STORE);
    world.start(one);
    world.start(other);
    let written = world.write("db3").await;
    world.converge(written.index).await;
    assert!(has(&world, other, "db2"));
    // And it is this node's own from now on.
    world.kill(other).await;
    world.start(other);
    let written = world.write("db4").await;
    world.converge(written.index).await;

    // Without one: it joins with a new id, and has what the group has.
    let old = world.status(other).me.id;
    world.kill(other).await;
    world.kill(one).await;
    world.wipe(other);
    copy(&world.directory(one), &world.directory(other), STORE);
    world.start(one);
    world.start(other);
    until("it votes again", || {
        let me = &world.status(other).me;
        me.is_voter && me.id != old
    })
    .await;
    let written = world.write("db5").await;
    world.converge(written.index).await;
    assert!(has(&world, other, "db1") && has(&world, other, "db5"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_another_group_is_refused_until_it_is_given_up() {
    let mut world = World::new(&THREE);
    world.start_all();
    let leader = world.settled().await;
    let written = world.write("db1").await;
    world.converge(written.index).await;
    let node = THREE.into_iter().find(|name| *name != leader).unwrap();
    let directory = world.directory(node);
    let theirs = GroupId::from_number(77);
    let of_another = || {
        let store = open_store(&directory, TestIds::new().as_ref());
        let state = store.load().unwrap();
        let snapshot = Snapshot::of(theirs, &state, vec![]);
        store.install(&snapshot, InstallMode::Adopt).unwrap();
    };

    // Beside a log.
    world.kill(node).await;
    of_another();
    let refused = world.open(world.config(node)).err().unwrap();
    assert!(matches!(refused, OpenError::OtherGroup { .. }), "{refused}");
    let command = format!("orchestrator -of-group={theirs} raft-adopt-store");
    assert!(refused.to_string().contains(&command), "{refused}");
    let given = |named: &str| {
        let store = open_store(&directory, TestIds::new().as_ref());
        let now = Timestamp::from_seconds(1_800_000_000);
        give_up(store.as_ref(), named, "ann", now).unwrap()
    };
    assert_eq!(given("another"), GivenUp::OtherGroup(theirs));
    assert_eq!(given(&theirs.to_string()), GivenUp::Done);
    assert_eq!(given(""), GivenUp::Empty, "it is nobody's");
    world.start(node);
    let written = world.write("db2").await;
    world.converge(written.index).await;
    assert!(world.node(node).decided().recoveries_disabled.is_none());

    // Without a log.
    world.kill(node).await;
    let aside = world.directory("aside");
    copy(&directory, &aside, STORE);
    world.wipe(node);
    copy(&aside, &directory, STORE);
    of_another();
    let running = world.open(world.config(node)).unwrap();
    running.group.start();
    let reason = tokio::time::timeout(PATIENCE, running.group.failed()).await;
    let reason = reason.unwrap();
    assert!(
        reason.contains("belongs to group") && reason.contains(&command),
        "{reason}"
    );
    running.group.stop().await;
    drop(running);
    until("its store is free", || {
        let place = Place::File(directory.join(STORE));
        let store = SqliteStore::open(
            &SqliteOptions::new(place),
            TestIds::new().as_ref(),
            Timestamp::from_seconds(1),
        );
        store.is_ok()
    })
    .await;
    assert_eq!(given(&theirs.to_string()), GivenUp::Done);
    world.start(node);
    until("it votes", || world.status(node).me.is_voter).await;
    let written = world.write("db3").await;
    world.converge(written.index).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_begins_with_a_store_that_was_given_up_recovers_nothing() {
    let mut world = World::new(&["a"]);
    let before = decides_alone(&mut world, "a", &["db1"]).await;
    {
        let store = open_store(&world.directory("a"), TestIds::new().as_ref());
        let now = Timestamp::from_seconds(1_700_000_000);
        let given = give_up(store.as_ref(), &before.to_string(), "ann", now).unwrap();
        assert_eq!(given, GivenUp::Done);
    }
    world.start_all();
    world.leader().await;
    let state = world.node("a").decided();
    assert!(state.forgotten.is_empty());
    assert_eq!(state.recoveries_disabled.clone().unwrap().by, "ann");
    world.stop().await;
}

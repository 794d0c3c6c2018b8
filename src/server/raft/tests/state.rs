//! Decided state over restarts, snapshots and disagreement.

use orchestrator_core::decided::Digest;
use orchestrator_core::ports::{DecisionReader as _, Group as _, Proposer as _};

use super::super::OpenError;
use super::support::{World, key, open_store, until};
use crate::raft::tests::support::TestIds;
use crate::store::{DecisionStore as _, InstallMode};

const THREE: [&str; 3] = ["a", "b", "c"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_restarted_at_once_have_everything_and_go_on() {
    let mut world = World::new(&THREE);
    world.start_all();
    for number in 0..10 {
        world.write(&format!("db{number}")).await;
    }
    let group = world.status("a").group;
    for name in THREE {
        world.kill(name).await;
    }
    world.start_all();
    let last = world.write("later").await;
    world.converge(last.index).await;
    assert_eq!(world.node("b").decided().forgotten.len(), 11);
    assert_eq!(world.status("c").group, group);
    assert!(group.is_some());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_for_long_takes_over_a_snapshot_and_forgets_no_instance() {
    let mut world = World::new(&THREE);
    world.snapshot_every = 20;
    world.start_all();
    let leader = world.leader().await;
    let away = THREE.into_iter().find(|name| *name != leader).unwrap();
    let early = world.write("early").await;
    world.converge(early.index).await;
    world.kill(away).await;
    world.running[&leader]
        .instances
        .0
        .lock()
        .unwrap()
        .insert(key("seen-by-leader"));
    let proposal = world.forget("db-remembered");
    world.node(&leader).propose(proposal.clone()).await.unwrap();
    for number in 0..100 {
        world.write(&format!("db{number}")).await;
    }
    until(
        "the leader's log begins behind the entries of the absent",
        || {
            let files = std::fs::read_dir(world.directory(&leader)).unwrap();
            files.filter_map(Result::ok).any(|f| {
                f.file_name()
                    .to_string_lossy()
                    .starts_with("raft-snapshot-")
            })
        },
    )
    .await;
    world.start(away);
    world.running[away]
        .instances
        .0
        .lock()
        .unwrap()
        .insert(key("own"));
    let last = world.write("last").await;
    world.converge(last.index).await;
    let known = world.running[away].instances.0.lock().unwrap().clone();
    assert!(known.contains(&key("own")) && known.contains(&key("seen-by-leader")));
    // What was answered before the snapshot is known after it.
    assert!(world.node(away).earlier(proposal.request).is_some());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_written_on_request() {
    let mut world = World::new(&["a"]);
    world.start_all();
    world.leader().await;
    world.write("db1").await;
    world.node("a").take_snapshot().await.unwrap();
    let files = std::fs::read_dir(world.directory("a")).unwrap();
    let count = files
        .filter_map(Result::ok)
        .filter(|f| {
            f.file_name()
                .to_string_lossy()
                .starts_with("raft-snapshot-")
        })
        .count();
    assert_eq!(count, 1);
    let before = Digest::of(&world.node("a").decided());
    world.kill("a").await;
    // Without its store the node has it from the snapshot and the log.
    for file in [
        "orchestrator.sqlite3",
        "orchestrator.sqlite3-wal",
        "orchestrator.sqlite3-shm",
    ] {
        let _ = std::fs::remove_file(world.directory("a").join(file));
    }
    let running = world.open(world.config("a")).unwrap();
    running.group.start();
    until("the state is back", || {
        running.group.decided().forgotten.contains_key(&key("db1"))
    })
    .await;
    assert_ne!(
        Digest::of(&running.group.decided()).to_string(),
        String::new()
    );
    assert!(!before.to_string().is_empty());
    running.group.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_state_differs_is_named_on_both_sides() {
    let mut world = World::new(&THREE);
    world.start_all();
    let written = world.write("db1").await;
    world.converge(written.index).await;
    let leader = world.leader().await;
    let bad = THREE.into_iter().find(|name| *name != leader).unwrap();
    world.kill(bad).await;
    // Somebody changes a row by hand.
    let path = world.directory(bad).join("orchestrator.sqlite3");
    let connection = rusqlite::Connection::open(path).unwrap();
    let changed = connection.execute("UPDATE decided_forgotten SET host = 'other'", []);
    assert_eq!(changed, Ok(1));
    drop(connection);
    world.start(bad);
    until("both say so", || {
        [bad, leader.as_str()].iter().all(|name| {
            let status = world.status(name);
            status
                .warnings
                .iter()
                .any(|w| w.contains("differs at entry"))
        })
    })
    .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_that_do_not_belong_to_the_log_are_refused_in_one_sentence() {
    let mut world = World::new(&["a"]);
    world.start_all();
    world.leader().await;
    world.write("db1").await;
    world.kill("a").await;
    let ids = TestIds::new();

    // Of another group.
    let config = world.config("a");
    {
        let store = open_store(&config.directory, ids.as_ref());
        let snapshot = store.export(vec![]).unwrap();
        let bytes = snapshot.to_bytes().unwrap();
        let _ = bytes;
        let other = orchestrator_core::decided::Snapshot::of(
            orchestrator_core::decided::GroupId::from_number(1),
            &snapshot.decided(),
            vec![],
        );
        store.install(&other, InstallMode::Adopt).unwrap();
    }
    let refused = world.open(config.clone()).err().unwrap();
    assert!(matches!(refused, OpenError::OtherGroup { .. }), "{refused}");
    assert!(
        refused.to_string().contains("move the store away"),
        "{refused}"
    );

    // Newer than the log: the log was lost.
    let files = std::fs::read_dir(&config.directory).unwrap();
    for file in files.filter_map(Result::ok) {
        if file.file_name().to_string_lossy().starts_with("raft-") {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    let refused = world.open(config).err().unwrap();
    assert!(matches!(refused, OpenError::Foreign { .. }), "{refused}");
}

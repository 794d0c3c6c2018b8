//! Decided state over restarts, snapshots and disagreement.

use std::sync::Arc;

use orchestrator_core::domain::Timestamp;
use orchestrator_core::ports::{DecisionReader as _, Group as _, Proposer as _};

use super::super::OpenError;
use super::support::{World, key, open_store, until};
use crate::raft::tests::support::TestIds;
use crate::store::{DecisionStore as _, Error, GroupLog, GroupLogEntry, InstallMode};
use crate::wire::{Envelope, Kind};

const THREE: [&str; 3] = ["a", "b", "c"];

fn remove_files(directory: &std::path::Path, prefix: &str) {
    for file in std::fs::read_dir(directory).unwrap().filter_map(Result::ok) {
        if file.file_name().to_string_lossy().starts_with(prefix) {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_restarted_at_once_have_everything_and_go_on() {
    let mut world = World::new(&THREE);
    world.start_all();
    for number in 0..10 {
        world.write(&format!("db{number}")).await;
    }
    let last = world.write("last").await;
    world.converge(last.index).await;
    let group = world.status("a").group;
    for name in THREE {
        world.kill(name).await;
    }
    world.start_all();
    let last = world.write("later").await;
    world.converge(last.index).await;
    assert_eq!(world.node("b").decided().forgotten.len(), 12);
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
    world.kill("a").await;
    // Without its store the node has it from the snapshot and the log.
    remove_files(&world.directory("a"), "orchestrator.sqlite3");
    let running = world.open(world.config("a")).unwrap();
    running.group.start();
    until("the state is back", || {
        running.group.decided().forgotten.contains_key(&key("db1"))
    })
    .await;
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

    // The log was lost: no group begins with the store of another one.
    remove_files(&config.directory, "raft-");
    let running = world.open(config).unwrap();
    running.group.start();
    until("it says why it waits", || {
        let warnings = running.group.status().warnings.clone();
        warnings.iter().any(|w| w.contains("raft-adopt-store"))
    })
    .await;
    running.group.stop().await;
}

/// As a crash leaves it between the two steps of taking over a snapshot: the snapshot is there, and so are entries of a
/// leader that was elected later than the one that wrote the snapshot's last entry, none of which was committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_a_snapshot_has_replaced_do_not_hinder_the_next_start() {
    let mut world = World::new(&THREE);
    world.start_all();
    let leader = world.settled().await;
    let away = THREE.into_iter().find(|name| *name != leader).unwrap();
    let last = world.write("db1").await;
    world.converge(last.index).await;
    world.node(away).take_snapshot().await.unwrap();
    let group = world.status(away).group.unwrap();
    let snapshot = std::fs::read_dir(world.directory(away)).unwrap();
    let at = snapshot
        .filter_map(Result::ok)
        .find_map(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            name.strip_prefix("raft-snapshot-")?.parse::<u64>().ok()
        })
        .unwrap();
    world.kill(away).await;
    let log = GroupLog::open(&world.directory(away), Timestamp::from_seconds(1)).unwrap();
    log.truncate_from(2).unwrap();
    let stale = |index| {
        let envelope = Envelope {
            group,
            term: 99,
            leader: 5,
            index,
            kind: Kind::Blank,
            format: 0,
            payload: Vec::new(),
        };
        GroupLogEntry {
            index,
            kind: 1,
            envelope: envelope.to_bytes(),
        }
    };
    let (sender, synced) = std::sync::mpsc::channel();
    let answer = move |result: Result<(), Error>| sender.send(result).unwrap();
    log.append(Arc::new((2..at).map(stale).collect()), vec![], answer)
        .unwrap();
    synced.recv().unwrap().unwrap();
    drop(log);
    world.start(away);
    let last = world.write("db2").await;
    world.converge(last.index).await;
    assert_eq!(world.node(away).decided().forgotten.len(), 2);
    world.stop().await;
}

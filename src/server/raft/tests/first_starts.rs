//! First starts in any order, wiped nodes, and nodes that were replaced.

use std::collections::BTreeSet;
use std::time::Duration;

use orchestrator_core::ports::{DecisionReader as _, Group as _, GroupRole};

use super::support::{World, key, until};

const THREE: [&str; 3] = ["a", "b", "c"];
const FIVE: [&str; 5] = ["a", "b", "c", "d", "e"];

fn groups(world: &World) -> BTreeSet<String> {
    let all = world.running.values();
    all.filter_map(|running| running.group.status().group)
        .map(|group| group.to_string())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_started_one_by_one_become_one_group() {
    let mut world = World::new(&THREE);
    world.start("c");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let status = world.status("c");
    assert_eq!(status.role, GroupRole::Waiting);
    assert!(
        status
            .warnings
            .iter()
            .any(|w| w.contains("2 of the 3 nodes")),
        "{:?}",
        status.warnings
    );
    // The third certainly does not run: two are enough.
    world.start("a");
    world.leader().await;
    let early = world.write("early").await;
    world.start("b");
    world.converge(early.index).await;
    until("the last one is a voter that was let in", || {
        let status = world.status("b");
        status.me.is_voter && status.role == GroupRole::Follower && status.warnings.is_empty()
    })
    .await;
    assert_eq!(groups(&world).len(), 1);
    // It counts: the group goes on with it and one other.
    world.kill("a").await;
    world.write("later").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_nodes_cut_three_and_two_begin_nothing_until_healed_and_then_one_group() {
    let mut world = World::new(&FIVE);
    world.hub.part(&["d", "e"], &world.names);
    world.start_all();
    tokio::time::sleep(Duration::from_secs(3)).await;
    for name in FIVE {
        let status = world.status(name);
        assert_eq!(status.role, GroupRole::Waiting, "{name}");
        assert!(
            status
                .warnings
                .iter()
                .any(|w| w.contains("does not answer")),
            "{name}: {:?}",
            status.warnings
        );
    }
    world.hub.heal();
    let written = world.write("db1").await;
    world.converge(written.index).await;
    until("the group has its id", || {
        let all = world.running.values();
        all.into_iter()
            .all(|one| one.group.status().group.is_some())
    })
    .await;
    assert_eq!(groups(&world).len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_lets_three_of_five_begin_and_the_two_join_them() {
    let mut world = World::new(&FIVE);
    world.hub.part(&["d", "e"], &world.names);
    world.starts_without_silent = true;
    world.start_all();
    let written = world.write("db1").await;
    assert!(
        ["d", "e"]
            .iter()
            .all(|name| world.status(name).group.is_none())
    );
    world.hub.heal();
    world.converge(written.index).await;
    assert_eq!(groups(&world).len(), 1);
    until("all five vote", || {
        FIVE.iter().all(|name| world.status(name).me.is_voter)
    })
    .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_node_comes_back_with_a_new_id_and_its_vote() {
    let mut world = World::new(&THREE);
    world.start_all();
    let leader = world.leader().await;
    let written = world.write("db1").await;
    world.converge(written.index).await;
    until("all were heard", || {
        // Written down by the leader, in the log.
        world
            .status(&leader)
            .members
            .iter()
            .all(|m| m.is_healthy == Some(true))
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let wiped = THREE.into_iter().find(|name| *name != leader).unwrap();
    let old = world.status(wiped).me.id;
    world.kill(wiped).await;
    world.wipe(wiped);
    world.start(wiped);
    until("it is told why it waits", || {
        let status = world.status(wiped);
        status
            .warnings
            .iter()
            .any(|w| w.contains("alive with another data directory"))
    })
    .await;
    until("it votes again", || {
        let status = world.status(wiped);
        status.me.is_voter && status.me.id != old && status.group.is_some()
    })
    .await;
    assert!(
        world
            .node(wiped)
            .decided()
            .forgotten
            .contains_key(&key("db1"))
    );
    until("the old id is gone", || {
        world.status(&leader).members.iter().all(|m| m.id != old)
    })
    .await;
    // It counts: with it and one other the group goes on.
    let other = THREE
        .into_iter()
        .find(|name| *name != leader && *name != wiped)
        .unwrap();
    world.kill(other).await;
    world.write("db2").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_data_directory_ends_with_a_sentence_when_it_is_started_again() {
    let mut world = World::new(&THREE);
    world.start_all();
    let leader = world.leader().await;
    let written = world.write("db1").await;
    world.converge(written.index).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let replaced = THREE.into_iter().find(|name| *name != leader).unwrap();
    world.kill(replaced).await;
    // Its disk comes back later, while another machine took its name.
    let (there, aside) = (world.directory(replaced), world.directory("aside"));
    std::fs::rename(&there, &aside).unwrap();
    world.start(replaced);
    until("the new directory votes", || {
        world.status(replaced).me.is_voter
    })
    .await;
    world.kill(replaced).await;
    std::fs::remove_dir_all(&there).unwrap();
    std::fs::rename(&aside, &there).unwrap();
    world.start(replaced);
    let reason = tokio::time::timeout(super::support::PATIENCE, world.node(replaced).failed())
        .await
        .unwrap();
    assert!(reason.contains("another data directory"), "{reason}");
    assert_eq!(world.status(replaced).role, GroupRole::Stopped);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_with_different_lists_begin_nothing_and_say_whose_list_differs() {
    let mut world = World::new(&["a", "b"]);
    world.start("a");
    let mut config = world.config("b");
    config.nodes.push("z".to_owned());
    let other = world.open(config).unwrap();
    world.hub.run("b", other.group.call_handler());
    other.group.start();
    until("it says so", || {
        let status = world.status("a");
        status
            .warnings
            .iter()
            .any(|w| w.contains("b has another list in RaftNodes"))
    })
    .await;
    assert!(world.status("a").group.is_none() && other.group.status().group.is_none());
    other.group.stop().await;
    world.stop().await;
}

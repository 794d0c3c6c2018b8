//! Why nothing is done, as operators read it.

use std::time::Duration;

use orchestrator_core::decided::Command;
use orchestrator_core::domain::FindingCode;
use orchestrator_core::ports::{DecisionReader, Recoveries};
use regex::Regex;

use super::SIMPLE;
use super::fleet::{Power, key};
use super::world::{Node, World};

fn why(node: &Node) -> Vec<String> {
    let all = node.recoveries.nothing_done();
    all.iter().map(|one| one.why.clone()).collect()
}

/// Nothing is done for a while, and one reason is shown.
async fn refused(world: &World, part: &str) {
    let node = world.start("node1", 1);
    world
        .until("a reason is shown", || {
            why(&node).iter().any(|why| why.contains(part))
        })
        .await;
    world.pass(Duration::from_secs(30)).await;
    assert!(world.recoveries().is_empty());
    assert_eq!(world.fleet.log(), []);
    let all = node.recoveries.nothing_done();
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].subject, key("a"));
    assert!(all[0].why.contains(part), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_no_filter_covers_is_told_of_and_left() {
    let mut world = World::of(SIMPLE);
    world.config.recovery.primary_clusters.clear();
    refused(&world, "RecoverMasterClusterFilters").await;
    let decided = world.log.decided();
    let detection = decided
        .detections
        .values()
        .next()
        .expect("it is written down");
    assert_eq!(
        (detection.code, &detection.subject),
        (FindingCode::DeadPrimary, &key("a"))
    );
    assert_eq!(decided.detections.len(), 1, "once");
    assert_eq!(world.hooks.lines(), ["OnFailureDetectionProcesses"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_in_downtime_is_left() {
    let world = World::of(&SIMPLE.replace("[unreachable]", "[unreachable downtime=1h]"));
    refused(&world, "downtime").await;
    assert!(world.log.decided().detections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn disabled_recoveries_are_not_begun_until_they_are_enabled() {
    let world = World::of(SIMPLE);
    world.decide(Command::DisableRecoveries {
        by: "ann".to_owned(),
    });
    refused(&world, "ann has disabled all recoveries").await;
    world.decide(Command::EnableRecoveries);
    // The first node of this test was dropped and runs on.
    world.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_topology_that_nobody_may_lead_is_left() {
    let world = World::of("a [unreachable]\n+ b [io=connecting promotion=must_not]");
    refused(&world, "no replica may be promoted").await;
}

/// The dead primary waited for one acknowledgement, and one of those that may have given it cannot be asked.
const UNCOVERED: &str = "a [unreachable semi-sync-source=on:2/1]\n+ b [io=connecting semi-sync-replica=on]\n+ c [unreachable semi-sync-replica=on]";

#[tokio::test(start_paused = true)]
async fn a_possible_loss_is_refused_in_clusters_that_are_named_for_it() {
    let mut world = World::of(UNCOVERED);
    world.config.cluster_aliases = vec![(Regex::new("^a:").unwrap(), "shop".to_owned())];
    world.config.refuses_loss_of = vec!["alias=shop".to_owned()];
    refused(&world, "one of them may have what no other has").await;
}

#[tokio::test(start_paused = true)]
async fn a_possible_loss_is_named_in_other_clusters() {
    let mut world = World::of(UNCOVERED);
    world.config.refuses_loss_of = vec!["alias=shop".to_owned(), "b:3306".to_owned()];
    let _node = world.start("node1", 1);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.successor, Some(key("b")), "{:?}", end.errors);
    let loss = end.data_loss.expect("it is stated").to_string();
    assert!(loss.starts_with("unknown"), "{loss}");
}

#[tokio::test(start_paused = true)]
async fn a_healthy_topology_is_left() {
    let world = World::of("a\n+ b\n+ c");
    let node = world.start("node1", 1);
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(why(&node), [""; 0]);
    assert!(world.log.commands().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_is_seen_again_at_the_last_look_is_left() {
    let world = World::of(SIMPLE);
    // Back while hooks are told.
    world.hooks.take(Duration::from_secs(1));
    let node = world.start("node1", 1);
    world
        .until("it is found", || !world.log.decided().detections.is_empty())
        .await;
    world.fleet.restart("a", false);
    for name in ["b", "c"] {
        world.fleet.change(name, |seen| {
            let link = seen.replication.as_mut().unwrap();
            link.receiver = orchestrator_core::domain::ThreadState::Running;
        });
    }
    world.pass(Duration::from_secs(30)).await;
    assert!(world.recoveries().is_empty());
    assert_eq!(why(&node), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_lead_does_nothing() {
    let world = World::of(SIMPLE);
    let node = world.start("node1", 1);
    node.seat.fence.send_replace(None);
    world.pass(Duration::from_secs(60)).await;
    assert!(world.log.commands().is_empty());
    assert_eq!(why(&node), [""; 0]);
    node.seat
        .fence
        .send_replace(Some(orchestrator_core::domain::Fence::from_number(3)));
    world.ended().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_before_every_server_was_asked_once() {
    let world = World::of(SIMPLE);
    world.fleet.set_power("c", Power::Silent);
    // What was asked before the start does not count.
    world.pass(Duration::from_millis(100)).await;
    let node = world.start("node1", 1);
    world.pass(Duration::from_millis(500)).await;
    let all = why(&node);
    assert!(
        all.iter().all(|why| why.contains("just started")),
        "{all:?}"
    );
    assert!(world.log.commands().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing_and_says_so() {
    let mut world = World::of(SIMPLE);
    world.config.changes_nothing = true;
    refused(&world, "-noop").await;
    assert!(world.log.decided().detections.is_empty());
    assert_eq!(world.hooks.lines(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_carries_nothing_on() {
    let mut world = World::of(SIMPLE);
    let first = world.start("node1", 1);
    world
        .until("it is registered", || !world.recoveries().is_empty())
        .await;
    first.kill().await;
    let before = world.fleet.log();
    world.config.changes_nothing = true;
    let _node = world.start("node2", 2);
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(world.fleet.log(), before);
    assert!(world.recoveries()[0].1.end.is_none());
}

//! Aliases of clusters: which counts, and that they lead to the promoted server, once.

use std::time::Duration;

use orchestrator_core::decided::{Command, Reply};
use orchestrator_core::domain::{ClusterAlias, Phase, RecoveryOutcome};
use orchestrator_core::ports::DecisionReader as _;
use regex::Regex;

use super::SIMPLE;
use super::fleet::key;
use super::world::World;

fn set(world: &World, cluster: &str, alias: &str) {
    let reply = world.decide(Command::SetClusterAlias {
        cluster: cluster.to_owned(),
        alias: alias.to_owned(),
        by: "ann".to_owned(),
    });
    assert_eq!(reply, Reply::Done);
}

/// All rows: cluster, alias, whether it was set by hand.
fn rows(world: &World) -> Vec<(String, String, bool)> {
    let decided = world.log.decided();
    let rows = decided.cluster_aliases.iter();
    rows.map(|(name, row)| (name.clone(), row.alias.clone(), row.is_manual()))
        .collect()
}

fn one(cluster: &str, alias: &str, is_manual: bool) -> Vec<(String, String, bool)> {
    vec![(cluster.to_owned(), alias.to_owned(), is_manual)]
}

#[tokio::test(start_paused = true)]
async fn an_alias_set_by_hand_leads_to_the_promoted_server_before_hooks_tell_of_it() {
    let mut world = World::of(SIMPLE);
    // A pattern that would name it otherwise, and a filter that only the alias meets.
    world.config.cluster_aliases = vec![(Regex::new("^a:").unwrap(), "by-pattern".to_owned())];
    world.config.recovery.primary_clusters = vec!["alias=shop".to_owned()];
    set(&world, "a:3306", "shop");
    world.hooks.take(Duration::from_secs(3));
    let _node = world.start("node1", 1);
    world
        .until("somebody is promoted", || {
            let mut all = world.recoveries().into_iter();
            all.any(|(_, one)| one.phase == Phase::Promoted)
        })
        .await;
    world
        .until("the alias is moved", || {
            rows(&world) == one("b:3306", "shop", true)
        })
        .await;
    let (id, recovery) = world.recoveries().remove(0);
    assert_eq!(recovery.phase, Phase::Promoted, "hooks are running");
    assert_eq!(recovery.cluster_alias, "shop");
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Succeeded, "{:?}", end.errors);
    assert_eq!(rows(&world), one("b:3306", "shop", true));
    for line in ["PreFailoverProcesses", "PostMasterFailoverProcesses"] {
        let told = world.hooks.value(line, "ORC_FAILURE_CLUSTER_ALIAS");
        assert_eq!(told.as_deref(), Some("shop"), "{line}");
    }
    let notes = world.notes(id).join("\n");
    assert!(
        notes.contains("the alias shop leads to b:3306 now"),
        "{notes}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_pattern_made_of_the_dead_primarys_name_is_kept_for_the_cluster() {
    let mut world = World::of(SIMPLE);
    world.config.cluster_aliases = vec![(Regex::new("^a:").unwrap(), "by-pattern".to_owned())];
    let _node = world.start("node1", 1);
    let (_, recovery) = world.ended().await;
    assert_eq!(recovery.cluster_alias, "by-pattern");
    assert_eq!(rows(&world), one("b:3306", "by-pattern", false));
}

#[tokio::test(start_paused = true)]
async fn a_failed_recovery_leaves_aliases_where_they_are() {
    let world = World::of(SIMPLE);
    set(&world, "a:3306", "shop");
    world.hooks.fail("PreFailoverProcesses");
    let _node = world.start("node1", 1);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Failed);
    assert_eq!(rows(&world), one("a:3306", "shop", true));
}

/// The leader dies after it has moved the alias and before the phase that follows; the next one publishes again.
#[tokio::test(start_paused = true)]
async fn the_next_leader_moves_an_alias_no_second_time() {
    let world = World::of(SIMPLE);
    set(&world, "a:3306", "shop");
    world.hooks.take(Duration::from_secs(5));
    let node = world.start("node1", 1);
    world
        .until("the alias is moved", || {
            rows(&world) == one("b:3306", "shop", true)
        })
        .await;
    node.kill().await;
    assert_eq!(world.recoveries()[0].1.phase, Phase::Promoted);
    // Somebody gives it another one meanwhile.
    set(&world, "b:3306", "store");
    let _other = world.start("node2", 2);
    let (_, recovery) = world.ended().await;
    assert_eq!((recovery.attempt, recovery.phase), (2, Phase::Ended));
    assert_eq!(rows(&world), one("b:3306", "store", true));
}

/// The leader dies when the server takes writes and nobody is told yet: the next one moves the alias.
#[tokio::test(start_paused = true)]
async fn an_alias_is_moved_by_the_next_leader_when_the_first_did_not_come_to_it() {
    let world = World::of(SIMPLE);
    set(&world, "a:3306", "shop");
    let node = world.start("node1", 1);
    world
        .until("b takes writes", || world.fleet.writable() == ["b"])
        .await;
    node.kill().await;
    assert_eq!(rows(&world), one("a:3306", "shop", true));
    let _other = world.start("node2", 2);
    let (_, recovery) = world.ended().await;
    assert_eq!(recovery.end.as_ref().unwrap().successor, Some(key("b")));
    assert_eq!(rows(&world), one("b:3306", "shop", true));
    let decided = world.log.decided();
    let moved: Vec<&ClusterAlias> = decided.cluster_aliases.values().collect();
    assert!(moved[0].came_from("a:3306"));
}

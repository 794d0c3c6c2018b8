//! Recoveries that operators ask for.

use std::time::Duration;

use orchestrator_core::decided::Command;
use orchestrator_core::domain::RecoveryOutcome;
use orchestrator_core::ports::{
    Change, Insistence, RecoverError, Recoveries, RecoveryAnswer, RecoveryRequest,
};

use super::SIMPLE;
use super::fleet::key;
use super::world::{Node, World};

fn request(insistence: Insistence, candidate: Option<&str>) -> RecoveryRequest {
    RecoveryRequest {
        failed: key("a"),
        candidate: candidate.map(key),
        insistence,
        skips_hooks: false,
        who: "ann".to_owned(),
        whence: "10.0.0.9".to_owned(),
    }
}

async fn asked(node: &Node, request: RecoveryRequest) -> Result<RecoveryAnswer, RecoverError> {
    let answer = node.recoveries.recover(request);
    tokio::time::timeout(Duration::from_secs(120), answer)
        .await
        .expect("it is answered")
}

/// Nothing is recovered by itself.
fn by_hand(text: &str) -> World {
    let mut world = World::of(text);
    world.config.recovery.primary_clusters.clear();
    world
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_gets_the_outcome_and_the_named_server() {
    let world = by_hand(SIMPLE);
    let node = world.start("node1", 1);
    let answer = asked(&node, request(Insistence::Asks, Some("c")))
        .await
        .unwrap();
    assert_eq!(answer.outcome, RecoveryOutcome::Succeeded);
    assert_eq!(answer.successor, Some(key("c")));
    assert_eq!(world.fleet.writable(), ["c"]);
    assert!(world.fleet.seen("c").gtid.executed.ends_with(":1-100"));
    let (id, recovery) = world.recoveries().remove(0);
    assert_eq!((id, recovery.requested_by.as_str()), (answer.id, "ann"));
    assert!(
        world
            .hooks
            .lines()
            .contains(&"PostTakeMasterProcesses".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn switch_and_block_period_do_not_hold_an_operator_back() {
    let world = by_hand(SIMPLE);
    world.decide(Command::DisableRecoveries {
        by: "bob".to_owned(),
    });
    let node = world.start("node1", 1);
    let answer = asked(&node, request(Insistence::Asks, None)).await.unwrap();
    assert_eq!(answer.outcome, RecoveryOutcome::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn recover_lite_runs_no_hooks() {
    let world = by_hand(SIMPLE);
    let node = world.start("node1", 1);
    let lite = RecoveryRequest {
        skips_hooks: true,
        ..request(Insistence::Asks, None)
    };
    // Hooks of the detection come up by themselves.
    let before = world.hooks.lines().len();
    asked(&node, lite).await.unwrap();
    let after = &world.hooks.lines()[before..];
    assert!(
        after
            .iter()
            .all(|line| line == "OnFailureDetectionProcesses"),
        "{after:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn recover_lite_tells_of_a_source_that_was_taken_and_of_nothing_else() {
    let world = by_hand(SIMPLE);
    let node = world.start("node1", 1);
    let lite = RecoveryRequest {
        skips_hooks: true,
        ..request(Insistence::Asks, Some("c"))
    };
    asked(&node, lite).await.unwrap();
    let mut lines = world.hooks.lines();
    // Hooks of the detection come up by themselves.
    lines.retain(|line| line != "OnFailureDetectionProcesses");
    assert_eq!(lines, ["PostTakeMasterProcesses"]);
}

#[tokio::test(start_paused = true)]
async fn hooks_are_told_which_order_it_was_and_no_analysis_of_a_server_that_is_well() {
    let lists = [
        "OnFailureDetectionProcesses",
        "PreFailoverProcesses",
        "PostMasterFailoverProcesses",
        "PostFailoverProcesses",
    ];
    for (text, insistence, candidate, command, is_described) in [
        (
            "a\n+ b\n+ c",
            Insistence::Orders,
            None,
            "force-master-failover",
            false,
        ),
        (
            "a\n+ b\n+ c",
            Insistence::Orders,
            Some("c"),
            "force-master-takeover",
            false,
        ),
        (
            SIMPLE,
            Insistence::Orders,
            None,
            "force-master-failover",
            true,
        ),
        (SIMPLE, Insistence::Asks, Some("c"), "", true),
    ] {
        let world = by_hand(text);
        let node = world.start("node1", 1);
        asked(&node, request(insistence, candidate)).await.unwrap();
        for list in &lists[1..] {
            let told = world.hooks.value(list, "ORC_COMMAND");
            assert_eq!(told.as_deref(), Some(command), "{text}: {list}");
            let told = world.hooks.value(list, "ORC_FAILURE_DESCRIPTION");
            assert_eq!(
                told.is_some_and(|told| !told.is_empty()),
                is_described,
                "{text}: {list}"
            );
        }
        if !is_described {
            let told = world.hooks.value(lists[0], "ORC_COMMAND");
            assert_eq!(told.as_deref(), Some(command), "{text}: at the detection");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_well_is_recovered_by_order_only_and_closed() {
    let world = by_hand("a\n+ b\n+ c");
    let node = world.start("node1", 1);
    let refused = asked(&node, request(Insistence::Asks, None)).await;
    let Err(RecoverError::Refused { reason }) = refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains("nothing is found about a:3306"), "{reason}");
    assert_eq!(world.fleet.log(), []);
    let answer = asked(&node, request(Insistence::Orders, None))
        .await
        .unwrap();
    assert_eq!(
        answer.outcome,
        RecoveryOutcome::Succeeded,
        "{:?}",
        answer.errors
    );
    assert!(world.fleet.changes_of("a").contains(&Change::Close));
    assert_eq!(world.fleet.writable().len(), 1);
    assert_ne!(world.fleet.writable(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_may_not_be_promoted_is_refused_with_the_reason() {
    let world = by_hand(&SIMPLE.replace("+ c [", "+ c [promotion=must_not "));
    let node = world.start("node1", 1);
    let refused = asked(&node, request(Insistence::Orders, Some("c"))).await;
    let Err(RecoverError::Refused { reason }) = refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains("c:3306 is not to be promoted"), "{reason}");
    assert!(world.recoveries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_lead_says_so() {
    let world = by_hand(SIMPLE);
    let node = world.start("node1", 1);
    node.seat.fence.send_replace(None);
    world.pass(Duration::from_secs(1)).await;
    let refused = asked(&node, request(Insistence::Asks, None)).await;
    assert_eq!(refused, Err(RecoverError::NotLeader));
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_a_dry_run_is_told_that_it_changes_nothing() {
    let mut world = by_hand(SIMPLE);
    world.config.changes_nothing = true;
    let node = world.start("node1", 1);
    let refused = asked(&node, request(Insistence::Orders, None)).await;
    let reason = refused.unwrap_err().to_string();
    assert!(reason.contains("-noop"), "{reason}");
    assert!(world.recoveries().is_empty());
    assert_eq!(world.fleet.log(), []);
}

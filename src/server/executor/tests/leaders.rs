//! Leaders that are lost, and those that go on.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::decided::{Command, EndRecovery};
use orchestrator_core::domain::{Fence, Phase, RecoveryOutcome};
use orchestrator_core::ports::{Change, DecisionReader};

use super::SIMPLE;
use super::fleet::{Verdict, key};
use super::world::World;

/// Every change that a leader makes before it publishes, in a recovery that nothing disturbs.
const CHANGES: [Change; 4] = [
    Change::StopReceiver,
    Change::StopApplier,
    Change::ForgetSource,
    Change::MakeWritable,
];

/// The leader is lost when a change is made for the first time, in one way or another; another one goes on.
async fn lost_at(wanted: Change, is_made: bool, is_killed: bool) {
    let world = World::of(SIMPLE);
    let node = world.start("node1", 1);
    let (fence, deposed) = (node.seat.fence.clone(), node.seat.is_deposed.clone());
    let moment = wanted.clone();
    let mut is_over = false;
    world.fleet.judge(move |_, change| {
        if *change != moment || is_over {
            return Verdict::Done;
        }
        is_over = true;
        deposed.send_replace(true);
        if !is_killed {
            fence.send_replace(None);
        }
        match is_made {
            true => Verdict::MadeUnheard,
            false => Verdict::NotMadeUnheard,
        }
    });
    let deposed = node.seat.is_deposed.clone();
    world
        .until("the leader is lost", || *deposed.borrow())
        .await;
    let asked = world.fleet.log().len();
    if is_killed {
        node.kill().await;
    } else {
        world.pass(Duration::from_secs(20)).await;
        let made = &world.fleet.log()[asked..];
        let late: Vec<_> = made
            .iter()
            .filter(|entry| entry.by.fence == Fence::from_number(1))
            .collect();
        assert!(late.is_empty(), "after it was lost: {late:?}");
    }
    let _other = world.start("node2", 5);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    let told = format!("{wanted:?}, made: {is_made}, killed: {is_killed}");
    assert_eq!(
        end.outcome,
        RecoveryOutcome::Succeeded,
        "{told}: {:?}",
        end.errors
    );
    assert_eq!(
        (recovery.attempt, recovery.node.as_str()),
        (2, "node2"),
        "{told}"
    );
    assert_eq!(world.recoveries().len(), 1, "{told}");
    assert_eq!(world.fleet.writable(), ["b"], "{told}");
    assert_eq!(world.fleet.seen("c").source(), Some(&key("b")), "{told}");
    assert!(world.fleet.seen("c").is_replicating(), "{told}");
    assert!(recovery.stale_sessions.is_empty(), "{told}");
    assert!(!world.fleet.ended().is_empty(), "{told}");
    let value = world
        .hooks
        .value("PostFailoverProcesses", "ORC_RECOVERY_ATTEMPT");
    assert_eq!(value.as_deref(), Some("2"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_killed_at_any_change_has_a_successor_that_goes_on() {
    for wanted in CHANGES {
        for is_made in [true, false] {
            lost_at(wanted.clone(), is_made, true).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_deposed_at_any_change_changes_nothing_more() {
    for wanted in CHANGES {
        for is_made in [true, false] {
            lost_at(wanted.clone(), is_made, false).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_of_a_lost_leader_are_ended_before_anything_is_done_on_their_server() {
    let world = World::of(SIMPLE);
    world.fleet.judge(|_, change| match change {
        Change::StopReceiver => Verdict::Hangs,
        _ => Verdict::Done,
    });
    let node = world.start("node1", 1);
    world
        .until("a receiver is being stopped", || {
            !world.fleet.log().is_empty()
        })
        .await;
    let (_, recovery) = world.recoveries().remove(0);
    node.kill().await;
    let (fleet, sessions) = (Arc::downgrade(&world.fleet), recovery.sessions.clone());
    let (sender, receiver) = std::sync::mpsc::channel();
    world.fleet.judge(move |name, _| {
        let _ = sender.send(name.to_owned());
        Verdict::Done
    });
    let _other = world.start("node2", 2);
    world.ended().await;
    let touched: Vec<String> = receiver.try_iter().collect();
    assert!(!touched.is_empty());
    let ended = fleet.upgrade().unwrap().ended();
    for session in sessions {
        let server = session.server.host().to_string();
        assert!(
            ended.contains(&(server, session.connection_id)),
            "{ended:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovery_that_ended_elsewhere_is_not_carried_on() {
    let world = World::of(SIMPLE);
    world.hooks.take(Duration::from_secs(5));
    let _node = world.start("node1", 1);
    world
        .until("it is registered", || !world.recoveries().is_empty())
        .await;
    let (id, _) = world.recoveries().remove(0);
    world.decide(Command::EndRecovery(Box::new(EndRecovery {
        id,
        fence: Fence::from_number(1),
        outcome: RecoveryOutcome::Failed,
        successor: None,
        successor_alias: String::new(),
        lost: vec![],
        participants: vec![],
        errors: vec!["ended by hand".to_owned()],
        data_loss: None,
        times: Default::default(),
        downtimes: vec![],
        news: Default::default(),
    })));
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(world.fleet.log(), []);
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_cannot_be_read_ends_with_the_reason() {
    let world = World::of(SIMPLE);
    world.hooks.take(Duration::from_secs(5));
    let node = world.start("node1", 1);
    world
        .until("it is registered", || !world.recoveries().is_empty())
        .await;
    node.kill().await;
    let (id, _) = world.recoveries().remove(0);
    world.damage_plan(id);
    let _other = world.start("node2", 2);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Failed);
    assert_eq!(recovery.phase, Phase::Ended);
    assert!(
        end.errors[0].contains("could not be carried on"),
        "{:?}",
        end.errors
    );
    assert_eq!(world.fleet.log(), []);
    assert!(world.log.decided().unfinished_recoveries().next().is_none());
}

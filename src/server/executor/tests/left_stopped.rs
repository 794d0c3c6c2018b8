//! Receivers that stay stopped where a recovery comes to nothing, and appliers that somebody stops under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use orchestrator_core::decided::Command;
use orchestrator_core::domain::{Flavor, RecoveryId, RecoveryOutcome, ThreadState};
use orchestrator_core::ports::{Change, DecisionReader};

use super::SIMPLE;
use super::fleet::{Power, Verdict, key};
use super::world::{Node, World};

/// b is not promoted, and c is out of reach when its receiver is to be started again.
async fn failed_without(c: Power) -> (World, Node, RecoveryId) {
    failed_after(|world| world.fleet.set_power("c", c)).await
}

/// b is not promoted; something happens before that fails.
async fn failed_after(before: impl FnOnce(&World)) -> (World, Node, RecoveryId) {
    let world = World::of(SIMPLE);
    let is_gone = Arc::new(AtomicBool::new(false));
    let refuses = Arc::clone(&is_gone);
    world.fleet.judge(move |name, change| match (name, change) {
        ("b", Change::ForgetSource) if refuses.load(Ordering::SeqCst) => Verdict::Refused,
        ("b", Change::ForgetSource) => Verdict::RefusedForNow,
        _ => Verdict::Done,
    });
    let node = world.start("node1", 1);
    world
        .until("b is to be promoted", || {
            world.fleet.changes_of("b").contains(&Change::ForgetSource)
        })
        .await;
    before(&world);
    is_gone.store(true, Ordering::SeqCst);
    let (id, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Failed);
    (world, node, id)
}

fn is_left(world: &World, name: &str) -> bool {
    world.log.decided().left_stopped.contains_key(&key(name))
}

fn is_started(world: &World) -> bool {
    world.fleet.changes_of("c").last() == Some(&Change::StartReplication)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_out_of_reach_is_started_when_it_answers() {
    for power in [Power::Down, Power::Silent] {
        let (world, _node, id) = failed_without(power).await;
        assert!(is_left(&world, "c") && !is_left(&world, "b"));
        assert!(!is_started(&world));
        assert!(
            !world.log.decided().downtimes.contains_key(&key("c")),
            "it may have most, and may be promoted by the next recovery"
        );
        world.fleet.set_power("c", Power::Up);
        world.until("it is settled", || !is_left(&world, "c")).await;
        assert!(is_started(&world));
        let notes = world.notes(id).join("\n");
        assert!(notes.contains("c:3306: its receiver runs again"), "{notes}");
        let last = world.recoveries()[0].1.sessions.clone();
        assert!(last.iter().all(|one| one.server != key("c")), "{last:?}");
    }
}

/// Its server was started anew in between, and started its receiver.
#[tokio::test(start_paused = true)]
async fn an_applier_that_was_stopped_for_the_promotion_runs_again_also_where_the_receiver_does() {
    let restarted = |world: &World| {
        world.fleet.change("b", |seen| {
            let link = seen.replication.as_mut().unwrap();
            assert_eq!(link.applier, ThreadState::Stopped);
            link.receiver = ThreadState::Other;
        });
    };
    let (world, _node, _) = failed_after(restarted).await;
    let link = world.fleet.seen("b").replication.unwrap();
    assert!(link.applier.is_running());
}

#[tokio::test(start_paused = true)]
async fn the_next_leader_starts_it_too() {
    let (world, node, _) = failed_without(Power::Down).await;
    node.kill().await;
    let _next = world.start("node2", 2);
    world.fleet.set_power("c", Power::Up);
    world.until("it is settled", || !is_left(&world, "c")).await;
    assert!(is_started(&world));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_to_be_started_is_left_alone_and_that_is_written_down() {
    type Case = (fn(&World), &'static str);
    let cases: [Case; 3] = [
        (
            |world| {
                world.fleet.change("c", |seen| {
                    let link = seen.replication.as_mut().unwrap();
                    link.applier = ThreadState::Stopped;
                    link.retrieved = link.retrieved.replace("95", "99");
                });
            },
            "start it by hand",
        ),
        (
            |world| {
                world.fleet.change("c", |seen| seen.replication = None);
            },
            "its receiver is left as it is",
        ),
        (
            |world| {
                world.fleet.judge(|_, _| Verdict::Refused);
            },
            "access denied",
        ),
    ];
    for (change, told) in cases {
        let (world, _node, id) = failed_without(Power::Down).await;
        change(&world);
        let before = world.fleet.changes_of("c").len();
        world.fleet.set_power("c", Power::Up);
        world.until("it is settled", || !is_left(&world, "c")).await;
        let notes = world.notes(id).join("\n");
        assert!(notes.contains(told), "{told}: {notes}");
        let changes = world.fleet.changes_of("c").split_off(before);
        let refused = [Change::StartReplication];
        assert!(
            changes.is_empty() || (told == "access denied" && changes == refused),
            "{changes:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_not_started() {
    let (world, _node, _) = failed_without(Power::Down).await;
    world.decide(Command::Forget { key: key("c") });
    assert!(!is_left(&world, "c"));
}

#[tokio::test(start_paused = true)]
async fn an_applier_that_is_stopped_while_it_is_waited_for_is_started_where_that_loses_nothing() {
    let world = World::of(SIMPLE);
    world.fleet.keep_busy(Some("b"));
    let _node = world.start("node1", 1);
    world
        .until("its receiver is stopped", || {
            world.fleet.changes_of("b").contains(&Change::StopReceiver)
        })
        .await;
    let stop = |world: &World, flavor: Flavor| {
        world.fleet.change("b", |seen| {
            seen.identity.flavor = flavor;
            seen.replication.as_mut().unwrap().applier = ThreadState::Stopped;
        });
    };
    stop(&world, Flavor::MySql);
    world
        .until("it is started", || {
            world.fleet.changes_of("b").contains(&Change::StartApplier)
        })
        .await;
    world.fleet.keep_busy(None);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Succeeded, "{:?}", end.errors);
}

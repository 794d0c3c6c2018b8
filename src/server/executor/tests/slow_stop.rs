//! Servers that need two seconds to end a receiver.

use std::sync::{Arc, Mutex};

use orchestrator_core::domain::{Phase, RecoveryOutcome, ThreadState};
use orchestrator_core::ports::{Change, DecisionReader as _};

use super::SIMPLE;
use super::fleet::{SLOW_STOP, Verdict, key};
use super::world::World;

#[tokio::test(start_paused = true)]
async fn the_promotion_goes_on_beside_a_receiver_that_is_slow_to_end() {
    let world = World::of(SIMPLE);
    world.fleet.stops_slowly("b");
    world.fleet.stops_slowly("c");
    let _node = world.start("node1", 7);
    world
        .until("b takes writes", || world.fleet.writable() == ["b"])
        .await;
    let stopped = |name: &str| world.fleet.changes_of(name).contains(&Change::StopReceiver);
    assert!(!stopped("b") && !stopped("c"), "no stop has ended");
    assert!(world.fleet.seen("b").gtid.executed.ends_with(":1-100"));

    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Succeeded, "{:?}", end.errors);
    assert!(end.errors.is_empty(), "{:?}", end.errors);
    assert_eq!(world.fleet.seen("b").replication, None);
    let c = world.fleet.seen("c");
    assert_eq!(c.source(), Some(&key("b")));
    assert!(c.is_replicating() && c.read_only);
    // Published before it had ended, and ended after.
    let entered = |wanted: Phase| {
        let mut all = recovery.entered.iter();
        all.find(|(phase, _)| *phase == wanted).map(|(_, at)| *at)
    };
    let (begun, published) = (entered(Phase::Registered), entered(Phase::Published));
    let took = published.unwrap().since(begun.unwrap());
    assert!(took < SLOW_STOP, "{took:?}");
    let took = entered(Phase::Ended).unwrap().since(begun.unwrap());
    assert!(took > SLOW_STOP, "{took:?}");
    // Each change once, and by nobody else.
    for name in ["b", "c"] {
        let changes = world.fleet.changes_of(name);
        let stops = changes.iter().filter(|it| **it == Change::StopReceiver);
        assert_eq!(stops.count(), 1, "{changes:?}");
    }
}

/// The statement that stops the receiver may come to nothing after all: what remains is cleared away then by the statements that follow.
#[tokio::test(start_paused = true)]
async fn a_stop_that_fails_after_it_was_overtaken_harms_nothing() {
    let world = World::of(SIMPLE);
    world.fleet.stops_slowly("b");
    world.fleet.judge(|name, change| match (name, change) {
        ("b", Change::StopReceiver) => Verdict::RefusedForNow,
        _ => Verdict::Done,
    });
    let _node = world.start("node1", 7);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Succeeded, "{:?}", end.errors);
    assert_eq!(world.fleet.writable(), ["b"]);
    assert_eq!(world.fleet.seen("b").replication, None);
}

/// Whoever leads next ends the stop that is under way as any other session, waits for it, and clears the rest away.
#[tokio::test(start_paused = true)]
async fn the_next_leader_clears_away_what_was_put_off() {
    let world = World::of(SIMPLE);
    world.fleet.stops_slowly("b");
    let node = world.start("node1", 7);
    world
        .until("b takes writes", || world.fleet.writable() == ["b"])
        .await;
    node.kill().await;
    assert!(world.fleet.seen("b").replication.is_some());
    let _node = world.start("node2", 8);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Succeeded, "{:?}", end.errors);
    assert_eq!(world.fleet.writable(), ["b"]);
    assert_eq!(world.fleet.seen("b").replication, None);
    assert_eq!(world.fleet.seen("c").source(), Some(&key("b")));
}

/// Whoever leads next has to know that it may be writable: the one step that tells it otherwise, that it forgets its source, comes later.
#[tokio::test(start_paused = true)]
async fn it_is_written_down_first_that_a_server_may_take_writes_and_few_commands_are_decided() {
    /// In the plan of [`SIMPLE`].
    const MAKE_WRITABLE: u32 = 7;
    let mut world = World::of(SIMPLE);
    world.config.hooks.lines.clear();
    for name in ["b", "c"] {
        world.fleet.stops_slowly(name);
    }
    let (log, decided) = (world.log.clone(), Arc::new(Mutex::new(None)));
    let kept = decided.clone();
    world.fleet.judge(move |_, change| {
        if *change == Change::MakeWritable {
            let state = log.decided();
            let id = *state.recoveries.keys().next().unwrap();
            let is_known = state
                .steps_of(id)
                .any(|(number, _)| number == MAKE_WRITABLE);
            *kept.lock().unwrap() = Some((log.of_recoveries(), is_known));
        }
        Verdict::Done
    });
    let _node = world.start("node1", 1);
    world.ended().await;
    let (commands, is_known) = decided.lock().unwrap().expect("it was made writable");
    assert!(is_known);
    assert!(commands <= 4, "{commands}: {:#?}", world.log.commands());
}

/// Nobody is promoted: receivers are started again, and not before they have ended.
#[tokio::test(start_paused = true)]
async fn a_recovery_that_fails_meanwhile_starts_receivers_when_they_have_ended() {
    let world = World::of(SIMPLE);
    for name in ["b", "c"] {
        world.fleet.stops_slowly(name);
    }
    world.fleet.judge(|_, change| match change {
        Change::MakeWritable => Verdict::Refused,
        _ => Verdict::Done,
    });
    let _node = world.start("node1", 7);
    let (_, recovery) = world.ended().await;
    assert_eq!(
        recovery.end.clone().unwrap().outcome,
        RecoveryOutcome::Failed
    );
    for name in ["b", "c"] {
        let changes = world.fleet.changes_of(name);
        assert_eq!(
            changes.last(),
            Some(&Change::StartReplication),
            "{changes:?}"
        );
        let link = world.fleet.seen(name).replication.unwrap();
        assert_eq!(link.receiver, ThreadState::Other, "{name}");
    }
}

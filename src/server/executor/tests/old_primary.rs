//! Old primaries that are back, at one moment or another.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::{
    DataLoss, Fence, FindingCode, Phase, Recovery, RecoveryEnd, RecoveryId, RecoveryKind,
    RecoveryOutcome, RecoverySessionId, TimeSplit, TouchedServer,
};
use orchestrator_core::ports::{Change, DecisionReader};

use super::SIMPLE;
use super::clock::NOW;
use super::fleet::{Entry, Fleet, Power, Verdict, key};
use super::world::World;
use crate::executor::lost::more_is_known;

/// The old primary is back, writable, when a change is asked for the first time.
fn back_when(fleet: &Arc<Fleet>, wanted: Change) {
    let own = Arc::downgrade(fleet);
    let (sender, receiver) = std::sync::mpsc::channel();
    tokio::spawn(async move {
        // Not from within the judge, which the fleet is locked for.
        loop {
            if receiver.try_recv().is_ok() {
                own.upgrade().unwrap().restart("a", false);
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    fleet.judge(move |_, change| {
        if *change == wanted {
            let _ = sender.send(());
        }
        Verdict::Done
    });
}

#[tokio::test(start_paused = true)]
async fn back_before_a_receiver_was_stopped_it_calls_the_recovery_off() {
    let world = World::of(SIMPLE);
    world.hooks.take(Duration::from_secs(2));
    let _node = world.start("node1", 1);
    world
        .until("it is registered", || !world.recoveries().is_empty())
        .await;
    world.fleet.restart("a", false);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::CalledOff);
    assert_eq!(world.fleet.log(), [], "nobody was touched");
    assert!(world.log.decided().downtimes.is_empty());
    assert!(
        !world
            .hooks
            .lines()
            .contains(&"PostFailoverProcesses".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn back_after_a_receiver_was_stopped_it_is_closed_before_anything_else() {
    for moment in [
        Change::StopReceiver,
        Change::StopApplier,
        Change::ForgetSource,
        Change::MakeWritable,
    ] {
        let world = World::of(SIMPLE);
        back_when(&world.fleet, moment.clone());
        let _node = world.start("node1", 1);
        let (id, recovery) = world.ended().await;
        let end = recovery.end.clone().unwrap();
        assert_eq!(end.outcome, RecoveryOutcome::Succeeded, "{moment:?}");
        world
            .until("only one takes writes", || world.fleet.writable() == ["b"])
            .await;
        assert!(world.fleet.changes_of("a").contains(&Change::Close));
        let log = world.fleet.log();
        let at = |wanted: &Change| log.iter().position(|entry| entry.change == *wanted);
        if moment != Change::MakeWritable {
            assert!(
                at(&Change::Close) < at(&Change::MakeWritable),
                "{moment:?}: {log:#?}"
            );
        }
        let notes = world.notes(id).join("\n");
        assert!(notes.contains("the old primary a:3306 is back"), "{notes}");
    }
}

#[tokio::test(start_paused = true)]
async fn back_and_not_to_be_closed_it_ends_the_recovery_and_replicas_receive_again() {
    let world = World::of(SIMPLE);
    let own = Arc::downgrade(&world.fleet);
    let (sender, receiver) = std::sync::mpsc::channel();
    tokio::spawn(async move {
        while receiver.try_recv().is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        own.upgrade().unwrap().restart("a", false);
    });
    world.fleet.judge(move |_, change| {
        if *change == Change::StopReceiver {
            let _ = sender.send(());
        }
        match change {
            Change::Close => Verdict::Refused,
            _ => Verdict::Done,
        }
    });
    let _node = world.start("node1", 1);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Failed);
    assert!(
        end.errors[0].contains("could not be closed"),
        "{:?}",
        end.errors
    );
    assert_eq!(
        world.fleet.writable(),
        ["a"],
        "nobody is promoted beside it"
    );
    for name in ["b", "c"] {
        let seen = world.fleet.seen(name);
        assert!(seen.is_replicating(), "{name}");
        assert_eq!(seen.source(), Some(&key("a")));
    }
    assert!(world.log.decided().downtimes.is_empty());
}

#[tokio::test(start_paused = true)]
async fn back_after_the_end_it_is_closed_each_time_and_what_was_lost_is_stated() {
    let world = World::of(SIMPLE);
    let _node = world.start("node1", 1);
    let (id, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert!(matches!(end.data_loss, Some(DataLoss::Unknown { .. })));
    for seconds in [3, 120] {
        world.pass(Duration::from_secs(seconds)).await;
        world.fleet.change("a", |seen| {
            let (uuid, _) = seen.gtid.executed.split_once(':').unwrap();
            seen.gtid.executed = format!("{uuid}:1-103");
        });
        let at = world.clock_now();
        world.fleet.restart("a", false);
        world
            .until("it is closed", || world.fleet.writable() == ["b"])
            .await;
        let took = world.clock_now().saturating_sub(at);
        let bound = if seconds == 3 { 200 } else { 1_300 };
        assert!(took <= Duration::from_millis(bound), "{took:?}");
    }
    let loss = || {
        world.log.decided().recoveries[&id]
            .end
            .clone()
            .unwrap()
            .data_loss
    };
    world
        .until("it is stated", || {
            matches!(loss(), Some(DataLoss::Exactly { .. }))
        })
        .await;
    let Some(DataLoss::Exactly { set }) = loss() else {
        panic!("{:?}", loss());
    };
    assert!(set.ends_with(":101-103"), "{set}");
    let notes = world.notes(id).join("\n");
    assert!(notes.contains("was read: lost:"), "{notes}");
    // Built anew from the promoted server, and started with the old option file.
    let promoted = world.fleet.seen("b").gtid.executed;
    world
        .fleet
        .change("a", |seen| seen.gtid.executed = promoted);
    world.fleet.restart("a", false);
    world
        .until("it is closed", || world.fleet.writable() == ["b"])
        .await;
    world.pass(Duration::from_secs(10)).await;
    assert!(matches!(loss(), Some(DataLoss::Exactly { set: still }) if still == set));
}

#[test]
fn what_was_read_to_be_lost_is_never_taken_back() {
    let exactly = |set: &str| DataLoss::Exactly {
        set: set.to_owned(),
    };
    let unknown = DataLoss::Unknown {
        at_most_since: None,
        at_least: vec![],
    };
    for (stated, read, expected) in [
        (None, DataLoss::NoneProven, Some(DataLoss::NoneProven)),
        (Some(unknown.clone()), exactly("x:1"), Some(exactly("x:1"))),
        (
            Some(DataLoss::NoneProven),
            exactly("x:1"),
            Some(exactly("x:1")),
        ),
        (Some(DataLoss::NoneProven), DataLoss::NoneProven, None),
        (Some(exactly("x:1")), DataLoss::NoneProven, None),
        (Some(exactly("x:1")), exactly("x:1"), None),
        (
            Some(exactly("x:1")),
            exactly("y:2"),
            Some(exactly("x:1; and y:2")),
        ),
    ] {
        assert_eq!(more_is_known(stated.as_ref(), read), expected, "{stated:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_goes_on_watching_it() {
    let world = World::of(SIMPLE);
    let node = world.start("node1", 1);
    world.ended().await;
    node.kill().await;
    let _other = world.start("node2", 2);
    world.fleet.restart("a", false);
    world
        .until("it is closed", || world.fleet.writable() == ["b"])
        .await;
    let log = world.fleet.log();
    let last = log.iter().rev().find(|entry| entry.change == Change::Close);
    assert_eq!(last.unwrap().by.fence.number(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_a_lost_leader_has_left_is_ended_before_the_next_one_closes() {
    let world = World::of(SIMPLE);
    let node = world.start("node1", 1);
    let (id, recovery) = world.ended().await;
    assert_eq!(recovery.sessions, [], "nothing is under way after the end");
    world.fleet.judge(|_, change| match change {
        Change::Close => Verdict::Hangs,
        _ => Verdict::Done,
    });
    world.fleet.restart("a", false);
    world
        .until("it is being closed", || {
            world.fleet.changes_of("a").contains(&Change::Close)
        })
        .await;
    let left = world.log.decided().recoveries[&id].sessions.clone();
    let [left] = left.as_slice() else {
        panic!("the connection is written down before it closes: {left:?}");
    };
    node.kill().await;
    let before = world.fleet.log().len();
    world.fleet.judge(|_, _| Verdict::Done);
    let mut attempts = 0;
    world.fleet.judge_ends(move |_| {
        attempts += 1;
        attempts > 2
    });
    let _other = world.start("node2", 2);
    world
        .until("it is closed", || world.fleet.writable() == ["b"])
        .await;
    let ended_after = world.fleet.ended_after("a", left.connection_id);
    assert_eq!(
        ended_after,
        Some(before),
        "before anything else is done there"
    );
    world
        .until("nothing is left", || {
            world.log.decided().sessions_left().next().is_none()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_a_watch_has_left_is_ended_by_the_next_recovery_before_it_works_there() {
    for is_ended_at_once in [true, false] {
        let world = World::of(SIMPLE);
        let left = RecoverySessionId {
            server: key("b"),
            connection_id: 77,
        };
        let earlier = leave(&world, left.clone());
        let mut attempts = 0;
        world.fleet.judge_ends(move |name| {
            attempts += usize::from(name == "b");
            is_ended_at_once || attempts > 2
        });
        let _node = world.start("node1", 2);
        world
            .until("it has ended", || {
                let all = world.recoveries();
                all.iter()
                    .any(|(id, one)| *id != earlier && one.end.is_some())
            })
            .await;
        let (_, recovery) = world.ended().await;
        let end = recovery.end.clone().unwrap();
        assert_eq!(end.outcome, RecoveryOutcome::Succeeded, "{:?}", end.errors);
        assert_eq!(end.successor, Some(key("b")));
        let ended_after = world.fleet.ended_after("b", 77).expect("it was ended");
        let log = world.fleet.log();
        let first = log.iter().position(|entry| entry.server == "b");
        assert!(Some(ended_after) <= first, "{ended_after}: {log:#?}");
        assert_eq!(world.log.decided().sessions_left().next(), None);
    }
}

/// An earlier recovery of the same servers has ended, and its leader was lost while it watched: this connection is left.
fn leave(world: &World, left: RecoverySessionId) -> RecoveryId {
    let id = RecoveryId::from_number(9_000);
    world.log.edit(|decided| {
        let touched = |name: &str| TouchedServer {
            key: key(name),
            uuid: String::new(),
        };
        let recovery = Recovery {
            number: 0,
            kind: RecoveryKind::Takeover,
            code: FindingCode::DeadPrimary,
            subject: key("b"),
            cluster: "a:3306".to_owned(),
            cluster_alias: String::new(),
            replicas: vec![],
            servers: vec![touched("a"), touched("b")],
            requested_by: String::new(),
            detection: 0,
            plan: vec![1],
            registered_at: NOW,
            node: "node0".to_owned(),
            fence: Fence::from_number(1),
            attempt: 1,
            phase: Phase::Ended,
            entered: vec![],
            sessions: vec![left],
            stale_sessions: vec![],
            kept_for: Duration::from_secs(86_400),
            end: Some(RecoveryEnd {
                at: NOW,
                outcome: RecoveryOutcome::Succeeded,
                successor: Some(key("a")),
                successor_alias: String::new(),
                lost: vec![],
                participants: vec![],
                errors: vec![],
                data_loss: None,
                times: TimeSplit::default(),
            }),
            acknowledgement: None,
        };
        decided.recoveries.insert(id, Arc::new(recovery));
    });
    id
}

#[tokio::test(start_paused = true)]
async fn out_of_its_downtime_it_is_left_alone() {
    let world = World::of(SIMPLE);
    let _node = world.start("node1", 1);
    world.ended().await;
    world.end_downtime("a");
    world.pass(Duration::from_secs(2)).await;
    world.fleet.restart("a", false);
    world.pass(Duration::from_secs(20)).await;
    assert_eq!(world.fleet.changes_of("a"), []);
}

/// It may be the primary of today by somebody's hand, although its downtime as lost was never ended.
#[tokio::test(start_paused = true)]
async fn one_that_the_predecessor_replaced_is_left_alone() {
    let world = World::of(SIMPLE);
    let _node = world.start("node1", 1);
    let (id, _) = world.ended().await;
    world.log.edit(|decided| {
        let mut imported = decided.recoveries[&id].as_ref().clone();
        imported.plan.clear();
        decided.recoveries.insert(id, Arc::new(imported));
    });
    world.pass(Duration::from_secs(2)).await;
    world.fleet.restart("a", false);
    world.pass(Duration::from_secs(20)).await;
    assert_eq!(world.fleet.changes_of("a"), []);
}

#[tokio::test(start_paused = true)]
async fn one_whose_close_hangs_until_its_connection_is_lost_is_not_taken_for_gone() {
    const HANGING: usize = 2;
    let world = World::of(SIMPLE);
    let fleet = Arc::downgrade(&world.fleet);
    let (sender, receiver) = std::sync::mpsc::channel();
    tokio::spawn(async move {
        loop {
            // Whether it is back for the first time, or loses its connections, it answers and is writable.
            if receiver.try_recv().is_ok() {
                fleet.upgrade().unwrap().set_power("a", Power::Up);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let (mut closes, mut is_back) = (0, false);
    world.fleet.judge(move |name, change| match (name, change) {
        (_, Change::StopReceiver) => {
            if !std::mem::replace(&mut is_back, true) {
                let _ = sender.send(());
            }
            Verdict::Done
        }
        ("a", Change::Close) => {
            closes += 1;
            match closes > HANGING {
                true => Verdict::Done,
                false => {
                    let _ = sender.send(());
                    Verdict::Hangs
                }
            }
        }
        _ => Verdict::Done,
    });
    let _node = world.start("node1", 1);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Succeeded, "{:?}", end.errors);
    let log = world.fleet.log();
    let closes = |entry: &Entry| entry.server == "a" && entry.change == Change::Close;
    let closed = log.iter().rposition(closes).expect("it was closed");
    let before: Vec<&Entry> = log[..closed]
        .iter()
        .filter(|entry| !closes(entry))
        .collect();
    assert!(
        before
            .iter()
            .all(|entry| entry.change == Change::StopReceiver),
        "{before:?}"
    );
    assert_eq!(
        log[..=closed].iter().filter(|entry| closes(entry)).count(),
        HANGING + 1
    );
}

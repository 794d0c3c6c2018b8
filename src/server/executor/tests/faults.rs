//! Statements, proposals and hooks that do not come to what was wanted.

use std::time::Duration;

use orchestrator_core::decided::{Command, RecoveryStepCommand};
use orchestrator_core::domain::RecoveryOutcome;
use orchestrator_core::ports::{Change, DecisionReader};

use super::SIMPLE;
use super::deciding::Fate;
use super::fleet::{Power, Verdict, key};
use super::world::World;

#[tokio::test(start_paused = true)]
async fn a_change_of_unknown_outcome_is_read_back_and_made_again_where_it_does_not_show() {
    for verdict in [Verdict::MadeUnheard, Verdict::NotMadeUnheard] {
        let world = World::of(SIMPLE);
        let mut seen = Vec::new();
        // Each change of each server goes unheard once.
        world.fleet.judge(move |name, change| {
            let asked = (name.to_owned(), change.clone());
            match seen.contains(&asked) {
                true => Verdict::Done,
                false => {
                    seen.push(asked);
                    verdict
                }
            }
        });
        let _node = world.start("node1", 1);
        let (_, recovery) = world.ended().await;
        let end = recovery.end.clone().unwrap();
        assert_eq!(end.outcome, RecoveryOutcome::Succeeded, "{:?}", end.errors);
        assert_eq!(world.fleet.writable(), ["b"]);
        assert!(world.fleet.seen("c").is_replicating());
        let changes = world.fleet.changes_of("b");
        let writes = changes.iter().filter(|one| **one == Change::MakeWritable);
        let expected = match verdict {
            Verdict::MadeUnheard => 1,
            _ => 2,
        };
        assert_eq!(writes.count(), expected, "{verdict:?}");
        assert!(!world.fleet.ended().is_empty(), "lost sessions are ended");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_promotion_ends_it_and_replicas_receive_again() {
    let world = World::of(SIMPLE);
    world.fleet.judge(|name, change| match (name, change) {
        ("b", Change::StopReceiver) => Verdict::Refused,
        _ => Verdict::Done,
    });
    let _node = world.start("node1", 1);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Failed);
    assert!(end.errors[0].contains("access denied"), "{:?}", end.errors);
    assert!(world.fleet.writable().is_empty());
    assert!(world.log.decided().downtimes.is_empty(), "nothing was lost");
    let last = world.hooks.lines().pop();
    assert_eq!(last.as_deref(), Some("PostUnsuccessfulFailoverProcesses"));
    let told = |variable| {
        let list = "PostUnsuccessfulFailoverProcesses";
        world.hooks.value(list, variable)
    };
    assert_eq!(told("ORC_IS_SUCCESSFUL").as_deref(), Some("false"));
    assert_eq!(told("ORC_SUCCESSOR_HOST"), None);
    let changes = world.fleet.changes_of("c");
    assert_eq!(changes.last(), Some(&Change::StartReplication));
    assert_eq!(world.fleet.seen("c").source(), Some(&key("a")));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_hangs_is_left_and_named() {
    let world = World::of(&format!("{SIMPLE}\n+ d [io=connecting]"));
    world.fleet.judge(|name, _| match name {
        "d" => Verdict::Hangs,
        _ => Verdict::Done,
    });
    let _node = world.start("node1", 1);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Succeeded, "{:?}", end.errors);
    assert_eq!(end.lost, [key("d")]);
    assert!(
        end.errors[0].starts_with("d:3306 was not moved"),
        "{:?}",
        end.errors
    );
    assert!(world.log.decided().downtimes.contains_key(&key("d")));
}

#[tokio::test(start_paused = true)]
async fn hooks_that_say_no_end_it_before_anybody_is_touched() {
    let world = World::of(SIMPLE);
    world.hooks.fail("PreFailoverProcesses");
    let _node = world.start("node1", 1);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Failed);
    assert!(
        end.errors[0].contains("PreFailoverProcesses"),
        "{:?}",
        end.errors
    );
    assert_eq!(world.fleet.log(), []);
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(
        world.hooks.lines(),
        ["OnFailureDetectionProcesses", "PreFailoverProcesses"],
        "nothing more is run, nor again within the block period"
    );
}

#[tokio::test(start_paused = true)]
async fn other_hooks_that_fail_are_written_down_and_stop_nothing() {
    let world = World::of(SIMPLE);
    for line in ["OnFailureDetectionProcesses", "PostMasterFailoverProcesses"] {
        world.hooks.fail(line);
    }
    let _node = world.start("node1", 1);
    let (id, recovery) = world.ended().await;
    assert_eq!(
        recovery.end.clone().unwrap().outcome,
        RecoveryOutcome::Succeeded
    );
    let notes = world.notes(id).join("\n");
    assert!(
        notes.contains("Execution of OnFailureDetectionProcesses hook 1 of 1 failed"),
        "{notes}"
    );
    assert!(
        world
            .hooks
            .lines()
            .contains(&"PostFailoverProcesses".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn commands_of_unknown_outcome_take_effect_once() {
    for fate in [Fate::DecidedUnheard, Fate::LostUnheard] {
        let world = World::of(SIMPLE);
        let mut count = 0_u32;
        // Every other answer is lost.
        world.log.judge(move |_| {
            count += 1;
            match count % 2 {
                1 => fate,
                _ => Fate::Decided,
            }
        });
        let _node = world.start("node1", 1);
        let (_, recovery) = world.ended().await;
        let end = recovery.end.clone().unwrap();
        assert_eq!(
            end.outcome,
            RecoveryOutcome::Succeeded,
            "{fate:?}: {:?}",
            end.errors
        );
        assert_eq!(world.recoveries().len(), 1, "{fate:?}");
        assert_eq!(world.log.decided().detections.len(), 1, "{fate:?}");
        assert_eq!(recovery.attempt, 1, "{fate:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_touched_before_the_registration_is_known() {
    let world = World::of(SIMPLE);
    world.log.judge(|command| match command {
        Command::RegisterRecovery(_) => Fate::LostUnheard,
        _ => Fate::Decided,
    });
    let _node = world.start("node1", 1);
    world.pass(Duration::from_secs(120)).await;
    assert_eq!(world.fleet.log(), []);
    assert!(world.recoveries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_receiver_is_stopped_before_that_is_written_down() {
    let world = World::of(SIMPLE);
    world.log.judge(|command| match command {
        Command::RecoveryStep { step, .. }
            if matches!(**step, RecoveryStepCommand::Record { .. }) =>
        {
            Fate::LostUnheard
        }
        _ => Fate::Decided,
    });
    let _node = world.start("node1", 1);
    world
        .until("it is registered", || !world.recoveries().is_empty())
        .await;
    world.pass(Duration::from_secs(60)).await;
    assert!(
        !world
            .fleet
            .log()
            .iter()
            .any(|entry| entry.change == Change::StopReceiver)
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_may_have_been_made_writable_is_watched_where_that_failed() {
    let world = World::of(SIMPLE);
    let fleet = std::sync::Arc::downgrade(&world.fleet);
    let (sender, receiver) = std::sync::mpsc::channel();
    tokio::spawn(async move {
        while receiver.try_recv().is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        fleet.upgrade().unwrap().set_power("b", Power::Silent);
    });
    world.fleet.judge(move |_, change| match change {
        Change::MakeWritable => {
            let _ = sender.send(());
            Verdict::MadeUnheard
        }
        _ => Verdict::Done,
    });
    let _node = world.start("node1", 1);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Failed);
    assert_eq!(end.lost, [key("b")]);
    assert!(!world.log.decided().downtimes.contains_key(&key("a")));
    world.fleet.set_power("b", Power::Up);
    assert_eq!(world.fleet.writable(), ["b"]);
    world
        .until("it is closed", || world.fleet.writable().is_empty())
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_passes_is_asked_again() {
    let world = World::of(SIMPLE);
    let mut count = 0_u32;
    world.fleet.judge(move |_, change| match change {
        Change::MakeWritable if count < 3 => {
            count += 1;
            Verdict::RefusedForNow
        }
        _ => Verdict::Done,
    });
    let _node = world.start("node1", 1);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Succeeded, "{:?}", end.errors);
}

#[tokio::test(start_paused = true)]
async fn all_of_a_two_step_plan_receive_again_where_it_fails() {
    let text =
        "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting gtid=..1-95 promotion=prefer]";
    let world = World::of(text);
    world.fleet.judge(|_, change| match change {
        Change::ForgetSource => Verdict::Refused,
        _ => Verdict::Done,
    });
    let _node = world.start("node1", 1);
    let (_, recovery) = world.ended().await;
    assert_eq!(
        recovery.end.clone().unwrap().outcome,
        RecoveryOutcome::Failed
    );
    for (name, source) in [("b", "a"), ("c", "b")] {
        let seen = world.fleet.seen(name);
        assert_eq!(seen.source(), Some(&key(source)));
        let changes = world.fleet.changes_of(name);
        assert_eq!(changes.last(), Some(&Change::StartReplication), "{name}");
    }
    assert!(world.fleet.writable().is_empty());
}

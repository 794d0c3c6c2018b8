//! Recoveries that nothing disturbs.

use std::time::Duration;

use orchestrator_core::decided::{Command, RecoveryStepCommand};
use orchestrator_core::domain::{Phase, RecoveryOutcome};
use orchestrator_core::ports::{Change, DecisionReader, PictureReader as _};

use super::SIMPLE;
use super::fleet::{Power, key};
use super::world::World;

#[tokio::test(start_paused = true)]
async fn a_dead_primary_is_replaced_and_everybody_follows() {
    let world = World::of(SIMPLE);
    let _node = world.start("node1", 7);
    let (id, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Succeeded, "{:?}", end.errors);
    assert_eq!(end.successor, Some(key("b")));
    assert_eq!(world.fleet.writable(), ["b"]);
    let c = world.fleet.seen("c");
    assert_eq!(c.source(), Some(&key("b")));
    assert!(c.is_replicating() && c.read_only);
    assert!(world.fleet.seen("b").gtid.executed.ends_with(":1-100"));
    for entry in world.fleet.log() {
        assert_eq!((entry.by.recovery, entry.by.fence.number()), (id, 7));
    }
    let phases: Vec<Phase> = recovery.entered.iter().map(|(phase, _)| *phase).collect();
    assert_eq!(
        phases,
        [
            Phase::Registered,
            Phase::ReceiversStopped,
            Phase::Promoted,
            Phase::Published,
            Phase::Ended
        ]
    );
    let parts = [
        end.times.detect,
        end.times.decide,
        end.times.close,
        end.times.promote,
        end.times.publish,
    ];
    assert!(parts.iter().all(Option::is_some), "{:?}", end.times);
}

/// Were the promoted server to die before the next poll, it had to be known as a primary by then.
#[tokio::test(start_paused = true)]
async fn the_promoted_server_is_looked_at_when_its_recovery_has_ended() {
    let world = World::of(SIMPLE);
    let _node = world.start("node1", 7);
    world.ended().await;
    let promoted = key("b");
    world
        .until("b is known to have no source", || {
            let picture = world.eyes.picture();
            let seen = picture.observation(&promoted);
            seen.is_some_and(|seen| seen.source().is_none() && !seen.read_only)
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn few_commands_are_decided_before_somebody_takes_writes() {
    let world = World::of(SIMPLE);
    let log = world.log.clone();
    let before = std::sync::Arc::new(std::sync::Mutex::new(None));
    let kept = before.clone();
    world.fleet.judge(move |_, change| {
        if *change == Change::MakeWritable {
            *kept.lock().unwrap() = Some(log.of_recoveries());
        }
        super::fleet::Verdict::Done
    });
    let mut world = world;
    world.config.hooks.lines.clear();
    let _node = world.start("node1", 1);
    world.ended().await;
    let count = before.lock().unwrap().expect("somebody was made writable");
    assert!(count <= 4, "{count} commands: {:#?}", world.log.commands());
}

#[tokio::test(start_paused = true)]
async fn hooks_come_up_in_their_order_and_know_the_recovery() {
    let world = World::of(SIMPLE);
    let _node = world.start("node1", 1);
    let (id, _) = world.ended().await;
    assert_eq!(
        world.hooks.lines(),
        [
            "OnFailureDetectionProcesses",
            "PreFailoverProcesses",
            "PostMasterFailoverProcesses",
            "PostFailoverProcesses"
        ]
    );
    for line in world.hooks.lines() {
        let value = world.hooks.value(&line, "ORC_RECOVERY_UID");
        assert_eq!(value, Some(id.to_string()), "{line}");
        let failed = world.hooks.value(&line, "ORC_FAILED_HOST");
        assert_eq!(failed.as_deref(), Some("a"));
    }
    let value = |line: &str| world.hooks.value(line, "ORC_SUCCESSOR_HOST");
    assert_eq!(value("PreFailoverProcesses"), None);
    assert_eq!(value("PostFailoverProcesses").as_deref(), Some("b"));
    let notes = world.notes(id).join("\n");
    assert!(
        notes.contains("Completed PreFailoverProcesses hook 1 of 1"),
        "{notes}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_dead_and_the_lost_are_in_downtime_afterwards() {
    let mut world = World::of(&format!("{SIMPLE}\n+ d [unreachable]"));
    world.config.recovery.lost_downtime = Some(Duration::from_secs(600));
    let _node = world.start("node1", 1);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.lost, [key("d")]);
    let decided = world.log.decided();
    for name in ["a", "d"] {
        let downtime = &decided.downtimes[&key(name)];
        assert_eq!(downtime.reason, "lost-in-recovery");
        assert_eq!(downtime.ends_at.since(end.at), Duration::from_secs(600));
    }
    assert!(!decided.downtimes.contains_key(&key("b")));
}

#[tokio::test(start_paused = true)]
async fn a_lost_server_that_replicates_again_comes_out_of_its_downtime() {
    let world = World::of(SIMPLE);
    let _node = world.start("node1", 1);
    world.ended().await;
    let c = world.fleet.seen("c");
    world.fleet.restart("a", true);
    world.fleet.change("a", |seen| {
        seen.replication = c.replication.clone();
        seen.gtid = c.gtid.clone();
    });
    let is_in_downtime = || world.log.decided().downtimes.contains_key(&key("a"));
    world.pass(Duration::from_secs(30)).await;
    assert!(is_in_downtime(), "it has to be well for a while");
    world.until("its downtime ends", || !is_in_downtime()).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_holds_up_its_own_cluster_only() {
    let text = format!("{SIMPLE}\nx [unreachable]\n+ y [io=connecting]\n+ z [io=connecting]");
    let world = World::of(&text);
    world.fleet.judge(|name, change| match (name, change) {
        ("y" | "z", Change::StopReceiver) => super::fleet::Verdict::Hangs,
        _ => super::fleet::Verdict::Done,
    });
    let _node = world.start("node1", 1);
    let (_, first) = world.ended().await;
    assert_eq!(first.subject, key("a"));
    let other = world
        .recoveries()
        .into_iter()
        .find(|(_, one)| one.subject == key("x"));
    assert!(other.is_some_and(|(_, one)| one.end.is_none()), "it waits");
}

#[tokio::test(start_paused = true)]
async fn more_that_came_in_before_receivers_stopped_makes_another_plan() {
    let world = World::of(SIMPLE);
    let fleet = world.fleet.clone();
    let log = world.log.clone();
    // c gets more than b until its receiver stops.
    world.hooks.take(Duration::from_secs(1));
    let _node = world.start("node1", 1);
    world
        .until("it is registered", || !world.recoveries().is_empty())
        .await;
    fleet.change("c", |seen| {
        let link = seen.replication.as_mut().unwrap();
        let (uuid, _) = link.retrieved.split_once(':').unwrap();
        link.retrieved = format!("{uuid}:1-105");
    });
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Succeeded, "{:?}", end.errors);
    assert_eq!(end.successor, Some(key("c")), "it has most");
    assert_eq!(world.recoveries().len(), 1, "it is the same recovery");
    let replans = log.commands().into_iter().filter(|command| {
        matches!(command, Command::RecoveryStep { step, .. } if matches!(**step, RecoveryStepCommand::Replan { .. }))
    });
    assert_eq!(replans.count(), 1);
    assert!(world.fleet.seen("b").gtid.executed.ends_with("-105"));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_loses_its_relay_logs_is_not_promoted_while_another_has_more() {
    let world = World::of(SIMPLE);
    world.fleet.keep_busy(Some("b"));
    let _node = world.start("node1", 1);
    let is_stopped = || {
        let all = world.recoveries();
        all.first()
            .is_some_and(|(_, one)| one.phase == Phase::ReceiversStopped)
    };
    world.until("all receivers are stopped", is_stopped).await;
    // It is restarted, and begins its relay logs anew.
    world.fleet.set_power("b", Power::Down);
    world.fleet.change("b", |seen| {
        let link = seen.replication.as_mut().unwrap();
        link.retrieved.clear();
    });
    world.fleet.keep_busy(None);
    world.fleet.restart("b", true);
    let (_, recovery) = world.ended().await;
    let end = recovery.end.clone().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Succeeded, "{:?}", end.errors);
    assert_eq!(end.successor, Some(key("c")), "it has most now");
    assert_eq!(world.recoveries().len(), 1, "it is the same recovery");
    assert!(world.fleet.seen("b").gtid.executed.ends_with("-95"));
    assert_eq!(world.fleet.seen("b").source(), Some(&key("c")));
}

#[tokio::test(start_paused = true)]
async fn a_second_failover_works_too() {
    let mut world = World::of(SIMPLE);
    world.config.recovery.block_period = Duration::from_secs(60);
    let _node = world.start("node1", 1);
    world.ended().await;
    world.pass(Duration::from_secs(61)).await;
    world.fleet.set_power("b", Power::Down);
    world.fleet.change("c", |seen| {
        let link = seen.replication.as_mut().unwrap();
        link.receiver = orchestrator_core::domain::ThreadState::Other;
        link.receiver_errno = 2003;
    });
    world
        .until("the second has ended", || {
            let all = world.recoveries();
            all.len() == 2 && all[1].1.end.is_some()
        })
        .await;
    assert_eq!(world.fleet.writable(), ["c"]);
}

//! A survivor of a lost majority begins a group of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use orchestrator_core::decided::{Command, CommandFormats, RecoveryStepCommand, RegisterRecovery};
use orchestrator_core::domain::{
    Fence, FindingCode, Phase, RecoveryId, RecoveryKind, RecoveryOutcome, TouchedServer,
};
use orchestrator_core::ports::{Clock as _, DecisionReader as _};

use super::super::beginning::finish;
use super::super::lost_majority::{LostMajorityError, Objection, Survey, Survivor};
use super::super::transport::Transport;
use super::support::{HubEnd, TestClock, TestIds, World, key, until};

const THREE: [&str; 3] = ["a", "b", "c"];

fn survivor(world: &World, name: &str) -> Result<Survivor, LostMajorityError> {
    let clock: Arc<dyn orchestrator_core::ports::Clock> = TestClock::start();
    let formats = CommandFormats::of_this_release();
    Survivor::open(name.to_owned(), &world.directory(name), &formats, &clock)
}

async fn survey(world: &World, survivor: &Survivor) -> Survey {
    let transport: Arc<dyn Transport> = Arc::new(HubEnd {
        hub: Arc::clone(&world.hub),
        from: survivor.name.clone(),
    });
    let clock: Arc<dyn orchestrator_core::ports::Clock> = TestClock::start();
    Survey::take(survivor, &world.names, &transport, &clock).await
}

fn begin(survivor: Survivor) {
    let now = TestClock::start().now();
    survivor.begin_alone(TestIds::new().as_ref(), now).unwrap();
}

/// A group of three in which somebody wrote, and the nodes other than the one that is returned are lost.
async fn one_of_three(world: &mut World, instances: &[&str]) -> &'static str {
    world.start_all();
    world.settled().await;
    for instance in instances {
        let written = world.write(instance).await;
        world.converge(written.index).await;
    }
    for name in ["b", "c", "a"] {
        world.kill(name).await;
    }
    "a"
}

fn forgotten(world: &World, name: &str) -> BTreeSet<String> {
    let state = world.node(name).decided();
    let keys = state.forgotten.keys();
    keys.map(|key| key.host().to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survivor_goes_on_with_all_that_was_decided_and_the_others_join_it_empty() {
    let mut world = World::new(&THREE);
    let left = one_of_three(&mut world, &["db1", "db2"]).await;
    let old = survivor(&world, left).unwrap();
    let (group, last) = (old.group, old.last);
    assert_eq!(survey(&world, &old).await.objection(), None);
    assert_eq!(old.lost(), ["b", "c"]);
    begin(old);
    world.start(left);
    assert_eq!(world.leader().await, left);
    let written = world.write("db3").await;
    assert!(written.index > last, "indices go on");
    let status = world.status(left);
    assert_ne!(status.group, Some(group));
    assert_eq!(status.members.len(), 1, "{status:?}");
    assert!(
        world.node(left).decided().recoveries_disabled.is_some(),
        "nobody recovers anything before a human has looked"
    );
    // One that comes with what it had is refused, and takes nobody along.
    world.start("b");
    until("the old member is refused", || {
        let status = world.status("b");
        status.group == Some(group) && status.leader.is_none()
    })
    .await;
    assert_eq!(world.status(left).members.len(), 1);
    assert_eq!(world.leaders(), [left]);
    world.kill("b").await;
    for name in ["b", "c"] {
        world.wipe(name);
        world.start(name);
    }
    until("all three vote", || {
        THREE.iter().all(|name| world.status(name).me.is_voter)
    })
    .await;
    let written = world.write("db4").await;
    world.converge(written.index).await;
    for name in THREE {
        assert_eq!(
            forgotten(&world, name),
            ["db1", "db2", "db3", "db4"].map(str::to_owned).into()
        );
    }
    // And it is a group like any other: one may be lost.
    world.kill(left).await;
    world.write("db5").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_have_been_acknowledged_is_kept_also_from_behind_a_snapshot() {
    let mut world = World::new(&THREE);
    world.snapshot_every = 20;
    world.start_all();
    let leader = world.settled().await;
    for number in 0..60 {
        world.write(&format!("db{number}")).await;
    }
    // Nobody takes it in any more, and the leader cannot know that nobody has.
    let others: Vec<&str> = THREE.into_iter().filter(|name| *name != leader).collect();
    let before = world.node(&leader).decided().applied_index;
    world.hub.part(&others, &world.names.clone());
    world.hub.cut(others[0], others[1]);
    let proposal = world.forget("unknown");
    let lone = world.node(&leader).clone();
    let asked = tokio::spawn(async move {
        use orchestrator_core::ports::Proposer as _;
        lone.propose(proposal).await
    });
    until("the entry is in its log", || {
        world.status(&leader).last_log_index > before
    })
    .await;
    asked.abort();
    for name in THREE {
        world.kill(name).await;
    }
    world.hub.heal();
    let old = survivor(&world, &leader).unwrap();
    assert!(old.committed < old.last, "it is not known to be decided");
    begin(old);
    world.start(&leader);
    world.leader().await;
    let kept = forgotten(&world, &leader);
    assert!(kept.contains("unknown"), "{kept:?}");
    assert_eq!(kept.len(), 61);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_under_way_is_left_to_people() {
    let mut world = World::new(&THREE);
    world.start_all();
    world.settled().await;
    let id = RecoveryId::from_number(7);
    let fence = Fence::from_number(1);
    let register = Command::RegisterRecovery(Box::new(RegisterRecovery {
        id,
        kind: RecoveryKind::DeadPrimary,
        code: FindingCode::DeadPrimary,
        subject: key("db1"),
        cluster: "db1:3306".to_owned(),
        cluster_alias: String::new(),
        replicas: vec![key("db2")],
        servers: vec![TouchedServer {
            key: key("db1"),
            uuid: String::new(),
        }],
        requested_by: String::new(),
        is_forced: false,
        plan: vec![1],
        node: "a".to_owned(),
        fence,
        sessions: vec![],
        block_period: std::time::Duration::from_secs(60),
        kept_for: std::time::Duration::from_secs(86_400),
    }));
    let enter = Command::RecoveryStep {
        id,
        step: Box::new(RecoveryStepCommand::Enter {
            fence,
            phase: Phase::ReceiversStopped,
            news: Default::default(),
        }),
    };
    for command in [register, enter] {
        let proposal = world.proposal(command);
        let written = world.decide(&proposal).await;
        assert_eq!(written.reply, orchestrator_core::decided::Reply::Done);
        world.converge(written.index).await;
    }
    for name in THREE {
        world.kill(name).await;
    }
    let old = survivor(&world, "c").unwrap();
    let unfinished = old.unfinished();
    assert_eq!(unfinished.len(), 1);
    assert!(
        unfinished[0].contains("db1:3306")
            && unfinished[0].contains("receivers of replicas were stopped"),
        "{unfinished:?}"
    );
    begin(old);
    world.start("c");
    world.leader().await;
    let state = world.node("c").decided();
    assert_eq!(state.unfinished_recoveries().count(), 0);
    let end = state.recoveries[&id].end.clone().unwrap();
    assert_eq!(
        (end.outcome, &end.successor),
        (RecoveryOutcome::Failed, &None)
    );
    assert!(
        end.errors[0]
            .contains("the majority of the group was lost while this recovery was under way"),
        "{end:?}"
    );
    assert!(
        state
            .recovery_notes
            .values()
            .any(|note| note.text == end.errors[0])
    );
    let by = state.recoveries_disabled.clone().unwrap().by;
    assert_eq!(by, "raft-recover on c");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_refused_while_a_majority_is_there_and_while_the_node_runs() {
    let mut world = World::new(&THREE);
    world.start_all();
    world.settled().await;
    let written = world.write("db1").await;
    world.converge(written.index).await;
    assert!(matches!(
        survivor(&world, "a"),
        Err(LostMajorityError::Store(crate::store::Error::InUse { .. }))
    ));
    world.kill("a").await;
    world.kill("b").await;
    let one = survivor(&world, "a").unwrap();
    let seen = survey(&world, &one).await;
    let answering = vec!["c".to_owned()];
    assert_eq!(seen.objection(), Some(Objection::Majority { answering }));
    let lines = seen.lines();
    assert!(
        lines[0].starts_with("b does not run")
            && lines[1].starts_with("c answers, and has entries"),
        "{lines:?}"
    );
    drop(one);
    // The others have begun anew: this one is not the second to do so.
    world.kill("c").await;
    begin(survivor(&world, "c").unwrap());
    world.start("c");
    world.leader().await;
    let late = survivor(&world, "b").unwrap();
    assert!(matches!(
        survey(&world, &late).await.objection(),
        Some(Objection::OtherGroup { .. })
    ));
    drop(late);
    world.kill("c").await;
    let again = survivor(&world, "c").unwrap();
    assert_eq!(
        survey(&world, &again).await.objection(),
        Some(Objection::Alone)
    );
    drop(again);
    world.wipe("a");
    assert!(matches!(
        survivor(&world, "a"),
        Err(LostMajorityError::NoMember { .. })
    ));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_leaves_the_old_node_or_the_new_one() {
    let mut world = World::new(&THREE);
    let left = one_of_three(&mut world, &["db1"]).await;
    let directory = world.directory(left);
    let now = TestClock::start().now();
    let ids = TestIds::new();
    let mut old = survivor(&world, left).unwrap();
    let group = old.group;
    let beginning = old.beginning(ids.as_ref(), now).unwrap();
    let name = beginning.set_aside(&directory).unwrap();
    assert!(directory.join(&name).exists());
    drop(old);
    // As if nothing had happened, and nothing of it is left.
    let mut again = survivor(&world, left).unwrap();
    assert_eq!(again.group, group);
    assert!(!directory.join(&name).exists());
    let beginning = again.beginning(ids.as_ref(), now).unwrap();
    let new = beginning.snapshot.group();
    let name = beginning.set_aside(&directory).unwrap();
    beginning.turn_to(again.disk(), &name).unwrap();
    drop(again);
    assert!(directory.join(&name).exists(), "that is yet to be done");
    // With the file where it belongs, and with that not noted yet.
    world.start(left);
    assert_eq!(world.leader().await, left);
    assert_eq!(world.status(left).group, Some(new));
    assert!(!directory.join(&name).exists());
    let written = world.write("db2").await;
    world.kill(left).await;
    let disk = crate::store::GroupLog::open(&directory, now).unwrap();
    disk.put(vec![("begins_with", name.into_bytes())]).unwrap();
    finish(&disk, &directory).unwrap();
    drop(disk);
    world.start(left);
    world.leader().await;
    assert!(world.node(left).decided().applied_index > written.index);
    assert_eq!(
        forgotten(&world, left),
        ["db1", "db2"].map(str::to_owned).into()
    );
    world.stop().await;
}

//! When a step is over, too late, or not to be done at all, and what counts once receivers are stopped.

use std::time::Duration;

use super::world::World;
use crate::domain::{Flavor, InstanceRecord, Observation, ThreadState};
use crate::recovery::plan::{
    Action, EndOfRecovery, Next, Phase, Replan, Step, StepState, WhyFailed, done_again,
};
use crate::recovery::testing::{NOW, key};
use crate::recovery::{Demand, RecoveryPolicy, UnappliedRelayLog};

/// What is answered when the first step was begun so long ago and its server does nothing.
fn after(waited: Duration) -> Next {
    let mut world = World::of("a [unreachable]\n+ b [io=connecting sql=no]");
    world.progress.steps.insert(0, StepState::Begun(NOW));
    world.now = NOW.plus(waited);
    world.ask()
}

#[test]
fn a_step_is_too_late_from_its_deadline_on() {
    assert_eq!(after(Duration::from_millis(9_999)), Next::Wait);
    let Next::Record(outcomes) = after(Duration::from_secs(10)) else {
        panic!("it is still waited for");
    };
    assert!(
        matches!(
            &outcomes[..],
            [(0, StepState::Failed(WhyFailed::Deadline { number: 0, .. }))]
        ),
        "{outcomes:?}"
    );
}

#[test]
fn an_applier_that_has_nothing_to_lose_is_started_whatever_stands_still() {
    let mut world =
        World::of("a [10.11.6-MariaDB unreachable]\n+ b [io=connecting sql=no gtid=0-1-100]");
    world.change(&key("b"), |seen| {
        let link = seen.replication.as_mut().expect("a link");
        link.receiver = ThreadState::Stopped;
    });
    assert_eq!(world.ask(), Next::Do(vec![0]));
    assert_eq!(world.plan.steps[0].action, Action::StartApplier);
}

#[test]
fn a_replica_is_moved_below_a_promoted_server_that_gave_nothing_up_whoever_has_seen_it() {
    let mut world = World::of("a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting]");
    loop {
        let answer = world.ask();
        let is_move =
            |number: &usize| matches!(world.plan.steps[*number].action, Action::Repoint { .. });
        if matches!(&answer, Next::Do(steps) if steps.iter().any(is_move)) {
            break;
        }
        assert!(world.follow(answer), "it ended before");
    }
    let before = world.ask();
    // A new leader has not seen it yet.
    let now = world.now;
    world.picture.put(InstanceRecord::heard_of(key("b"), now));
    assert_eq!(world.ask(), before);
}

/// It is written down early that a receiver may be stopped.
#[test]
fn what_an_earlier_leader_has_begun_waits_for_the_step_before_it() {
    let mut world = World::of("a [unreachable]\n+ b [io=connecting sql=no]");
    let begun = StepState::Begun(world.now);
    world.progress.steps.insert(1, begun);
    world.dumb.push(key("b"));
    let answer = world.ask();
    assert_eq!(answer, Next::Do(vec![0]));
    assert!(world.under_way().is_empty());
    world.follow(answer);
    assert_eq!(world.under_way(), [0]);
    world.change(&key("b"), |seen| {
        let link = seen.replication.as_mut().expect("a link");
        link.applier = ThreadState::Running;
    });
    let answer = world.ask();
    assert!(matches!(answer, Next::Record(_)), "{answer:?}");
    world.follow(answer);
    assert_eq!(world.under_way(), [1]);
}

const ALL_STOPPED: Next = Next::Advance(Phase::ReceiversStopped);

/// As far as the end of the first phase; c does nothing that it is told.
fn stopped_but_for_c() -> World {
    let mut world = World::of("a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting]");
    world.dumb.push(key("c"));
    loop {
        let answer = world.ask();
        if answer == ALL_STOPPED {
            return world;
        }
        assert!(world.follow(answer), "it ended before");
    }
}

#[test]
fn what_a_replica_receives_that_did_not_stop_does_not_count() {
    let mut world = stopped_but_for_c();
    world.change(&key("c"), |seen| {
        let link = seen.replication.as_mut().expect("a link");
        let (uuid, _) = link.retrieved.split_once(':').expect("a set");
        link.retrieved = format!("{uuid}:1-105");
    });
    assert_eq!(world.ask(), ALL_STOPPED);
}

#[test]
fn what_was_seen_before_a_receiver_was_stopped_is_not_what_its_server_has() {
    let mut world = stopped_but_for_c();
    let stop = world
        .plan
        .steps
        .iter()
        .position(|step| step.on == key("b") && step.action == Action::StopReceiver);
    // An earlier leader has seen it later.
    let later = world.now.plus(Duration::from_secs(5));
    let stop = stop.expect("a step");
    world.progress.steps.insert(stop, StepState::Done(later));
    assert_eq!(
        world.ask(),
        Next::Replan(Replan::Unreadable { on: key("b") })
    );
}

#[test]
fn a_lost_replica_that_cannot_be_detached_is_not_one_that_was_to_be_moved() {
    let mut world = World::of("a [unreachable]\n+ b [io=connecting]\n+ e [io=connecting errant]");
    world.dumb.push(key("e"));
    let unmoved = Vec::new();
    assert_eq!(world.run(), Next::End(EndOfRecovery::Succeeded { unmoved }));
    let on_e = |number: &usize| world.plan.steps[*number].on == key("e");
    let mut failed = world.progress.steps.iter();
    assert!(failed.any(|(number, state)| on_e(number) && matches!(state, StepState::Failed(_))));
}

const TWO_STEPS: &str = "a [unreachable]\n+ b [io=connecting gtid=..1-90 received=..1-100]\n+ c [io=connecting gtid=..1-95 promotion=prefer]";

/// Carries out a plan by which c gets what b has, while one server does not do what it is told of this kind.
fn two_steps_where(on: &str, is_never_done: fn(&Action) -> bool) -> (World, Next) {
    let mut world = World::of(TWO_STEPS);
    let is_it = |number: &usize| {
        let step = &world.plan.steps[*number];
        step.on == key(on) && is_never_done(&step.action)
    };
    world.lazy = (0..world.plan.steps.len()).filter(is_it).collect();
    let answer = world.run();
    (world, answer)
}

#[test]
fn the_promoted_server_is_not_repointed_before_the_head_has_applied_what_it_gives() {
    let (world, answer) = two_steps_where("b", |action| *action == Action::AwaitApplied);
    assert!(
        matches!(&answer, Next::End(EndOfRecovery::Failed { on, .. }) if *on == key("b")),
        "{answer:?}"
    );
    assert_eq!(world.seen("c").source(), Some(&key("a")));
}

#[test]
fn whatever_fails_on_the_promoted_server_before_it_is_writable_ends_the_recovery() {
    let (world, answer) = two_steps_where("c", |action| *action == Action::StopReceiver);
    assert!(
        matches!(&answer, Next::End(EndOfRecovery::Failed { on, .. }) if *on == key("c")),
        "{answer:?}"
    );
    assert!(world.seen("c").read_only);
}

#[test]
fn a_head_that_cannot_be_moved_afterwards_does_not_undo_the_promotion() {
    let (world, answer) = two_steps_where("b", |action| matches!(action, Action::Repoint { .. }));
    let Next::End(EndOfRecovery::Succeeded { unmoved }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(unmoved.len(), 1);
    assert_eq!(unmoved[0].0, key("b"));
    assert!(!world.seen("c").read_only);
}

#[test]
fn by_force_on_mariadb_too_nobody_is_put_below_a_server_that_gave_up_what_it_has() {
    let text = "a [10.11.6-MariaDB unreachable]
+ b [io=connecting gtid=0-1-50 received=0-1-100]
+ c [io=connecting gtid=0-1-40]
+ d [io=connecting gtid=0-1-90]";
    let mut world = World::demanded(text, &RecoveryPolicy::default(), &Demand::forced(None));
    let is_wait = |number: &usize| {
        let step = &world.plan.steps[*number];
        step.on == key("b") && step.action == Action::AwaitApplied
    };
    world.lazy = (0..world.plan.steps.len()).filter(is_wait).collect();
    let unmoved = vec![(key("d"), WhyFailed::HasMore { on: key("d") })];
    assert_eq!(world.run(), Next::End(EndOfRecovery::Succeeded { unmoved }));
    assert_eq!(world.seen("c").source(), Some(&key("b")));
    assert_eq!(world.seen("d").source(), Some(&key("a")));
}

/// b has yet to apply what it has received, c is below it or beside it; as far as the wait for b.
fn waiting_for_b(version: &str, policy: &RecoveryPolicy, demand: &Demand) -> World {
    let text = format!(
        "a [{version} unreachable]\n+ b [io=connecting gtid=0-1-50 received=0-1-100]\n+ c [io=connecting gtid=0-1-40]"
    );
    let mut world = World::demanded(&text, policy, demand);
    let is_wait = |number: &usize| {
        let step = &world.plan.steps[*number];
        step.on == key("b") && step.action == Action::AwaitApplied
    };
    let waits: Vec<usize> = (0..world.plan.steps.len()).filter(is_wait).collect();
    world.lazy.clone_from(&waits);
    loop {
        let answer = world.ask();
        if answer == Next::Wait
            && waits
                .iter()
                .any(|wait| world.progress.steps.contains_key(wait))
        {
            return world;
        }
        assert!(world.follow(answer), "it ended before");
    }
}

fn stop_applier_of_b(world: &mut World) {
    world.change(&key("b"), |seen| {
        let link = seen.replication.as_mut().expect("a link");
        link.applier = ThreadState::Stopped;
    });
}

#[test]
fn a_wait_without_bound_ends_where_a_start_of_the_applier_would_discard_what_it_waits_for() {
    let policy = RecoveryPolicy {
        unapplied: UnappliedRelayLog::Wait,
        ..RecoveryPolicy::default()
    };
    let mut world = waiting_for_b("10.11.6-MariaDB", &policy, &Demand::default());
    stop_applier_of_b(&mut world);
    let answer = world.run();
    assert!(
        matches!(
            &answer,
            Next::End(EndOfRecovery::Failed { why: WhyFailed::NotApplied { on, .. }, .. }) if *on == key("b")
        ),
        "{answer:?}"
    );
    assert!(world.seen("b").read_only);
}

#[test]
fn by_force_it_is_promoted_without_that() {
    let demand = Demand::forced(None);
    let mut world = waiting_for_b("10.11.6-MariaDB", &RecoveryPolicy::default(), &demand);
    stop_applier_of_b(&mut world);
    let answer = world.run();
    assert!(
        matches!(&answer, Next::End(EndOfRecovery::Succeeded { .. })),
        "{answer:?}"
    );
    assert!(!world.seen("b").read_only);
}

#[test]
fn an_applier_that_somebody_stops_while_it_is_waited_for_is_started_again_where_that_loses_nothing()
{
    let wait_of = |world: &World| {
        let steps = world.plan.steps.iter();
        let mut waits = steps.filter(|step| step.action == Action::AwaitApplied);
        waits
            .find(|step| step.on == key("b"))
            .cloned()
            .expect("it is waited for")
    };
    let mut mysql = World::of("a [unreachable]\n+ b [io=connecting gtid=..1-90 received=..1-100]");
    let wait = wait_of(&mysql);
    mysql.change(&key("b"), |seen| {
        let link = seen.replication.as_mut().expect("a link");
        (link.receiver, link.applier) = (ThreadState::Stopped, ThreadState::Stopped);
    });
    let again = |world: &World| done_again(&wait, world.seen("b"));
    assert_eq!(again(&mysql), Some(Action::StartApplier));
    let others: [fn(&mut Observation); 4] = [
        |seen| seen.identity.flavor = Flavor::MariaDb,
        |seen| seen.replication.as_mut().expect("a link").applier_errno = 1062,
        |seen| seen.replication.as_mut().expect("a link").applier = ThreadState::Running,
        |seen| seen.replication.as_mut().expect("a link").receiver = ThreadState::Other,
    ];
    for (number, change) in others.into_iter().enumerate() {
        let mut seen = mysql.seen("b").clone();
        change(&mut seen);
        assert_eq!(done_again(&wait, &seen), None, "{number}");
    }
    let other = Step {
        action: Action::StopReceiver,
        ..wait.clone()
    };
    assert_eq!(done_again(&other, mysql.seen("b")), None);
}

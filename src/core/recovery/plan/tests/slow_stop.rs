//! Servers that take their time to end a receiver that takes nothing in any more.

use super::world::World;
use crate::domain::ThreadState;
use crate::recovery::plan::{Action, EndOfRecovery, Next, Phase, StepState};
use crate::recovery::testing::key;
use crate::recovery::{Demand, RecoveryPolicy};

const TEXT: &str = "a [unreachable]\n+ b [io=connecting gtid=..1-90 received=..1-100]\n+ c [io=connecting gtid=..1-95]";

fn succeeded() -> Next {
    Next::End(EndOfRecovery::Succeeded {
        unmoved: Vec::new(),
    })
}

/// Follows all answers until a phase; then there is nothing to do but to wait.
fn until(world: &mut World, phase: &str) {
    while world.told.last().is_none_or(|told| told != phase) {
        let answer = world.ask();
        assert!(world.follow(answer), "it ended before {phase}");
    }
    loop {
        match world.ask() {
            Next::Wait => return,
            answer => assert!(world.follow(answer), "it ended after {phase}"),
        }
    }
}

fn actions_of(world: &World, on: &str) -> Vec<Action> {
    let steps = world.progress.steps.iter();
    steps
        .filter(|(_, state)| matches!(state, StepState::Done(_)))
        .map(|(number, _)| &world.plan.steps[*number])
        .filter(|step| step.on == key(on))
        .map(|step| step.action.clone())
        .collect()
}

#[test]
fn the_promoted_server_is_writable_and_published_before_its_receiver_has_ended() {
    let mut world = World::of(TEXT);
    world.slow = vec![key("b"), key("c")];
    until(&mut world, "Published");
    assert_eq!(
        world.told,
        ["ReceiversStopped", "writable", "Promoted", "Published"]
    );
    assert!(!world.seen("b").read_only);
    assert!(world.seen("b").gtid.executed.ends_with(":1-100"));
    assert!(world.seen("b").replication.is_some());
    // c can be given another source only then.
    assert_eq!(world.seen("c").source(), Some(&key("a")));

    world.end_receivers();
    assert_eq!(world.run(), succeeded());
    assert!(world.seen("b").replication.is_none());
    assert_eq!(world.seen("c").source(), Some(&key("b")));
    assert!(world.seen("c").is_replicating());
    let cleared = [Action::StopApplier, Action::ForgetSource];
    let done = actions_of(&world, "b");
    assert!(cleared.iter().all(|one| done.contains(one)), "{done:?}");
}

#[test]
fn nothing_is_put_off_where_receivers_have_ended() {
    let mut world = World::of(TEXT);
    assert_eq!(world.run(), succeeded());
    assert_eq!(
        world.told,
        ["ReceiversStopped", "writable", "Promoted", "Published"]
    );
    let order = actions_of(&world, "b");
    let at = |action: Action| order.iter().position(|one| *one == action);
    assert!(
        at(Action::ForgetSource) < at(Action::MakeWritable),
        "{order:?}"
    );
}

#[test]
fn a_server_that_is_brought_everything_by_another_waits_for_its_own_receiver() {
    let mut world = World::of(
        "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting gtid=..1-95 promotion=prefer]",
    );
    world.slow = vec![key("c")];
    until(&mut world, "ReceiversStopped");
    assert!(world.seen("c").read_only);
    assert_eq!(world.seen("c").source(), Some(&key("a")));
    world.end_receivers();
    assert_eq!(world.run(), succeeded());
    assert!(!world.seen("c").read_only);
    assert!(world.seen("c").gtid.executed.ends_with(":1-100"));
}

#[test]
fn what_is_given_up_is_not_applied_beside_new_writes() {
    let demand = Demand::forced(None);
    let mut world = World::demanded(TEXT, &RecoveryPolicy::default(), &demand);
    world.slow = vec![key("b"), key("c")];
    let waits = |step: &crate::recovery::plan::Step| {
        step.on == key("b") && step.action == Action::AwaitApplied
    };
    world.lazy = vec![world.plan.steps.iter().position(waits).expect("it waits")];
    for _ in 0..200 {
        let answer = world.ask();
        assert!(world.follow(answer), "it ended");
    }
    // Its applier may still apply: nobody writes before that is stopped.
    assert!(world.seen("b").read_only);
    assert_eq!(world.progress.phase, Phase::ReceiversStopped);
    world.end_receivers();
    world.run();
    assert!(!world.seen("b").read_only);
}

#[test]
fn a_server_that_is_not_made_writable_keeps_its_phase_until_its_receiver_has_ended() {
    let policy = RecoveryPolicy {
        makes_writable: false,
        ..RecoveryPolicy::default()
    };
    let mut world = World::demanded(TEXT, &policy, &Demand::default());
    world.slow = vec![key("b")];
    until(&mut world, "ReceiversStopped");
    let link = world.seen("b").replication.as_ref();
    assert!(link.is_some_and(|link| link.receiver == ThreadState::Stopping));
    world.end_receivers();
    assert_eq!(world.run(), succeeded());
}

#[test]
fn what_is_left_to_clear_away_fails_nobodys_promotion() {
    let mut world = World::of(TEXT);
    world.slow = vec![key("b")];
    until(&mut world, "Published");
    let forgets = |step: &crate::recovery::plan::Step| step.action == Action::ForgetSource;
    let number = world.plan.steps.iter().position(forgets).expect("a step");
    world.lazy = vec![number];
    world.end_receivers();
    assert_eq!(world.run(), succeeded());
    let failed: Vec<_> = world
        .plan
        .failed_later(&world.progress)
        .map(|(step, _)| (step.on.clone(), step.action.clone()))
        .collect();
    assert_eq!(failed, [(key("b"), Action::ForgetSource)]);
}

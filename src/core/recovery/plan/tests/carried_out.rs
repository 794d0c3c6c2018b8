//! Plans carried out on servers that do what they are told, or do not.

use std::time::Duration;

use proptest::prelude::*;

use super::world::World;
use crate::domain::ThreadState;
use crate::recovery::plan::{
    Action, EndOfRecovery, Fate, Next, NoPlan, OldPrimary, Phase, Replan, StepState, WhyFailed,
};
use crate::recovery::ranking::tests::properties::{
    a_replica, a_replica_of_mariadb, drawn, drawn_of_mariadb,
};
use crate::recovery::testing::key;
use crate::recovery::{Ground, RecoveryPolicy};

const SIMPLE: &str = "a [unreachable]\n+ b [io=connecting gtid=..1-90 received=..1-100]\n+ c [io=connecting gtid=..1-95]";

fn succeeded() -> Next {
    Next::End(EndOfRecovery::Succeeded {
        unmoved: Vec::new(),
    })
}

#[test]
fn a_plan_ends_with_one_writable_head_and_everybody_below_it() {
    let mut world = World::of(SIMPLE);
    assert_eq!(world.run(), succeeded());
    assert_eq!(
        world.told,
        ["ReceiversStopped", "writable", "Promoted", "Published"]
    );
    assert!(!world.seen("b").read_only && world.seen("c").read_only);
    assert_eq!(world.seen("c").source(), Some(&key("b")));
    assert!(world.seen("c").is_replicating());
    assert!(world.seen("b").gtid.executed.ends_with(":1-100"));
}

#[test]
fn two_steps_bring_the_preferred_server_everything() {
    let mut world = World::of(
        "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting gtid=..1-95 promotion=prefer]",
    );
    assert_eq!(world.run(), succeeded());
    assert!(!world.seen("c").read_only && world.seen("b").read_only);
    assert!(world.seen("c").gtid.executed.ends_with(":1-100"));
    assert_eq!(world.seen("b").source(), Some(&key("c")));
}

#[test]
fn the_promoted_server_waits_for_acknowledgements_as_the_dead_primary_did() {
    let mut world = World::of(
        "a [unreachable semi-sync-source=on:1/1]\n+ b [io=connecting semi-sync-replica=on]\n+ c [io=connecting gtid=..1-90 semi-sync-replica=on]",
    );
    assert_eq!(world.run(), succeeded());
    let (promoted, moved) = (&world.seen("b").semi_sync, &world.seen("c").semi_sync);
    assert!(promoted.source_enabled && !promoted.replica_enabled);
    assert!(!moved.source_enabled && moved.replica_enabled);
}

#[test]
fn a_plan_of_mariadb_ends_with_one_writable_head_that_has_everything() {
    let mut world = World::of(
        "a [10.11.6-MariaDB unreachable]
+ b [io=connecting gtid=0-1-90,1-2-5 received=0-1-100,1-2-5]
+ c [io=connecting gtid=0-1-95,1-2-5]",
    );
    assert_eq!(world.plan.ground, Ground::Mariadb);
    assert_eq!(world.run(), succeeded());
    assert!(!world.seen("b").read_only && world.seen("c").read_only);
    assert_eq!(world.seen("b").gtid.mariadb_current, "0-1-100,1-2-5");
    assert_eq!(world.seen("c").source(), Some(&key("b")));
    assert_eq!(world.seen("c").gtid.mariadb_current, "0-1-100,1-2-5");
    assert!(world.seen("c").is_replicating());
}

#[test]
fn two_steps_bring_the_preferred_server_of_mariadb_everything() {
    let mut world = World::of(
        "a [10.11.6-MariaDB unreachable]
+ b [io=connecting gtid=0-1-90 received=0-1-100]
+ c [io=connecting gtid=0-1-95 promotion=prefer]",
    );
    assert_eq!(
        (&world.plan.choice.head, &world.plan.choice.promoted),
        (&key("b"), &key("c"))
    );
    assert_eq!(world.run(), succeeded());
    assert!(!world.seen("c").read_only && world.seen("b").read_only);
    assert_eq!(world.seen("c").gtid.mariadb_current, "0-1-100");
    assert_eq!(world.seen("b").source(), Some(&key("c")));
}

#[test]
fn a_server_of_mariadb_that_does_not_apply_in_time_keeps_its_relay_logs() {
    let mut world = World::of(
        "a [10.11.6-MariaDB unreachable]\n+ b [io=connecting gtid=0-1-90 received=0-1-100]",
    );
    let waits = |number: &usize| world.plan.steps[*number].action == Action::AwaitApplied;
    world.lazy = (0..world.plan.steps.len()).filter(waits).collect();
    let answer = world.run();
    let Next::End(EndOfRecovery::Failed { why, .. }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(
        why.to_string(),
        "received but not applied by b:3306: 10 transactions"
    );
    assert!(world.seen("b").read_only && world.seen("b").replication.is_some());
    let link = world.seen("b").replication.as_ref().expect("a link");
    assert_eq!(link.mariadb_received, "0-1-100");
}

#[test]
fn a_head_that_cannot_follow_afterwards_gives_what_it_has_all_the_same() {
    let text = "a [8.0.36 unreachable]
+ b [8.0.36 io=connecting promotion=must_not gtid=..1-95 received=..1-100]
+ c [8.4.6 io=connecting gtid=..1-95]
+ d [8.4.6 io=connecting gtid=..1-90]";
    let mut world = World::of(text);
    assert_eq!(world.run(), succeeded());
    assert!(!world.seen("c").read_only && world.seen("b").read_only);
    assert!(world.seen("c").gtid.executed.ends_with(":1-100"));
    let lost: Vec<&str> = world
        .plan
        .lost()
        .map(|(key, _)| key.host().as_str())
        .collect();
    assert_eq!(lost, ["b"], "version 8.0 cannot replicate from 8.4");
    assert_eq!(world.seen("d").source(), Some(&key("c")));
}

#[test]
fn a_new_leader_goes_on_from_what_is_seen() {
    // The old leader did everything of the first phase and wrote nothing down.
    let mut world = World::of(SIMPLE);
    for name in ["b", "c"] {
        world.change(&key(name), |seen| {
            let link = seen.replication.as_mut().expect("a link");
            link.receiver = ThreadState::Stopped;
        });
    }
    let answer = world.ask();
    let Next::Record(outcomes) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(
        outcomes.len(),
        4,
        "both threads of both are as they should be"
    );
}

#[test]
fn what_was_seen_before_the_plan_proves_nothing() {
    // In the drawing c's receiver was stopped by somebody; it may run again.
    let mut world = World::of("a [unreachable]\n+ b [io=connecting]\n+ c [io=no]");
    world.plan.made_at = world.now.plus(Duration::from_millis(1));
    let Next::Do(steps) = world.ask() else {
        panic!("{:?}", world.ask());
    };
    assert_eq!(steps.len(), 2, "the first step of both is to be done");
}

#[test]
fn steps_wait_for_the_ones_before_and_are_bounded() {
    let mut world = World::of(
        "a [unreachable]\n+ b [io=connecting sql=no gtid=..1-90 received=..1-100]\n+ c [io=connecting sql=no gtid=..1-90 received=..1-100]",
    );
    world.plan.steps_at_once = 1;
    assert_eq!(world.ask(), Next::Do(vec![0]));
    world.progress.steps.insert(0, StepState::Begun(world.now));
    assert_eq!(world.ask(), Next::Wait);
}

#[test]
fn an_old_primary_that_is_back_before_anything_was_done_ends_the_recovery() {
    let mut world = World::of(SIMPLE);
    world.progress.old_primary = OldPrimary::Answers;
    assert_eq!(world.ask(), Next::CallOff);
    // Starting an applier harms nobody.
    world.progress.steps.insert(0, StepState::Begun(world.now));
    assert_eq!(world.ask(), Next::CallOff);
}

#[test]
fn an_old_primary_that_is_back_later_is_closed_before_anything_else() {
    let mut world = World::of(SIMPLE);
    let stop = world
        .plan
        .steps
        .iter()
        .position(|step| step.action == Action::StopReceiver);
    let begun = StepState::Begun(world.now);
    world.progress.steps.insert(stop.expect("a step"), begun);
    world.progress.old_primary = OldPrimary::Answers;
    assert_eq!(world.ask(), Next::CloseOldPrimary);
    for phase in [Phase::ReceiversStopped, Phase::Promoted, Phase::Published] {
        let mut world = World::of(SIMPLE);
        world.progress.phase = phase;
        world.progress.old_primary = OldPrimary::Answers;
        assert_eq!(world.ask(), Next::CloseOldPrimary, "{phase:?}");
    }
    let mut world = World::of(SIMPLE);
    world.progress.old_primary = OldPrimary::Closed;
    assert_eq!(world.run(), succeeded());
}

/// The world when all receivers are stopped, just before that is committed.
fn stopped(change: impl Fn(&mut World)) -> Next {
    let mut world = World::of(SIMPLE);
    loop {
        let answer = world.ask();
        if answer == Next::Advance(Phase::ReceiversStopped) {
            change(&mut world);
            return world.ask();
        }
        assert!(world.follow(answer), "it ended before");
    }
}

fn receive(world: &mut World, name: &str, last: u64) {
    world.change(&key(name), |seen| {
        let link = seen.replication.as_mut().expect("a link");
        let (uuid, _) = link.retrieved.split_once(':').expect("a set");
        link.retrieved = format!("{uuid}:1-{last}");
    });
}

#[test]
fn more_that_came_in_before_receivers_stopped_makes_another_plan() {
    let answer = stopped(|world| receive(world, "c", 105));
    let Next::Replan(Replan::HasMore { on, head, set }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!((on, head), (key("c"), key("b")));
    assert!(set.starts_with("5 transactions ("), "{set}");
    let answer = stopped(|world| receive(world, "b", 105));
    assert_eq!(answer, Next::Advance(Phase::ReceiversStopped));
}

#[test]
fn received_that_shrank_makes_another_plan() {
    let answer = stopped(|world| receive(world, "b", 97));
    let Next::Replan(Replan::Shrank { on, set }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(on, key("b"));
    assert!(set.starts_with("3 transactions ("), "{set}");
    let answer = stopped(|world| {
        world.change(&key("b"), |seen| seen.gtid.executed = "nonsense".to_owned());
    });
    assert_eq!(answer, Next::Replan(Replan::Unreadable { on: key("b") }));
}

/// The world when it has come to a phase.
fn in_phase(phase: Phase, text: &str) -> World {
    let mut world = World::of(text);
    while world.progress.phase < phase {
        let answer = world.ask();
        assert!(world.follow(answer), "it ended before");
    }
    world
}

/// When all receivers are stopped, and nobody has applied what it received.
fn in_second_phase(text: &str) -> World {
    in_phase(Phase::ReceiversStopped, text)
}

/// As a server is after a restart with `relay_log_recovery`.
fn forget_received(world: &mut World, name: &str) {
    world.change(&key(name), |seen| {
        let link = seen.replication.as_mut().expect("a link");
        link.retrieved.clear();
    });
}

#[test]
fn a_head_that_loses_its_relay_logs_before_it_has_applied_them_is_the_head_no_more() {
    let mut world = in_second_phase(SIMPLE);
    forget_received(&mut world, "b");
    let answer = world.ask();
    let Next::Replan(Replan::Shrank { on, .. }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(on, key("b"));

    // The head of two steps, and not the one that gets everything from it.
    let text = "a [unreachable]\n+ b [io=connecting gtid=..1-90 received=..1-100]\n+ c [io=connecting gtid=..1-85 received=..1-95 promotion=prefer]";
    let mut world = in_second_phase(text);
    assert_eq!(world.plan.choice.promoted, key("c"));
    forget_received(&mut world, "c");
    let answer = world.ask();
    assert!(!matches!(answer, Next::Replan(_)), "{answer:?}");
    forget_received(&mut world, "b");
    let answer = world.ask();
    assert!(
        matches!(answer, Next::Replan(Replan::Shrank { .. })),
        "{answer:?}"
    );

    // Applied is not lost by a restart.
    let mut world = in_second_phase(SIMPLE);
    while world
        .seen("b")
        .replication
        .as_ref()
        .is_some_and(|link| link.applier.is_running())
    {
        let answer = world.ask();
        assert!(world.follow(answer), "it ended before");
    }
    forget_received(&mut world, "b");
    assert_eq!(world.run(), succeeded());
}

#[test]
fn a_replica_with_more_than_the_promoted_server_is_not_put_below_it() {
    let mut world = in_phase(Phase::Published, SIMPLE);
    // What its relay logs were not seen to hold.
    world.change(&key("c"), |seen| {
        let (uuid, _) = seen.gtid.executed.split_once(':').expect("a set");
        seen.gtid.executed = format!("{uuid}:1-101");
    });
    let answer = world.run();
    let Next::End(EndOfRecovery::Succeeded { unmoved }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(unmoved, [(key("c"), WhyFailed::HasMore { on: key("c") })]);
    assert_eq!(
        world.seen("c").source(),
        Some(&key("a")),
        "it is left as it was"
    );
}

#[test]
fn a_promoted_server_that_does_not_apply_in_time_ends_the_recovery_with_nothing_discarded() {
    let mut world = in_second_phase(SIMPLE);
    world.dumb.push(key("b"));
    let answer = world.run();
    let Next::End(EndOfRecovery::Failed { on, why }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(on, key("b"));
    assert_eq!(
        why.to_string(),
        "received but not applied by b:3306: 10 transactions"
    );
    assert!(world.seen("b").read_only && world.seen("b").replication.is_some());
}

#[test]
fn a_promoted_server_that_is_told_to_wait_without_bound_waits() {
    let mut world = in_second_phase(SIMPLE);
    world.dumb.push(key("b"));
    for step in &mut world.plan.steps {
        if step.action == Action::AwaitApplied && step.on == key("b") {
            step.deadline = None;
        }
    }
    for _ in 0..10_000 {
        let answer = world.ask();
        assert!(world.follow(answer), "it ended");
    }
    assert_eq!(world.ask(), Next::Wait);
}

#[test]
fn a_replica_that_does_not_answer_any_more_does_not_hold_up_the_promotion() {
    let mut world = World::of(SIMPLE);
    world.dumb.push(key("c"));
    let answer = world.run();
    let Next::End(EndOfRecovery::Succeeded { unmoved }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(unmoved.len(), 1);
    assert_eq!(unmoved[0].0, key("c"));
    assert!(matches!(
        unmoved[0].1,
        WhyFailed::Deadline {
            action: Action::StopReceiver,
            ..
        }
    ));
    assert!(!world.seen("b").read_only);
    assert_eq!(
        world.seen("c").source(),
        Some(&key("a")),
        "it is left as it was"
    );
}

/// The outcome that is written down first about `b`, after `change`, where its steps so far are done.
fn outcome_of_b(world: &mut World) -> StepState {
    let answer = world.ask();
    let Next::Record(outcomes) = answer else {
        panic!("{answer:?}\n{}", world.plan);
    };
    let of_b = |number: &usize| world.plan.steps[*number].on == key("b");
    let mut outcomes = outcomes.into_iter().rev();
    let found = outcomes.find(|(number, _)| of_b(number));
    found.expect("something is known of b").1
}

#[test]
fn an_applier_whose_start_would_discard_relay_logs_is_left_alone() {
    let text = "a [10.11.6-MariaDB unreachable]\n+ b [io=connecting sql=no gtid=0-1-90 received=0-1-100]\n+ c [io=connecting gtid=0-1-95]";
    let mut world = World::of(text);
    // Somebody stops the receiver too, between the plan and the first step.
    world.change(&key("b"), |seen| {
        let link = seen.replication.as_mut().expect("a link");
        link.receiver = ThreadState::Stopped;
    });
    let expected = WhyFailed::NotApplied {
        on: key("b"),
        unapplied: Some(crate::recovery::Unapplied::Transactions(10)),
    };
    assert_eq!(outcome_of_b(&mut world), StepState::Failed(expected));
}

#[test]
fn a_wait_on_a_server_that_receives_again_ends() {
    let mut world = in_second_phase(SIMPLE);
    // Its process was started anew, and with it its receiver.
    world.change(&key("b"), |seen| {
        let link = seen.replication.as_mut().expect("a link");
        link.receiver = ThreadState::Other;
    });
    let outcome = outcome_of_b(&mut world);
    assert!(
        matches!(outcome, StepState::Failed(WhyFailed::NotApplied { .. })),
        "{outcome:?}"
    );
}

#[test]
fn a_refused_promotion_ends_the_recovery() {
    let mut world = World::of(SIMPLE);
    let number = 0;
    let refused = WhyFailed::Refused {
        number,
        on: key("b"),
        reason: "access denied".to_owned(),
    };
    world
        .progress
        .steps
        .insert(number, StepState::Failed(refused.clone()));
    let expected = EndOfRecovery::Failed {
        on: key("b"),
        why: refused,
    };
    // Outcomes that are seen come first.
    let answer = world.run();
    assert_eq!(answer, Next::End(expected));
}

/// Carries out what is planned for a drawing, if anything is.
fn ends_well(text: &str) -> Result<(), TestCaseError> {
    let planned = super::planned(text, &RecoveryPolicy::default());
    if let Err(why) = planned {
        let is_no_fault = !matches!(why, NoPlan::Unsound(_));
        prop_assert!(is_no_fault, "{}\n{}", why, text);
        return Ok(());
    }
    let mut world = World::of(text);
    prop_assert_eq!(world.run(), succeeded(), "{}\n{}", text, world.plan);
    let promoted = &world.plan.choice.promoted;
    for (on, fate) in &world.plan.fates {
        let seen = world.picture.observation(on).expect("it was seen");
        prop_assert_eq!(seen.read_only, on != promoted, "{}", text);
        if *fate == Fate::Moved {
            prop_assert_eq!(seen.source(), Some(promoted), "{}", text);
            prop_assert!(seen.is_replicating());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plans_of_all_sorts_end_well_and_discard_nothing(replicas in proptest::collection::vec(a_replica(), 1..7)) {
        ends_well(&drawn(&replicas))?;
    }

    #[test]
    fn plans_of_mariadb_of_all_sorts_end_well_and_discard_nothing(replicas in proptest::collection::vec(a_replica_of_mariadb(), 1..7)) {
        ends_well(&drawn_of_mariadb(&replicas))?;
    }
}

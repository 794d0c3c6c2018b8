//! The checker refuses what a plan must never be, each as one change of a sound plan.

use super::sound;
use crate::recovery::Unapplied;
use crate::recovery::plan::{Action, Fate, Left, Phase, Plan, Step, Unsound, check};
use crate::recovery::testing::key;

fn two_steps() -> Plan {
    sound(
        "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting gtid=..1-95 promotion=prefer]\n+ d [io=connecting]\n+ e [io=connecting errant]",
    )
}

fn with(change: impl Fn(&mut Plan)) -> Result<(), Unsound> {
    let mut plan = two_steps();
    check(&plan).expect("it is sound");
    change(&mut plan);
    check(&plan)
}

/// Takes a step out; what waited for it waits for what it waited for.
fn without(plan: &mut Plan, number: usize) {
    let gone = plan.steps.remove(number);
    for step in &mut plan.steps {
        if let Some(at) = step.after.iter().position(|before| *before == number) {
            step.after.remove(at);
            step.after.extend(&gone.after);
        }
        for before in &mut step.after {
            *before -= usize::from(*before > number);
        }
    }
}

#[test]
fn no_wait_for_the_applier_can_be_left_out() {
    let waits: Vec<usize> = (0..two_steps().steps.len())
        .filter(|number| two_steps().steps[*number].action == Action::AwaitApplied)
        .collect();
    // On the head before c catches up from it; on c before and after that; on b and on d before they are moved; on e
    // before it is detached. The head waits twice, so that one of its waits can be left out, and not both.
    assert_eq!(waits.len(), 6);
    for number in &waits {
        let answer = with(|plan| without(plan, *number));
        let is_refused = matches!(answer, Err(Unsound::Discards { .. }));
        let is_on_the_head = two_steps().steps[*number].on == key("b");
        assert_eq!(is_refused, !is_on_the_head, "step {number}: {answer:?}");
    }
    let answer = with(|plan| {
        for number in waits.iter().rev() {
            if plan.steps[*number].on == key("b") {
                without(plan, *number);
            }
        }
    });
    assert!(
        matches!(answer, Err(Unsound::Discards { .. })),
        "{answer:?}"
    );
}

/// The action on d that is refused when these are taken out of its steps after the promotion.
fn refused_on_d(left_out: impl Fn(&Action) -> bool) -> Action {
    let mut plan = two_steps();
    for number in (0..plan.steps.len()).rev() {
        let step = &plan.steps[number];
        if step.on == key("d") && step.phase == Phase::Published && left_out(&step.action) {
            without(&mut plan, number);
        }
    }
    match check(&plan) {
        Err(Unsound::Discards { number, .. }) => plan.steps[number].action.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn neither_stopping_nor_repointing_nor_starting_goes_without_the_wait() {
    let is_wait = |action: &Action| *action == Action::AwaitApplied;
    let is_stop = |action: &Action| *action == Action::StopApplier;
    let is_repoint = |action: &Action| matches!(action, Action::Repoint { .. });
    assert_eq!(refused_on_d(is_wait), Action::StopApplier);
    let source = key("c");
    assert_eq!(
        refused_on_d(|action| is_wait(action) || is_stop(action)),
        Action::Repoint { source }
    );
    assert_eq!(
        refused_on_d(|action| is_wait(action) || is_stop(action) || is_repoint(action)),
        Action::StartReplication
    );
}

#[test]
fn no_receiver_can_go_on_before_anything_is_discarded() {
    let stops: Vec<usize> = (0..two_steps().steps.len())
        .filter(|number| two_steps().steps[*number].action == Action::StopReceiver)
        .collect();
    assert_eq!(stops.len(), 5);
    for number in stops {
        let answer = with(|plan| without(plan, number));
        assert!(answer.is_err(), "step {number}");
    }
}

#[test]
fn an_applier_is_not_started_after_its_receiver_was_stopped() {
    let answer = with(|plan| {
        let (first, second) = (plan.steps[0].action.clone(), plan.steps[1].action.clone());
        plan.steps[0].action = second;
        plan.steps[1].action = first;
    });
    assert!(
        matches!(answer, Err(Unsound::Discards { number: 1, .. })),
        "{answer:?}"
    );
}

#[test]
fn only_the_chosen_server_becomes_writable() {
    let writable = |plan: &Plan| {
        let mut steps = plan.steps.iter();
        steps
            .position(|step| step.action == Action::MakeWritable)
            .expect("a step")
    };
    let answer = with(|plan| {
        let number = writable(plan);
        plan.steps[number].on = key("b");
    });
    assert_eq!(answer, Err(Unsound::Promotes));
    let answer = with(|plan| {
        plan.fates.insert(key("b"), Fate::Promoted);
    });
    assert_eq!(answer, Err(Unsound::Promotes));
    let answer = with(|plan| {
        for step in &mut plan.steps {
            step.phase = Phase::Registered;
        }
    });
    assert!(
        matches!(
            answer,
            Err(Unsound::WrongSource(_) | Unsound::WritableTooSoon(_) | Unsound::Touches { .. })
        ),
        "{answer:?}"
    );
    let answer = with(|plan| {
        // Somebody is kept whose receiver nobody stops.
        plan.fates.insert(key("z"), Fate::Moved);
        let holdings = plan.holdings[&key("b")].clone();
        plan.holdings.insert(key("z"), holdings);
    });
    assert!(
        matches!(answer, Err(Unsound::WritableTooSoon(_))),
        "{answer:?}"
    );
}

#[test]
fn the_promoted_server_gets_all_that_a_kept_one_has() {
    let answer = with(|plan| {
        plan.choice.head = key("c");
    });
    assert!(matches!(answer, Err(Unsound::Uncovered(_))), "{answer:?}");
    let answer = with(|plan| {
        plan.holdings.remove(&key("d"));
    });
    assert_eq!(answer, Err(Unsound::Uncovered(key("d"))));
    let answer = with(|plan| {
        let mut steps = plan.steps.iter();
        let number = steps.position(|step| matches!(step.action, Action::AwaitAllOf { .. }));
        without(plan, number.expect("a step"));
    });
    assert_eq!(answer, Err(Unsound::Uncovered(key("b"))));
    // That another one gets it is no help.
    let answer = with(|plan| {
        let mut steps = plan.steps.iter_mut();
        let fetch = steps.find(|step| matches!(step.action, Action::AwaitAllOf { .. }));
        fetch.expect("a step").on = key("d");
    });
    assert_eq!(answer, Err(Unsound::Uncovered(key("b"))));
}

#[test]
fn nobody_follows_the_wrong_server_and_who_is_left_is_left() {
    let answer = with(|plan| {
        let last = plan.steps.iter_mut().rev();
        for step in last.filter(|step| step.on == key("d")) {
            if let Action::Repoint { source } = &mut step.action {
                *source = key("b");
            }
        }
    });
    assert!(matches!(answer, Err(Unsound::WrongSource(_))), "{answer:?}");
    let answer = with(|plan| {
        plan.fates.insert(key("d"), Fate::Left(Left::Downtime));
    });
    assert!(matches!(answer, Err(Unsound::Touches { .. })), "{answer:?}");
}

#[test]
fn steps_are_in_order_and_bounded() {
    let answer = with(|plan| plan.steps[2].after = vec![2]);
    assert_eq!(answer, Err(Unsound::Disorder(2)));
    let answer = with(|plan| plan.steps[1].after.clear());
    assert_eq!(answer, Err(Unsound::Unchained(1)));
    let answer = with(|plan| plan.steps[0].phase = Phase::Published);
    assert_eq!(answer, Err(Unsound::PhaseDisorder(1)));
    let answer = with(|plan| {
        let step = plan.steps[0].clone();
        plan.steps.resize(20_001, step);
    });
    assert_eq!(answer, Err(Unsound::TooLong(20_001)));
    let answer = with(|plan| {
        let step = plan.steps[0].clone();
        plan.steps.resize(20_000, step);
    });
    assert!(matches!(answer, Err(Unsound::Unchained(_))), "{answer:?}");
}

#[test]
fn semi_sync_of_a_source_is_for_the_promoted_server_once_it_has_applied_everything() {
    let at = |on: &str, wanted: &Action| {
        let steps = two_steps().steps;
        steps
            .iter()
            .position(|step| step.on == key(on) && step.action == *wanted)
            .expect("a step")
    };
    // In the place of starting its applier, c has yet to apply.
    let number = at("c", &Action::StartApplier);
    let answer = with(|plan| plan.steps[number].action = Action::SemiSyncSource(true));
    assert!(
        matches!(answer, Err(Unsound::Discards { .. })),
        "{answer:?}"
    );
    let number = at("c", &Action::ForgetSource);
    let answer = with(|plan| plan.steps[number].action = Action::SemiSyncSource(true));
    assert_eq!(answer, Ok(()));
    let number = at("d", &Action::StartReplication);
    let answer = with(|plan| plan.steps[number].action = Action::SemiSyncSource(false));
    assert!(matches!(answer, Err(Unsound::Touches { .. })), "{answer:?}");
}

const PHASES: [Phase; 4] = [
    Phase::Registered,
    Phase::ReceiversStopped,
    Phase::Promoted,
    Phase::Published,
];

/// A plan with one step, but for the one by which c gets what its head b has.
fn alone(on: &str, fate: Option<Fate>, phase: Phase, action: &Action) -> Plan {
    let mut plan = two_steps();
    let step = |phase, on: &str, action: &Action, after| Step {
        phase,
        on: key(on),
        action: action.clone(),
        after,
        deadline: None,
        is_required: false,
    };
    let fetch = Action::AwaitAllOf { other: key("b") };
    let after = if on == "c" { vec![0] } else { vec![] };
    plan.steps = vec![
        step(Phase::Registered, "c", &fetch, vec![]),
        step(phase, on, action, after),
    ];
    match fate {
        Some(fate) => plan.fates.insert(key(on), fate),
        None => plan.fates.remove(&key(on)),
    };
    plan
}

#[test]
fn each_server_is_touched_only_as_its_fate_allows() {
    let moves = [
        Action::StartApplier,
        Action::StopReceiver,
        Action::AwaitApplied,
        Action::StopApplier,
        Action::Repoint { source: key("c") },
        Action::StartReplication,
        Action::AwaitAllOf { other: key("c") },
        Action::ForgetSource,
    ];
    let of_the_promoted = [
        Action::SemiSyncSource(true),
        Action::SemiSyncSource(false),
        Action::SemiSyncReplica(true),
        Action::SemiSyncReplica(false),
    ];
    let [
        start_applier,
        stop_receiver,
        await_applied,
        stop_applier,
        ..,
    ] = &moves;
    let gives = [start_applier, stop_receiver, await_applied].map(Action::clone);
    let is_detached =
        [stop_receiver, await_applied, stop_applier, &Action::Detach].map(Action::clone);
    let all = [&moves[..], &of_the_promoted, &[Action::Detach]].concat();
    let but_detached = [&moves[..], &of_the_promoted].concat();
    let has_more = || {
        Fate::Left(Left::HasMore {
            set: "x:1".to_owned(),
        })
    };
    let applies_later = || {
        Fate::Left(Left::AppliesLater {
            unapplied: Unapplied::Nothing,
        })
    };
    let in_downtime = || Fate::Left(Left::Downtime);
    // What may be done in each phase; b is the head, c is promoted.
    /// A server, its fate, and what each phase may do with it.
    type Row<'a> = (&'a str, Option<Fate>, [&'a [Action]; 4]);
    let table: [Row; 10] = [
        (
            "c",
            Some(Fate::Promoted),
            [&but_detached, &but_detached, &but_detached, &all],
        ),
        ("b", Some(Fate::Moved), [&moves; 4]),
        ("d", Some(Fate::Moved), [&moves; 4]),
        ("b", Some(has_more()), [&gives, &gives, &[], &is_detached]),
        ("b", Some(in_downtime()), [&[]; 4]),
        ("b", Some(applies_later()), [&[]; 4]),
        ("e", Some(has_more()), [&[], &[], &[], &is_detached]),
        ("e", Some(in_downtime()), [&[]; 4]),
        ("e", Some(applies_later()), [&[]; 4]),
        ("z", None, [&[]; 4]),
    ];
    for (on, fate, allowed) in table {
        for (phase, allowed) in PHASES.into_iter().zip(allowed) {
            for action in &all {
                let answer = check(&alone(on, fate.clone(), phase, action));
                let is_refused = matches!(answer, Err(Unsound::Touches { number: 1, .. }));
                assert_eq!(
                    is_refused,
                    !allowed.contains(action),
                    "{phase:?} {on} {fate:?} {action}: {answer:?}"
                );
            }
        }
    }
}

#[test]
fn each_server_replicates_only_from_where_it_may() {
    let is_wrong = |on: &str, phase, source: &str, has_head: bool| {
        let action = Action::Repoint {
            source: key(source),
        };
        let fate = if on == "c" {
            Fate::Promoted
        } else {
            Fate::Moved
        };
        let mut plan = alone(on, Some(fate), phase, &action);
        if !has_head {
            // c has all that anybody kept has, and needs nobody.
            plan.fates.insert(key("b"), Fate::Left(Left::Downtime));
            plan.choice.head = key("c");
            let holdings = plan.holdings[&key("c")].clone();
            plan.holdings.insert(key("d"), holdings);
        }
        let answer = check(&plan);
        let is_wrong = answer == Err(Unsound::WrongSource(1));
        let is_only_about_relay_logs = matches!(answer, Err(Unsound::Discards { number: 1, .. }));
        assert!(
            is_wrong || is_only_about_relay_logs,
            "{on} {source}: {answer:?}"
        );
        is_wrong
    };
    for phase in PHASES {
        let is_early = phase < Phase::Published;
        for (on, source, has_head, expected) in [
            ("c", "b", true, false),
            ("c", "d", true, true),
            ("c", "c", true, true),
            ("c", "c", false, true),
            ("c", "b", false, true),
            ("d", "c", true, is_early),
            ("d", "c", false, is_early),
            ("d", "b", true, true),
            ("d", "e", true, true),
        ] {
            let told = format!("{phase:?} {on} below {source}, head: {has_head}");
            assert_eq!(is_wrong(on, phase, source, has_head), expected, "{told}");
        }
    }
}

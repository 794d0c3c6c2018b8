//! What an operator asks for: by hand, by force, for a named server; what that lifts, and what nothing lifts.

use std::time::Duration;

use super::world::World;
use crate::domain::{HostFilters, InstanceKey};
use crate::recovery::plan::{
    Action, EndOfRecovery, Fate, Left, Next, NoPlan, OldPrimary, Phase, Plan, Progress, StepState,
    WhyFailed, data_loss, plan_for,
};
use crate::recovery::ranking::{CandidateRefused, Preference, rank};
use crate::recovery::testing::{NOW, Stage, key};
use crate::recovery::{Demand, Durability, RecoveryPolicy, Unapplied, UnappliedRelayLog};

fn demanded(text: &str, policy: &RecoveryPolicy, demand: &Demand) -> Result<Plan, NoPlan> {
    plan_for(&Stage::of(text).scene(), &key("a"), policy, demand)
}

fn strict() -> RecoveryPolicy {
    RecoveryPolicy {
        lag_max: Some(Duration::from_secs(60)),
        unapplied: UnappliedRelayLog::Refuse,
        durability: Durability::Refuse,
        stays_in_data_center: true,
        stays_in_region: true,
        never_promoted: HostFilters::parse(["^ignored:"]).expect("a filter"),
        ..RecoveryPolicy::default()
    }
}

fn promoted(text: &str, policy: &RecoveryPolicy, demand: &Demand) -> InstanceKey {
    let plan = demanded(text, policy, demand).unwrap_or_else(|why| panic!("{why}\n{text}"));
    plan.choice.promoted
}

/// What only says "not now": each keeps `b`, the only replica, from being promoted.
const NOT_NOW: [&str; 4] = [
    "a [unreachable]\n+ b [io=connecting lag=2m]",
    "a [unreachable]\n+ b [io=connecting gtid=..1-90 received=..1-100]",
    "a [unreachable]\n+ b [io=connecting sql=no sql-errno=1062 gtid=..1-90 received=..1-100]",
    "a [unreachable semi-sync-source=on:2/1]\n+ b [io=connecting semi-sync-replica=on]\n+ c [unreachable semi-sync-replica=on]",
];

/// What no force lifts.
const NEVER: [&str; 11] = [
    "a [unreachable]\n+ b [io=connecting promotion=must_not]",
    "a [unreachable]\n+ ignored [io=connecting]",
    "a [unreachable]\n+ b [io=connecting downtime=1h]",
    "a [unreachable]\n+ b [io=connecting binlog=off]",
    "a [unreachable]\n+ b [io=connecting delay=1h]",
    "a [unreachable]\n+ b [io=connecting errant]",
    "a [unreachable]\n+ b [io=connecting gtid=nonsense]",
    "a [unreachable]\n+ b [unreachable]",
    "a [unreachable dc=x]\n+ b [io=connecting dc=y]",
    "a [unreachable region=x]\n+ b [io=connecting region=y]",
    "a [never-seen unreachable]\n+ b [io=connecting gtid=..1-9,<b>:1-2]\n+ c [io=connecting gtid=..1-10]",
];

#[test]
fn force_lifts_what_says_not_now_and_a_hand_does_not() {
    for text in NOT_NOW {
        for demand in [Demand::default(), Demand::by_hand(None)] {
            let answer = demanded(text, &strict(), &demand);
            assert!(answer.is_err(), "{text}");
        }
        assert_eq!(promoted(text, &strict(), &Demand::forced(None)), key("b"));
        let named = Demand::forced(Some(key("b")));
        assert_eq!(promoted(text, &strict(), &named), key("b"));
    }
}

#[test]
fn no_force_lifts_what_says_never() {
    for text in NEVER {
        let candidate = if text.contains("ignored") {
            "ignored"
        } else {
            "b"
        };
        for candidate in [None, Some(key(candidate))] {
            let answer = demanded(text, &strict(), &Demand::forced(candidate));
            assert!(answer.is_err(), "{text}");
        }
    }
}

#[test]
fn force_promotes_nobody_whom_strict_rules_would_not_where_they_promote_somebody() {
    let text = "a [unreachable]\n+ b [io=connecting lag=2m]\n+ c [io=connecting]";
    assert_eq!(promoted(text, &strict(), &Demand::forced(None)), key("c"));
    let text = "a [unreachable]\n+ b [io=connecting sql=no sql-errno=1062 gtid=..1-90 received=..1-100]\n+ c [io=connecting gtid=..1-95]";
    let plan = demanded(text, &strict(), &Demand::forced(None)).expect("a plan");
    assert_eq!(plan.choice.promoted, key("c"));
    assert!(matches!(
        plan.fates.get(&key("b")),
        Some(Fate::Left(Left::HasMore { .. }))
    ));
}

#[test]
fn a_named_server_is_promoted_whoever_else_is_wanted_more() {
    let text = "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting promotion=prefer]\n+ d [io=connecting gtid=..1-95 promotion=prefer_not]";
    for demand in [
        Demand::by_hand(Some(key("d"))),
        Demand::forced(Some(key("d"))),
    ] {
        let mut world = World::demanded(text, &RecoveryPolicy::default(), &demand);
        assert_eq!(world.plan.choice.preference, Preference::Named);
        assert_ne!(world.plan.choice.head, key("d"), "it catches up first");
        assert!(matches!(
            world.run(),
            Next::End(EndOfRecovery::Succeeded { .. })
        ));
        assert!(!world.seen("d").read_only);
        assert!(world.seen("d").gtid.executed.ends_with(":1-100"));
    }
    // Level with the head, it needs nothing from there.
    let level = "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting]";
    let plan = demanded(
        level,
        &RecoveryPolicy::default(),
        &Demand::by_hand(Some(key("c"))),
    );
    assert_eq!(plan.expect("a plan").choice.head, key("c"));
}

#[test]
fn a_named_server_is_refused_with_the_reason_and_nobody_else_is_promoted() {
    let text =
        "a [unreachable]\n+ b [io=connecting promotion=must_not]\n+ c [io=connecting]\n  + d";
    for (name, said) in [
        (
            "b",
            "b:3306 is not to be promoted: its promotion rule is must_not",
        ),
        (
            "d",
            "d:3306 is not to be promoted: it is no direct replica of a:3306",
        ),
        (
            "z",
            "z:3306 is not to be promoted: it is no direct replica of a:3306",
        ),
    ] {
        for demand in [
            Demand::by_hand(Some(key(name))),
            Demand::forced(Some(key(name))),
        ] {
            let why = demanded(text, &RecoveryPolicy::default(), &demand).expect_err(text);
            assert_eq!(why.to_string(), said);
        }
    }
}

#[test]
fn a_named_server_that_cannot_get_what_it_lacks_is_refused() {
    // By positions nobody is fed.
    let text = "a [no-gtid unreachable]\n+ b [no-gtid io=connecting read=binlog.000001:2000]\n+ c [no-gtid io=connecting read=binlog.000001:1500]";
    let named = Demand::forced(Some(key("c")));
    let why = demanded(text, &RecoveryPolicy::default(), &named).expect_err(text);
    let expected = CandidateRefused::CannotCatchUp {
        candidate: key("c"),
        head: key("b"),
    };
    assert_eq!(why, NoPlan::Candidate(expected));
    // With b out of the way, what it has does not count.
    let text = text.replace("2000]", "2000 downtime=1h]");
    assert_eq!(
        promoted(&text, &RecoveryPolicy::default(), &named),
        key("c")
    );
}

const BEHIND: &str = "a [unreachable]\n+ b [io=connecting gtid=..1-50 received=..1-100]\n+ c [io=connecting gtid=..1-40]\n+ d [io=connecting gtid=..1-90]";

/// `b` is promoted by `demand` and never applies what it has received.
fn stuck(text: &str, policy: &RecoveryPolicy, demand: &Demand) -> (World, Next) {
    let mut world = World::demanded(text, policy, demand);
    while world.progress.phase < Phase::ReceiversStopped {
        let answer = world.ask();
        assert!(world.follow(answer), "it ended before");
    }
    let waits: Vec<usize> = (0..world.plan.steps.len())
        .filter(|number| {
            let step = &world.plan.steps[*number];
            step.action == Action::AwaitApplied && step.on == key("b")
        })
        .collect();
    world.lazy = waits;
    let answer = world.run();
    (world, answer)
}

#[test]
fn by_force_relay_logs_that_are_not_applied_in_time_are_given_up_and_named() {
    for unapplied in [UnappliedRelayLog::Bounded, UnappliedRelayLog::Wait] {
        let policy = RecoveryPolicy {
            unapplied,
            ..RecoveryPolicy::default()
        };
        let (world, answer) = stuck(BEHIND, &policy, &Demand::forced(None));
        let Next::End(EndOfRecovery::Succeeded { unmoved }) = answer else {
            panic!("{answer:?}");
        };
        assert!(!world.seen("b").read_only);
        assert_eq!(world.seen("c").source(), Some(&key("b")));
        // d has applied what b gave up: below b it would have a history of its own.
        let expected = WhyFailed::HasMore { on: key("d") };
        assert_eq!(unmoved, [(key("d"), expected)]);
        assert_eq!(world.seen("d").source(), Some(&key("a")));
        let ranking = rank(&Stage::of(BEHIND).scene(), &key("a"), &policy).expect("one history");
        let told = data_loss(Some(&ranking), &world.plan, &world.progress, None, NOW).to_string();
        assert!(
            told.ends_with(
                "only b:3306 has received and not applied 50 transactions, which was given up"
            ),
            "{told}"
        );
    }
}

#[test]
fn what_was_given_up_is_never_called_no_loss() {
    let text = "a [unreachable seen=5s semi-sync-source=on:1/1 semi-sync-timeout=10s semi-sync-point=after-sync semi-sync-absent=wait semi-sync-waiting=0]\n+ b [io=connecting semi-sync-replica=on gtid=..1-50 received=..1-100]";
    let stage = Stage::of(text);
    let policy = RecoveryPolicy::default();
    let ranking = rank(&stage.scene(), &key("a"), &policy).expect("one history");
    let dead = stage.drawing.picture.observation(&key("a"));
    let loss = |world: &World| {
        let dead = dead.map(AsRef::as_ref);
        data_loss(Some(&ranking), &world.plan, &world.progress, dead, NOW).to_string()
    };
    let mut world = World::demanded(text, &policy, &Demand::forced(None));
    world.run();
    assert_eq!(loss(&world), "nothing is lost, proven");
    let (world, _) = stuck(text, &policy, &Demand::forced(None));
    assert!(loss(&world).contains("50 transactions"), "{}", loss(&world));
}

#[test]
fn by_hand_relay_logs_are_kept_as_ever() {
    let policy = RecoveryPolicy::default();
    let (world, answer) = stuck(BEHIND, &policy, &Demand::by_hand(None));
    let unapplied = Some(Unapplied::Transactions(50));
    let why = WhyFailed::NotApplied {
        on: key("b"),
        unapplied,
    };
    let on = key("b");
    assert_eq!(answer, Next::End(EndOfRecovery::Failed { on, why }));
    assert!(world.seen("b").read_only && world.seen("b").replication.is_some());
}

#[test]
fn by_force_too_every_other_server_keeps_its_relay_logs() {
    // A moved one that does not apply in time is left as it is.
    let text =
        "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting gtid=..1-50 received=..1-90]";
    let mut world = World::demanded(text, &RecoveryPolicy::default(), &Demand::forced(None));
    let waits = |on: &str, world: &World| -> Vec<usize> {
        let steps = world.plan.steps.iter().enumerate();
        let of =
            steps.filter(|(_, step)| step.action == Action::AwaitApplied && step.on == key(on));
        of.map(|(number, _)| number).collect()
    };
    world.lazy = waits("c", &world);
    let why = WhyFailed::NotApplied {
        on: key("c"),
        unapplied: Some(Unapplied::Transactions(40)),
    };
    let unmoved = vec![(key("c"), why)];
    let expected = Next::End(EndOfRecovery::Succeeded { unmoved });
    assert_eq!(world.run(), expected);
    assert_eq!(world.seen("c").source(), Some(&key("a")));
    // The most advanced one, from which a named server is to get what it lacks: nobody is promoted without that.
    let text = "a [unreachable]\n+ b [io=connecting gtid=..1-50 received=..1-100]\n+ c [io=connecting gtid=..1-90]";
    let named = Demand::forced(Some(key("c")));
    let mut world = World::demanded(text, &RecoveryPolicy::default(), &named);
    world.lazy = waits("b", &world);
    let why = WhyFailed::NotApplied {
        on: key("b"),
        unapplied: Some(Unapplied::Transactions(50)),
    };
    let on = key("b");
    assert_eq!(world.run(), Next::End(EndOfRecovery::Failed { on, why }));
    assert!(world.seen("c").read_only);
}

#[test]
fn a_stuck_applier_of_a_lone_replica_is_given_up_by_force() {
    let text =
        "a [unreachable]\n+ b [io=connecting sql=no sql-errno=1062 gtid=..1-90 received=..1-100]";
    let mut world = World::demanded(text, &RecoveryPolicy::default(), &Demand::forced(None));
    let of_b = 0..world.plan.steps.len();
    world.lazy = of_b
        .filter(|number| world.plan.gives_up(&world.plan.steps[*number]))
        .collect();
    assert!(matches!(
        world.run(),
        Next::End(EndOfRecovery::Succeeded { .. })
    ));
    assert!(!world.seen("b").read_only);
    let given_up = world.progress.steps.values();
    let given_up = given_up.filter(|state| matches!(state, StepState::GivenUp { .. }));
    assert_eq!(given_up.count(), 2, "to start it, and to wait for it");
}

#[test]
fn by_force_an_old_primary_that_answers_is_closed_first_and_nothing_is_called_off() {
    let text = "a\n+ b\n+ c";
    for (demand, expected) in [
        (Demand::default(), Next::CallOff),
        (Demand::by_hand(None), Next::CallOff),
        (Demand::forced(None), Next::CloseOldPrimary),
    ] {
        let mut world = World::demanded(text, &RecoveryPolicy::default(), &demand);
        world.progress = Progress {
            old_primary: OldPrimary::Answers,
            ..Progress::registered()
        };
        assert_eq!(world.ask(), expected);
    }
}

#[test]
fn a_primary_without_replicas_has_nobody_to_be_promoted_by_whatever_force() {
    let why = demanded(
        "a [unreachable]",
        &RecoveryPolicy::default(),
        &Demand::forced(None),
    )
    .expect_err("nobody is there");
    assert_eq!(why.to_string(), "no replica may be promoted: it has none");
}

#[test]
fn replicas_delayed_by_configuration_are_moved_last() {
    let text = "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting delay=30s]\n+ d [io=connecting delay=29s]\n+ e [io=connecting lag=1h]";
    let order = |postpones_from| {
        let policy = RecoveryPolicy {
            postpones_from,
            ..RecoveryPolicy::default()
        };
        let plan = demanded(text, &policy, &Demand::default()).expect("a plan");
        let moves = plan
            .steps
            .iter()
            .filter(|step| matches!(step.action, Action::Repoint { .. }));
        let names: Vec<String> = moves.map(|step| step.on.host().to_string()).collect();
        names.concat()
    };
    assert_eq!(order(None), "cde");
    assert_eq!(order(Some(Duration::from_secs(29))), "dec");
    assert_eq!(order(Some(Duration::from_secs(30))), "cde");
}

#[test]
fn a_promoted_server_that_does_not_forget_its_source_is_detached_where_configured() {
    let text = "a [unreachable]\n+ b [io=connecting]";
    for (makes_writable, detaches_promoted, is_detached) in [
        (false, true, true),
        (false, false, false),
        (true, true, false),
    ] {
        let policy = RecoveryPolicy {
            makes_writable,
            detaches_promoted,
            ..RecoveryPolicy::default()
        };
        let mut world = World::demanded(text, &policy, &Demand::default());
        world.run();
        let link = world.seen("b").replication.as_ref();
        assert_eq!(
            link.is_some_and(|link| link.source.is_detached()),
            is_detached
        );
        assert_eq!(
            link.is_none(),
            makes_writable,
            "it has forgotten its source"
        );
    }
}

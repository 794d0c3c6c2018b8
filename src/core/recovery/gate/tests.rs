use super::*;
use crate::beats::Beat;
use crate::domain::{Acknowledgement, Fence, Phase, RecoveryEnd, TimeSplit};
use crate::recovery::testing::{NOW, Stage, key};

const DEAD: &str = "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting]";

fn policy() -> RecoveryPolicy {
    RecoveryPolicy {
        primary_clusters: vec!["*".to_owned()],
        ..RecoveryPolicy::default()
    }
}

fn history(recoveries: Vec<PastRecovery>) -> History {
    History {
        switch: GlobalSwitch::On,
        recoveries,
    }
}

/// A recovery that touched `server` and ended so many seconds ago; `None` while it is under way.
fn past(server: &str, ended_ago: Option<u64>) -> PastRecovery {
    let ended_at = ended_ago.map(|ago| NOW.minus(Duration::from_secs(ago)));
    PastRecovery {
        id: "r1".to_owned(),
        kind: RecoveryKind::DeadPrimary,
        subject: key("z"),
        servers: vec![TouchedServer {
            key: key(server),
            uuid: String::new(),
        }],
        began_at: NOW.minus(Duration::from_secs(9000)),
        ended_at,
        is_acknowledged: false,
    }
}

fn ask(drawing: &str, history: &History, policy: &RecoveryPolicy, is_forced: bool) -> Gate {
    let stage = Stage::of(drawing);
    let finding = stage.finding("a");
    let servers = servers_touched(&stage.scene(), &key("a"));
    let request = Request {
        finding: &finding,
        cluster_alias: "main",
        servers: &servers,
        is_forced,
    };
    gate(&request, history, policy, NOW)
}

/// The reason, and that an operator's order lifts it or not.
fn blocked(
    drawing: &str,
    history: &History,
    policy: &RecoveryPolicy,
    can_be_forced: bool,
) -> Blocked {
    let forced = ask(drawing, history, policy, true);
    assert_eq!(
        forced == Gate::Proceed(RecoveryKind::DeadPrimary),
        can_be_forced
    );
    match ask(drawing, history, policy, false) {
        Gate::Blocked(reason) => reason,
        Gate::Proceed(kind) => panic!("{kind:?} may proceed\n{drawing}"),
    }
}

#[test]
fn a_dead_primary_of_a_covered_cluster_may_be_replaced() {
    let proceed = Gate::Proceed(RecoveryKind::DeadPrimary);
    assert_eq!(ask(DEAD, &history(vec![]), &policy(), false), proceed);
    let some = "a [unreachable]\n+ b [io=connecting]\n+ c [unreachable]";
    assert_eq!(ask(some, &history(vec![]), &policy(), false), proceed);
}

#[test]
fn what_is_not_proven_dead_is_left_alone_also_when_forced() {
    let unreachable = "a [unreachable]\n+ b\n+ c";
    let reason = blocked(unreachable, &history(vec![]), &policy(), false);
    assert_eq!(reason, Blocked::NotActionable);
    let co_primary = "a [unreachable]\n<-> b [io=connecting]\n+ c [io=connecting]";
    let reason = blocked(co_primary, &history(vec![]), &policy(), false);
    assert_eq!(reason, Blocked::NoRecovery);
}

#[test]
fn downtime_blocks_until_it_is_over() {
    let down = DEAD.replacen("unreachable", "unreachable downtime=1h", 1);
    let reason = blocked(&down, &history(vec![]), &policy(), true);
    assert_eq!(
        reason.to_string(),
        "nothing is to be done now: somebody has put it in downtime: drawn"
    );
    let over = DEAD.replacen("unreachable", "unreachable downtime=over", 1);
    assert!(matches!(
        ask(&over, &history(vec![]), &policy(), false),
        Gate::Proceed(_)
    ));
}

#[test]
fn a_cluster_that_no_filter_covers_is_left_to_its_operators() {
    let by_filter = |filter: &str| {
        let policy = RecoveryPolicy {
            primary_clusters: vec![filter.to_owned()],
            ..RecoveryPolicy::default()
        };
        ask(DEAD, &history(vec![]), &policy, false)
    };
    for filter in ["a:3306", "main", "alias~=^ma", "^a"] {
        assert!(matches!(by_filter(filter), Gate::Proceed(_)), "{filter}");
    }
    for filter in ["", "b:3306", "alias=a:3306"] {
        let Gate::Blocked(Blocked::NotCovered { cluster }) = by_filter(filter) else {
            panic!("'{filter}' covers it");
        };
        assert_eq!(cluster, "a:3306");
    }
    blocked(DEAD, &history(vec![]), &RecoveryPolicy::default(), true);
}

#[test]
fn the_global_switch_blocks_and_so_does_not_knowing_it() {
    let with = |switch| History {
        switch,
        recoveries: vec![],
    };
    let by = "ann".to_owned();
    let reason = blocked(DEAD, &with(GlobalSwitch::Off { by }), &policy(), true);
    assert!(
        reason
            .to_string()
            .starts_with("ann has disabled all recoveries")
    );
    let reason = blocked(DEAD, &with(GlobalSwitch::Unknown), &policy(), true);
    assert_eq!(reason, Blocked::SwitchUnknown);
}

#[test]
fn one_recovery_at_a_time_for_each_server_also_when_forced() {
    let reason = blocked(DEAD, &history(vec![past("c", None)]), &policy(), false);
    let Blocked::UnderWay {
        server, subject, ..
    } = reason
    else {
        panic!("{reason}");
    };
    assert_eq!((server, subject), (key("c"), key("z")));
    let mut two = past("x", None);
    two.servers.extend(past("b", None).servers);
    let reason = blocked(DEAD, &history(vec![two]), &policy(), false);
    assert!(matches!(reason, Blocked::UnderWay { .. }), "{reason}");
    let elsewhere = history(vec![past("x", None)]);
    assert!(matches!(
        ask(DEAD, &elsewhere, &policy(), false),
        Gate::Proceed(_)
    ));
}

#[test]
fn a_recovery_of_another_kind_that_is_under_way_blocks_too() {
    let other = PastRecovery {
        kind: RecoveryKind::Takeover,
        ..past("c", None)
    };
    let reason = blocked(DEAD, &history(vec![other]), &policy(), false);
    assert!(matches!(reason, Blocked::UnderWay { .. }), "{reason}");
}

#[test]
fn the_block_period_counts_from_the_end_and_for_its_own_kind() {
    let reason = blocked(DEAD, &history(vec![past("b", Some(3599))]), &policy(), true);
    let Blocked::BlockPeriod { left, .. } = &reason else {
        panic!("{reason}");
    };
    assert_eq!(*left, Duration::from_secs(1));
    assert!(reason.to_string().contains("for 1 s more"), "{reason}");
    let may = |past: PastRecovery| {
        let answer = ask(DEAD, &history(vec![past]), &policy(), false);
        assert!(matches!(answer, Gate::Proceed(_)), "{answer:?}");
    };
    may(past("b", Some(3600)));
    may(past("x", Some(1)));
    may(PastRecovery {
        is_acknowledged: true,
        ..past("b", Some(1))
    });
    may(PastRecovery {
        kind: RecoveryKind::DeadIntermediateSource,
        ..past("b", Some(1))
    });
}

#[test]
fn servers_are_the_same_by_address_or_by_a_uuid_that_both_have() {
    let server = |name: &str, uuid: &str| TouchedServer {
        key: key(name),
        uuid: uuid.to_owned(),
    };
    assert!(server("a", "").is_same(&server("a", "u")));
    assert!(server("a", "U-1").is_same(&server("b", "u-1")));
    assert!(!server("a", "").is_same(&server("b", "")));
    assert!(!server("a", "u-1").is_same(&server("b", "u-2")));
    let stage = Stage::of("a [uuid=u1]\n+ b [uuid=u2]\n  + c [uuid=u3]\nx");
    let touched = servers_touched(&stage.scene(), &key("a"));
    let touched: Vec<&str> = touched.iter().map(|server| server.uuid.as_str()).collect();
    assert_eq!(touched, ["u1", "u2", "u3"]);
}

#[test]
fn so_many_at_once_are_more_likely_our_own_fault() {
    let many = |count| history(vec![past("x", None); count]);
    assert!(matches!(
        ask(DEAD, &many(19), &policy(), false),
        Gate::Proceed(_)
    ));
    // Those that ended count no more.
    assert!(matches!(
        ask(
            DEAD,
            &history(vec![past("x", Some(1)); 20]),
            &policy(),
            false
        ),
        Gate::Proceed(_)
    ));
    let reason = blocked(DEAD, &many(20), &policy(), true);
    assert_eq!(
        reason,
        Blocked::TooMany {
            running: 20,
            max: 20
        }
    );
}

#[test]
fn a_server_that_was_never_seen_is_not_replaced_without_being_asked() {
    // What stands below it says that it is gone; whether it was a primary nobody knows.
    let below = "+ b [io=connecting]\n+ c [io=connecting]";
    let drawing = format!("a [never-seen unreachable]\n{below}");
    let reason = blocked(&drawing, &history(vec![]), &policy(), true);
    assert_eq!(reason, Blocked::NeverSeen { subject: key("a") });
}

/// A recovery as it is decided, ended with this outcome.
fn decided(outcome: Option<RecoveryOutcome>, is_acknowledged: bool) -> Recovery {
    let end = |outcome| RecoveryEnd {
        at: NOW.minus(Duration::from_secs(1)),
        outcome,
        successor: None,
        successor_alias: String::new(),
        lost: vec![],
        participants: vec![],
        errors: vec![],
        data_loss: None,
        times: TimeSplit::default(),
    };
    let acknowledgement = Acknowledgement {
        at: NOW,
        by: "ann".to_owned(),
        comment: String::new(),
    };
    Recovery {
        number: 1,
        kind: RecoveryKind::DeadPrimary,
        code: FindingCode::DeadPrimary,
        subject: key("z"),
        cluster: "z:3306".to_owned(),
        cluster_alias: String::new(),
        replicas: vec![],
        servers: past("b", None).servers,
        requested_by: String::new(),
        detection: 0,
        plan: vec![],
        registered_at: NOW.minus(Duration::from_secs(9000)),
        node: "n".to_owned(),
        fence: Fence::from_number(1),
        attempt: 1,
        phase: Phase::Registered,
        entered: vec![],
        sessions: vec![],
        stale_sessions: vec![],
        kept_for: Duration::from_secs(604_800),
        end: outcome.map(end),
        acknowledgement: is_acknowledged.then_some(acknowledgement),
    }
}

#[test]
fn what_is_decided_about_a_recovery_holds_others_back_unless_it_touched_nobody_or_is_acknowledged()
{
    let answer = |outcome, is_acknowledged| {
        let one = PastRecovery::of(
            RecoveryId::from_number(1),
            &decided(outcome, is_acknowledged),
        );
        ask(DEAD, &history(vec![one]), &policy(), false)
    };
    let proceed = Gate::Proceed(RecoveryKind::DeadPrimary);
    for outcome in [RecoveryOutcome::Succeeded, RecoveryOutcome::Failed] {
        let blocked = answer(Some(outcome), false);
        assert!(
            matches!(blocked, Gate::Blocked(Blocked::BlockPeriod { .. })),
            "{outcome:?}: {blocked:?}"
        );
        assert_eq!(answer(Some(outcome), true), proceed, "{outcome:?}");
    }
    assert_eq!(answer(Some(RecoveryOutcome::CalledOff), false), proceed);
    let blocked = answer(None, false);
    assert!(
        matches!(blocked, Gate::Blocked(Blocked::UnderWay { .. })),
        "{blocked:?}"
    );
}

/// The answer for a dead primary with beats.
fn with_beat(beat: Beat, is_forced: bool) -> Gate {
    let mut stage = Stage::of(DEAD);
    stage.beats.put(key("a"), beat);
    let finding = stage.finding("a");
    let request = Request {
        finding: &finding,
        cluster_alias: "main",
        servers: &servers_touched(&stage.scene(), &key("a")),
        is_forced,
    };
    gate(&request, &history(vec![]), &policy(), NOW)
}

#[test]
fn one_that_went_down_in_an_orderly_way_gets_time_unless_an_operator_insists() {
    let proceed = Gate::Proceed(RecoveryKind::DeadPrimary);
    let mut beat = Beat::of(Standing::Gone, NOW);
    assert_eq!(with_beat(beat.clone(), false), proceed);
    beat.restart_left = Some(Duration::from_secs(7));
    let Gate::Blocked(reason) = with_beat(beat.clone(), false) else {
        panic!("it may proceed");
    };
    assert_eq!(
        reason.to_string(),
        "a:3306 went down in an orderly way and has 7 s more to come back (PrimaryRestartGraceSeconds)"
    );
    assert_eq!(with_beat(beat, true), proceed);
}

#[test]
fn nothing_is_begun_while_our_own_link_is_the_likelier_cause() {
    let beat = Beat::of(Standing::NotOurs, NOW);
    let subject = key("a");
    let blocked = Gate::Blocked(Blocked::OwnLink { subject });
    assert_eq!(with_beat(beat.clone(), false), blocked);
    let proceed = Gate::Proceed(RecoveryKind::DeadPrimary);
    assert_eq!(with_beat(beat, true), proceed);
}

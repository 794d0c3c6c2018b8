use std::time::Duration;

use super::{planned, sound};
use crate::recovery::plan::{Action, NoPlan};
use crate::recovery::{Durability, RecoveryPolicy, UnappliedRelayLog};

fn told(text: &str) -> String {
    sound(text).to_string().replace(":3306", "")
}

fn refused(text: &str, policy: &RecoveryPolicy) -> NoPlan {
    planned(text, policy).expect_err(text)
}

#[test]
fn a_dead_primary_is_replaced_and_the_others_follow() {
    assert_eq!(
        told("a [unreachable]\n+ b [io=connecting gtid=..1-99]\n+ c [io=connecting]"),
        "0 Registered c: start the applier
1 Registered c: stop the receiver
2 Registered b: start the applier
3 Registered b: stop the receiver
4 ReceiversStopped c: wait until all received is applied
5 ReceiversStopped c: stop the applier
6 ReceiversStopped c: forget the source
7 ReceiversStopped c: make it writable
8 Published b: wait until all received is applied
9 Published b: stop the applier
10 Published b: replicate from c
11 Published b: start replication
"
    );
}

#[test]
fn the_ideal_server_catches_up_from_the_most_advanced_one_before_it_is_writable() {
    assert_eq!(
        told(
            "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting gtid=..1-95 promotion=prefer]"
        ),
        "0 Registered c: start the applier
1 Registered c: stop the receiver
2 Registered b: start the applier
3 Registered b: stop the receiver
4 ReceiversStopped b: wait until all received is applied
5 ReceiversStopped c: wait until all received is applied
6 ReceiversStopped c: stop the applier
7 ReceiversStopped c: replicate from b
8 ReceiversStopped c: start replication
9 ReceiversStopped c: wait until it has all of b
10 ReceiversStopped c: stop the receiver
11 ReceiversStopped c: wait until all received is applied
12 ReceiversStopped c: stop the applier
13 ReceiversStopped c: forget the source
14 ReceiversStopped c: make it writable
15 Published b: wait until all received is applied
16 Published b: stop the applier
17 Published b: replicate from c
18 Published b: start replication
"
    );
}

#[test]
fn every_replica_has_a_fate_and_who_is_left_has_a_reason() {
    let plan = sound(
        "a [unreachable]
+ b [io=connecting]
+ c [unreachable]
+ d [io=connecting downtime=1h]
+ e [io=connecting errant]
+ f [io=connecting delay=1h gtid=..1-50 received=..1-101]
+ g [io=connecting delay=1h gtid=..1-50 received=..1-100]
+ h [io=connecting sql=no sql-errno=1062 gtid=..1-50 received=..1-100]
+ i [8.0.36 io=connecting promotion=must_not]
+ j [io=connecting gtid=nonsense]
+ k [io=connecting promotion=must_not binlog=off]",
    );
    let told = plan.to_string().replace(":3306", "");
    let left: Vec<&str> = told
        .lines()
        .filter_map(|line| line.strip_prefix("left "))
        .collect();
    let starts = [
        "c: it cannot be probed",
        "d: it is in downtime",
        "e: it has what the promoted server has not: ",
        "f: it has what the promoted server has not: 1 transaction (",
        "g: it has yet to apply 50 transactions, which moving it now would discard",
        "h: it has yet to apply 50 transactions, which moving it now would discard",
        "i: it could not replicate from the promoted server: version 8.0.36 is of an older line",
        "j: its GTIDs or positions cannot be read",
    ];
    assert_eq!(left.len(), starts.len(), "{told}");
    for (line, start) in left.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}\n{start}");
    }
    let lost: Vec<&str> = plan.lost().map(|(key, _)| key.host().as_str()).collect();
    assert_eq!(lost, ["c", "e", "f", "i", "j"]);
    assert!(told.contains("k: replicate from b"), "{told}");
    // Lost ones are detached where nothing is discarded by it, and only when all else is done.
    let detached: Vec<&str> = told
        .lines()
        .filter(|line| line.ends_with("detach it"))
        .collect();
    assert_eq!(detached.len(), 2, "{told}");
    assert!(told.contains("Published e: detach it") && told.contains("Published i: detach it"));
}

#[test]
fn configuration_decides_about_writing_and_detaching() {
    let text = "a [unreachable]\n+ b [io=connecting]\n+ e [io=connecting errant]";
    let policy = RecoveryPolicy {
        makes_writable: false,
        detaches_lost: false,
        ..RecoveryPolicy::default()
    };
    let told = planned(text, &policy).expect("a plan").to_string();
    for step in ["make it writable", "forget the source", "detach it"] {
        assert!(!told.contains(step), "{told}");
        assert!(sound(text).to_string().contains(step));
    }
}

#[test]
fn the_promoted_server_applies_for_as_long_as_configuration_says() {
    let deadline = |unapplied| {
        let policy = RecoveryPolicy {
            unapplied,
            apply_timeout: Duration::from_secs(7),
            ..RecoveryPolicy::default()
        };
        let plan = planned("a [unreachable]\n+ b [io=connecting]", &policy).expect("a plan");
        plan.steps[2].deadline
    };
    assert_eq!(
        deadline(UnappliedRelayLog::Bounded),
        Some(Duration::from_secs(7))
    );
    assert_eq!(deadline(UnappliedRelayLog::Wait), None);
}

#[test]
fn without_anybody_to_promote_there_is_no_plan_and_all_reasons_are_told() {
    let why = refused(
        "a [unreachable]\n+ b [io=connecting promotion=must_not]\n+ c [unreachable delay=1h]",
        &RecoveryPolicy::default(),
    );
    assert_eq!(
        why.to_string(),
        "no replica may be promoted; b:3306: its promotion rule is must_not; c:3306: it cannot be probed, it is delayed by 3600 s on purpose"
    );
}

#[test]
fn without_gtids_a_lone_replica_is_promoted_and_several_are_refused() {
    sound("a [no-gtid unreachable]\n+ b [no-gtid io=connecting]");
    let why = refused(
        "a [no-gtid unreachable]\n+ b [no-gtid io=connecting]\n+ c [no-gtid io=connecting]",
        &RecoveryPolicy::default(),
    );
    assert!(matches!(why, NoPlan::OthersCannotFollow { .. }), "{why}");
    sound("a [no-gtid unreachable]\n+ b [no-gtid io=connecting]\n+ c [no-gtid unreachable]");
}

#[test]
fn two_histories_make_no_plan() {
    let why = refused(
        "a [never-seen unreachable]\n+ b [io=connecting gtid=..1-9,<b>:1-2]\n+ c [io=connecting gtid=..1-10]",
        &RecoveryPolicy::default(),
    );
    assert!(matches!(why, NoPlan::NoOrder(_)), "{why}");
}

#[test]
fn acknowledgements_that_nobody_covers_are_refused_where_policy_says_so() {
    let strict = RecoveryPolicy {
        durability: Durability::Refuse,
        ..RecoveryPolicy::default()
    };
    let text = |source: &str, c: &str| {
        format!(
            "a [unreachable semi-sync-source={source}]\n+ b [io=connecting semi-sync-replica=on]\n+ c [{c}]"
        )
    };
    let gone = text("on:2/1", "unreachable semi-sync-replica=on");
    let why = refused(&gone, &strict);
    let expected = NoPlan::Uncovered {
        unreachable: 1,
        waits_for: 1,
    };
    assert_eq!(why, expected);
    sound(&gone);
    for covered in [
        text("on:2/2", "unreachable semi-sync-replica=on"),
        text("on:2/1", "unreachable"),
        text("idle:2/1", "unreachable semi-sync-replica=on"),
        text("disabled-but-on:2/1", "unreachable semi-sync-replica=on"),
        text("on:2/0", "unreachable semi-sync-replica=on"),
        text("on:2/1", "io=connecting semi-sync-replica=on"),
    ] {
        planned(&covered, &strict).unwrap_or_else(|why| panic!("{why}\n{covered}"));
    }
}

#[test]
fn semi_sync_is_switched_before_the_first_write_where_the_dead_primary_had_it() {
    let drawing = |dead: &str, replica: &str| {
        format!(
            "a [unreachable {dead}]\n+ b [io=connecting {replica}]\n+ c [io=connecting gtid=..1-90]"
        )
    };
    let plan = told(&drawing("semi-sync-source=on:1/1", "semi-sync-replica=on"));
    let tail = "b: forget the source
7 ReceiversStopped b: switch semi-sync of a replica off
8 ReceiversStopped b: switch semi-sync of a source on
9 ReceiversStopped b: make it writable";
    assert!(plan.contains(tail), "{plan}");
    for (dead, replica) in [
        // The dead primary did not wait for anybody.
        ("", "semi-sync-replica=on"),
        // The promoted server has no such thing.
        ("semi-sync-source=on:1/1", ""),
    ] {
        let plan = told(&drawing(dead, replica));
        assert!(!plan.contains("semi-sync"), "{plan}");
    }
}

#[test]
fn a_replica_of_mariadb_that_wrote_itself_is_left_also_where_its_number_is_passed() {
    // By numbers alone b has all that e has; but 100 of e is not 100 of b.
    let plan = sound(
        "a [10.11.6-MariaDB server-id=1 gtid=0-1-99 unreachable]
+ b [server-id=3 io=connecting gtid=0-1-105]
+ e [server-id=2 io=connecting gtid=0-2-100]",
    );
    let told = plan.to_string().replace(":3306", "");
    let left = "left e: it has what the promoted server has not: 0-2-100";
    assert!(told.contains(left), "{told}");
    assert!(!told.contains("e: replicate from b"), "{told}");
}

#[test]
fn what_a_plan_remembers_is_what_those_have_that_it_keeps() {
    let plan = sound(
        "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting]\n+ e [io=connecting errant]",
    );
    let remembered: Vec<&str> = plan
        .holdings
        .keys()
        .map(|key| key.host().as_str())
        .collect();
    assert_eq!(remembered, ["b", "c"]);
}

#[test]
fn what_decides_about_being_writable_again_comes_first() {
    let told = told(
        "a [unreachable]\n+ b [io=connecting gtid=..1-90]\n+ c [io=connecting]\n+ d [io=connecting gtid=..1-95 promotion=prefer]",
    );
    let stops: Vec<&str> = told
        .lines()
        .filter(|line| line.contains("Registered") && line.ends_with("stop the receiver"))
        .collect();
    let expected = [
        "1 Registered d: stop the receiver",
        "3 Registered c: stop the receiver",
        "5 Registered b: stop the receiver",
    ];
    assert_eq!(stops, expected, "{told}");
}

#[test]
fn a_replica_is_moved_if_it_has_nothing_to_apply_or_can_do_so_in_time() {
    for (c, is_moved) in [
        ("delay=60s gtid=..1-50 received=..1-100", true),
        ("delay=61s gtid=..1-50 received=..1-100", false),
        ("delay=1h", true),
        ("sql=no sql-errno=1062 gtid=..1-50 received=..1-100", false),
        ("sql=no sql-errno=1062", true),
    ] {
        let text = format!("a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting {c}]");
        let told = told(&text);
        assert_eq!(
            told.contains("c: replicate from b"),
            is_moved,
            "{c}\n{told}"
        );
        assert_eq!(
            told.contains("left c: it has yet to apply"),
            !is_moved,
            "{c}"
        );
    }
}

#[test]
fn every_step_has_its_time_and_only_the_promoted_server_may_take_longer() {
    let policy = RecoveryPolicy {
        unapplied: UnappliedRelayLog::Wait,
        apply_timeout: Duration::from_secs(7),
        ..RecoveryPolicy::default()
    };
    let plan = planned(
        "a [unreachable semi-sync-source=on:1/1]
+ b [io=connecting semi-sync-replica=on]
+ c [io=connecting semi-sync-replica=on gtid=..1-95 promotion=prefer]",
        &policy,
    );
    let plan = plan.expect("a plan");
    for step in &plan.steps {
        let is_promoted = step.on.host().as_str() == "c";
        let expected = match step.action {
            Action::AwaitApplied if is_promoted => None,
            Action::AwaitApplied | Action::AwaitAllOf { .. } => Some(7),
            Action::MakeWritable | Action::SemiSyncSource(_) | Action::SemiSyncReplica(_) => {
                Some(60)
            }
            _ => Some(10),
        };
        let expected = expected.map(Duration::from_secs);
        assert_eq!(step.deadline, expected, "{} on {}", step.action, step.on);
    }
}

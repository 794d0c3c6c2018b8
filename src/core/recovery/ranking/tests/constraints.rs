//! Constraints of promotion as operators know them, each as a drawing.

use super::{check, check_with};
use crate::recovery::RecoveryPolicy;

#[test]
fn a_delayed_replica_is_passed_over() {
    check(
        "a [unreachable]
+ b [io=connecting delay=30m gtid=..1-10 received=..1-100]
+ c [io=connecting gtid=..1-100]
+ d [io=connecting gtid=..1-99]",
        "c > d: Received
         - b: delayed
         => c: MostAdvanced",
    );
}

#[test]
fn no_binary_log_and_no_logging_of_updates_are_passed_over() {
    check(
        "a [unreachable]
+ b [io=connecting binlog=off]
+ c [io=connecting log-updates=off]
+ d [io=connecting gtid=..1-99]",
        "- b: no-binary-log
         - c: no-replica-updates
         => d: MostAdvanced",
    );
}

#[test]
fn the_data_centre_of_the_dead_primary_is_kept_among_equals() {
    check(
        "a [unreachable dc=east]
+ b [io=connecting dc=west]
+ c [io=connecting dc=east]",
        "c > b: DataCenter
         => c: MostAdvanced",
    );
}

#[test]
fn a_more_advanced_replica_elsewhere_gives_what_it_has_and_is_not_promoted() {
    let policy = RecoveryPolicy {
        stays_in_data_center: true,
        ..RecoveryPolicy::default()
    };
    check_with(
        &policy,
        "a [unreachable dc=east]
+ b [io=connecting dc=west gtid=..1-100]
+ c [io=connecting dc=east gtid=..1-95]",
        "- b: other-data-centre
         => c after b: MostAdvanced",
    );
    // By positions nobody can be fed.
    check_with(
        &policy,
        "a [unreachable dc=east no-gtid]
+ b [io=connecting dc=west no-gtid read=binlog.000001:2000]
+ c [io=connecting dc=east no-gtid read=binlog.000001:1500]",
        "- b: other-data-centre
         => c: MostAdvanced",
    );
}

#[test]
fn rows_are_not_promoted_over_statements() {
    check(
        "a [unreachable format=STATEMENT]
+ b [io=connecting format=ROW]
+ c [io=connecting format=STATEMENT gtid=..1-95]
+ d [io=connecting format=STATEMENT gtid=..1-90]",
        "c > d: Received
         - b: others-cannot-follow
         => c: MostAdvanced",
    );
    // Where most log rows, the one that logs statements gives way to data only.
    check(
        "a [unreachable]
+ b [io=connecting format=ROW]
+ c [io=connecting format=ROW]
+ d [io=connecting format=STATEMENT gtid=..1-90]",
        "b > c: Address
         c > d: Received
         => b: MostAdvanced",
    );
}

#[test]
fn the_version_of_the_majority_is_promoted() {
    check(
        "a [8.0.36 unreachable]
+ b [8.4.6 io=connecting]
+ c [8.0.36 io=connecting gtid=..1-95]
+ d [8.0.36 io=connecting gtid=..1-90]",
        "c > d: Received
         - b: others-cannot-follow
         => c: MostAdvanced",
    );
    check(
        "a [8.0.36 unreachable]
+ b [8.4.6 io=connecting]
+ c [8.4.6 io=connecting]
+ d [8.0.36 io=connecting gtid=..1-90]",
        "b > c: Address
         c > d: Received
         => b: MostAdvanced",
    );
}

#[test]
fn the_ideal_server_is_promoted_in_two_steps() {
    check(
        "a [unreachable dc=east]
+ b [io=connecting dc=west gtid=..1-100]
+ c [io=connecting dc=east gtid=..1-95 promotion=prefer]
+ d [io=connecting dc=west gtid=..1-97 promotion=prefer]",
        "b > d: Received
         d > c: Received
         => c after b: PreferredInPlace",
    );
    // Whoever has all received already needs no second step.
    check(
        "a [unreachable]
+ b [io=connecting gtid=..1-100]
+ c [io=connecting gtid=..1-95 received=..1-100 promotion=prefer]",
        "b > c: Applied
         => c: PreferredInPlace",
    );
    check(
        "a [10.11.6-MariaDB unreachable]
+ b [io=connecting gtid=0-1-100]
+ c [io=connecting gtid=0-1-95 promotion=prefer]",
        "b > c: Received
         => c after b: PreferredInPlace",
    );
}

#[test]
fn tiers_of_preference_are_kept() {
    let drawn = |b: &str, c: &str, d: &str| {
        format!(
            "a [unreachable dc=x env=p]\n+ b [io=connecting gtid=..1-100 {b}]\n+ c [io=connecting gtid=..1-95 {c}]\n+ d [io=connecting gtid=..1-90 {d}]"
        )
    };
    let order = "b > c: Received\nc > d: Received";
    for (b, c, d, promoted) in [
        (
            "dc=y promotion=prefer",
            "dc=y promotion=prefer",
            "dc=x env=p promotion=prefer",
            "d after b: PreferredInPlace",
        ),
        (
            "dc=y promotion=prefer",
            "dc=x env=q promotion=prefer",
            "dc=y promotion=prefer",
            "b: AdvancedAndPreferred",
        ),
        (
            "dc=y",
            "dc=z promotion=prefer",
            "dc=y promotion=prefer",
            "d after b: PreferredBesideHead",
        ),
        (
            "dc=y",
            "dc=z promotion=prefer",
            "dc=z",
            "c after b: Preferred",
        ),
        (
            "dc=y env=q",
            "dc=z promotion=prefer",
            "dc=y env=r promotion=prefer",
            "c after b: Preferred",
        ),
        ("dc=y", "dc=x env=p", "dc=x env=p", "b: MostAdvanced"),
        (
            "dc=y promotion=prefer_not",
            "dc=z",
            "dc=x env=p",
            "d after b: NeutralInPlace",
        ),
        (
            "dc=y promotion=prefer_not",
            "dc=z",
            "dc=y",
            "d after b: NeutralBesideHead",
        ),
        (
            "dc=y promotion=prefer_not",
            "dc=z",
            "dc=z promotion=prefer_not",
            "c after b: Neutral",
        ),
        (
            "dc=y promotion=prefer_not",
            "dc=y promotion=prefer_not",
            "dc=y promotion=prefer_not",
            "b: MostAdvanced",
        ),
    ] {
        check(&drawn(b, c, d), &format!("{order}\n=> {promoted}"));
    }
}

#[test]
fn prefer_neutral_prefer_not_and_must_not() {
    check(
        "a [unreachable]
+ b [io=connecting promotion=must_not gtid=..1-100]
+ c [io=connecting promotion=prefer_not gtid=..1-100]
+ d [io=connecting gtid=..1-100]
+ e [io=connecting promotion=prefer gtid=..1-100]",
        "e > d: Rule
         d > c: Rule
         - b: must-not
         => e: PreferredInPlace",
    );
    // What must_not has received alone is not lost: it is fetched from there.
    check(
        "a [unreachable]
+ b [io=connecting promotion=must_not gtid=..1-100]
+ c [io=connecting gtid=..1-99]",
        "- b: must-not
         => c after b: MostAdvanced",
    );
}

#[test]
fn a_preferred_server_that_the_head_could_not_follow_is_not_chosen() {
    check(
        "a [8.0.36 unreachable]
+ b [8.0.36 io=connecting gtid=..1-100]
+ c [8.4.6 io=connecting gtid=..1-95 promotion=prefer]
+ d [8.4.6 io=connecting gtid=..1-90]",
        "b > c: Received
         c > d: Received
         => b: MostAdvanced",
    );
}

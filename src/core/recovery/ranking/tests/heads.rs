//! Who gives what only it has, to whom, and where that cannot be.

use super::{check, check_with, ranking};
use crate::recovery::ranking::{CandidateRefused, choose_named};
use crate::recovery::testing::key;
use crate::recovery::{RecoveryPolicy, UnappliedRelayLog};

#[test]
fn only_what_is_merely_not_wanted_as_primary_gives_what_it_has() {
    let strict = RecoveryPolicy {
        stays_in_data_center: true,
        stays_in_region: true,
        never_promoted: crate::domain::HostFilters::parse(["^b:"]).expect("a filter"),
        unapplied: UnappliedRelayLog::Refuse,
        lag_max: Some(std::time::Duration::from_secs(60)),
        ..RecoveryPolicy::default()
    };
    let usual = RecoveryPolicy {
        never_promoted: crate::domain::HostFilters::default(),
        ..strict.clone()
    };
    for (policy, b, vetoes, gives) in [
        (&usual, "promotion=must_not", "must-not", true),
        (&strict, "", "ignored", true),
        (&usual, "dc=y", "other-data-centre", true),
        (&usual, "region=s", "other-region", true),
        (&usual, "downtime=1h", "downtime", false),
        (&usual, "unreachable", "unreachable", false),
        (&usual, "binlog=off", "no-binary-log", false),
        (&usual, "log-updates=off", "no-replica-updates", false),
        (&usual, "delay=1h", "delayed", false),
        (&usual, "lag=1m", "lag", false),
        (&usual, "errant", "errant", false),
        (&usual, "gtid=nonsense", "illegible", false),
        (&usual, "gtid=..1-99 received=..1-100", "not-applied", false),
        // All of them have to be of that kind.
        (
            &usual,
            "promotion=must_not delay=1h",
            "must-not delayed",
            false,
        ),
    ] {
        let text =
            format!("a [unreachable]\n+ b [io=connecting {b}]\n+ c [io=connecting gtid=..1-90]");
        let promoted = if gives { "c after b" } else { "c" };
        check_with(
            policy,
            &text,
            &format!("- b: {vetoes}\n=> {promoted}: MostAdvanced"),
        );
    }
}

#[test]
fn of_several_that_may_not_be_promoted_the_most_advanced_one_gives() {
    for (b, c, head) in [("..1-95", "..1-100", "c"), ("..1-100", "..1-95", "b")] {
        check(
            &format!(
                "a [unreachable]
+ b [io=connecting promotion=must_not gtid={b}]
+ c [io=connecting promotion=must_not gtid={c}]
+ d [io=connecting gtid=..1-90]"
            ),
            &format!("- b: must-not\n- c: must-not\n=> d after {head}: MostAdvanced"),
        );
    }
}

#[test]
fn one_that_may_not_be_promoted_and_is_behind_gives_nothing() {
    check(
        "a [unreachable]
+ b [io=connecting promotion=must_not gtid=..1-90]
+ c [io=connecting gtid=..1-100]
+ d [io=connecting promotion=prefer gtid=..1-95]",
        "c > d: Received
         - b: must-not
         => d after c: PreferredInPlace",
    );
}

#[test]
fn nobody_is_fed_by_a_server_that_it_could_not_replicate_from() {
    check(
        "a [8.0.36 unreachable]
+ b [8.4.6 io=connecting promotion=must_not gtid=..1-100]
+ c [8.0.36 io=connecting gtid=..1-90]
+ d [8.4.6 io=connecting gtid=..1-80]",
        "c > d: Received
         - b: must-not
         => c: MostAdvanced",
    );
    check(
        "a [8.0.36 unreachable]
+ b [8.4.6 io=connecting gtid=..1-100]
+ c [8.0.36 io=connecting promotion=prefer gtid=..1-90]
+ d [8.4.6 io=connecting gtid=..1-80]",
        "b > c: Received
         c > d: Received
         => b: MostAdvanced",
    );
    // Nor by positions.
    check(
        "a [no-gtid unreachable]
+ b [no-gtid io=connecting read=binlog.000001:2000]
+ c [no-gtid io=connecting read=binlog.000001:1500 promotion=prefer]",
        "b > c: Received
         => b: MostAdvanced",
    );
}

#[test]
fn one_that_has_received_all_needs_nobody_to_feed_it() {
    check(
        "a [8.0.36 unreachable]
+ b [8.4.6 io=connecting gtid=..1-100]
+ c [8.0.36 io=connecting promotion=prefer gtid=..1-90 received=..1-100]
+ d [8.4.6 io=connecting gtid=..1-80]",
        "b > c: Applied
         c > d: Received
         => c: PreferredInPlace",
    );
    check(
        "a [no-gtid unreachable]
+ b [no-gtid io=connecting read=binlog.000001:2000 exec=binlog.000001:2000]
+ c [no-gtid io=connecting read=binlog.000001:2000 exec=binlog.000001:1500 promotion=prefer]",
        "b > c: Applied
         => c: PreferredInPlace",
    );
}

#[test]
fn one_that_only_gives_need_not_follow_afterwards() {
    check(
        "a [8.0.36 unreachable]
+ b [8.0.36 io=connecting promotion=must_not gtid=..1-100]
+ c [8.4.6 io=connecting gtid=..1-95]
+ d [8.4.6 io=connecting promotion=prefer gtid=..1-90]",
        "c > d: Received
         - b: must-not
         => d after b: PreferredInPlace",
    );
}

#[test]
fn a_named_server_that_could_not_replicate_from_the_head_is_refused() {
    let policy = RecoveryPolicy::default();
    let text = "a [8.0.36 unreachable]
+ b [8.4.6 io=connecting gtid=..1-100]
+ c [8.0.36 io=connecting gtid=..1-90]
+ d [8.4.6 io=connecting gtid=..1-80]";
    let named = |name| choose_named(&ranking(text, &policy), &key(name), &policy);
    let refused = CandidateRefused::CannotCatchUp {
        candidate: key("c"),
        head: key("b"),
    };
    assert_eq!(named("c"), Err(refused));
    assert_eq!(named("d").expect("it can catch up").head, key("b"));
}

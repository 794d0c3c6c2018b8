//! Each veto keeps a server from being promoted that would have been the best, and its near miss does not.

use std::time::Duration;

use super::{check, check_with, ranking};
use crate::domain::HostFilters;
use crate::recovery::ranking::{RankingRefused, rank};
use crate::recovery::testing::{Stage, key};
use crate::recovery::{RecoveryPolicy, UnappliedRelayLog};
use crate::topology::ReplicationPolicy;

/// `b` would be promoted by its address. With `words`, it has this veto and `c` is promoted.
fn vetoed(words: &str, veto: &str) {
    vetoed_with(&RecoveryPolicy::default(), words, veto);
}

fn vetoed_with(policy: &RecoveryPolicy, words: &str, veto: &str) {
    let text = format!(
        "a [unreachable dc=x region=r]\n+ b [io=connecting dc=x region=r {words}]\n+ c [io=connecting dc=x region=r]"
    );
    check_with(policy, &text, &format!("- b: {veto}\n=> c: MostAdvanced"));
    let best = "a [unreachable dc=x region=r]\n+ b [io=connecting dc=x region=r]\n+ c [io=connecting dc=x region=r]";
    check_with(policy, best, "b > c: Address\n=> b: MostAdvanced");
}

#[test]
fn must_not_is_never_promoted_not_even_alone() {
    vetoed("promotion=must_not", "must-not");
    check(
        "a [unreachable]\n+ b [io=connecting promotion=must_not]",
        "- b: must-not\n=> nobody",
    );
}

#[test]
fn a_host_of_the_promotion_filter_is_never_promoted() {
    let policy = RecoveryPolicy {
        never_promoted: HostFilters::parse(["^b:"]).expect("a filter"),
        ..RecoveryPolicy::default()
    };
    check_with(
        &policy,
        "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting]",
        "- b: ignored\n=> c: MostAdvanced",
    );
}

#[test]
fn what_cannot_be_probed_is_not_promoted() {
    vetoed("unreachable", "unreachable");
    vetoed("probing=5s seen=7s", "unreachable");
    // One that hangs is borne for as long as a poll and a probe may take; one that nobody probes is not known to be gone.
    for words in ["probing=3s seen=6s", "seen=1h"] {
        check(
            &format!("a [unreachable]\n+ b [io=connecting {words}]"),
            "=> b: MostAdvanced",
        );
    }
}

#[test]
fn what_was_never_seen_is_not_promoted() {
    // Only a server that was seen is known as a replica; its record may have lost what was seen.
    let stage = Stage::of("a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting]");
    let mut picture = stage.drawing.picture.clone();
    let heard = crate::domain::InstanceRecord::heard_of(key("b"), crate::recovery::testing::NOW);
    picture.put(heard);
    let scene = crate::analysis::Scene {
        picture: &picture,
        ..stage.scene()
    };
    let ranking = rank(&scene, &key("a"), &RecoveryPolicy::default()).expect("one history");
    assert_eq!(ranking.order.len(), 1);
    assert_eq!(ranking.vetoed[0].vetoes[0].name(), "never-seen");
}

#[test]
fn what_is_in_downtime_is_not_promoted_until_that_is_over() {
    vetoed("downtime=1h", "downtime");
    check(
        "a [unreachable]\n+ b [io=connecting downtime=over]",
        "=> b: MostAdvanced",
    );
}

#[test]
fn binlog_servers_and_group_members_are_not_promoted() {
    check(
        "a [no-gtid unreachable]\n+ b [2.5.1-maxscale io=connecting]\n+ c [no-gtid io=connecting]",
        "- b: binlog-server\n=> c: MostAdvanced",
    );
    let text = "a [unreachable]\n+ b [io=connecting group=g/primary]\n+ c [io=connecting]";
    check(text, "- b: group-member\n=> c: MostAdvanced");
}

#[test]
fn without_a_binary_log_nobody_is_promoted_not_even_alone() {
    vetoed("binlog=off", "no-binary-log");
    check(
        "a [unreachable]\n+ b [io=connecting binlog=off]",
        "- b: no-binary-log\n=> nobody",
    );
}

#[test]
fn without_logging_replica_updates_it_is_not_promoted_where_others_must_follow() {
    vetoed("log-updates=off", "no-replica-updates");
    check(
        "a [unreachable]\n+ b [io=connecting log-updates=off]",
        "=> b: MostAdvanced",
    );
    for (c, veto) in [("unreachable", "unreachable"), ("downtime=1h", "downtime")] {
        check(
            &format!(
                "a [unreachable]\n+ b [io=connecting log-updates=off]\n+ c [io=connecting {c}]"
            ),
            &format!("- c: {veto}\n=> b: MostAdvanced"),
        );
    }
}

#[test]
fn a_delayed_one_is_not_promoted_however_much_it_has_received() {
    vetoed("delay=1h", "delayed");
    check(
        "a [unreachable]\n+ b [io=connecting delay=1h gtid=..1-50 received=..1-100]\n+ c [io=connecting gtid=..1-90]",
        "- b: delayed\n=> c: MostAdvanced",
    );
}

#[test]
fn one_with_transactions_of_its_own_is_not_promoted() {
    vetoed("errant", "errant");
    check(
        "a [10.11.6-MariaDB server-id=1 unreachable]\n+ b [server-id=2 io=connecting gtid=0-2-101]\n+ c [server-id=3 io=connecting]",
        "- b: errant\n=> c: MostAdvanced",
    );
    // A former primary: what it wrote once, its source has.
    check(
        "a [10.11.6-MariaDB server-id=1 gtid=0-2-100 unreachable]\n+ b [server-id=2 io=connecting gtid=0-2-100]",
        "=> b: MostAdvanced",
    );
    // The source may have written after it was last seen.
    check(
        "a [unreachable gtid=..1-90]\n+ b [io=connecting gtid=..1-95]",
        "=> b: MostAdvanced",
    );
    check(
        "a [10.11.6-MariaDB server-id=1 gtid=0-1-90 unreachable]\n+ b [server-id=2 io=connecting gtid=0-1-95]",
        "=> b: MostAdvanced",
    );
}

#[test]
fn what_a_co_primary_wrote_itself_does_not_speak_against_it() {
    check(
        "a [8.4.6 unreachable]\n<-> b [io=connecting errant]",
        "=> b: MostAdvanced",
    );
    check(
        "a [10.11.6-MariaDB server-id=1 unreachable]\n<-> b [server-id=2 io=connecting gtid=0-1-100,1-2-7]",
        "=> b: MostAdvanced",
    );
}

#[test]
fn one_whose_gtids_cannot_be_read_is_not_promoted() {
    vetoed("gtid=nonsense", "illegible");
    vetoed("received=nonsense", "illegible");
}

#[test]
fn one_that_cannot_apply_what_it_has_received_is_not_promoted() {
    let stopped = "sql=no sql-errno=1062 gtid=..1-90 received=..1-100";
    vetoed(stopped, "cannot-apply");
    // Stopped by an operator, or with nothing left: it is only started.
    check(
        "a [unreachable]\n+ b [io=connecting sql=no gtid=..1-90 received=..1-100]",
        "=> b: MostAdvanced",
    );
    check(
        "a [unreachable]\n+ b [io=connecting sql=no sql-errno=1062]",
        "=> b: MostAdvanced",
    );
    // Somebody has mended it, and it applies again.
    check(
        "a [unreachable]\n+ b [io=connecting sql-errno=1062 gtid=..1-90 received=..1-100]",
        "=> b: MostAdvanced",
    );
}

#[test]
fn one_whose_relay_logs_would_be_gone_with_the_first_thread_that_starts_is_not_promoted() {
    check(
        "a [10.11.6-MariaDB unreachable]\n+ b [io=no sql=no gtid=0-1-90 received=0-1-100]\n+ c [io=connecting]",
        "- b: stranded\n=> c: MostAdvanced",
    );
    // While one thread runs nothing is lost, nor on MySQL, nor where nothing is left to apply.
    for fine in [
        "a [10.11.6-MariaDB unreachable]\n+ b [io=connecting sql=no gtid=0-1-90 received=0-1-100]",
        "a [10.11.6-MariaDB unreachable]\n+ b [io=no gtid=0-1-90 received=0-1-100]",
        "a [10.11.6-MariaDB unreachable]\n+ b [io=no sql=no]",
        "a [unreachable]\n+ b [io=no sql=no gtid=..1-90 received=..1-100]",
    ] {
        check(fine, "=> b: MostAdvanced");
    }
}

#[test]
fn one_with_more_to_apply_is_refused_where_configuration_says_so() {
    let policy = RecoveryPolicy {
        unapplied: UnappliedRelayLog::Refuse,
        ..RecoveryPolicy::default()
    };
    vetoed_with(&policy, "gtid=..1-90 received=..1-100", "not-applied");
}

#[test]
fn one_that_lags_as_much_as_the_limit_is_refused() {
    let policy = RecoveryPolicy {
        lag_max: Some(Duration::from_secs(60)),
        ..RecoveryPolicy::default()
    };
    vetoed_with(&policy, "lag=60s", "lag");
    check_with(
        &policy,
        "a [unreachable]\n+ b [io=connecting lag=59s]",
        "=> b: MostAdvanced",
    );
}

#[test]
fn another_data_centre_or_region_is_refused_where_configuration_says_so() {
    let data_center = RecoveryPolicy {
        stays_in_data_center: true,
        ..RecoveryPolicy::default()
    };
    let region = RecoveryPolicy {
        stays_in_region: true,
        ..RecoveryPolicy::default()
    };
    let text = |words| format!("a [unreachable dc=x region=r]\n+ b [io=connecting {words}]");
    let (elsewhere, abroad) = (text("dc=y region=r"), text("dc=x region=s"));
    check_with(
        &data_center,
        &elsewhere,
        "- b: other-data-centre\n=> nobody",
    );
    check_with(&region, &abroad, "- b: other-region\n=> nobody");
    check(&elsewhere, "=> b: MostAdvanced");
    check(&abroad, "=> b: MostAdvanced");
    check_with(&data_center, &abroad, "=> b: MostAdvanced");
    check_with(&region, &elsewhere, "=> b: MostAdvanced");
}

#[test]
fn one_that_most_others_cannot_replicate_from_is_not_promoted() {
    vetoed("9.7.0", "others-cannot-follow");
    check(
        "a [8.4.6 unreachable]\n+ b [9.7.0 io=connecting]",
        "=> b: MostAdvanced",
    );
    let policy = RecoveryPolicy {
        replication: ReplicationPolicy {
            verifies_filters: true,
            ..ReplicationPolicy::default()
        },
        ..RecoveryPolicy::default()
    };
    vetoed_with(&policy, "filters", "others-cannot-follow");
}

#[test]
fn all_vetoes_of_a_server_are_told() {
    check(
        "a [unreachable]\n+ b [unreachable promotion=must_not delay=1h binlog=off downtime=1h]",
        "- b: downtime must-not unreachable no-binary-log delayed\n=> nobody",
    );
    let ranking = ranking(
        "a [unreachable]\n+ b [delay=1h]",
        &RecoveryPolicy::default(),
    );
    assert_eq!(
        ranking.vetoed[0].vetoes[0].to_string(),
        "it is delayed by 3600 s on purpose"
    );
}

#[test]
fn two_histories_are_refused_and_both_are_named() {
    let refused = |text: &str| {
        let answer = rank(
            &Stage::of(text).scene(),
            &key("a"),
            &RecoveryPolicy::default(),
        );
        let Err(RankingRefused::TwoHistories { one, other, .. }) = &answer else {
            panic!("{answer:?}\n{text}");
        };
        assert_eq!([one, other], [&key("b"), &key("c")]);
        answer.expect_err("it is refused").to_string()
    };
    // Nobody ever saw the primary, so that it cannot be told whose transactions are errant.
    let said = refused(
        "a [never-seen unreachable]\n+ b [io=connecting gtid=..1-9,<b>:1-2]\n+ c [io=connecting gtid=..1-10]",
    );
    assert!(said.contains("only b:3306 has 2 transactions ("), "{said}");
    assert!(said.contains("only c:3306 has 1 transaction ("), "{said}");
    refused(
        "a [never-seen unreachable]\n+ b [10.11.6-MariaDB io=connecting gtid=0-2-10]\n+ c [10.11.6-MariaDB io=connecting gtid=0-3-10]",
    );
    // One that is only not wanted as the primary has a history all the same.
    refused(
        "a [never-seen unreachable]\n+ b [io=connecting promotion=must_not gtid=..1-9,<b>:1-2]\n+ c [io=connecting gtid=..1-10]",
    );
    // One of them out of the way, the other is right.
    check(
        "a [never-seen unreachable]\n+ b [io=connecting gtid=..1-9,<b>:1-2]\n+ c [io=connecting gtid=..1-10 downtime=1h]",
        "- c: downtime\n=> b: MostAdvanced",
    );
    check(
        "a [never-seen unreachable]\n+ b [io=connecting gtid=..1-9,<b>:1-2]\n+ c [unreachable gtid=..1-10]",
        "- c: unreachable\n=> b: MostAdvanced",
    );
    check(
        "a [unreachable]\n+ b [io=connecting gtid=..1-9]\n+ c [io=connecting gtid=..1-8,<c>:1-2]",
        "- c: errant\n=> b: MostAdvanced",
    );
}

//! Each criterion decides where those before it do not, and gives way to them.

use super::{check, check_with, ranking};
use crate::recovery::RecoveryPolicy;
use crate::topology::ReplicationPolicy;

#[test]
fn the_most_advanced_one_comes_first_whatever_else_speaks_for_another() {
    check(
        "a [unreachable dc=x]
+ b [io=connecting gtid=..1-90 promotion=neutral dc=x]
+ c [io=connecting gtid=..1-95 promotion=prefer_not dc=y]",
        "c > b: Received
         => b after c: NeutralInPlace",
    );
}

#[test]
fn what_counts_is_what_was_received_not_what_was_applied() {
    check(
        "a [unreachable]\n+ b [io=connecting gtid=..1-99]\n+ c [io=connecting gtid=..1-10 received=..1-100]",
        "c > b: Received
         => c: MostAdvanced",
    );
    check(
        "a [10.11.6-MariaDB unreachable]\n+ b [io=connecting gtid=0-1-99]\n+ c [io=connecting gtid=0-1-10 received=0-1-100]",
        "c > b: Received
         => c: MostAdvanced",
    );
}

#[test]
fn positions_of_the_common_source_rank_where_there_are_no_gtids() {
    check(
        "a [no-gtid unreachable]\n+ b [no-gtid io=connecting read=binlog.999999:9000 exec=binlog.999999:9]\n+ c [no-gtid io=connecting read=binlog.1000000:4 exec=binlog.999999:4]",
        "c > b: Received
         => c: MostAdvanced",
    );
    check(
        "a [no-gtid unreachable]\n+ b [no-gtid io=connecting read=binlog.000001:9 exec=binlog.000001:4]\n+ c [no-gtid io=connecting read=binlog.000001:9 exec=binlog.000001:5]",
        "c > b: Applied
         => c: MostAdvanced",
    );
}

#[test]
fn of_those_that_received_the_same_the_one_with_less_to_apply_comes_first() {
    check(
        "a [unreachable]\n+ b [io=connecting gtid=..1-90 received=..1-100 promotion=neutral]\n+ c [io=connecting gtid=..1-95 received=..1-100 promotion=prefer_not]",
        "c > b: Applied
         => b: NeutralInPlace",
    );
    check(
        "a [10.11.6-MariaDB unreachable]\n+ b [io=connecting gtid=0-1-90 received=0-1-100]\n+ c [io=connecting gtid=0-1-95 received=0-1-100]",
        "c > b: Applied
         => c: MostAdvanced",
    );
}

#[test]
fn then_the_promotion_rule() {
    check(
        "a [unreachable dc=x]
+ b [io=connecting promotion=prefer_not dc=x]
+ c [io=connecting dc=x]
+ d [io=connecting promotion=prefer dc=y]",
        "d > c: Rule
         c > b: Rule
         => d: AdvancedAndPreferred",
    );
}

#[test]
fn then_the_data_centre_then_the_environment() {
    check(
        "a [unreachable dc=x env=prod]
+ b [io=connecting dc=y env=prod]
+ c [io=connecting dc=x env=test]
+ d [io=connecting dc=x env=prod]",
        "d > c: Environment
         c > b: DataCenter
         => d: MostAdvanced",
    );
}

#[test]
fn then_the_version_of_the_majority() {
    let policy = RecoveryPolicy {
        replication: ReplicationPolicy {
            allows_older_replicas: true,
            ..ReplicationPolicy::default()
        },
        ..RecoveryPolicy::default()
    };
    check_with(
        &policy,
        "a [8.4.6 unreachable]
+ b [9.7.0 io=connecting format=STATEMENT]
+ c [8.4.6 io=connecting]
+ d [8.4.6 io=connecting]",
        "c > d: Address
         d > b: Version
         => c: MostAdvanced",
    );
}

#[test]
fn then_the_format_of_the_majority() {
    // Those that do not log can follow both.
    check(
        "a [unreachable]
+ b [io=connecting format=ROW]
+ c [io=connecting format=STATEMENT]
+ d [io=connecting format=STATEMENT log-updates=off]
+ e [io=connecting format=STATEMENT log-updates=off]",
        "c > b: Format
         - d: no-replica-updates
         - e: no-replica-updates
         => c: MostAdvanced",
    );
}

#[test]
fn a_version_or_format_that_nobody_knows_is_not_the_one_of_the_majority() {
    check(
        "a [8.4.6 unreachable]\n+ b [8.x io=connecting]\n+ c [8.4.6 io=connecting]",
        "c > b: Version
         => c: MostAdvanced",
    );
    check(
        "a [unreachable]\n+ b [io=connecting format=OTHER]\n+ c [io=connecting]",
        "c > b: Format
         => c: MostAdvanced",
    );
}

#[test]
fn then_who_can_be_followed_by_more() {
    check(
        "a [unreachable]
+ b [io=connecting format=ROW]
+ c [io=connecting format=ROW]
+ d [io=connecting format=STATEMENT]",
        "d > b: Followers
         b > c: Address
         => d: MostAdvanced",
    );
}

#[test]
fn at_last_the_smaller_address_so_that_everybody_comes_to_the_same() {
    check(
        "a [unreachable]\n+ c [io=connecting]\n+ b:3307 [io=connecting]\n+ b:3306 [io=connecting]",
        "b > b: Address
         b > c: Address
         => b: MostAdvanced",
    );
}

#[test]
fn a_comparison_says_what_the_difference_is() {
    let ranking = ranking(
        "a [unreachable]\n+ b [io=connecting gtid=..1-90]\n+ c [io=connecting gtid=..1-95]\n+ d [io=connecting gtid=..1-95 received=..1-95 promotion=prefer_not]",
        &RecoveryPolicy::default(),
    );
    let said: Vec<String> = ranking
        .comparisons
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said[0],
        "c:3306 stands before d:3306: its promotion rule is neutral, and not prefer_not"
    );
    assert!(
        said[1].starts_with("d:3306 stands before b:3306: it has received more: 5 transactions ("),
        "{}",
        said[1]
    );
}

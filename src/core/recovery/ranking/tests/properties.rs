//! The order is strict and total, and the same whatever the servers are called in; for pictures nobody thought of.

use std::cmp::Ordering;

use proptest::prelude::*;

use crate::recovery::RecoveryPolicy;
use crate::recovery::ranking::{choose, compare, rank};
use crate::recovery::testing::{Stage, key};

/// What a replica may be; each list is one attribute, so that no word contradicts another.
const CHOICES: [&[&str]; 9] = [
    &[
        "",
        "gtid=..1-90",
        "gtid=..1-95 received=..1-99",
        "gtid=..1-95",
        "gtid=..1-90 received=..1-99",
        "gtid=..1-100",
        "errant",
    ],
    &[
        "",
        "promotion=prefer",
        "promotion=prefer_not",
        "promotion=must_not",
    ],
    &["", "dc=x", "dc=y"],
    &["", "env=p"],
    &["", "8.0.36", "9.7.0"],
    &["", "format=STATEMENT", "format=MIXED"],
    &["", "", "", "delay=5m", "binlog=off", "log-updates=off"],
    &["", "", "", "unreachable", "downtime=1h"],
    &["", "", "sql=no", "sql=no sql-errno=1062"],
];

pub(in crate::recovery) fn a_replica() -> impl Strategy<Value = String> {
    CHOICES.map(proptest::sample::select).prop_map(in_order)
}

/// The version stands first: it decides what the other words are about.
fn in_order(words: [&str; 9]) -> String {
    let mut words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.sort_by_key(|word| !word.starts_with(|c: char| c.is_ascii_digit()));
    words.join(" ")
}

/// The same for MariaDB, whose words about GTIDs and versions are others.
pub(in crate::recovery) fn a_replica_of_mariadb() -> impl Strategy<Value = String> {
    const GTIDS: [&str; 6] = [
        "",
        "gtid=0-1-90",
        "gtid=0-1-95 received=0-1-99",
        "gtid=0-1-90 received=0-1-99",
        "gtid=0-1-100,1-1-7",
        "gtid=0-9-101",
    ];
    const VERSIONS: [&str; 3] = ["", "10.6.16-MariaDB", "11.4.2-MariaDB"];
    let mut choices = CHOICES;
    choices[0] = &GTIDS;
    choices[4] = &VERSIONS;
    choices.map(proptest::sample::select).prop_map(in_order)
}

pub(in crate::recovery) fn drawn_of_mariadb(replicas: &[String]) -> String {
    drawn(replicas).replacen("8.0.36", "10.11.6-MariaDB server-id=1", 1)
}

pub(in crate::recovery) fn drawn(replicas: &[String]) -> String {
    let mut text = "a [8.0.36 unreachable dc=x env=p]\n".to_owned();
    for (i, words) in replicas.iter().enumerate() {
        let name = char::from(b'b' + u8::try_from(i).expect("few"));
        text.push_str(&format!("+ {name} [io=connecting {words}]\n"));
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_is_strict_total_and_transitive(replicas in proptest::collection::vec(a_replica(), 1..7)) {
        let text = drawn(&replicas);
        let ranking = rank(&Stage::of(&text).scene(), &key("a"), &RecoveryPolicy::default());
        let ranking = ranking.expect("one binary log makes one history");
        let all: Vec<_> = ranking.all().collect();
        prop_assert_eq!(all.len(), replicas.len());
        for a in &all {
            for b in &all {
                let (there, by) = compare(a, b);
                prop_assert_eq!(there, compare(b, a).0.reverse(), "{:?} {}", by, text);
                prop_assert_eq!(there == Ordering::Equal, a.key == b.key, "{}", text);
                for c in &all {
                    let is_chain = there.is_lt() && compare(b, c).0.is_lt();
                    prop_assert!(!is_chain || compare(a, c).0.is_lt(), "{}", text);
                }
            }
        }
        prop_assert!(ranking.order.is_sorted_by(|a, b| compare(a, b).0.is_lt()));
        prop_assert_eq!(ranking.comparisons.len(), ranking.order.len().saturating_sub(1));
    }

    #[test]
    fn who_is_listed_first_makes_no_difference(replicas in proptest::collection::vec(a_replica(), 2..6)) {
        // The same servers under the same names, drawn from the last to the first.
        let text = drawn(&replicas);
        let mut lines: Vec<&str> = text.lines().collect();
        lines[1..].reverse();
        let policy = RecoveryPolicy::default();
        prop_assert_eq!(super::told(&text, &policy), super::told(&lines.join("\n"), &policy));
    }

    #[test]
    fn whoever_is_chosen_gets_all_that_could_be_given(replicas in proptest::collection::vec(a_replica(), 1..7)) {
        let text = drawn(&replicas);
        let policy = RecoveryPolicy::default();
        let ranking = rank(&Stage::of(&text).scene(), &key("a"), &policy).expect("one history");
        let Some(choice) = choose(&ranking, &policy) else {
            prop_assert!(ranking.order.is_empty());
            return Ok(());
        };
        let head = ranking.find(&choice.head).and_then(|one| one.holdings.as_ref()).expect("it has something");
        let promoted = ranking.find(&choice.promoted).expect("it is a contender");
        prop_assert!(promoted.vetoes.is_empty(), "{}", text);
        for one in &ranking.order {
            prop_assert!(head.covers(one.holdings.as_ref().expect("it has something")), "{}", text);
        }
    }
}

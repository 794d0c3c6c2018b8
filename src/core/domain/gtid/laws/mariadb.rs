//! MariaDB positions and binary log states.

use std::cmp::Ordering;

use proptest::prelude::*;

use crate::domain::gtid::{
    MariadbBinlogState, MariadbGtid, MariadbPosition, Relation, StartProblem,
};

fn position(text: &str) -> MariadbPosition {
    MariadbPosition::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn state(text: &str) -> MariadbBinlogState {
    MariadbBinlogState::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn gtid(text: &str) -> MariadbGtid {
    position(text).gtids()[0]
}

#[test]
fn what_mariadb_reads_is_read_and_printed_sorted_by_domain() {
    for (text, printed) in [
        ("", ""),
        ("0-1-100", "0-1-100"),
        ("1-2-5,0-1-100,77-3-2,12-4-4", "0-1-100,1-2-5,12-4-4,77-3-2"),
        ("0-1-100,\n1-2-5", "0-1-100,1-2-5"),
        (" 0-1-100 , 1-2-5 ", "0-1-100,1-2-5"),
        ("00-01-0005", "0-1-5"),
        (
            "4294967295-4294967295-18446744073709551615",
            "4294967295-4294967295-18446744073709551615",
        ),
        ("0-1-0,1-1-1", "1-1-1"),
    ] {
        assert_eq!(position(text).to_string(), printed, "{text:?}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let dash = "'-' is expected; a MariaDB GTID is DOMAIN-SERVER-NUMBER, like 0-1-100";
    for (text, problem) in [
        (
            "0-1-100,0-2-101",
            "domain 0 appears twice; a position names one transaction of each domain (character 9, at '0-2-101')",
        ),
        ("0", &format!("{dash} (character 2, at the end)")),
        ("0-1", &format!("{dash} (character 4, at the end)")),
        ("0 - 1 - 5", &format!("{dash} (character 2, at ' - 1 - 5')")),
        (
            "0-1-",
            "a transaction number is expected (character 5, at the end)",
        ),
        (
            "-1-1-1",
            "a transaction number is expected (character 1, at '-1-1-1')",
        ),
        (
            "0-1-1-1",
            "',' or the end is expected (character 6, at '-1')",
        ),
        (
            "0-1-1,",
            "a transaction number is expected (character 7, at the end)",
        ),
        (
            ",0-1-1",
            "a transaction number is expected (character 1, at ',0-1-1')",
        ),
        (
            "0-1-1,,1-1-1",
            "a transaction number is expected (character 7, at ',1-1-1')",
        ),
        (
            "4294967296-1-1",
            "domain id too large; the largest is 4294967295 (character 1, at '4294967296-1-1')",
        ),
        (
            "0-4294967296-1",
            "server id too large; the largest is 4294967295 (character 3, at '4294967296-1')",
        ),
        (
            "0-1-18446744073709551616",
            "sequence number too large; the largest is 18446744073709551615 (character 5, at '18446744073709551616')",
        ),
        (
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:1",
            &format!("{dash} (character 2, at 'e11fa47-71ca-11e1-9e33-c')"),
        ),
    ] {
        assert_eq!(
            MariadbPosition::parse(text).expect_err(text).to_string(),
            problem,
            "{text:?}"
        );
    }
    let twice = MariadbBinlogState::parse("0-7-1,0-9-5,0-7-6").expect_err("server 7 twice");
    assert_eq!(
        twice.to_string(),
        "server 7 appears twice in domain 0; a binary log state names each once (character 13, at '0-7-6')"
    );
    let twice = MariadbBinlogState::parse("0-9-1,0-9-5,0-7-6").expect_err("server 9 twice");
    assert!(
        twice
            .to_string()
            .starts_with("server 9 appears twice in domain 0;"),
        "{twice}"
    );
}

#[test]
fn positions_compare_by_domain() {
    for (own, other, relation) in [
        ("0-1-100", "0-1-100", Relation::Equal),
        ("0-1-105", "0-1-100", Relation::Ahead { by: 5 }),
        ("0-2-105", "0-1-100", Relation::Ahead { by: 5 }),
        ("0-1-100", "0-1-100,1-1-7", Relation::Behind { by: 7 }),
        ("", "0-1-100", Relation::Behind { by: 100 }),
        (
            "0-1-105,1-1-1",
            "0-1-100,1-1-4",
            Relation::Neither {
                ahead: 5,
                behind: 3,
            },
        ),
        (
            "0-1-100",
            "0-2-100",
            Relation::Neither {
                ahead: 1,
                behind: 1,
            },
        ),
    ] {
        assert_eq!(
            position(own).relation(&position(other)),
            relation,
            "{own} and {other}"
        );
    }
    assert_eq!(
        position("0-1-100,1-1-5").diverged_domains(&position("0-2-100,1-1-5")),
        [0]
    );
    assert_eq!(
        position("0-1-100").diverged_domains(&position("0-2-101")),
        [0_u32; 0],
        "a position alone cannot tell"
    );
}

#[test]
fn what_is_missing_is_named_by_domain() {
    let gaps = position("0-1-105,1-2-7,2-1-1").missing_in(&position("0-1-100,2-1-1"));
    let texts: Vec<_> = gaps.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "after 0-1-100 up to 0-1-105 (at most 5 transactions)",
            "up to 1-2-7 (at most 7 transactions)"
        ]
    );
    let diverged = position("0-2-100").missing_in(&position("0-1-100"));
    assert_eq!(
        diverged[0].to_string(),
        "after 0-1-100 up to 0-2-100 (1 transaction)"
    );
}

#[test]
fn the_current_position_is_what_the_server_computes() {
    // Applied up to 0-1-100 as a replica, then promoted as server 2 and wrote 101 to 103.
    let current = MariadbPosition::current(&position("0-1-100"), &position("0-2-103"), 2);
    assert_eq!(current, position("0-2-103"));
    // Logged what it applied: the entry in the log is not its own, so the applied position counts.
    let current =
        MariadbPosition::current(&position("0-1-100,1-1-5"), &position("0-1-90,1-2-4"), 2);
    assert_eq!(current, position("0-1-100,1-1-5"));
    assert_eq!(
        MariadbPosition::current(&position(""), &position("3-2-1"), 2),
        position("3-2-1")
    );
}

#[test]
fn the_newest_of_a_binary_log_state_is_the_highest_number_wherever_it_is_listed() {
    let listed = state("3-7-1,0-9-15,0-7-12,0-8-14,3-9-2");
    assert_eq!(listed.position(), position("0-9-15,3-9-2"));
    assert_eq!(
        state("0-7-12,3-9-2,3-7-1,0-8-14,0-9-15"),
        listed,
        "the server changes the order within a domain"
    );
    assert_eq!(listed.to_string(), "0-7-12,0-8-14,0-9-15,3-7-1,3-9-2");
    assert!(
        listed.holds(gtid("0-7-12"))
            && listed.holds(gtid("0-7-3"))
            && !listed.holds(gtid("0-7-13"))
    );
    assert!(!listed.holds(gtid("0-5-1")) && !listed.holds(gtid("9-7-1")));
    assert!(state("").is_empty() && state("").position().is_empty());
}

#[test]
fn a_source_serves_a_replica_only_from_what_it_has() {
    let none = MariadbPosition::new();
    let source = state("0-1-80,0-2-100,1-2-5");
    for served in [
        "",
        "0-2-100",
        "0-2-90",
        "0-1-80",
        "0-1-3,1-2-5",
        "0-2-100,7-9-50",
    ] {
        assert_eq!(
            source.start_problems(&position(served), &none),
            [],
            "{served}"
        );
    }
    let (asked, last) = (gtid("0-2-105"), gtid("0-2-100"));
    assert_eq!(
        source.start_problems(&position("0-2-105"), &none),
        [StartProblem::NotReached { asked, last }]
    );
    let (asked, last) = (gtid("0-3-95"), gtid("0-2-100"));
    let diverged = source.start_problems(&position("0-3-95,1-2-5"), &none);
    assert_eq!(diverged, [StartProblem::Diverged { asked, last }]);
    assert_eq!(
        diverged[0].to_string(),
        "0-3-95 is asked for, which the source never had although it has come to 0-2-100: they have diverged"
    );
    // The source applied 0-3-95 as a replica without logging it, and stands exactly there.
    assert_eq!(
        source.start_problems(&position("0-3-95"), &position("0-3-95")),
        []
    );
}

#[test]
fn own_writes_of_a_replica_are_errant_even_when_its_source_went_on() {
    let source = state("0-1-100");
    let replica = state("0-3-91,0-1-99");
    let errant = replica.errant(&source, &[]);
    assert_eq!(errant.len(), 1);
    assert_eq!((errant[0].after, errant[0].to), (None, gtid("0-3-91")));
    assert!(
        position("0-1-100").contains(&position("0-1-99")),
        "which the positions hide"
    );
    assert!(
        state("0-1-105").errant(&source, &[1]).is_empty(),
        "a source read earlier is no divergence"
    );
    assert_eq!(
        state("0-1-105")
            .errant(&source, &[])
            .first()
            .map(|gap| gap.count()),
        Some(5)
    );
    assert!(
        state("0-1-100")
            .errant(&state("0-3-91,0-1-100"), &[])
            .is_empty()
    );
}

#[test]
fn advancing_replaces_the_last_transaction_of_its_domain() {
    let mut at = position("0-1-5,2-1-1");
    for (step, expected) in [("0-2-6", "0-2-6,2-1-1"), ("1-1-1", "0-2-6,1-1-1,2-1-1")] {
        at.advance_to(gtid(step));
        assert_eq!(at, position(expected));
    }
    at.advance_to(MariadbGtid {
        domain: 1,
        server_id: 0,
        sequence: 0,
    });
    assert_eq!(at, position("0-2-6,2-1-1"));
    at.advance_to(MariadbGtid {
        domain: 9,
        server_id: 0,
        sequence: 0,
    });
    assert_eq!(at, position("0-2-6,2-1-1"));
}

fn any_position() -> impl Strategy<Value = MariadbPosition> {
    prop::collection::btree_map(0_u32..4, (1_u32..3, 1_u64..5), 0..4).prop_map(|domains| {
        let mut position = MariadbPosition::new();
        for (domain, (server_id, sequence)) in domains {
            position.advance_to(MariadbGtid {
                domain,
                server_id,
                sequence,
            });
        }
        position
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn printing_and_parsing_is_the_identity(x in any_position()) {
        prop_assert_eq!(position(&x.to_string()), x.clone());
        prop_assert_eq!(state(&x.to_string()).position(), x);
    }

    #[test]
    fn containing_is_an_order(x in any_position(), y in any_position(), z in any_position()) {
        prop_assert!(x.contains(&x) && x.contains(&MariadbPosition::new()));
        prop_assert_eq!(x.contains(&y) && y.contains(&x), x == y);
        prop_assert!(!(x.contains(&y) && y.contains(&z)) || x.contains(&z));
        prop_assert_eq!(x.relation(&y).has_everything(), x.contains(&y));
        prop_assert_eq!(x.relation(&y).reversed(), y.relation(&x));
    }

    #[test]
    fn union_and_intersection_are_a_lattice(x in any_position(), y in any_position(), z in any_position()) {
        prop_assert_eq!(x.union(&y), y.union(&x));
        prop_assert_eq!(x.intersect(&y), y.intersect(&x));
        prop_assert_eq!(x.union(&y).union(&z), x.union(&y.union(&z)));
        prop_assert_eq!(x.intersect(&y).intersect(&z), x.intersect(&y.intersect(&z)));
        prop_assert_eq!(&x.union(&x.intersect(&y)), &x);
        prop_assert_eq!(&x.intersect(&x.union(&y)), &x);
        prop_assert_eq!(x.intersect(&y.union(&z)), x.intersect(&y).union(&x.intersect(&z)));
        prop_assert_eq!(&x.union(&x), &x);
    }

    #[test]
    fn a_union_contains_both_unless_they_diverged(x in any_position(), y in any_position()) {
        let union = x.union(&y);
        let diverged = !x.diverged_domains(&y).is_empty();
        prop_assert_eq!(union.contains(&x) && union.contains(&y), !diverged);
        for own in union.gtids() {
            let last = x.last_of(own.domain).into_iter().chain(y.last_of(own.domain)).map(|gtid| gtid.sequence).max();
            prop_assert_eq!(Some(own.sequence).cmp(&last), Ordering::Equal);
        }
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in prop_oneof!["\\PC{0,30}", "[0-9, -]{0,24}"]) {
        if let Ok(x) = MariadbPosition::parse(&text) {
            prop_assert_eq!(position(&x.to_string()), x);
        }
        if let Ok(x) = MariadbBinlogState::parse(&text) {
            prop_assert_eq!(state(&x.to_string()), x);
        }
    }
}

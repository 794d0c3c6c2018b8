//! Random sets over several servers and tags: the laws one by one, and against a plain set of transactions.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::domain::gtid::{Interval, OracleGtid, OracleGtidSet, Relation, ServerUuid, Tsid};

/// Cases of each law. They are cheap, and the sets small, so that overlaps are the rule.
const CASES: u32 = 10_000;

/// Six origins: three servers, some tagged.
pub(super) fn tsid(index: u8) -> Tsid {
    let tags = [None, Some("a"), Some("b_1"), None, Some("a"), None];
    let uuid = ServerUuid::from_bytes([index / 2 + 1; 16]);
    Tsid {
        uuid,
        tag: tags[usize::from(index) % 6].map(|tag| tag.parse().unwrap()),
    }
}

/// Ranges as drawn: origin, first, how many more.
type Ranges = Vec<(u8, u64, u64)>;

pub(super) fn ranges() -> impl Strategy<Value = Ranges> {
    prop::collection::vec((0_u8..6, 1_u64..40, 0_u64..8), 0..7)
}

pub(super) fn build(ranges: &Ranges) -> OracleGtidSet {
    let part = |&(index, first, more): &(u8, u64, u64)| {
        (
            tsid(index),
            Interval::new(first, first + more).unwrap().into(),
        )
    };
    OracleGtidSet::from_parts(ranges.iter().map(part))
}

fn set() -> impl Strategy<Value = OracleGtidSet> {
    ranges().prop_map(|ranges| build(&ranges))
}

/// The naive model.
fn model(ranges: &Ranges) -> BTreeSet<OracleGtid> {
    let gtids = |&(index, first, more): &(u8, u64, u64)| {
        (first..=first + more).map(move |number| OracleGtid {
            tsid: tsid(index),
            number,
        })
    };
    ranges.iter().flat_map(gtids).collect()
}

fn all(set: &OracleGtidSet) -> BTreeSet<OracleGtid> {
    set.gtids().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn operations_agree_with_a_plain_set_of_transactions(a in ranges(), b in ranges()) {
        let (x, y, p, q) = (build(&a), build(&b), model(&a), model(&b));
        prop_assert_eq!(all(&x), p.clone());
        prop_assert_eq!(x.count(), p.len() as u128);
        prop_assert_eq!(all(&x.union(&y)), p.union(&q).cloned().collect());
        prop_assert_eq!(all(&x.intersect(&y)), p.intersection(&q).cloned().collect());
        prop_assert_eq!(all(&x.subtract(&y)), p.difference(&q).cloned().collect());
        prop_assert_eq!(x.contains(&y), p.is_superset(&q));
        prop_assert_eq!(x.intersects(&y), !p.is_disjoint(&q));
        prop_assert_eq!(x.is_empty(), p.is_empty());
        for index in 0..6 {
            let last = p.iter().filter(|gtid| gtid.tsid == tsid(index)).map(|gtid| gtid.number).max();
            prop_assert_eq!(x.last_of(&tsid(index)), last);
        }
    }

    #[test]
    fn membership_agrees_with_a_plain_set(a in ranges(), index in 0_u8..6, number in 0_u64..50) {
        let gtid = OracleGtid { tsid: tsid(index), number };
        prop_assert_eq!(build(&a).contains_gtid(&gtid), model(&a).contains(&gtid));
    }

    #[test]
    fn the_order_of_building_does_not_matter(a in ranges(), at in any::<prop::sample::Index>()) {
        let mut turned = a.clone();
        turned.rotate_left(if a.is_empty() { 0 } else { at.index(a.len()) });
        turned.reverse();
        prop_assert_eq!(build(&a), build(&turned));
        let mut inserted = OracleGtidSet::new();
        for &(index, first, more) in &turned {
            inserted.insert(tsid(index), Interval::new(first, first + more).unwrap());
        }
        prop_assert_eq!(build(&a), inserted);
    }

    #[test]
    fn union_and_intersection_commute(x in set(), y in set()) {
        prop_assert_eq!(x.union(&y), y.union(&x));
        prop_assert_eq!(x.intersect(&y), y.intersect(&x));
        prop_assert_eq!(x.intersects(&y), y.intersects(&x));
    }

    #[test]
    fn union_and_intersection_associate(x in set(), y in set(), z in set()) {
        prop_assert_eq!(x.union(&y).union(&z), x.union(&y.union(&z)));
        prop_assert_eq!(x.intersect(&y).intersect(&z), x.intersect(&y.intersect(&z)));
    }

    #[test]
    fn a_set_with_itself_and_with_nothing(x in set()) {
        let none = OracleGtidSet::new();
        prop_assert_eq!(&x.union(&x), &x);
        prop_assert_eq!(&x.intersect(&x), &x);
        prop_assert!(x.subtract(&x).is_empty());
        prop_assert_eq!(&x.union(&none), &x);
        prop_assert_eq!(&x.subtract(&none), &x);
        prop_assert!(x.intersect(&none).is_empty() && none.subtract(&x).is_empty());
        prop_assert!(x.contains(&x) && x.contains(&none));
        prop_assert_eq!(none.contains(&x), x.is_empty());
        prop_assert_eq!(x.relation(&x), Relation::Equal);
    }

    #[test]
    fn absorption(x in set(), y in set()) {
        prop_assert_eq!(&x.union(&x.intersect(&y)), &x);
        prop_assert_eq!(&x.intersect(&x.union(&y)), &x);
    }

    #[test]
    fn each_distributes_over_the_other(x in set(), y in set(), z in set()) {
        prop_assert_eq!(x.intersect(&y.union(&z)), x.intersect(&y).union(&x.intersect(&z)));
        prop_assert_eq!(x.union(&y.intersect(&z)), x.union(&y).intersect(&x.union(&z)));
    }

    #[test]
    fn differences_follow_de_morgan(x in set(), y in set(), z in set()) {
        prop_assert_eq!(x.subtract(&y.union(&z)), x.subtract(&y).intersect(&x.subtract(&z)));
        prop_assert_eq!(x.subtract(&y.intersect(&z)), x.subtract(&y).union(&x.subtract(&z)));
        prop_assert_eq!(x.union(&y).subtract(&z), x.subtract(&z).union(&y.subtract(&z)));
        prop_assert_eq!(x.subtract(&y).subtract(&z), x.subtract(&y.union(&z)));
    }

    #[test]
    fn a_set_is_the_sum_of_what_is_shared_and_what_is_not(x in set(), y in set()) {
        let (shared, own) = (x.intersect(&y), x.subtract(&y));
        prop_assert_eq!(&shared.union(&own), &x);
        prop_assert!(!shared.intersects(&own));
        prop_assert!(!own.intersects(&y));
        prop_assert_eq!(shared.count() + own.count(), x.count());
        prop_assert_eq!(x.union(&y).count() + shared.count(), x.count() + y.count());
        prop_assert_eq!(own.union(&y), x.union(&y));
    }

    #[test]
    fn containing_is_an_order(x in set(), y in set(), z in set()) {
        prop_assert_eq!(x.contains(&y), y.subtract(&x).is_empty());
        prop_assert_eq!(x.contains(&y), x.union(&y) == x);
        prop_assert_eq!(x.contains(&y), x.intersect(&y) == y);
        prop_assert_eq!(x.contains(&y) && y.contains(&x), x == y);
        let (low, middle, top) = (x.intersect(&y), x.clone(), x.union(&z));
        prop_assert!(top.contains(&middle) && middle.contains(&low) && top.contains(&low));
    }

    #[test]
    fn the_relation_says_who_lacks_what(x in set(), y in set()) {
        let relation = x.relation(&y);
        prop_assert_eq!(relation.reversed(), y.relation(&x));
        prop_assert_eq!(relation.has_everything(), x.contains(&y));
        let (ahead, behind) = (x.subtract(&y).count(), y.subtract(&x).count());
        let expected = match (ahead > 0, behind > 0) {
            (false, false) => Relation::Equal,
            (true, false) => Relation::Ahead { by: ahead },
            (false, true) => Relation::Behind { by: behind },
            (true, true) => Relation::Neither { ahead, behind },
        };
        prop_assert_eq!(relation, expected);
    }

    #[test]
    fn servers_split_a_set_in_two(x in set(), which in 0_u8..8) {
        let uuids: Vec<_> = (0..3).filter(|bit| which & (1 << bit) != 0).map(|bit| tsid(2 * bit).uuid).collect();
        let (with, without) = (x.only_uuids(&uuids), x.without_uuids(&uuids));
        prop_assert_eq!(with.union(&without), x);
        prop_assert!(with.uuids().all(|uuid| uuids.contains(&uuid)));
        prop_assert!(without.uuids().all(|uuid| !uuids.contains(&uuid)));
    }

    #[test]
    fn errant_transactions_are_own_ones_that_the_source_lacks(own in ranges(), source in ranges(), ancestor in 0_u8..6) {
        let ancestors = [tsid(ancestor).uuid];
        let errant = all(&build(&own).errant(&build(&source), &ancestors));
        let lacking = model(&source);
        let expected = model(&own).into_iter().filter(|gtid| !lacking.contains(gtid) && !ancestors.contains(&gtid.tsid.uuid));
        prop_assert_eq!(errant, expected.collect());
    }

    #[test]
    fn gaps_fill_a_set_up_to_its_last_numbers(x in set()) {
        let filled = x.union(&x.gaps());
        prop_assert!(!x.intersects(&x.gaps()));
        for (tsid, numbers) in filled.parts() {
            prop_assert_eq!(numbers.as_slice(), &[Interval::new(1, x.last_of(tsid).unwrap()).unwrap()]);
        }
        prop_assert_eq!(filled.uuids().collect::<Vec<_>>(), x.uuids().collect::<Vec<_>>());
    }

    #[test]
    fn printing_and_parsing_is_the_identity_and_the_print_is_canonical(x in set()) {
        for text in [x.to_string(), format!("{x:#}")] {
            let parsed = OracleGtidSet::parse(&text).unwrap();
            prop_assert_eq!(&parsed, &x);
            prop_assert_eq!(parsed.to_string(), x.to_string());
        }
    }

    #[test]
    fn text_in_any_order_and_dress_reads_as_the_same_set(a in ranges(), dress in 0_usize..5) {
        let (comma, dash) = [(",", "-"), (",\n", "-"), (" , ", " - "), (",,", "-"), ("\t,\r\n", "-\n")][dress];
        let entry = |&(index, first, more): &(u8, u64, u64)| {
            let text = format!("{}:{first}{dash}{}", tsid(index), first + more);
            if dress % 2 == 0 { text.to_uppercase() } else { text }
        };
        let text = a.iter().map(entry).collect::<Vec<_>>().join(comma);
        prop_assert_eq!(OracleGtidSet::parse(&text).unwrap(), build(&a), "{}", text);
    }
}

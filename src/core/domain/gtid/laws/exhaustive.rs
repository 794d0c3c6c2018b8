//! All sets over five neighbouring numbers, at both ends of the range: 32 sets, all pairs, all triples. An algebra that is right
//! here has met every way in which intervals can touch, overlap, enclose and miss each other.

use crate::domain::gtid::{Interval, IntervalSet, MAX_SEQUENCE};

const NUMBERS: u64 = 5;
const ALL: u8 = (1 << NUMBERS) - 1;

/// The set of a mask, as numbers from `base`.
fn set(mask: u8, base: u64) -> IntervalSet {
    let numbers = (0..NUMBERS)
        .filter(|bit| mask & (1 << bit) != 0)
        .map(|bit| base + bit);
    numbers.map(|n| Interval::new(n, n).unwrap()).collect()
}

fn bases() -> [u64; 3] {
    [1, 1000, MAX_SEQUENCE - NUMBERS + 1]
}

fn is_canonical(set: &IntervalSet) -> bool {
    set.as_slice()
        .windows(2)
        .all(|pair| pair[0].last() + 1 < pair[1].first())
}

#[test]
fn every_operation_on_every_pair_agrees_with_the_bits() {
    for base in bases() {
        for a in 0..=ALL {
            let left = set(a, base);
            assert_eq!(left.count(), u64::from(a.count_ones()));
            assert_eq!(left.is_empty(), a == 0);
            assert_eq!(
                left.last(),
                a.checked_ilog2().map(|bit| base + u64::from(bit))
            );
            for b in 0..=ALL {
                let right = set(b, base);
                assert_eq!(left.union(&right), set(a | b, base), "{left} union {right}");
                assert_eq!(
                    left.intersect(&right),
                    set(a & b, base),
                    "{left} intersect {right}"
                );
                assert_eq!(
                    left.subtract(&right),
                    set(a & !b, base),
                    "{left} subtract {right}"
                );
                assert_eq!(left.contains(&right), a & b == b, "{left} contains {right}");
                assert_eq!(
                    left.intersects(&right),
                    a & b != 0,
                    "{left} intersects {right}"
                );
                assert_eq!(left == right, a == b);
                assert!(
                    is_canonical(&left.union(&right))
                        && is_canonical(&left.subtract(&right))
                        && is_canonical(&left.intersect(&right))
                );
            }
        }
    }
}

#[test]
fn every_number_is_found_where_it_is_and_only_there() {
    for a in 0..=ALL {
        let set = set(a, 2);
        for number in 0..=NUMBERS + 3 {
            let expected = (2..2 + NUMBERS).contains(&number) && a & (1 << (number - 2)) != 0;
            assert_eq!(set.contains_number(number), expected, "{number} in {set}");
        }
        assert!(
            set.numbers()
                .eq((2..2 + NUMBERS).filter(|n| a & (1 << (n - 2)) != 0))
        );
    }
}

#[test]
fn every_interval_inserted_anywhere_is_a_union() {
    for base in bases() {
        for a in 0..=ALL {
            for first in 0..NUMBERS {
                for last in first..NUMBERS {
                    let interval = Interval::new(base + first, base + last).unwrap();
                    let mut inserted = set(a, base);
                    inserted.insert(interval);
                    assert_eq!(
                        inserted,
                        set(a, base).union(&interval.into()),
                        "{interval} into {}",
                        set(a, base)
                    );
                }
            }
        }
    }
}

#[test]
fn gaps_are_what_is_missing_below_the_last_number() {
    for a in 0..=ALL {
        let below = a.checked_ilog2().map_or(0, |bit| (1_u8 << bit) - 1);
        assert_eq!(set(a, 1).gaps(), set(below & !a, 1), "{}", set(a, 1));
    }
}

#[test]
fn the_laws_of_three_sets_hold_for_every_triple() {
    for a in 0..=ALL {
        let x = set(a, 1);
        for b in 0..=ALL {
            let y = set(b, 1);
            let (x_or_y, x_and_y, x_without_y) = (x.union(&y), x.intersect(&y), x.subtract(&y));
            for c in 0..=ALL {
                let z = set(c, 1);
                assert_eq!(x_or_y.union(&z), x.union(&y.union(&z)));
                assert_eq!(x_and_y.intersect(&z), x.intersect(&y.intersect(&z)));
                assert_eq!(
                    x_or_y.intersect(&z),
                    x.intersect(&z).union(&y.intersect(&z))
                );
                assert_eq!(x_and_y.union(&z), x.union(&z).intersect(&y.union(&z)));
                assert_eq!(x_without_y.subtract(&z), x.subtract(&y.union(&z)));
            }
        }
    }
}

#[test]
fn intervals_outside_of_the_range_do_not_exist() {
    for (first, last) in [
        (0, 0),
        (0, 5),
        (5, 4),
        (1, MAX_SEQUENCE + 1),
        (MAX_SEQUENCE + 1, MAX_SEQUENCE + 1),
        (1, u64::MAX),
    ] {
        assert_eq!(Interval::new(first, last), None, "{first}-{last}");
    }
    assert_eq!(
        Interval::new(1, MAX_SEQUENCE).map(Interval::count),
        Some(MAX_SEQUENCE)
    );
}

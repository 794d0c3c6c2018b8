//! Large sets: speed, and memory that follows the set and not the text.

use std::fmt::Write;

use crate::domain::gtid::interval_set::Collector;
use crate::domain::gtid::{
    Interval, IntervalSet, MAX_TSIDS, OracleGtidSet, Problem, ServerUuid, Tsid,
};

const MILLION: u64 = 1_000_000;

/// A million intervals of one number, each second number missing.
fn comb(start: u64) -> OracleGtidSet {
    let numbers: IntervalSet = (0..MILLION)
        .filter_map(|i| Interval::new(start + 2 * i, start + 2 * i))
        .collect();
    OracleGtidSet::from_parts([(Tsid::untagged(ServerUuid::from_bytes([1; 16])), numbers)])
}

/// Runs `work`, and fails when it takes longer than `limit_ms`. The limits are many times what a slow machine needs
/// without optimisation, and far below what anything but a single merge would take.
#[allow(
    clippy::disallowed_methods,
    reason = "the only thing measured here is how long a computation takes"
)]
fn within<T>(limit_ms: u128, what: &str, work: impl FnOnce() -> T) -> T {
    let start = std::time::Instant::now();
    let result = work();
    let took = start.elapsed().as_millis();
    println!("{what}: {took} ms");
    assert!(
        took <= limit_ms,
        "{what} took {took} ms, the limit is {limit_ms} ms"
    );
    result
}

#[test]
fn a_million_intervals_are_worked_on_in_well_under_a_second() {
    let (odd, even) = (comb(1), comb(2));
    let shifted = comb(MILLION + 1);
    within(1000, "subtract, nothing in common", || {
        assert_eq!(odd.subtract(&even), odd)
    });
    within(1000, "subtract, half in common", || {
        assert_eq!(odd.subtract(&shifted).interval_count(), 500_000)
    });
    within(1000, "union into one interval", || {
        assert_eq!(odd.union(&even).interval_count(), 1)
    });
    within(1000, "intersect", || {
        assert!(odd.intersect(&even).is_empty())
    });
    within(1000, "contains", || assert!(odd.contains(&odd)));
    let text = within(5000, "print", || odd.to_string());
    let parsed = within(5000, "parse", || OracleGtidSet::parse(&text));
    assert_eq!(parsed.as_ref(), Ok(&odd));
}

#[test]
fn a_text_that_repeats_numbers_out_of_order_stays_small() {
    let mut collector = Collector::default();
    for i in 0..MILLION {
        let number = if i % 2 == 0 { 9 } else { 1 + i % 7 };
        collector.add(Interval::new(number, number).unwrap());
        assert!(
            collector.held() <= 1100,
            "{} intervals are held after {i}",
            collector.held()
        );
    }
    assert_eq!(collector.finish().to_string(), "1-7:9");
}

#[test]
fn shuffled_intervals_are_sorted_and_merged() {
    let step = 7_919; // prime to the number of intervals, so every number comes once
    let shuffled = (0..10_000)
        .map(|i| i * step % 10_000 + 1)
        .filter_map(|n| Interval::new(n, n));
    assert_eq!(shuffled.collect::<IntervalSet>().to_string(), "1-10000");
}

#[test]
fn more_origins_than_the_bound_are_refused() {
    let mut text = "3e11fa47-71ca-11e1-9e33-c80aa9429562".to_owned();
    for tag in 0..MAX_TSIDS {
        write!(text, ":t{tag}:1").expect("a string takes everything");
    }
    assert_eq!(
        OracleGtidSet::parse(&text).expect_err("too many").problem,
        Problem::TooManyTsids
    );
}

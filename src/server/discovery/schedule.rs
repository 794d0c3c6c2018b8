//! When an instance is asked next. Pure: times come in, times go out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Longest pause between probes of an instance that never answered and that nobody needs to see: a guessed port, a
/// replica behind a firewall. It may become reachable, so it is asked now and then.
const LONGEST_HIDDEN_PAUSE: Duration = Duration::from_secs(600);

/// Fractional part of the golden ratio: its multiples, without their whole parts, fall evenly over 0 to 1, however
/// many there are.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// Hands out phases, so that any number of instances spread evenly over a poll interval.
#[derive(Debug)]
pub(super) struct Spread {
    offset: f64,
    given: AtomicU64,
}

impl Spread {
    /// Begins at `offset` (0 to 1), so that several nodes do not ask in step.
    pub(super) fn new(offset: f64) -> Self {
        Self {
            offset,
            given: AtomicU64::new(0),
        }
    }

    /// The next phase: 0 (included) to 1 (excluded).
    pub(super) fn next(&self) -> f64 {
        let n = self.given.fetch_add(1, Ordering::Relaxed);
        // Beyond 2^32 steps a double has too few digits left for an even spread.
        let n = u32::try_from(n % (1 << 32)).expect("the remainder fits");
        (self.offset + GOLDEN * f64::from(n)).fract()
    }
}

/// How the last probe of an instance ended, as far as its schedule cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It answered.
    Good,
    /// It failed so many times in a row, and people watch it.
    Failing(u32),
    /// It failed so many times in a row, never answered, and is not shown.
    Hidden(u32),
}

impl Standing {
    /// Probes that failed since the last good one.
    pub(super) fn failures(self) -> u32 {
        match self {
            Self::Good => 0,
            Self::Failing(failures) | Self::Hidden(failures) => failures,
        }
    }

    /// Whether the last probe failed.
    pub(super) fn is_failing(self) -> bool {
        self != Self::Good
    }

    /// From one start to the next. A failing server is asked after one poll, then every two at most, so that one that
    /// is back is seen within two polls.
    pub(super) fn pause(self, poll: Duration) -> Duration {
        match self {
            Self::Good | Self::Failing(0 | 1) => poll,
            Self::Failing(_) => poll * 2,
            Self::Hidden(failures) => poll
                .saturating_mul(2_u32.saturating_pow(failures.min(16)))
                .min(LONGEST_HIDDEN_PAUSE.max(poll * 2)),
        }
    }
}

/// The grid of one instance: starts lie a whole number of polls apart, so that they do not drift together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timetable {
    due: Duration,
    /// The grid point that follows `due`.
    next: Duration,
    poll: Duration,
}

impl Timetable {
    /// First at once, then on a grid with this phase.
    pub(super) fn at_once(now: Duration, phase: f64, poll: Duration) -> Self {
        Self {
            due: now,
            next: now + poll.mul_f64(phase),
            poll,
        }
    }

    /// First within one poll, by the phase.
    pub(super) fn spread(now: Duration, phase: f64, poll: Duration) -> Self {
        let due = now + poll.mul_f64(phase);
        Self {
            due,
            next: due + poll,
            poll,
        }
    }

    /// When the next probe is due.
    pub(super) fn due(&self) -> Duration {
        self.due
    }

    /// The poll interval it was made for.
    pub(super) fn poll(&self) -> Duration {
        self.poll
    }

    /// A probe has ended. `was_due`: it was the one due, not an extra one on request. Grid points that went by meanwhile
    /// are skipped, not made up for.
    pub(super) fn ended(&mut self, now: Duration, was_due: bool, standing: Standing) {
        let pause = standing.pause(self.poll);
        let wanted = match (was_due, standing) {
            (true, _) => self.next + (pause - self.poll),
            (false, Standing::Good) => pulled_in(self.due, now, self.poll),
            (false, _) => self.due,
        };
        self.due = first_after(wanted, now, self.poll);
        self.next = self.due + self.poll;
    }

    /// The poll interval changed: starts spread over the new one, none later than the new interval allows.
    pub(super) fn change_poll(&mut self, now: Duration, phase: f64, poll: Duration) {
        self.due = match poll.checked_sub(self.poll) {
            Some(longer) => self.due + longer.mul_f64(phase),
            None => self.due.min(now + poll.mul_f64(phase)),
        };
        self.next = self.due + poll;
        self.poll = poll;
    }
}

/// The first point of the grid through `point` that is after `now`, when `point` is not.
fn first_after(point: Duration, now: Duration, poll: Duration) -> Duration {
    match now.checked_sub(point) {
        None => point,
        Some(late) => point + poll * whole(late, poll).saturating_add(1),
    }
}

/// The first point of the grid through `point` that is after `now`, when `point` is further away than that.
fn pulled_in(point: Duration, now: Duration, poll: Duration) -> Duration {
    let ahead = point.saturating_sub(now);
    point - poll * whole(ahead.saturating_sub(Duration::from_nanos(1)), poll)
}

/// How many whole polls `length` holds.
fn whole(length: Duration, poll: Duration) -> u32 {
    u32::try_from(length.as_nanos() / poll.as_nanos().max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: Duration = Duration::from_secs(5);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn phases_fill_the_interval_evenly_however_many_there_are() {
        for count in [4_u32, 30, 1_000, 10_000] {
            let spread = Spread::new(0.3);
            let mut phases: Vec<f64> = (0..count).map(|_| spread.next()).collect();
            phases.sort_by(f64::total_cmp);
            let widest = phases
                .windows(2)
                .map(|pair| pair[1] - pair[0])
                .fold(0.0, f64::max);
            assert!(phases.iter().all(|p| (0.0..1.0).contains(p)));
            assert!(
                widest < 2.7 / f64::from(count),
                "{count}: a gap of {widest}"
            );
        }
    }

    #[test]
    fn starts_stay_on_the_grid_and_missed_ones_are_skipped() {
        let mut table = Timetable::spread(ms(0), 0.2, POLL);
        assert_eq!(table.due(), ms(1_000));
        table.ended(ms(1_040), true, Standing::Good);
        assert_eq!(table.due(), ms(6_000));
        table.ended(ms(6_700), true, Standing::Good);
        assert_eq!(table.due(), ms(11_000), "a slow probe moves nothing");
        table.ended(ms(23_000), true, Standing::Good);
        assert_eq!(table.due(), ms(26_000), "16 and 21 went by");
    }

    #[test]
    fn a_failing_instance_waits_one_poll_then_two_and_comes_back_to_one() {
        let mut table = Timetable::spread(ms(0), 0.0, POLL);
        table.ended(ms(1), true, Standing::Failing(1));
        assert_eq!(table.due(), ms(5_000));
        for (failures, due) in [(2, 15_000), (3, 25_000), (4, 35_000)] {
            table.ended(table.due() + ms(1), true, Standing::Failing(failures));
            assert_eq!(table.due(), ms(due));
        }
        table.ended(ms(35_001), true, Standing::Good);
        assert_eq!(table.due(), ms(40_000));
    }

    #[test]
    fn a_hidden_instance_is_asked_ever_more_rarely_but_never_given_up() {
        assert_eq!(Standing::Hidden(1).pause(POLL), POLL * 2);
        assert_eq!(Standing::Hidden(3).pause(POLL), POLL * 8);
        assert_eq!(Standing::Hidden(60).pause(POLL), LONGEST_HIDDEN_PAUSE);
        let day = Duration::from_secs(86_400);
        assert_eq!(Standing::Hidden(9).pause(day), day * 2);
    }

    #[test]
    fn the_second_probe_of_a_new_instance_comes_within_one_poll() {
        for phase in [0.0, 0.01, 0.5, 0.999] {
            let mut table = Timetable::at_once(ms(100), phase, POLL);
            assert_eq!(table.due(), ms(100));
            table.ended(ms(102), true, Standing::Good);
            assert!(
                table.due() > ms(102) && table.due() <= ms(102) + POLL,
                "{phase}: {table:?}"
            );
        }
    }

    #[test]
    fn a_probe_on_request_keeps_the_grid_and_ends_a_back_off() {
        let mut table = Timetable::spread(ms(0), 0.0, POLL);
        table.ended(ms(1), true, Standing::Failing(1));
        table.ended(ms(5_001), true, Standing::Failing(2));
        assert_eq!(table.due(), ms(15_000));
        table.ended(ms(6_000), false, Standing::Failing(3));
        assert_eq!(table.due(), ms(15_000), "still failing: as before");
        table.ended(ms(7_000), false, Standing::Good);
        assert_eq!(table.due(), ms(10_000), "it is back: one poll again");
        table.ended(ms(8_000), false, Standing::Good);
        assert_eq!(table.due(), ms(10_000), "and it stays there");
    }

    #[test]
    fn a_changed_poll_interval_takes_effect_at_once_and_spreads() {
        let mut table = Timetable::spread(ms(0), 0.0, Duration::from_secs(60));
        table.ended(ms(1), true, Standing::Good);
        table.change_poll(ms(2_000), 0.5, POLL);
        assert_eq!(table.due(), ms(4_500));
        table.change_poll(ms(4_000), 0.5, Duration::from_secs(15));
        assert_eq!(table.due(), ms(9_500));
        table.ended(ms(9_600), true, Standing::Good);
        assert_eq!(table.due(), ms(24_500));
    }
}

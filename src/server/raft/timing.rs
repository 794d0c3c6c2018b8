//! Heartbeats and elections, from what round trips and syncs take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// An average that follows the latest values, of durations. Zero before the first.
#[derive(Debug, Default)]
pub struct Smoothed(AtomicU64);

/// How much of the old average stays with each value: 7 of 8, as TCP smooths its round trips (RFC 6298).
const WEIGHT: u64 = 8;

impl Smoothed {
    /// Takes one more value in.
    pub fn note(&self, value: Duration) {
        let value = u64::try_from(value.as_micros())
            .unwrap_or(u64::MAX / WEIGHT)
            .max(1);
        let mixed = |old: u64| match old {
            0 => value,
            old => (old / WEIGHT * (WEIGHT - 1) + value / WEIGHT).max(1),
        };
        // The closure always gives a value.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| Some(mixed(old)));
    }

    /// The average.
    pub fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// The shortest heartbeat, so that an idle group costs little and a scheduler's pause is no election.
const HEARTBEAT_MIN: Duration = Duration::from_millis(50);

/// The longest one that follows from measuring: a worse network is better fixed by its operator's own figures.
const HEARTBEAT_MAX: Duration = Duration::from_secs(2);

/// A sync that took longer says that the disk was ill (full, held, hanging), for which its node steps back, and nothing of how long syncs
/// take: timing only ever gets slower while a node runs.
pub(super) const SYNC_COUNTED_MAX: Duration = Duration::from_secs(1);

/// Round trips that a heartbeat lasts: the library gives one up after a heartbeat, so with less none would arrive.
const ROUND_TRIPS: u32 = 3;

/// Heartbeats that are missed before a member asks to be elected: at least, and at most.
const MISSED_MIN: u32 = 3;
const MISSED_MAX: u32 = 6;

/// How much longer a needed heartbeat must be before the running one is given up for it, in percent: measuring wavers.
const WORTH_PERCENT: u32 = 125;

/// When a leader shows itself, and when the others stop waiting for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time between two signs of the leader.
    pub heartbeat: Duration,
    /// Shortest silence after which a member asks to be elected.
    pub election_min: Duration,
    /// Longest such silence.
    pub election_max: Duration,
}

impl Timing {
    /// What follows from the slowest member's round trip and sync, with what a configuration fixes.
    pub fn of(
        round_trip: Duration,
        sync: Duration,
        heartbeat: Option<Duration>,
        election: Option<Duration>,
    ) -> Self {
        let needed = (round_trip * ROUND_TRIPS + sync).clamp(HEARTBEAT_MIN, HEARTBEAT_MAX);
        let heartbeat = match (heartbeat, election) {
            (Some(fixed), _) => fixed,
            (None, Some(election)) => needed.min(election / MISSED_MIN),
            (None, None) => needed,
        };
        // The library counts milliseconds, and wants both ends apart.
        let heartbeat = heartbeat.max(Duration::from_millis(1));
        let election_min = election
            .unwrap_or(heartbeat * MISSED_MIN)
            .max(heartbeat + Duration::from_millis(1));
        let election_max = election_min * (MISSED_MAX / MISSED_MIN);
        Self {
            heartbeat,
            election_min,
            election_max,
        }
    }

    /// Whether `needed` is so much slower that this timing has to give way: heartbeats would be given up before they
    /// arrive. It never gives way to a faster one while the node runs, since members count on the announced silence.
    pub fn is_outgrown_by(&self, needed: &Self) -> bool {
        needed.heartbeat > self.heartbeat * WORTH_PERCENT / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn on_one_machine_heartbeats_are_the_shortest() {
        let timing = Timing::of(Duration::from_micros(300), ms(1), None, None);
        assert_eq!(
            (timing.heartbeat, timing.election_min, timing.election_max),
            (ms(50), ms(150), ms(300))
        );
    }

    #[test]
    fn between_sites_heartbeats_last_three_round_trips() {
        let timing = Timing::of(ms(60), ms(2), None, None);
        assert_eq!(timing.heartbeat, ms(182));
        assert_eq!(timing.election_min, ms(546));
    }

    #[test]
    fn fixed_figures_win_and_the_rest_follows_them() {
        let timing = Timing::of(ms(60), ms(2), Some(ms(100)), None);
        assert_eq!((timing.heartbeat, timing.election_min), (ms(100), ms(300)));
        let timing = Timing::of(ms(60), ms(2), None, Some(ms(300)));
        assert_eq!((timing.heartbeat, timing.election_min), (ms(100), ms(300)));
        let timing = Timing::of(ms(1), ms(1), Some(ms(100)), Some(ms(100)));
        assert!(timing.election_min > timing.heartbeat);
        assert!(timing.election_max > timing.election_min);
    }

    #[test]
    fn a_timing_gives_way_to_a_much_slower_one_only() {
        let timing = Timing::of(ms(1), ms(1), None, None);
        assert!(!timing.is_outgrown_by(&Timing::of(ms(20), ms(1), None, None)));
        assert!(timing.is_outgrown_by(&Timing::of(ms(60), ms(1), None, None)));
        assert!(!Timing::of(ms(60), ms(1), None, None).is_outgrown_by(&timing));
    }

    #[test]
    fn an_average_follows_slowly_and_starts_with_the_first_value() {
        let average = Smoothed::default();
        assert_eq!(average.get(), Duration::ZERO);
        average.note(ms(8));
        assert_eq!(average.get(), ms(8));
        average.note(ms(16));
        assert_eq!(average.get(), ms(9));
    }
}

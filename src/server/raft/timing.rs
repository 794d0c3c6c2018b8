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

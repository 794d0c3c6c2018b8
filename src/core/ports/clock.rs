use std::time::Duration;

use super::BoxFuture;
use crate::domain::Timestamp;

/// Time. To be correct, `monotonic` never goes back and does not jump when the wall clock is set.
pub trait Clock: Send + Sync {
    /// The wall clock, for what is shown and stored.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary start, for deadlines, leases and ages.
    fn monotonic(&self) -> Duration;

    /// Completes after `length`. Cancel-safe: dropping it has no effect.
    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()>;
}

/// Ids and jitter; seeded in tests.
pub trait Ids: Send + Sync {
    /// A number nobody else draws, for requests and groups.
    fn unique(&self) -> u128;

    /// A number from 0 (included) to 1 (excluded), to spread work in time.
    fn fraction(&self) -> f64;
}

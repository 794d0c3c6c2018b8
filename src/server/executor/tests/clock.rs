use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use orchestrator_core::domain::Timestamp;
use orchestrator_core::ports::{BoxFuture, Clock, Ids};
use tokio::time::Instant;

pub const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// Time that moves when every task waits.
pub struct PausedClock(Instant);

impl PausedClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the adapter between tokio's time and the Clock port"
    )]
    pub fn start() -> Arc<Self> {
        Arc::new(Self(Instant::now()))
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        NOW.plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(length))
    }
}

/// Ids that count.
#[derive(Default)]
pub struct CountingIds(AtomicU64);

impl Ids for CountingIds {
    fn unique(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Ordering::SeqCst)) + 1
    }

    fn fraction(&self) -> f64 {
        0.5
    }
}

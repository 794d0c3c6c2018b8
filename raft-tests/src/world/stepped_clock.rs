use std::time::Duration;

use orchestrator_core::domain::Timestamp;
use orchestrator_core::ports::{BoxFuture, Clock};
use tokio::time::Instant;

/// The wall clock when a simulation starts: a moment like any other, far from zero.
const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// Time of tokio. In a test with `start_paused` it moves only when every task waits, straight to the next timer.
#[derive(Clone, Copy, Debug)]
pub struct SteppedClock {
    started: Instant,
}

impl SteppedClock {
    /// A clock that starts now.
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the adapter between tokio's time and the Clock port"
    )]
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Timestamp {
        START.plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(length))
    }
}

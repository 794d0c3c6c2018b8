use std::sync::Arc;
use std::time::{Duration, SystemTime};

use orchestrator_core::domain::Timestamp;
use orchestrator_core::ports::{BoxFuture, Clock};

use super::Stopwatch;

/// Real time behind the port, for adapters that are tried on real servers.
#[derive(Debug)]
pub struct RealClock(Stopwatch);

impl RealClock {
    /// A clock whose monotonic time begins now.
    #[must_use]
    pub fn start() -> Arc<Self> {
        Arc::new(Self(Stopwatch::start()))
    }
}

impl Clock for RealClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "real servers go by real time, which no stepped clock moves"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Timestamp::default().plus(since.unwrap_or_default())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(length))
    }
}

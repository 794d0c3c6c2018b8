use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use orchestrator_core::domain::Timestamp;
use orchestrator_core::ports::Clock;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{DecisionStore, Error, ErrorKind};

/// How long a sign of life may take before the store counts as not answering: far above any sync of a working disk.
const DEADLINE: Duration = Duration::from_secs(5);

/// How the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreReport {
    /// Whether the last sign of life reached the disk in time.
    pub is_healthy: bool,
    /// Why not; one sentence.
    pub error: Option<String>,
    /// Whether only a restart, or an operator, can help.
    pub is_fatal: bool,
    /// When the store was last asked, by this node's clock.
    pub checked_at: Timestamp,
    /// When it was last found good; `None` before the first time.
    pub healthy_at: Option<Timestamp>,
    /// How long the last answer took.
    pub took: Duration,
}

/// Asks the store for a sign of life: a tiny write that is durable when it is answered.
pub struct StoreHealth {
    store: Arc<dyn DecisionStore>,
    clock: Arc<dyn Clock>,
    latest: ArcSwap<StoreReport>,
    /// The write that has not ended yet; a hanging disk gets one, not one for every check.
    under_way: Mutex<Option<JoinHandle<Result<(), Error>>>>,
}

impl StoreHealth {
    /// For this store. Counts as not healthy until the first check.
    pub fn new(store: Arc<dyn DecisionStore>, clock: Arc<dyn Clock>) -> Self {
        let latest = StoreReport {
            is_healthy: false,
            error: Some("the store was not asked yet".to_owned()),
            is_fatal: false,
            checked_at: clock.now(),
            healthy_at: None,
            took: Duration::ZERO,
        };
        Self {
            store,
            clock,
            latest: ArcSwap::from_pointee(latest),
            under_way: Mutex::new(None),
        }
    }

    /// The last report; never waits.
    pub fn latest(&self) -> Arc<StoreReport> {
        self.latest.load_full()
    }

    /// Asks now, waits 5 s at most, and returns the report, which is the latest from then on. Cancel-safe.
    pub async fn check(&self) -> Arc<StoreReport> {
        let mut under_way = self.under_way.lock().await;
        let began = self.clock.monotonic();
        let task = under_way.get_or_insert_with(|| {
            let (store, now) = (Arc::clone(&self.store), self.clock.now());
            tokio::task::spawn_blocking(move || store.beat(now))
        });
        let outcome = tokio::select! {
            ended = task => {
                *under_way = None;
                Some(ended.unwrap_or_else(|_| Err(Error::Closed { store: self.store.place() })))
            }
            () = self.clock.sleep(DEADLINE) => None,
        };
        let report = self.report(outcome, self.clock.monotonic().saturating_sub(began));
        self.note(report)
    }

    /// Asks every `interval` until told to stop.
    pub async fn run(&self, interval: Duration, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.check().await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.clock.sleep(interval) => {}
            }
        }
    }

    fn report(&self, outcome: Option<Result<(), Error>>, took: Duration) -> StoreReport {
        let checked_at = self.clock.now();
        let (error, is_fatal) = match outcome {
            Some(Ok(())) => (None, false),
            Some(Err(error)) => (Some(error.to_string()), error.kind() == ErrorKind::Fatal),
            None => (
                Some(format!(
                    "the store {} did not finish a write within {} s",
                    self.store.place(),
                    DEADLINE.as_secs()
                )),
                false,
            ),
        };
        StoreReport {
            is_healthy: error.is_none(),
            healthy_at: match error {
                None => Some(checked_at),
                Some(_) => self.latest.load().healthy_at,
            },
            error,
            is_fatal,
            checked_at,
            took,
        }
    }

    fn note(&self, report: StoreReport) -> Arc<StoreReport> {
        let before = self.latest.load();
        match (&before.error, &report.error) {
            (Some(_), None) => tracing::info!(store = self.store.place(), "the store takes writes"),
            (old, Some(error)) if old.as_ref() != Some(error) => {
                tracing::error!(error, "the store does not take writes");
            }
            _ => {}
        }
        let report = Arc::new(report);
        self.latest.store(Arc::clone(&report));
        report
    }
}

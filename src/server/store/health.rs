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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::effects::fakes::{CountingIds, FakeClock, until};
    use crate::store::{Place, SqliteOptions, SqliteStore};

    fn open(path: &Path) -> Arc<SqliteStore> {
        let options = SqliteOptions::new(Place::File(path.to_owned()));
        Arc::new(SqliteStore::open(&options, &CountingIds::default(), FakeClock::START).unwrap())
    }

    #[tokio::test]
    async fn a_store_that_writes_is_healthy_from_its_first_check_on() {
        let dir = tempfile::tempdir().unwrap();
        let clock = FakeClock::new();
        let health = StoreHealth::new(open(&dir.path().join("s")), clock.clone());
        assert!(!health.latest().is_healthy);
        clock.advance(3);
        let report = health.check().await;
        assert!(report.is_healthy, "{report:?}");
        assert_eq!(report.healthy_at, Some(clock.now()));
        assert_eq!(report, health.latest());
    }

    #[tokio::test]
    async fn a_store_that_another_program_holds_is_not_healthy_until_it_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let store = open(&path);
        let clock = FakeClock::new();
        let health = Arc::new(StoreHealth::new(store, clock.clone()));
        health.check().await;
        let healthy_at = health.latest().healthy_at;

        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let check = tokio::spawn({
            let health = health.clone();
            async move { health.check().await }
        });
        clock.until_somebody_sleeps().await;
        clock.advance(5);
        let report = check.await.unwrap();
        assert!(!report.is_healthy && !report.is_fatal);
        let error = report.error.clone().unwrap();
        assert!(
            error.ends_with("did not finish a write within 5 s"),
            "{error}"
        );
        assert_eq!(report.healthy_at, healthy_at, "when it was good is kept");

        other.execute_batch("ROLLBACK").unwrap();
        assert!(health.check().await.is_healthy);
    }

    #[tokio::test]
    async fn checking_goes_on_until_told_to_stop() {
        let dir = tempfile::tempdir().unwrap();
        let clock = FakeClock::new();
        let health = Arc::new(StoreHealth::new(open(&dir.path().join("s")), clock.clone()));
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let (health, stop) = (health.clone(), stop.clone());
            async move { health.run(Duration::from_secs(1), stop).await }
        });
        until("it was checked", || health.latest().is_healthy).await;
        clock.until_somebody_sleeps().await;
        clock.advance(1);
        until("it was checked again", || {
            health.latest().healthy_at == Some(clock.now())
        })
        .await;
        stop.cancel();
        task.await.unwrap();
    }
}

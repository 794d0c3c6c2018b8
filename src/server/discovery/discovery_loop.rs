use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, Observation};
use orchestrator_core::ports::{
    BoxFuture, Clock, DiscoverError, Discovery, Ids, ObservationStore, PictureReader, ProbeState,
    Prober,
};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::lock::lock;
use super::queues::Queues;
use super::registry::Registry;
use super::schedule::Spread;
use super::shared::{Shared, Start};
use super::tracked::{Outcome, Reasons};
use super::write_behind::{Flusher, LAST_FLUSH_BOUND};
use super::{Config, PictureKeeper};

/// How many polls a forgotten instance is ignored: as long as others need to notice that it is gone.
const BAN_POLLS: u32 = 3;

/// How long stopping waits for tasks. They end at once, unless an adapter blocks a thread.
const STOP_BOUND: Duration = Duration::from_secs(2);

/// What discovery needs of the outside.
pub struct Deps {
    /// Asks servers.
    pub prober: Arc<dyn Prober>,
    /// Keeps the picture over restarts.
    pub store: Arc<dyn ObservationStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub ids: Arc<dyn Ids>,
    /// Owns the picture; restored before.
    pub picture: Arc<PictureKeeper>,
}

/// The running discovery. Dropping it ends its tasks; [`DiscoveryLoop::stop`] also flushes.
pub struct DiscoveryLoop {
    shared: Arc<Shared>,
    writer: TaskTracker,
    stop_writer: CancellationToken,
}

impl DiscoveryLoop {
    /// Starts asking what the picture holds (spread over one poll) and the seeds (at once).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(deps: Deps, config: watch::Receiver<Arc<Config>>) -> Arc<Self> {
        let at_start = config.borrow().clone();
        let shared = Arc::new(Shared {
            prober: deps.prober,
            picture: deps.picture.clone(),
            config: config.clone(),
            queues: Queues::new(at_start.max_concurrency),
            spread: Spread::new(deps.ids.fraction()),
            registry: Mutex::new(Registry::new(at_start.capacity())),
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
            stop: CancellationToken::new(),
            started_at: deps.clock.now(),
            clock: deps.clock.clone(),
        });
        let (writer, stop_writer) = (TaskTracker::new(), CancellationToken::new());
        let flusher = Flusher {
            buffer: deps.picture.buffer(),
            store: deps.store,
            clock: deps.clock,
            config,
            stop: stop_writer.clone(),
        };
        writer.spawn(flusher.run());
        shared.tasks.spawn(shared.clone().keep_house());
        let known = deps.picture.picture();
        shared.adopt(known.records().map(|record| record.key.clone()));
        Arc::new(Self {
            shared,
            writer,
            stop_writer,
        })
    }

    /// Ends all probes and tasks, then stores what waits. Takes a few seconds at most, whatever servers and the store
    /// do. May be called again.
    pub async fn stop(&self) {
        {
            // Under the lock, so that nothing begins to track an instance meanwhile.
            let _registry = lock(&self.shared.registry);
            self.shared.stop.cancel();
        }
        self.wait_for(&self.shared.tasks, STOP_BOUND).await;
        self.stop_writer.cancel();
        self.wait_for(&self.writer, LAST_FLUSH_BOUND + STOP_BOUND)
            .await;
    }

    /// How many instances are asked, shown or not.
    pub fn tracked(&self) -> usize {
        lock(&self.shared.registry).len()
    }

    async fn wait_for(&self, tasks: &TaskTracker, bound: Duration) {
        tasks.close();
        tokio::select! {
            biased;
            () = tasks.wait() => {}
            () = self.shared.clock.sleep(bound) => {
                tracing::warn!(tasks = tasks.len(), "some discovery tasks did not end in time");
            }
        }
    }

    /// Asks for a probe of `key` now; its outcome comes through the receiver.
    fn request(
        &self,
        key: &InstanceKey,
    ) -> Result<watch::Receiver<Option<Outcome>>, DiscoverError> {
        let shared = &self.shared;
        if shared.stop.is_cancelled() {
            return Err(DiscoverError::Stopping);
        }
        if shared.config.borrow().ignore.matches(key) {
            return Err(DiscoverError::Ignored { key: key.clone() });
        }
        let mut registry = lock(&shared.registry);
        let tracked = match registry.get(key) {
            Some(known) => known.clone(),
            None => {
                let reasons = Reasons::kept(shared.clock.monotonic());
                shared.track(&mut registry, key, reasons, Start::Now)?
            }
        };
        registry.lift_ban(key);
        let outcomes = tracked.outcomes();
        tracked.request();
        Ok(outcomes)
    }
}

impl Drop for DiscoveryLoop {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.stop_writer.cancel();
    }
}

impl Discovery for DiscoveryLoop {
    fn discover(&self, key: InstanceKey) -> BoxFuture<'_, Result<Arc<Observation>, DiscoverError>> {
        Box::pin(async move {
            let mut outcomes = self.request(&key)?;
            tokio::select! {
                biased;
                changed = outcomes.changed() => {
                    // Nothing comes any more when the instance is dropped before its probe ends.
                    changed.map_err(|_| DiscoverError::Forgotten { key })?;
                }
                () = self.shared.stop.cancelled() => return Err(DiscoverError::Stopping),
            }
            let outcome = outcomes.borrow_and_update().clone();
            outcome.expect("what is sent after the subscription is an outcome")
        })
    }

    fn discover_soon(&self, key: InstanceKey) -> Result<(), DiscoverError> {
        self.request(&key).map(drop)
    }

    fn forget(&self, key: &InstanceKey) -> bool {
        let shared = &self.shared;
        let until = shared.clock.monotonic() + shared.config().poll() * BAN_POLLS;
        let mut registry = lock(&shared.registry);
        registry.ban(key, until);
        let was_known = shared.drop_instance(&mut registry, key);
        if was_known {
            tracing::info!(instance = %key, "forgotten on request");
        }
        was_known
    }

    fn probe_states(&self) -> Vec<ProbeState> {
        let (monotonic, now) = (self.shared.clock.monotonic(), self.shared.clock.now());
        let tracked: Vec<_> = lock(&self.shared.registry).all().cloned().collect();
        let states = tracked.iter().map(|t| t.probe_state(monotonic, now));
        let mut states: Vec<_> = states.collect();
        states.sort_by(|a, b| a.key.cmp(&b.key));
        states
    }
}

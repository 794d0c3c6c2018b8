//! What is done now and then: taking in a new configuration, forgetting, reporting sizes.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, InstanceRecord, Timestamp};
use orchestrator_core::ports::PictureReader;

use super::Config;
use super::lock::lock;
use super::metrics::{self, Sizes};
use super::shared::Shared;

/// How often sizes are reported.
const TICK: Duration = Duration::from_secs(1);

/// How many ticks lie between two looks for what is to be forgotten.
const TICKS_PER_REVIEW: u32 = 60;

impl Shared {
    /// Runs until the service stops.
    pub(super) async fn keep_house(self: Arc<Self>) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.tick_for_ever() => {}
            () = self.reload_for_ever() => {}
        }
    }

    async fn tick_for_ever(self: &Arc<Self>) {
        let mut ticks: u32 = 0;
        loop {
            self.clock.sleep(TICK).await;
            self.report_sizes();
            ticks = (ticks + 1) % TICKS_PER_REVIEW;
            if ticks == 0 {
                self.forget_unseen();
            }
        }
    }

    async fn reload_for_ever(self: &Arc<Self>) {
        let mut config = self.config.clone();
        let mut before = config.borrow_and_update().clone();
        while config.changed().await.is_ok() {
            let now = config.borrow_and_update().clone();
            self.reload(&before, &now);
            before = now;
        }
        // Nobody can change the configuration any more.
        std::future::pending::<()>().await;
    }

    /// Drops what is to be ignored now, lets every task see a new poll interval, and asks seeds that were none before:
    /// an older one may have been forgotten on purpose.
    fn reload(self: &Arc<Self>, before: &Config, config: &Config) {
        let mut registry = lock(&self.registry);
        let ignored: Vec<InstanceKey> = registry
            .all()
            .map(|tracked| tracked.key())
            .filter(|key| config.ignore.matches(key))
            .cloned()
            .collect();
        for key in &ignored {
            self.drop_instance(&mut registry, key);
            tracing::info!(instance = %key, "dropped: DiscoveryIgnoreHostnameFilters leaves it out now");
        }
        registry.all().for_each(|tracked| tracked.wake());
        let seeds = config.seeds.iter();
        let new = seeds.filter(|seed| !before.seeds.contains(seed));
        self.adopt_seeds(&mut registry, config, new);
    }

    fn forget_unseen(&self) {
        let limit = self.config().forget_unseen_after;
        let now = self.clock.now();
        let picture = self.picture.picture();
        let mut registry = lock(&self.registry);
        registry.purge(self.clock.monotonic());
        if limit.is_zero() {
            return;
        }
        for record in picture.records() {
            if is_long_unseen(record, limit, now, self.started_at) {
                self.drop_instance(&mut registry, &record.key);
                tracing::info!(instance = %record.key, "forgotten: not seen for UnseenInstanceForgetHours");
            }
        }
    }

    fn report_sizes(&self) {
        let writing = self.picture.write_behind_state();
        metrics::sizes(&Sizes {
            in_flight: self.queues.in_flight(),
            tracked: lock(&self.registry).len(),
            slow_queue: self.queues.waiting_slow(),
            picture: self.picture.picture().len(),
            backlog: writing.pending,
            dropped: writing.dropped,
        });
    }
}

/// Whether this process tried in vain, and nobody succeeded for `limit`. What an earlier process saw last is not held
/// against an instance that was not tried since.
fn is_long_unseen(
    record: &InstanceRecord,
    limit: Duration,
    now: Timestamp,
    started_at: Timestamp,
) -> bool {
    let was_tried = record.last_checked_at.is_some_and(|at| at >= started_at);
    let last_known = record.last_seen_at.unwrap_or(record.known_since);
    was_tried && record.failure.is_some() && now.since(last_known) > limit
}

use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, Timestamp};
use orchestrator_core::ports::{Clock, DiscoverError, Prober};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::follow::Mention;
use super::instance_task::InstanceTask;
use super::lock::lock;
use super::queues::Queues;
use super::registry::Registry;
use super::schedule::{Spread, Timetable};
use super::tracked::{Reasons, Tracked};
use super::{Config, PictureKeeper};

/// When an instance is asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// At once.
    Now,
    /// Within one poll, spread with the others.
    Spread,
}

/// What all tasks of discovery use. Locks are taken in this order: registry, one instance's state or the picture.
pub(super) struct Shared {
    pub(super) prober: Arc<dyn Prober>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) picture: Arc<PictureKeeper>,
    pub(super) config: watch::Receiver<Arc<Config>>,
    pub(super) queues: Queues,
    pub(super) spread: Spread,
    pub(super) registry: Mutex<Registry>,
    /// Owns every task.
    pub(super) tasks: TaskTracker,
    pub(super) runtime: Handle,
    /// Ends every task.
    pub(super) stop: CancellationToken,
    /// When discovery began; what was checked earlier was checked by an earlier process.
    pub(super) started_at: Timestamp,
}

impl Shared {
    /// The configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        self.config.borrow().clone()
    }

    /// Begins to ask `key`, which is not tracked yet.
    ///
    /// # Errors
    /// `Busy` at the bound, `Stopping`.
    pub(super) fn track(
        self: &Arc<Self>,
        registry: &mut Registry,
        key: &InstanceKey,
        reasons: Reasons,
        start: Start,
    ) -> Result<Arc<Tracked>, DiscoverError> {
        if self.stop.is_cancelled() {
            return Err(DiscoverError::Stopping);
        }
        let (now, poll, phase) = (
            self.clock.monotonic(),
            self.config().poll(),
            self.spread.next(),
        );
        let timetable = match start {
            Start::Now => Timetable::at_once(now, phase, poll),
            Start::Spread => Timetable::spread(now, phase, poll),
        };
        let cancel = self.stop.child_token();
        let tracked = Arc::new(Tracked::new(key.clone(), reasons, timetable.due(), cancel));
        registry
            .add(tracked.clone())
            .map_err(|_| DiscoverError::Busy {
                capacity: registry.capacity(),
            })?;
        let task = InstanceTask::new(self.clone(), tracked.clone(), timetable);
        self.tasks.spawn_on(task.run(), &self.runtime);
        Ok(tracked)
    }

    /// An instance spoke of `key`, which no filter leaves out: it is asked from now on, unless it is banned or known
    /// under another name.
    pub(super) fn hear_of(
        self: &Arc<Self>,
        registry: &mut Registry,
        key: &InstanceKey,
        mention: Mention,
        now: Duration,
    ) {
        let name = registry.alias(key, now).unwrap_or(key);
        if registry.is_banned(key, now)
            || registry.is_banned(name, now)
            || name != key && self.config.borrow().ignore.matches(name)
        {
            return;
        }
        let reasons = Reasons::mentioned(mention, now);
        if let Some(known) = registry.get(name) {
            return known.add_reasons(reasons);
        }
        registry.drop_alias(key);
        match self.track(registry, key, reasons, Start::Now) {
            Ok(_) | Err(DiscoverError::Stopping) => {}
            Err(reason) => tracing::debug!(instance = %key, %reason, "not followed"),
        }
    }

    /// The task of `tracked` ended by a panic: the bug is told, and the instance is asked by another task.
    pub(super) fn replace_broken(self: &Arc<Self>, tracked: &Arc<Tracked>) {
        tracing::error!(instance = %tracked.key(), "probing it ended with a panic, which is a bug; it is asked again");
        let mut registry = lock(&self.registry);
        if registry.is_current(tracked) {
            registry.remove(tracked.key());
            let reasons = tracked.reasons();
            // There is room, and while stopping nothing is to be done.
            self.track(&mut registry, tracked.key(), reasons, Start::Spread)
                .ok();
        }
    }

    /// Stops asking `key` and drops it from the picture and the store. Returns whether it was known.
    pub(super) fn drop_instance(&self, registry: &mut Registry, key: &InstanceKey) -> bool {
        let tracked = registry.remove(key);
        let record = self.picture.change(|edit| edit.remove(key));
        tracked.is_some() || record.is_some()
    }

    /// Asks all that the picture holds, spread over one poll, and the seeds at once. What a filter leaves out is
    /// dropped.
    pub(super) fn adopt(self: &Arc<Self>, known: impl Iterator<Item = InstanceKey>) {
        let config = self.config();
        let reasons = Reasons::kept(self.clock.monotonic());
        let mut registry = lock(&self.registry);
        for key in known {
            if config.ignore.matches(&key) {
                self.drop_instance(&mut registry, &key);
            } else if registry.get(&key).is_none() {
                // At the bound the registry has said so; the record stays, and shows its age.
                self.track(&mut registry, &key, reasons, Start::Spread).ok();
            }
        }
        self.adopt_seeds(&mut registry, &config, config.seeds.iter());
    }

    /// Asks those of `seeds` that are not tracked yet.
    pub(super) fn adopt_seeds<'a>(
        self: &Arc<Self>,
        registry: &mut Registry,
        config: &Config,
        seeds: impl Iterator<Item = &'a InstanceKey>,
    ) {
        let now = self.clock.monotonic();
        for key in seeds {
            let name = registry.alias(key, now).unwrap_or(key);
            let is_ignored = config.ignore.matches(key) || config.ignore.matches(name);
            if registry.get(name).is_none() && !is_ignored {
                let reasons = Reasons::kept(now);
                self.track(registry, key, reasons, Start::Now).ok();
            }
        }
    }
}

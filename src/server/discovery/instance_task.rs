use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::{Observation, ProbeFailure, Timestamp};
use orchestrator_core::ports::{BoxFuture, Clock, PictureReader, ProbeSession};

use super::metrics;
use super::queues::{HAND_OVER_AFTER, Place, Queues};
use super::schedule::{Standing, Timetable};
use super::settle::Settled;
use super::shared::Shared;
use super::tracked::{Planned, Tracked};

/// Asks one instance, again and again, over a session of its own.
pub(super) struct InstanceTask {
    shared: Arc<Shared>,
    tracked: Arc<Tracked>,
    session: Box<dyn ProbeSession>,
    timetable: Timetable,
    standing: Standing,
}

impl InstanceTask {
    /// A task for an instance that has just been tracked; an instance that failed when the service stopped begins as
    /// failing.
    pub(super) fn new(shared: Arc<Shared>, tracked: Arc<Tracked>, timetable: Timetable) -> Self {
        let session = shared.prober.session(tracked.key());
        let failures = shared
            .picture
            .picture()
            .get(tracked.key())
            .map_or(0, |record| record.failures_in_a_row);
        let standing = match failures {
            0 => Standing::Good,
            _ => Standing::Failing(failures),
        };
        let task = Self {
            shared,
            tracked,
            session,
            timetable,
            standing,
        };
        task.show_plan();
        task
    }

    /// Runs until the instance is dropped or the service stops; a probe under way then is given up.
    pub(super) async fn run(mut self) {
        let cancel = self.tracked.cancel().clone();
        tokio::select! {
            biased;
            () = cancel.cancelled() => {}
            () = self.ask_for_ever() => {}
        }
    }

    async fn ask_for_ever(&mut self) {
        loop {
            let is_due = self.wait_until_due().await;
            let place = place(
                &self.shared.queues,
                &self.tracked,
                self.standing.is_failing(),
            )
            .await;
            let result = self.probe(place).await;
            let settled = self.shared.settle(&self.tracked, result);
            if !self.plan_next(settled, is_due) {
                return;
            }
        }
    }

    /// Waits until a probe is due, or wanted before that. Returns whether it was due.
    async fn wait_until_due(&mut self) -> bool {
        loop {
            let now = self.shared.clock.monotonic();
            self.adopt_poll_interval(now);
            let left = self.timetable.due().saturating_sub(now);
            if left.is_zero() || self.tracked.wants_probe() {
                return left.is_zero();
            }
            tokio::select! {
                () = self.shared.clock.sleep(left) => {}
                () = self.tracked.woken() => {}
            }
        }
    }

    fn adopt_poll_interval(&mut self, now: Duration) {
        let poll = self.shared.config.borrow().poll();
        if poll != self.timetable.poll() {
            let phase = self.shared.spread.next();
            self.timetable.change_poll(now, phase, poll);
            self.show_plan();
        }
    }

    async fn probe(&mut self, mut place: Place) -> Result<Observation, ProbeFailure> {
        let shared = &self.shared;
        let (began_at, began) = (shared.clock.now(), shared.clock.monotonic());
        self.tracked.began(began_at);
        let mut probe = self.session.probe();
        let result = match within(&*shared.clock, HAND_OVER_AFTER, &mut probe).await {
            Some(result) => result,
            None => {
                shared.queues.hand_over(&mut place);
                let allowed = shared.config.borrow().reasonable_check;
                let rest = allowed.saturating_sub(HAND_OVER_AFTER);
                match within(&*shared.clock, rest, &mut probe).await {
                    Some(result) => result,
                    None => {
                        show_under_way(shared, &self.tracked, began_at);
                        probe.await
                    }
                }
            }
        };
        let took = shared.clock.monotonic().saturating_sub(began);
        let failure = result.as_ref().err().map(|failure| failure.kind);
        metrics::probe_ended(failure, took);
        tracing::debug!(instance = %self.tracked.key(), ?failure, ?took, "probe ended");
        result
    }

    /// Returns whether to go on.
    fn plan_next(&mut self, settled: Settled, was_due: bool) -> bool {
        let failures = self.standing.failures().saturating_add(1);
        self.standing = match settled {
            Settled::Good => Standing::Good,
            Settled::Failing => Standing::Failing(failures),
            Settled::Hidden => Standing::Hidden(failures),
            Settled::Gone => return false,
        };
        let now = self.shared.clock.monotonic();
        self.timetable.ended(now, was_due, self.standing);
        self.show_plan();
        true
    }

    fn show_plan(&self) {
        self.tracked.planned(Planned {
            due: self.timetable.due(),
            is_slow: self.standing.is_failing(),
            is_hidden: matches!(self.standing, Standing::Hidden(_)),
        });
    }
}

/// No instance is lost to a panic in a probe.
impl Drop for InstanceTask {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.replace_broken(&self.tracked);
        }
    }
}

/// A place on a queue: among those that failed, unless somebody asked for this probe.
async fn place(queues: &Queues, tracked: &Tracked, is_failing: bool) -> Place {
    if !is_failing {
        return queues.main().await;
    }
    let wanted = async {
        while !tracked.wants_probe() {
            tracked.woken().await;
        }
    };
    tokio::select! {
        biased;
        () = wanted => queues.main().await,
        place = queues.slow() => place,
    }
}

/// The end of `probe`, when it comes within `length`.
async fn within<T>(clock: &dyn Clock, length: Duration, probe: &mut BoxFuture<'_, T>) -> Option<T> {
    tokio::select! {
        biased;
        result = probe => Some(result),
        () = clock.sleep(length) => None,
    }
}

/// Shows that the probe takes longer than it should, unless the instance is hidden or was dropped meanwhile.
fn show_under_way(shared: &Shared, tracked: &Arc<Tracked>, began_at: Timestamp) {
    let registry = super::lock::lock(&shared.registry);
    if registry.is_current(tracked) {
        let is_kept = tracked.reasons().is_kept;
        shared
            .picture
            .mark_probing(tracked.key(), began_at, is_kept);
    }
}

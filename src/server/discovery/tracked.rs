use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, Observation, Timestamp};
use orchestrator_core::ports::{DiscoverError, ProbeState};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::follow::Mention;
use super::lock::lock;

/// How a probe ended, for whoever asked for it.
pub(super) type Outcome = Result<Arc<Observation>, DiscoverError>;

/// Why an instance is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reasons {
    /// A seed, asked for by a person, or shown before: it stays although it never answered.
    pub(super) is_kept: bool,
    /// Some replica tried to replicate from it at some time.
    pub(super) was_pointed_at: bool,
    /// When it was last spoken of, on the monotonic clock.
    pub(super) mentioned_at: Duration,
}

impl Reasons {
    /// Somebody wants it.
    pub(super) fn kept(now: Duration) -> Self {
        Self {
            is_kept: true,
            was_pointed_at: false,
            mentioned_at: now,
        }
    }

    /// Another instance spoke of it.
    pub(super) fn mentioned(mention: Mention, now: Duration) -> Self {
        Self {
            is_kept: false,
            was_pointed_at: mention == Mention::LiveSource,
            mentioned_at: now,
        }
    }

    /// The reasons of both.
    fn and(self, other: Self) -> Self {
        Self {
            is_kept: self.is_kept || other.is_kept,
            was_pointed_at: self.was_pointed_at || other.was_pointed_at,
            mentioned_at: self.mentioned_at.max(other.mentioned_at),
        }
    }
}

/// One instance that is asked, as its task and everybody else share it.
#[derive(Debug)]
pub(super) struct Tracked {
    key: InstanceKey,
    /// Ends its task.
    cancel: CancellationToken,
    /// Something changed that its task waits for: a probe is wanted, or the configuration is new.
    wake: Notify,
    state: Mutex<State>,
    outcome: watch::Sender<Option<Outcome>>,
}

#[derive(Debug)]
struct State {
    reasons: Reasons,
    wants_probe: bool,
    is_requested: bool,
    probing_since: Option<Timestamp>,
    due: Duration,
    is_slow: bool,
    is_hidden: bool,
}

/// What comes next for an instance, to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// When the next probe is due, on the monotonic clock.
    pub(super) due: Duration,
    /// Whether it waits among dead and hanging servers.
    pub(super) is_slow: bool,
    /// Whether it never answered and is not shown.
    pub(super) is_hidden: bool,
}

impl Tracked {
    pub(super) fn new(
        key: InstanceKey,
        reasons: Reasons,
        due: Duration,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            key,
            cancel,
            wake: Notify::new(),
            state: Mutex::new(State {
                reasons,
                wants_probe: false,
                is_requested: false,
                probing_since: None,
                due,
                is_slow: false,
                is_hidden: false,
            }),
            outcome: watch::Sender::new(None),
        }
    }

    pub(super) fn key(&self) -> &InstanceKey {
        &self.key
    }

    pub(super) fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    pub(super) fn reasons(&self) -> Reasons {
        lock(&self.state).reasons
    }

    /// Adds reasons. A source that a replica tries to reach, and that was only guessed before, is asked at once.
    pub(super) fn add_reasons(&self, reasons: Reasons) {
        let mut state = lock(&self.state);
        let is_news = state.is_hidden && reasons.was_pointed_at && !state.reasons.was_pointed_at;
        state.reasons = state.reasons.and(reasons);
        state.wants_probe |= is_news;
        drop(state);
        if is_news {
            self.wake.notify_one();
        }
    }

    /// Asks for a probe now, on somebody's request. A probe under way is the one.
    pub(super) fn request(&self) {
        let mut state = lock(&self.state);
        state.reasons.is_kept = true;
        state.wants_probe = true;
        state.is_requested = true;
        drop(state);
        self.wake.notify_one();
    }

    /// Whether a probe is wanted before the next one is due.
    pub(super) fn wants_probe(&self) -> bool {
        lock(&self.state).wants_probe
    }

    /// Whether somebody waits for the outcome, or wanted it in the background.
    pub(super) fn is_requested(&self) -> bool {
        lock(&self.state).is_requested
    }

    /// Lets its task look again at the configuration.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Completes after [`Tracked::wake`], or when a probe is asked for. Cancel-safe.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Outcomes from now on. Ends with an error when the instance is dropped.
    pub(super) fn outcomes(&self) -> watch::Receiver<Option<Outcome>> {
        self.outcome.subscribe()
    }

    /// A probe has begun.
    pub(super) fn began(&self, at: Timestamp) {
        lock(&self.state).probing_since = Some(at);
    }

    /// A probe has ended: whoever waits is answered.
    pub(super) fn ended(&self, outcome: Outcome) {
        let mut state = lock(&self.state);
        state.probing_since = None;
        state.wants_probe = false;
        state.is_requested = false;
        drop(state);
        self.outcome.send_replace(Some(outcome));
    }

    /// Shows what comes next.
    pub(super) fn planned(&self, planned: Planned) {
        let mut state = lock(&self.state);
        state.due = planned.due;
        state.is_slow = planned.is_slow;
        state.is_hidden = planned.is_hidden;
    }

    /// How it goes; `now` in both times.
    pub(super) fn probe_state(&self, monotonic: Duration, now: Timestamp) -> ProbeState {
        let state = lock(&self.state);
        let is_probing = state.probing_since.is_some();
        ProbeState {
            key: self.key.clone(),
            probing_since: state.probing_since,
            next_due_at: (!is_probing).then(|| now.plus(state.due.saturating_sub(monotonic))),
            is_on_slow_queue: state.is_slow,
        }
    }
}

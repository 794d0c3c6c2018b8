use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::decided::Decided;
use orchestrator_core::domain::Fence;
use tokio::sync::watch;

use crate::world::Gate;

/// One node of a simulated group.
#[derive(Debug)]
pub struct Member {
    /// Whether its process runs.
    pub is_up: bool,
    /// Where its process stands still while frozen.
    pub gate: Gate,
    /// What it has applied; it survives the process.
    pub decided: Arc<Decided>,
    /// The fence under which it believes to lead.
    pub belief: watch::Sender<Option<Fence>>,
    /// When it will have learned that it leads no more.
    pub(super) believes_until: Option<Duration>,
    /// When it applies next.
    pub(super) next_apply: Duration,
}

impl Member {
    pub(super) fn new() -> Self {
        Self {
            is_up: true,
            gate: Gate::default(),
            decided: Arc::default(),
            belief: watch::Sender::new(None),
            believes_until: None,
            next_apply: Duration::ZERO,
        }
    }

    /// Whether its process runs and goes on.
    pub fn is_well(&self) -> bool {
        self.is_up && self.gate.is_open()
    }

    pub(super) fn believe(&mut self, fence: Option<Fence>) {
        self.believes_until = None;
        self.belief.send_if_modified(|belief| {
            let is_news = *belief != fence;
            *belief = fence;
            is_news
        });
    }
}

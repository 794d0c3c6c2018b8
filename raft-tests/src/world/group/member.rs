use std::sync::Arc;
use std::time::Duration;

use orchestrator::beats::Changing;
use orchestrator_core::decided::Decided;
use orchestrator_core::domain::Fence;

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
    pub belief: Changing<Option<Fence>>,
    /// When it stood still: from, and until.
    pub stood_still: Vec<(Duration, Option<Duration>)>,
    /// When it had no majority: from, and until.
    pub cut_off: Vec<(Duration, Option<Duration>)>,
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
            belief: Changing::new(None),
            stood_still: Vec::new(),
            cut_off: Vec::new(),
            believes_until: None,
            next_apply: Duration::ZERO,
        }
    }

    /// Whether its process runs and goes on.
    pub fn is_well(&self) -> bool {
        self.is_up && self.gate.is_open()
    }

    /// Whether it stood still at some moment of a stretch of time.
    pub fn stood_still_within(&self, from: Duration, to: Duration) -> bool {
        overlaps(&self.stood_still, from, to)
    }

    /// Whether it had no majority at some moment of a stretch of time, also because it did not run.
    pub fn had_no_majority_within(&self, from: Duration, to: Duration) -> bool {
        overlaps(&self.cut_off, from, to)
    }

    /// Whether it had no majority all the time from one moment to another. In the moment in which that ends it has one.
    pub fn was_cut_off_throughout(&self, from: Duration, to: Duration) -> bool {
        let mut stretches = self.cut_off.iter();
        stretches.any(|(since, until)| *since <= from && until.is_none_or(|until| until > to))
    }

    pub(super) fn believe(&mut self, fence: Option<Fence>) {
        self.believes_until = None;
        self.belief.change(|belief| *belief = fence);
    }
}

fn overlaps(stretches: &[(Duration, Option<Duration>)], from: Duration, to: Duration) -> bool {
    let mut stretches = stretches.iter();
    stretches.any(|(since, until)| *since <= to && until.is_none_or(|until| until >= from))
}

use std::time::Duration;

use orchestrator_core::domain::Fence;

use super::{Aim, Scenario};
use crate::world::group::SimGroup;
use crate::world::mysql::Fleet;
use crate::world::node::HookStart;

/// A leadership: since when, whose, under which fence, and until when.
pub type Reign = (Duration, usize, Fence, Option<Duration>);

/// All that an invariant may look at, at one moment of a run.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The moment.
    pub now: Duration,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Servers, network, clients, and what servers' own logs show.
    pub fleet: &'a Fleet,
    /// Nodes, leaderships, and the log.
    pub group: &'a SimGroup,
    /// Hooks that were started.
    pub hooks: &'a [HookStart],
    /// When all faults were taken away; `None` before.
    pub mended_at: Option<Duration>,
}

impl View<'_> {
    /// The leadership with this fence.
    pub fn reign(&self, fence: Fence) -> Option<&Reign> {
        self.group.reigns.iter().find(|reign| reign.2 == fence)
    }

    /// Whether the primary is lost by plan.
    pub fn is_primary_lost(&self) -> bool {
        self.scenario.aim == Aim::PrimaryLost
    }
}

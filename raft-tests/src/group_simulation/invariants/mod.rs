//! The promises R1 to R7 as they can be seen in a simulated group, each a file: R1 and R6 of what is on disks and wires, R2, R3
//! and R5 of what nodes and clients say. R4 (apply sees only entry and state) shows as R3, since the nodes' names and wall
//! clocks differ. R7 is the second phase of a run.

pub mod durable;
mod honest;
mod kept_once;
mod one_log;
mod same_digests;
#[cfg(test)]
mod testing;

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::decided::Decided;
use orchestrator_core::domain::Fence;
use orchestrator_core::ports::GroupStatus;

use super::clients::Ledger;
use super::disk::Disk;
pub use crate::invariants::Violation;

/// A running node, as it shows itself.
pub struct Seen {
    /// Which start of the node.
    pub start: u64,
    /// What it says of the group.
    pub status: Arc<GroupStatus>,
    /// Its leadership, if it thinks it has one.
    pub fence: Option<Fence>,
    /// Whether it answers `leader-check`.
    pub is_serving: bool,
    /// What it has applied.
    pub decided: Arc<Decided>,
    /// Digests at some indices.
    pub digests: Vec<(u64, [u8; 32])>,
}

/// A node.
pub struct NodeView<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its disk.
    pub disk: &'a Disk,
    /// While it runs.
    pub running: Option<Seen>,
}

/// All nodes at one moment.
pub struct View<'a> {
    /// Since the start of the run.
    pub now: Duration,
    /// The nodes.
    pub nodes: Vec<NodeView<'a>>,
    /// What clients know.
    pub ledger: &'a Ledger,
}

impl View<'_> {
    /// Those that run.
    pub fn running(&self) -> impl Iterator<Item = (&str, &Seen)> {
        self.nodes
            .iter()
            .filter_map(|node| Some((node.name, node.running.as_ref()?)))
    }
}

/// One promise.
pub trait Invariant {
    /// Asked after every step.
    ///
    /// # Errors
    /// [`Violation`]: it is broken.
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation>;

    /// Asked once, when all is mended and all nodes have applied the same.
    ///
    /// # Errors
    /// [`Violation`]: it is broken.
    fn at_end(&mut self, _view: &View<'_>) -> Result<(), Violation> {
        Ok(())
    }
}

/// All that are asked after every step.
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::<one_log::OneLog>::default(),
        Box::<kept_once::KeptOnce>::default(),
        Box::<same_digests::SameDigests>::default(),
        Box::<honest::Honest>::default(),
    ]
}

/// A broken promise.
pub fn broken<T>(promise: &'static str, what: String) -> Result<T, Violation> {
    Err(Violation { promise, what })
}

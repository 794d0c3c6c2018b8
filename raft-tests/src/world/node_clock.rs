use std::time::Duration;

use orchestrator::beats::Changing;
use orchestrator_core::domain::Timestamp;
use orchestrator_core::ports::{BoxFuture, Clock};

use super::SteppedClock;

/// Where the process of a node stands still while it is frozen. Every call of a simulated port passes it, before and after,
/// so that a node can stop between its last look at something and what it does next.
#[derive(Clone, Debug)]
pub struct Gate(Changing<bool>);

impl Default for Gate {
    fn default() -> Self {
        Self(Changing::new(true))
    }
}

impl Gate {
    /// Stops the node, or lets it go on.
    pub fn set_open(&self, is_open: bool) {
        self.0.change(|open| *open = is_open);
    }

    /// Whether the node runs.
    pub fn is_open(&self) -> bool {
        self.0.get()
    }

    /// Completes while the node runs.
    pub async fn passed(&self) {
        self.0.wait_for(|is_open| *is_open).await;
    }
}

/// The clock of one node: simulated time, a wall clock that is off by a little, and no waking up while frozen.
#[derive(Clone, Debug)]
pub struct NodeClock {
    base: SteppedClock,
    ahead: Duration,
    gate: Gate,
}

impl NodeClock {
    /// A clock whose wall time is `ahead` of the simulation's.
    pub fn new(base: SteppedClock, ahead: Duration, gate: Gate) -> Self {
        Self { base, ahead, gate }
    }
}

impl Clock for NodeClock {
    fn now(&self) -> Timestamp {
        self.base.now().plus(self.ahead)
    }

    fn monotonic(&self) -> Duration {
        self.base.monotonic()
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        let (sleep, gate) = (self.base.sleep(length), self.gate.clone());
        Box::pin(async move {
            sleep.await;
            gate.passed().await;
        })
    }
}

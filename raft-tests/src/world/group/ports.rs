//! One node's view of the group, behind the ports.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use orchestrator_core::decided::{Decided, Proposal};
use orchestrator_core::domain::Fence;
use orchestrator_core::ports::{
    BoxFuture, Clock, Committed, DecisionReader, Leadership, NotLeading, ProposeError, Proposer,
};
use tokio::time::{sleep, timeout};

use super::state::{Heard, SharedGroup, SimGroup};
use crate::world::mysql::SharedFleet;
use crate::world::{Gate, NodeClock};

/// How long a proposer waits for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(3);

/// A node of the group.
#[derive(Clone)]
pub struct SimMember {
    group: SharedGroup,
    /// For the network between nodes. Locked after the group, never before.
    fleet: SharedFleet,
    node: usize,
    clock: Arc<NodeClock>,
    gate: Gate,
}

impl SimMember {
    /// The node with this number.
    pub fn new(
        group: SharedGroup,
        fleet: SharedFleet,
        node: usize,
        clock: Arc<NodeClock>,
        gate: Gate,
    ) -> Self {
        Self {
            group,
            fleet,
            node,
            clock,
            gate,
        }
    }

    fn lock(&self) -> MutexGuard<'_, SimGroup> {
        self.group.lock().expect("no test panics with the group")
    }

    async fn confirmed(&self, fence: Fence) -> Result<(), NotLeading> {
        self.gate.passed().await;
        let takes = self.lock().draw_length(Duration::from_millis(5));
        sleep(takes).await;
        let leads = {
            let group = self.lock();
            let fleet = self.fleet.lock().expect("no test panics with the fleet");
            group.leads(self.node, fence) && group.has_quorum(self.node, &fleet.network)
        };
        self.gate.passed().await;
        match leads {
            true => Ok(()),
            false => Err(NotLeading {
                reason: "no majority confirms it".to_owned(),
            }),
        }
    }

    async fn proposed(&self, proposal: Proposal) -> Result<Committed, ProposeError> {
        self.gate.passed().await;
        let receiver = self
            .lock()
            .propose(self.clock.monotonic(), self.node, proposal);
        let heard = timeout(ANSWER_TIME, receiver).await;
        self.gate.passed().await;
        match heard {
            Ok(Ok(Heard::Committed(index, reply))) => Ok(Committed { index, reply }),
            Ok(Ok(Heard::NotLeader)) => Err(ProposeError::NotLeader { leader: None }),
            Ok(Ok(Heard::Unknown) | Err(_)) | Err(_) => Err(ProposeError::Unknown {
                reason: "no answer".to_owned(),
            }),
        }
    }
}

impl Proposer for SimMember {
    fn propose(&self, proposal: Proposal) -> BoxFuture<'_, Result<Committed, ProposeError>> {
        Box::pin(self.proposed(proposal))
    }

    fn earlier(&self, request: u128) -> Option<Committed> {
        let group = self.lock();
        let applied = group.members[self.node].decided.applied_index;
        let (index, reply) = group.log().answer_to(request)?;
        (index <= applied).then_some(Committed { index, reply })
    }
}

impl DecisionReader for SimMember {
    fn decided(&self) -> Arc<Decided> {
        self.lock().members[self.node].decided.clone()
    }
}

impl Leadership for SimMember {
    fn fence(&self) -> Option<Fence> {
        self.lock().members[self.node].belief.get()
    }

    fn confirm(&self, fence: Fence) -> BoxFuture<'_, Result<(), NotLeading>> {
        Box::pin(self.confirmed(fence))
    }

    fn changed(&self, seen: Option<Fence>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let belief = self.lock().members[self.node].belief.clone();
            belief.wait_for(|belief| *belief != seen).await;
            self.gate.passed().await;
        })
    }
}

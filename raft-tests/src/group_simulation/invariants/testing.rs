//! A group on which a test plays by hand what must not happen.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::decided::Decided;
use orchestrator_core::ports::{GroupMember, GroupRole, GroupStatus};

use super::{Invariant, NodeView, Seen, View, Violation};
use crate::group_simulation::clients::Ledger;
use crate::group_simulation::disk::Disk;

/// Nodes as a test wants them to look.
pub struct Stage {
    pub now: Duration,
    pub seen: Vec<Seen>,
    pub disks: Vec<Disk>,
    pub names: Vec<String>,
    pub ledger: Ledger,
}

fn status(id: u64, name: &str) -> GroupStatus {
    GroupStatus {
        group: None,
        me: GroupMember {
            id,
            name: name.to_owned(),
            address: name.to_owned(),
            http: None,
            is_voter: true,
            is_healthy: None,
            heard_ago: None,
            certificate_expires_in_seconds: None,
            matched_index: None,
        },
        role: GroupRole::Follower,
        term: 1,
        leader: None,
        members: Vec::new(),
        configured: Vec::new(),
        desired: vec![],
        last_log_index: 0,
        committed_index: 0,
        applied_index: 0,
        age: None,
        warnings: Vec::new(),
    }
}

impl Stage {
    pub fn new(nodes: usize) -> Self {
        let names: Vec<String> = (0..nodes).map(|node| format!("node{node}")).collect();
        Self {
            now: Duration::ZERO,
            seen: (1..)
                .zip(&names)
                .map(|(id, name)| Seen {
                    start: 1,
                    status: Arc::new(status(id, name)),
                    fence: None,
                    is_serving: false,
                    decided: Arc::new(Decided::default()),
                    digests: Vec::new(),
                })
                .collect(),
            disks: (0..nodes).map(|_| Disk::default()).collect(),
            names,
            ledger: Ledger::default(),
        }
    }

    pub fn view(&self) -> View<'_> {
        let nodes = self.names.iter().zip(&self.disks).zip(&self.seen);
        View {
            now: self.now,
            nodes: nodes
                .map(|((name, disk), seen)| NodeView {
                    name,
                    disk,
                    running: Some(Seen {
                        start: seen.start,
                        status: Arc::clone(&seen.status),
                        fence: seen.fence,
                        is_serving: seen.is_serving,
                        decided: Arc::clone(&seen.decided),
                        digests: seen.digests.clone(),
                    }),
                })
                .collect(),
            ledger: &self.ledger,
        }
    }

    pub fn look(&self, invariant: &mut dyn Invariant) -> Result<(), Violation> {
        invariant.look(&self.view())
    }

    /// The promise that is broken now.
    pub fn broken(&self, invariant: &mut dyn Invariant) -> &'static str {
        self.look(invariant).expect_err("it is not noticed").promise
    }
}

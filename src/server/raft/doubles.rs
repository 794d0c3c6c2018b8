//! Copies of a data directory: an id, with the votes it gave, belongs to one process at a time.

use std::sync::Arc;
use std::time::Duration;

use super::bring_up::Ended;
use super::core::{Core, lock};
use super::network::transport::{Answer, Call, Callee, call_within};
use super::types::NodeId;
use super::v1;

/// How often a running node looks who answers at its own address.
const LOOKED_EVERY: Duration = Duration::from_secs(10);

/// Time for an answer then.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

impl Core {
    /// A directory that is another node's by the group's own list was copied, or its node was given another name.
    pub(super) fn check_name(&self, id: NodeId) -> Result<(), Ended> {
        let members = self.machine.members();
        let holder = members.nodes().find(|(member, _)| **member == id);
        let name = &self.config.name;
        match holder {
            // Nobody else can be asked, or hindered.
            _ if members.nodes().count() < 2 => Ok(()),
            Some((_, holder)) if holder.name != *name => Err(self.ends(format!(
                "RaftDataDir is that of {} (id {id}), and this node is {name}: it was copied, or the node was renamed; \
                 empty it, add {name} to the group (raft-add-peer, raft-replace-peer), and start it again",
                holder.name
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether another process answers at this node's address with this node's id.
    pub(super) async fn check_double(
        self: &Arc<Self>,
        id: NodeId,
        within: Duration,
    ) -> Result<(), Ended> {
        match self.double(id, within).await {
            None => Ok(()),
            Some(sentence) => Err(self.ends(sentence)),
        }
    }

    /// The same once in a while; a copy may be older than its original's next start.
    pub(super) async fn look_for_double(self: Arc<Self>) {
        let (id, now) = (self.me(), self.now());
        let is_due = {
            let mut looked_at = lock(&self.looked_at);
            let is_due = looked_at.is_none_or(|at| now.saturating_sub(at) >= LOOKED_EVERY);
            if is_due {
                *looked_at = Some(now);
            }
            is_due
        };
        if id != 0
            && is_due
            && let Some(sentence) = self.double(id, ANSWER_WITHIN).await
        {
            self.fail(sentence);
        }
    }

    /// Without an answer nothing is said: behind a translation of addresses a node may not reach itself.
    async fn double(&self, id: NodeId, within: Duration) -> Option<String> {
        let name = &self.config.name;
        let members = self.machine.members();
        let member = members.nodes().find(|(member, _)| **member == id);
        let address = member.map_or(name, |(_, member)| &member.address);
        let callee = Callee {
            id,
            name: name.clone(),
            address: address.clone(),
        };
        let answer = call_within(
            self.deps.transport.as_ref(),
            self.deps.clock.as_ref(),
            callee,
            Call::Hello(v1::HelloRequest { report: None }),
            within,
        );
        let Ok(Answer::Hello(answer)) = answer.await else {
            return None;
        };
        let report = answer.report?;
        let is_other = report.id == id && report.process.as_ref() != self.process.to_be_bytes();
        is_other.then(|| {
            format!(
                "{name} runs already, at {address}, with a copy of this RaftDataDir (id {id}): two that vote with one id would break \
                 the group; stop this one, empty its RaftDataDir, and give it a name of its own"
            )
        })
    }
}

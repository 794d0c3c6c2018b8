//! Copies of a data directory: an id, with the votes it gave, belongs to one process at a time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use openraft::EntryPayload;

use super::bring_up::Ended;
use super::core::{Core, lock};
use super::network::transport::{Answer, Call, Callee, call_within};
use super::state_machine::SnapshotFiles;
use super::types::{Membership, NodeId};
use super::v1;

/// How often a running node looks who answers at its own address.
const LOOKED_EVERY: Duration = Duration::from_secs(10);

/// Time for an answer then.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

impl Core {
    /// A directory that is another node's by the group's own list was copied, or its node was given another name. Reads files, because
    /// nothing may be applied yet.
    pub(super) async fn check_name(self: &Arc<Self>, id: NodeId) -> Result<(), Ended> {
        let core = Arc::clone(self);
        let members = self.blocking(move || core.members_on_disk()).await?;
        let Some(members) = members else {
            return Ok(());
        };
        let holder = members.get_node(&id).map(|member| member.name.clone());
        let name = &self.config.name;
        match holder {
            // Nobody else can be asked, or hindered.
            _ if members.nodes().count() < 2 => Ok(()),
            Some(holder) if holder != *name => Err(self.ends(format!(
                "RaftDataDir is that of {holder} (id {id}), and this node is {name}: it was copied, or the node was renamed; \
                 empty it, add {name} to the group (raft-add-peer, raft-replace-peer), and start it again",
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// The latest list of members that this directory has.
    fn members_on_disk(&self) -> io::Result<Option<Membership>> {
        let last = self.log.last().map_or(0, |last| last.index);
        let entry = self.log.last_membership(last)?;
        if let Some(EntryPayload::Membership(members)) = entry.map(|entry| entry.payload) {
            return Ok(Some(members));
        }
        let snapshot = SnapshotFiles::in_directory(&self.config.directory).read()?;
        Ok(snapshot.map(|(meta, _)| meta.last_membership.membership().clone()))
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

    /// The same once in a while, beside all else; a copy may be older than its original's next start.
    pub(super) fn look_for_double(self: &Arc<Self>) {
        let (id, now) = (self.me(), self.now());
        let mut looked_at = lock(&self.looked_at);
        if id == 0 || looked_at.is_some_and(|at| now.saturating_sub(at) < LOOKED_EVERY) {
            return;
        }
        *looked_at = Some(now);
        let core = Arc::clone(self);
        self.tasks.spawn(async move {
            tokio::select! {
                () = core.stop.cancelled() => {}
                double = core.double(id, ANSWER_WITHIN) => if let Some(sentence) = double {
                    core.fail(sentence);
                },
            }
        });
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

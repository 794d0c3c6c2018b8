//! How a node with a new data directory becomes a member: in the place of whoever had its name, or as one that the group is to have.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use openraft::ChangeMembers;

use super::core::{Core, Engine, Metrics};
use super::desired::goes_first;
use super::service::{MEMBERSHIP_WITHIN, said};
use super::types::{Member, NodeId, index_of};
use super::v1;

/// How long the old holder of a name must not have been heard before a newcomer takes its place.
const OLD_HOLDER_SILENT: Duration = Duration::from_secs(10);

/// Entries that a newcomer may lack when it gets its vote: what is written while the change of members is.
const LACKING_MAX: u64 = 256;

/// A member counts as reachable when it was heard this lately.
const REACHABLE: Duration = Duration::from_secs(5);

fn not_yet(reason: impl Into<String>) -> v1::JoinResponse {
    v1::JoinResponse {
        is_voter: false,
        reason: reason.into(),
        leader_address: String::new(),
        is_final: false,
    }
}

fn votes() -> v1::JoinResponse {
    v1::JoinResponse {
        is_voter: true,
        ..not_yet("")
    }
}

impl Core {
    /// Lets a newcomer in, a step at each call: as learner, and as voter when it has caught up.
    pub(super) async fn admit(&self, request: v1::JoinRequest) -> Result<v1::JoinResponse, String> {
        let (Some(engine), Some(metrics)) = (self.engine(), self.metrics()) else {
            return Ok(not_yet("this node is no member of a group yet"));
        };
        if self.fence.borrow().is_none() {
            return Ok(self.elsewhere(&metrics));
        }
        let group = self.identity.group().get();
        if !request.group.is_empty()
            && group.is_some_and(|ours| ours.as_bytes() != request.group.as_ref())
        {
            return Ok(v1::JoinResponse {
                is_final: true,
                ..not_yet("its data directory belongs to another group; empty it to join this one")
            });
        }
        // One at a time: each change builds on the one before.
        let Ok(_turn) = self.admission.try_lock() else {
            return Ok(not_yet("another change of members is under way"));
        };
        let step = self.step(&engine, &metrics, &request);
        match tokio::time::timeout(MEMBERSHIP_WITHIN, step).await {
            Ok(answer) => answer,
            Err(_) => Ok(not_yet("the group did not take the change in yet")),
        }
    }

    fn elsewhere(&self, metrics: &Metrics) -> v1::JoinResponse {
        let leader = metrics.current_leader.filter(|leader| *leader != self.me());
        let member = leader.and_then(|leader| metrics.membership_config.get_node(&leader));
        v1::JoinResponse {
            leader_address: member.map(|m| m.address.clone()).unwrap_or_default(),
            ..not_yet("this node does not lead the group")
        }
    }

    async fn step(
        &self,
        engine: &Arc<Engine>,
        metrics: &Metrics,
        request: &v1::JoinRequest,
    ) -> Result<v1::JoinResponse, String> {
        let members = metrics.membership_config.membership();
        let voters: BTreeSet<NodeId> = members.voter_ids().collect();
        if voters.contains(&request.id) {
            return Ok(votes());
        }
        // Those who voted before it are among the voters until it is ended, and must not be taken over into the next change.
        if Self::voters(metrics).len() > 1 {
            return Ok(not_yet(
                "another change of who votes was left half done, and is ended first",
            ));
        }
        let holder = members
            .nodes()
            .find(|(id, member)| member.name == request.name && voters.contains(id));
        let desired = self.desired();
        if !desired.contains(&request.name) {
            return Ok(not_yet(format!(
                "{} is none of the group's nodes, which are {}; add it with raft-add-peer first",
                request.name,
                desired.join(", ")
            )));
        }
        if let Some((id, holder)) = holder
            && let Some(heard) = self.acks.heard_at(*id)
            && self.now().saturating_sub(heard) < OLD_HOLDER_SILENT
        {
            return Ok(not_yet(format!(
                "{} is alive with another data directory at {}, or was until a moment ago",
                holder.name, holder.address
            )));
        }
        // Whom it replaces: the old holder of its name, or somebody who is to leave. Where there is neither, the group grows.
        let seen = self.voters_seen(metrics);
        let leaves = goes_first(&seen, &desired, self.me()).map(|voter| voter.id);
        let old = holder.map(|(id, _)| *id).or(leaves);
        if members.get_node(&request.id).is_none() {
            let member = Member {
                name: request.name.clone(),
                address: request.address.clone(),
            };
            engine
                .add_learner(request.id, member, false)
                .await
                .map_err(said)?;
            return Ok(not_yet("it was added, and catches up"));
        }
        self.promote(engine, metrics, request, old, voters).await
    }

    /// The newcomer gets a vote, and `old` loses its own, when it has what the group has and a majority is there without the
    /// old one.
    async fn promote(
        &self,
        engine: &Arc<Engine>,
        metrics: &Metrics,
        request: &v1::JoinRequest,
        old: Option<NodeId>,
        mut voters: BTreeSet<NodeId>,
    ) -> Result<v1::JoinResponse, String> {
        let matched = metrics
            .replication
            .as_ref()
            .and_then(|all| all.get(&request.id).copied().flatten());
        let has = matched.map_or(0, |matched| index_of(matched.index));
        let needed = metrics.last_log_index.map_or(0, index_of);
        if has + LACKING_MAX < needed || has == 0 {
            return Ok(not_yet(format!("it catches up: {has} of {needed} entries")));
        }
        if let Some(old) = old {
            voters.remove(&old);
        }
        voters.insert(request.id);
        let reachable = voters.iter().filter(|id| self.is_reachable(**id)).count();
        if reachable <= voters.len() / 2 {
            return Ok(not_yet(
                "too few of the other members are reachable to change who votes",
            ));
        }
        engine
            .change_membership(ChangeMembers::ReplaceAllVoters(voters), false)
            .await
            .map_err(said)?;
        tracing::info!(
            name = request.name,
            id = request.id,
            old,
            "a new data directory votes from now on"
        );
        Ok(votes())
    }

    pub(super) fn is_reachable(&self, id: NodeId) -> bool {
        id == self.me()
            || self
                .acks
                .heard_at(id)
                .is_some_and(|at| self.now().saturating_sub(at) < REACHABLE)
    }
}

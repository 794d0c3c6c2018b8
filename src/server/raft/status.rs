//! How the group is, as this node sees it.

use std::time::Duration;

use openraft::ServerState;
use orchestrator_core::ports::{GroupMember, GroupRole, GroupStatus};

use super::core::{Core, Metrics};
use super::handle::{WELL_WITHIN, voter_ids};
use super::types::{Member, NodeId, index_of};

impl Core {
    /// From memory.
    pub(super) fn status(&self) -> GroupStatus {
        self.status_of(self.metrics().as_ref())
    }

    pub(super) fn status_of(&self, metrics: Option<&Metrics>) -> GroupStatus {
        let members = self.members(metrics);
        let me = members
            .iter()
            .find(|member| member.id == self.me() && member.name == self.config.name)
            .cloned()
            .unwrap_or_else(|| self.stranger());
        GroupStatus {
            group: self.identity.group().get(),
            me,
            role: self.role(metrics),
            term: metrics.map_or(0, |metrics| metrics.current_term),
            leader: metrics
                .and_then(|metrics| metrics.current_leader)
                .filter(|leader| self.is_leader_heard(*leader)),
            members,
            configured: self.nodes.load().as_ref().clone(),
            desired: self.desired(),
            last_log_index: metrics
                .and_then(|metrics| metrics.last_log_index)
                .map_or(0, index_of),
            // The library forgets it when a leadership begins; what is applied is committed.
            committed_index: metrics
                .and_then(|metrics| metrics.cluster_committed)
                .map_or(0, |last| index_of(last.index))
                .max(self.machine.decided().applied_index),
            applied_index: self.machine.decided().applied_index,
            age: metrics.and_then(|metrics| self.age(metrics)),
            warnings: self.warnings(),
        }
    }

    /// A leader that was not heard for longer than anybody waits for one is none, whoever was elected last.
    pub(super) fn is_leader_heard(&self, leader: NodeId) -> bool {
        if leader == self.me() {
            return self.fence.borrow().is_some();
        }
        let patience = self.timing.load().election_max * 2;
        self.acks
            .heard_at(leader)
            .is_some_and(|at| self.now().saturating_sub(at) < patience.max(Duration::from_secs(1)))
    }

    fn role(&self, metrics: Option<&Metrics>) -> GroupRole {
        if self.failed.borrow().is_some() {
            return GroupRole::Stopped;
        }
        match metrics.map(|metrics| metrics.state) {
            None => GroupRole::Waiting,
            Some(ServerState::Leader) => match self.fence.borrow().is_some() {
                true => GroupRole::Leader,
                // Elected, and what came before its term is not applied yet; or it gives leadership away.
                false => GroupRole::Candidate,
            },
            // It may not vote before it has caught up, whatever its place in the list.
            Some(ServerState::Follower) if self.identity.is_joining() => GroupRole::Learner,
            Some(ServerState::Follower) => GroupRole::Follower,
            Some(ServerState::Candidate) => GroupRole::Candidate,
            Some(ServerState::Learner) => GroupRole::Learner,
            Some(ServerState::Shutdown) => GroupRole::Stopped,
        }
    }

    fn members(&self, metrics: Option<&Metrics>) -> Vec<GroupMember> {
        let Some(metrics) = metrics else {
            return vec![self.stranger()];
        };
        let voters = voter_ids(metrics);
        let nodes = metrics.membership_config.membership().nodes();
        let mut members: Vec<GroupMember> = nodes
            .map(|(id, member)| self.member(metrics, *id, member, voters.contains(id)))
            .collect();
        members.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        members
    }

    fn member(
        &self,
        metrics: &Metrics,
        id: NodeId,
        member: &Member,
        is_voter: bool,
    ) -> GroupMember {
        let is_me = id == self.me();
        let known = self.reports.of(&member.name);
        let report = known
            .and_then(|known| known.report)
            .filter(|report| report.id == id);
        let heard_ago = match is_me {
            true => Some(Duration::ZERO),
            false => self
                .acks
                .heard_at(id)
                .map(|at| self.now().saturating_sub(at)),
        };
        let is_heard = heard_ago.is_some_and(|ago| ago < WELL_WITHIN);
        let store_is_well = match is_me {
            true => Some(
                self.deps.condition.store_error().is_none() && self.election_objection().is_none(),
            ),
            false => report
                .as_ref()
                .map(|report| report.is_store_healthy && report.unfit.is_empty()),
        };
        let matched = metrics.replication.as_ref().and_then(|all| all.get(&id));
        GroupMember {
            id,
            name: member.name.clone(),
            address: member.address.clone(),
            http: match is_me {
                true => Some(self.config.http.clone()),
                false => report.map(|report| report.http),
            },
            is_voter,
            is_healthy: match (is_heard, store_is_well) {
                (false, _) => Some(false),
                (true, well) => well,
            },
            heard_ago,
            certificate_expires_in_seconds: self
                .deps
                .condition
                .certificate_expires_in(Some(member.name.as_str()).filter(|_| !is_me)),
            matched_index: match is_me && metrics.replication.is_some() {
                true => metrics.last_log_index.map(index_of),
                false => matched.copied().flatten().map(|last| index_of(last.index)),
            },
        }
    }

    /// This node before it is a member.
    fn stranger(&self) -> GroupMember {
        GroupMember {
            id: self.me(),
            name: self.config.name.clone(),
            address: self.config.name.clone(),
            http: Some(self.config.http.clone()),
            is_voter: false,
            is_healthy: Some(self.deps.condition.store_error().is_none()),
            heard_ago: Some(Duration::ZERO),
            certificate_expires_in_seconds: self.deps.condition.certificate_expires_in(None),
            matched_index: None,
        }
    }

    /// How old what this node applied may be.
    fn age(&self, metrics: &Metrics) -> Option<Duration> {
        let now = self.now();
        let heard = match metrics.current_leader {
            Some(leader) if leader == self.me() => {
                self.acks
                    .majority_heard_at(Self::voters(metrics), self.me(), now)
            }
            Some(leader) => self.acks.heard_at(leader),
            None => None,
        };
        heard.map(|at| now.saturating_sub(at))
    }
}

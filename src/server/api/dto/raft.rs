use std::time::Duration;

use orchestrator_core::decided::{Decided, Digest};
use orchestrator_core::ports::{Group, GroupMember, GroupRole, GroupStatus};
use serde::Serialize;

use crate::api::group::{Hearing, word};

/// `raft-status` of the API: the predecessor's fields, then ours.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RaftStatusDto {
    raft_bind: String,
    raft_advertise: String,
    state: &'static str,
    healthy: bool,
    is_part_of_quorum: bool,
    leader: String,
    #[serde(rename = "LeaderURI")]
    leader_uri: String,
    peers: Vec<String>,
    group: Option<String>,
    #[serde(rename = "ID")]
    id: String,
    role: &'static str,
    term: u64,
    last_log_index: u64,
    committed_index: u64,
    applied_index: u64,
    age_seconds: Option<f64>,
    /// Of decided state, and the index it has it at; equal on all nodes at the same index.
    digest: String,
    digest_index: u64,
    members: Vec<MemberDto>,
    configured: Vec<String>,
    /// Nodes that the group is to have; members follow.
    desired: Vec<String>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct MemberDto {
    /// As text: numbers of 64 bits do not survive in every reader of JSON.
    #[serde(rename = "ID")]
    id: String,
    name: String,
    address: String,
    #[serde(rename = "URI")]
    uri: Option<String>,
    is_leader: bool,
    is_voter: bool,
    is_healthy: Option<bool>,
    heard_seconds_ago: Option<f64>,
    matched_index: Option<u64>,
    /// Of the certificate that it shows to other members; to a tenth, negative when it has expired.
    certificate_expires_in_days: Option<f64>,
}

impl RaftStatusDto {
    /// As this node sees it now.
    pub fn of(group: &dyn Group, decided: &Decided) -> Self {
        let (hearing, status) = Hearing::of(group);
        let word = word(&hearing, status.role);
        let leader = hearing.leader(&status);
        let is_healthy = matches!(word, "Leader" | "Follower");
        let members = status.members.iter();
        Self {
            raft_bind: status.me.address.clone(),
            raft_advertise: status.me.address.clone(),
            state: word,
            healthy: is_healthy,
            is_part_of_quorum: is_healthy && leader.is_some(),
            leader: leader.map_or_else(String::new, |leader| leader.address.clone()),
            leader_uri: leader
                .and_then(|leader| leader.http.clone())
                .unwrap_or_default(),
            peers: status
                .members
                .iter()
                .map(|member| member.address.clone())
                .collect(),
            group: status.group.map(|group| group.to_string()),
            id: status.me.id.to_string(),
            role: role(&status),
            term: status.term,
            last_log_index: status.last_log_index,
            committed_index: status.committed_index,
            applied_index: status.applied_index,
            age_seconds: status.age.map(seconds),
            digest: Digest::of(decided).to_string(),
            digest_index: decided.applied_index,
            members: members
                .map(|member| MemberDto::of(member, leader.map(|leader| leader.id)))
                .collect(),
            configured: status.configured.clone(),
            desired: status.desired.clone(),
            warnings: status.warnings.clone(),
        }
    }
}

impl MemberDto {
    fn of(member: &GroupMember, leader: Option<u64>) -> Self {
        Self {
            id: member.id.to_string(),
            name: member.name.clone(),
            address: member.address.clone(),
            uri: member.http.clone(),
            is_leader: leader == Some(member.id),
            is_voter: member.is_voter,
            is_healthy: member.is_healthy,
            heard_seconds_ago: member.heard_ago.map(seconds),
            matched_index: member.matched_index,
            certificate_expires_in_days: member.certificate_expires_in_seconds.map(days),
        }
    }
}

/// To the millisecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// To a tenth.
fn days(seconds: i64) -> f64 {
    const DAY: f64 = 24.0 * 3600.0;
    (seconds as f64 / DAY * 10.0).floor() / 10.0
}

/// What the node is, where the predecessor's words do not tell.
fn role(status: &GroupStatus) -> &'static str {
    match status.role {
        GroupRole::Leader => "leader",
        GroupRole::Follower => "follower",
        GroupRole::Candidate => "candidate",
        GroupRole::Learner => "learner",
        GroupRole::Waiting => "waiting",
        GroupRole::Stopped => "stopped",
    }
}

use orchestrator_core::ports::Group;
use serde::{Serialize, Serializer};

use super::Rfc3339;
use crate::api::group::Hearing;
use crate::api::{ApiConfig, HealthReport};

/// What a Go time is when nobody set it.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// What the group adds to the health of a node.
#[derive(Debug)]
pub struct GroupHealth {
    is_leader: bool,
    leader_address: String,
    leader_uri: String,
    name: String,
    healthy_members: Option<Vec<String>>,
}

impl GroupHealth {
    /// As the node sees it now.
    pub fn of(group: &dyn Group) -> Self {
        let (hearing, status) = Hearing::of(group);
        let is_leader = matches!(hearing, Hearing::Leads);
        let leader = hearing.leader(&status);
        // Only a leader hears from all members.
        let healthy = status.members.iter();
        let healthy = healthy.filter(|member| member.is_healthy == Some(true));
        Self {
            is_leader,
            leader_address: leader.map_or_else(String::new, |leader| leader.address.clone()),
            leader_uri: leader
                .and_then(|leader| leader.http.clone())
                .unwrap_or_default(),
            name: status.me.name.clone(),
            healthy_members: is_leader.then(|| healthy.map(|member| member.name.clone()).collect()),
        }
    }
}

/// `HealthStatus` of the API.
#[derive(Debug, Serialize)]
pub struct HealthStatusDto<'a> {
    #[serde(rename = "Healthy")]
    healthy: bool,
    #[serde(rename = "Hostname")]
    host: &'a str,
    #[serde(rename = "Token")]
    token: &'a str,
    #[serde(rename = "IsActiveNode")]
    is_active: bool,
    #[serde(rename = "ActiveNode")]
    active_node: NodeHealthDto<'a>,
    #[serde(rename = "Error")]
    error: Option<ErrorObject>,
    #[serde(rename = "AvailableNodes")]
    available_nodes: [NodeHealthDto<'a>; 1],
    #[serde(rename = "RaftLeader")]
    raft_leader: &'a str,
    #[serde(rename = "IsRaftLeader")]
    is_raft_leader: bool,
    #[serde(rename = "RaftLeaderURI")]
    raft_leader_uri: &'a str,
    #[serde(rename = "RaftAdvertise")]
    raft_advertise: &'a str,
    #[serde(rename = "RaftHealthyMembers")]
    raft_healthy_members: Option<&'a [String]>,
    /// Ours: only where there is something to say.
    #[serde(rename = "Warnings", skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

/// An error as clients get it: an object without fields. The text is in the envelope's message.
#[derive(Debug, Serialize)]
struct ErrorObject {}

/// `NodeHealth` of the API.
#[derive(Clone, Debug, Serialize)]
struct NodeHealthDto<'a> {
    #[serde(rename = "Hostname")]
    host: &'a str,
    #[serde(rename = "Token")]
    token: &'a str,
    #[serde(rename = "AppVersion")]
    version: &'a str,
    #[serde(rename = "FirstSeenActive", serialize_with = "time_or_empty")]
    first_seen: Option<Rfc3339>,
    #[serde(rename = "LastSeenActive", serialize_with = "time_or_empty")]
    last_seen: Option<Rfc3339>,
    #[serde(rename = "ExtraInfo")]
    extra_info: &'a str,
    #[serde(rename = "Command")]
    command: &'a str,
    #[serde(rename = "DBBackend")]
    store: &'a str,
    #[serde(rename = "LastReported")]
    last_reported: &'a str,
}

impl<'a> NodeHealthDto<'a> {
    /// A node of which only the name is known: the rest is empty, as in the predecessor.
    fn named(host: &'a str) -> Self {
        Self {
            host,
            token: "",
            version: "",
            first_seen: None,
            last_seen: None,
            extra_info: "",
            command: "",
            store: "",
            last_reported: ZERO_TIME,
        }
    }
}

impl<'a> HealthStatusDto<'a> {
    /// The health of this node, and what its group adds to it.
    pub fn of(
        report: &'a HealthReport,
        config: &'a ApiConfig,
        group: Option<&'a GroupHealth>,
    ) -> Self {
        let node = NodeHealthDto {
            host: &config.node_name,
            token: &report.token,
            version: config.version,
            first_seen: Some(Rfc3339(report.active_since)),
            last_seen: Some(Rfc3339(report.checked_at)),
            extra_info: "",
            command: "",
            store: &config.store_place,
            last_reported: ZERO_TIME,
        };
        Self {
            healthy: report.is_healthy,
            host: &config.node_name,
            token: &report.token,
            is_active: group.map_or(report.is_leader, |group| group.is_leader),
            active_node: match group {
                Some(group) => NodeHealthDto::named(&group.leader_address),
                None => node.clone(),
            },
            error: (!report.is_healthy).then_some(ErrorObject {}),
            available_nodes: [node],
            raft_leader: group.map_or("", |group| &group.leader_address),
            is_raft_leader: group.is_some_and(|group| group.is_leader),
            raft_leader_uri: group.map_or("", |group| &group.leader_uri),
            raft_advertise: group.map_or("", |group| &group.name),
            raft_healthy_members: group.and_then(|group| group.healthy_members.as_deref()),
            warnings: &report.warnings,
        }
    }
}

fn time_or_empty<S: Serializer>(time: &Option<Rfc3339>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => time.serialize(serializer),
        None => serializer.serialize_str(""),
    }
}

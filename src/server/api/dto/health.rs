use serde::Serialize;

use super::Rfc3339;
use crate::api::{ApiConfig, HealthReport};

/// What a Go time is when nobody set it.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// `HealthStatus` of the API, for a node by itself.
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
    raft_healthy_members: Option<Vec<String>>,
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
    #[serde(rename = "FirstSeenActive")]
    first_seen: Rfc3339,
    #[serde(rename = "LastSeenActive")]
    last_seen: Rfc3339,
    #[serde(rename = "ExtraInfo")]
    extra_info: &'a str,
    #[serde(rename = "Command")]
    command: &'a str,
    #[serde(rename = "DBBackend")]
    store: &'a str,
    #[serde(rename = "LastReported")]
    last_reported: &'a str,
}

impl<'a> HealthStatusDto<'a> {
    /// The health of this node.
    pub fn of(report: &'a HealthReport, config: &'a ApiConfig) -> Self {
        let node = NodeHealthDto {
            host: &config.node_name,
            token: &report.token,
            version: config.version,
            first_seen: Rfc3339(report.active_since),
            last_seen: Rfc3339(report.checked_at),
            extra_info: "",
            command: "",
            store: &config.store_place,
            last_reported: ZERO_TIME,
        };
        Self {
            healthy: report.is_healthy,
            host: &config.node_name,
            token: &report.token,
            is_active: report.is_leader,
            active_node: node.clone(),
            error: (!report.is_healthy).then_some(ErrorObject {}),
            available_nodes: [node],
            raft_leader: "",
            is_raft_leader: false,
            raft_leader_uri: "",
            raft_advertise: "",
            raft_healthy_members: None,
        }
    }
}

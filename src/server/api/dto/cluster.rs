use orchestrator_core::legacy::cluster_filters_match;
use orchestrator_core::topology::Cluster;
use serde::Serialize;

use crate::api::ApiConfig;
use crate::api::view::View;

/// `ClusterInfo` of the API.
#[derive(Debug, Serialize)]
pub struct ClusterInfoDto<'a> {
    #[serde(rename = "ClusterName")]
    name: &'a str,
    #[serde(rename = "ClusterAlias")]
    alias: &'a str,
    #[serde(rename = "ClusterDomain")]
    domain: &'a str,
    #[serde(rename = "CountInstances")]
    instances: usize,
    /// Never computed; always 0.
    #[serde(rename = "HeuristicLag")]
    heuristic_lag: i64,
    #[serde(rename = "HasAutomatedMasterRecovery")]
    recovers_primary: bool,
    #[serde(rename = "HasAutomatedIntermediateMasterRecovery")]
    recovers_intermediate: bool,
}

impl<'a> ClusterInfoDto<'a> {
    /// The summary of a cluster.
    pub fn of(view: &'a View, cluster: &'a Cluster, config: &ApiConfig) -> Self {
        let alias = view.alias_of(cluster);
        let is_covered = |filters: &[String]| cluster_filters_match(filters, &cluster.name, alias);
        Self {
            name: &cluster.name,
            alias,
            domain: view.domain_of(cluster),
            instances: cluster.members.len(),
            heuristic_lag: 0,
            recovers_primary: is_covered(&config.recover_primary_filters),
            recovers_intermediate: is_covered(&config.recover_intermediate_filters),
        }
    }
}

use orchestrator_core::legacy::cluster_filters_match;
use orchestrator_core::topology::Cluster;
use serde::Serialize;

use crate::api::ApiConfig;
use crate::api::view::View;

/// `ClusterInfo` of the API.
#[derive(Debug, Default, Serialize)]
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
        Self {
            domain: view.domain_of(cluster),
            instances: cluster.members.len(),
            ..Self::named(&cluster.name, view.alias_of(cluster), config)
        }
    }

    /// What is said of a cluster in an entry about something else: no count and no domain.
    pub fn named(name: &'a str, alias: &'a str, config: &ApiConfig) -> Self {
        let is_covered = |filters: &[String]| cluster_filters_match(filters, name, alias);
        Self {
            name,
            alias,
            domain: "",
            instances: 0,
            heuristic_lag: 0,
            recovers_primary: is_covered(&config.recover_primary_filters),
            recovers_intermediate: is_covered(&config.recover_intermediate_filters),
        }
    }

    /// The same with a domain.
    #[must_use]
    pub fn with_domain(self, domain: &'a str) -> Self {
        Self { domain, ..self }
    }
}

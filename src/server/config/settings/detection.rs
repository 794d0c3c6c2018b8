use regex::Regex;

use super::filters::{compile, pattern};
use crate::config::values::Values;

/// What else is found out about servers: queries run on each, and patterns over host names whose first group counts.
#[derive(Clone, Debug)]
pub struct Detection {
    /// `ReplicationLagQuery` (or `SlaveLagQuery`).
    pub lag_query: Option<String>,
    /// `ReplicationCredentialsQuery`.
    pub credentials_query: Option<String>,
    /// `DetectClusterAliasQuery`.
    pub cluster_alias_query: Option<String>,
    /// `DetectClusterDomainQuery`.
    pub cluster_domain_query: Option<String>,
    /// `DetectInstanceAliasQuery`.
    pub instance_alias_query: Option<String>,
    /// `DetectPromotionRuleQuery`.
    pub promotion_rule_query: Option<String>,
    /// `DetectDataCenterQuery`.
    pub data_center_query: Option<String>,
    /// `DetectRegionQuery`.
    pub region_query: Option<String>,
    /// `DetectPhysicalEnvironmentQuery`.
    pub environment_query: Option<String>,
    /// `DetectSemiSyncEnforcedQuery`.
    pub semi_sync_priority_query: Option<String>,
    /// `DetectPseudoGTIDQuery`.
    pub pseudo_gtid_query: Option<String>,
    /// `DataCenterPattern`.
    pub data_center: Option<Regex>,
    /// `RegionPattern`.
    pub region: Option<Regex>,
    /// `PhysicalEnvironmentPattern`.
    pub environment: Option<Regex>,
    /// `ClusterNameToAlias`, in the order written. The first whose pattern matches the cluster's name gives the alias.
    pub cluster_aliases: Vec<ClusterAlias>,
}

/// An entry of `ClusterNameToAlias`.
#[derive(Clone, Debug)]
pub struct ClusterAlias {
    /// Matches names of clusters.
    pub pattern: Regex,
    /// Their alias.
    pub alias: String,
}

impl Detection {
    pub(super) fn resolve(values: &Values) -> Self {
        Self {
            lag_query: values.some_text("ReplicationLagQuery"),
            credentials_query: values.some_text("ReplicationCredentialsQuery"),
            cluster_alias_query: values.some_text("DetectClusterAliasQuery"),
            cluster_domain_query: values.some_text("DetectClusterDomainQuery"),
            instance_alias_query: values.some_text("DetectInstanceAliasQuery"),
            promotion_rule_query: values.some_text("DetectPromotionRuleQuery"),
            data_center_query: values.some_text("DetectDataCenterQuery"),
            region_query: values.some_text("DetectRegionQuery"),
            environment_query: values.some_text("DetectPhysicalEnvironmentQuery"),
            semi_sync_priority_query: values.some_text("DetectSemiSyncEnforcedQuery"),
            pseudo_gtid_query: values.some_text("DetectPseudoGTIDQuery"),
            data_center: pattern(values, "DataCenterPattern"),
            region: pattern(values, "RegionPattern"),
            environment: pattern(values, "PhysicalEnvironmentPattern"),
            cluster_aliases: values
                .map("ClusterNameToAlias")
                .into_iter()
                .map(|(pattern, alias)| ClusterAlias {
                    pattern: compile(&pattern),
                    alias,
                })
                .collect(),
        }
    }
}

use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "What is found out about a server",
    about: "Queries run on each server while probing, one row each, and patterns over its host name whose first group is taken. A query overrides the pattern of the same thing.",
    keys: &[
        Key::text("ReplicationLagQuery", "", "Query for the lag: one number, in seconds. Replaces what the server says about itself."),
        Key::text("SlaveLagQuery", "", "Query for the lag.").old_name_of("ReplicationLagQuery"),
        Key::text(
            "ReplicationCredentialsQuery",
            "",
            "Query for the replication user: user, password, CA, certificate, key.",
        )
        .note("It is asked of a replica when a server that has no source is to follow one; without it the credentials are read from mysql.slave_master_info, which MariaDB has not."),
        Key::pattern_map("ClusterNameToAlias", "Alias of clusters whose name matches, the first match in the order written."),
        Key::text("DetectClusterAliasQuery", "", "Query for the alias of the cluster, when its primary has none."),
        Key::text("DetectClusterDomainQuery", "", "Query for the domain name of the cluster, run on its primary."),
        Key::text("DetectInstanceAliasQuery", "", "Query for the alias of the server."),
        Key::text("DetectPromotionRuleQuery", "", "Query for the promotion rule: prefer, neutral, prefer_not or must_not."),
        Key::pattern("DataCenterPattern", "Data centre, from the host name."),
        Key::pattern("RegionPattern", "Region, from the host name."),
        Key::pattern("PhysicalEnvironmentPattern", "Physical environment, from the host name."),
        Key::text("DetectDataCenterQuery", "", "Query for the data centre."),
        Key::text("DetectRegionQuery", "", "Query for the region."),
        Key::text("DetectPhysicalEnvironmentQuery", "", "Query for the physical environment."),
        Key::text("DetectSemiSyncEnforcedQuery", "", "Query for the semi-sync priority: 0 asynchronous, higher rather this one."),
    ],
};

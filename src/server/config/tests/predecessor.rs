use orchestrator_core::domain::InstanceKey;

use std::time::Duration;

use super::*;
use crate::config::settings::{AuthMethod, ServerName, StoreChoice, TlsPolicy};

/// A file as people have it who ran the predecessor on SQLite, with the keys that its documentation advises.
const FILE_OF_THE_PREDECESSOR: &str = r#"{
  "Debug": true,
  "EnableSyslog": false,
  "ListenAddress": ":3000",
  "MySQLTopologyUser": "orc",
  "MySQLTopologyPassword": "not-so-secret",
  "MySQLTopologyCredentialsConfigFile": "",
  "MySQLTopologySSLPrivateKeyFile": "",
  "MySQLTopologySSLCertFile": "",
  "MySQLTopologySSLCAFile": "",
  "MySQLTopologySSLSkipVerify": true,
  "MySQLTopologyUseMutualTLS": false,
  "BackendDB": "sqlite",
  "SQLite3DataFile": "/srv/orchestrator/state.db",
  "MySQLConnectTimeoutSeconds": 1,
  "DefaultInstancePort": 3306,
  "DiscoverByShowSlaveHosts": true,
  "InstancePollSeconds": 5,
  "DiscoveryIgnoreReplicaHostnameFilters": ["^reporting[0-9]+[.]", "[.]lab[.]corp[.]example:3307$"],
  "UnseenInstanceForgetHours": 240,
  "SnapshotTopologiesIntervalHours": 0,
  "InstanceBulkOperationsWaitTimeoutSeconds": 10,
  "HostnameResolveMethod": "default",
  "MySQLHostnameResolveMethod": "@@report_host",
  "SkipBinlogServerUnresolveCheck": true,
  "ExpiryHostnameResolvesMinutes": 60,
  "RejectHostnameResolvePattern": "",
  "ReasonableReplicationLagSeconds": 10,
  "ProblemIgnoreHostnameFilters": [],
  "VerifyReplicationFilters": false,
  "ReasonableMaintenanceReplicationLagSeconds": 20,
  "CandidateInstanceExpireMinutes": 60,
  "AuditLogFile": "",
  "AuditToSyslog": false,
  "RemoveTextFromHostnameDisplay": ".corp.example:3306",
  "ReadOnly": false,
  "AuthenticationMethod": "multi",
  "HTTPAuthUser": "dba",
  "HTTPAuthPassword": "secret",
  "AuthUserHeader": "",
  "PowerAuthUsers": ["*"],
  "ClusterNameToAlias": {"^shop-db": "shop", "^crm-db": "crm"},
  "ReplicationLagQuery": "",
  "DetectClusterAliasQuery": "select name from ops.this_cluster",
  "DetectClusterDomainQuery": "",
  "DetectInstanceAliasQuery": "",
  "DetectPromotionRuleQuery": "",
  "DataCenterPattern": "^[^.]+[.]([a-z]+[0-9])[.]corp[.]example$",
  "PhysicalEnvironmentPattern": "[.](prod|stage)[.]",
  "PromotionIgnoreHostnameFilters": [],
  "DetectSemiSyncEnforcedQuery": "",
  "ServeAgentsHttp": false,
  "AgentsServerPort": ":3001",
  "AgentsUseSSL": false,
  "UseSSL": false,
  "UseMutualTLS": false,
  "SSLSkipVerify": false,
  "SSLPrivateKeyFile": "",
  "SSLValidOUs": [],
  "URLPrefix": "",
  "StatusEndpoint": "/api/status",
  "StatusSimpleHealth": true,
  "StatusOUVerify": false,
  "AgentPollMinutes": 60,
  "PseudoGTIDPattern": "",
  "AutoPseudoGTID": false,
  "BinlogEventsChunkSize": 10000,
  "SkipBinlogEventsContaining": [],
  "ReduceReplicationAnalysisCount": true,
  "FailureDetectionPeriodBlockMinutes": 60,
  "FailMasterPromotionOnLagMinutes": 0,
  "RecoveryPeriodBlockSeconds": 3600,
  "RecoveryIgnoreHostnameFilters": [],
  "RecoverMasterClusterFilters": ["alias=shop", "^crm-db"],
  "RecoverIntermediateMasterClusterFilters": ["*"],
  "OnFailureDetectionProcesses": ["/opt/ops/page --subject '{failureType} {failureClusterAlias}'"],
  "PreGracefulTakeoverProcesses": [],
  "PreFailoverProcesses": null,
  "PostFailoverProcesses": ["/opt/ops/announce {successorHost}"],
  "PostMasterFailoverProcesses": [],
  "CoMasterRecoveryMustPromoteOtherCoMaster": true,
  "DetachLostSlavesAfterMasterFailover": true,
  "ApplyMySQLPromotionAfterMasterFailover": true,
  "PreventCrossDataCenterMasterFailover": true,
  "MasterFailoverDetachSlaveMasterHost": false,
  "MasterFailoverLostInstancesDowntimeMinutes": 0,
  "PostponeSlaveRecoveryOnLagMinutes": 0,
  "OSCIgnoreHostnameFilters": [],
  "GraphiteAddr": "",
  "GraphitePath": "",
  "GraphiteConvertHostnameDotsToUnderscores": true,
  "ConsulAddress": "",
  "ConsulAclToken": ""
}"#;

#[test]
fn a_file_of_the_predecessor_is_taken_as_it_is() {
    // An empty AuthUserHeader is what many files have; with another method than proxy it does not matter.
    let loaded = right(FILE_OF_THE_PREDECESSOR);
    let settings = &loaded.settings;
    let StoreChoice::File(path) = &settings.startup.store.choice else {
        panic!("{:?}", settings.startup.store.choice);
    };
    assert_eq!(path.as_os_str(), "/srv/orchestrator/state.db");
    assert!(settings.startup.topology_tls.skips_verification);
    let live = &settings.live;
    assert!(live.log.is_debug && live.discovery.asks_for_replicas);
    assert_eq!(live.auth.method, AuthMethod::Multi);
    assert_eq!(
        (live.auth.user.as_str(), live.auth.password.expose()),
        ("dba", "secret")
    );
    assert_eq!(
        (live.mysql.user.as_str(), live.mysql.password.expose()),
        ("orc", "not-so-secret")
    );
    assert_eq!(live.mysql.tls, TlsPolicy::WhenRefused);
    assert_eq!(live.mysql.connect_timeout, Duration::from_secs(1));
    assert_eq!(live.naming.server_name, ServerName::ReportHost);
    assert!(
        live.discovery
            .ignore_replicas
            .matches(&InstanceKey::parse("db7.lab.corp.example:3307", 1).unwrap())
    );
    assert!(
        !live
            .discovery
            .ignore_replicas
            .matches(&InstanceKey::parse("db7.lab.corp.example:3306", 1).unwrap())
    );
    assert_eq!(live.detection.cluster_aliases[0].alias, "shop");
    assert!(live.detection.lag_query.is_none() && live.detection.cluster_alias_query.is_some());
    assert!(live.recovery.stays_in_data_center && live.recovery.detaches_lost_replicas);
    assert!(live.recovery.primary_of.matches("crm-db3:3306", ""));
    assert_eq!(
        (
            live.hooks.on_detection.len(),
            live.hooks.before_failover.len()
        ),
        (1, 0)
    );
}

#[test]
fn what_it_sets_in_vain_is_said_in_few_lines() {
    let texts = warnings(&right(FILE_OF_THE_PREDECESSOR));
    let about = |text: &str| texts.iter().any(|warning| warning.contains(text));
    assert!(about("StatusSimpleHealth was retired"));
    assert!(about(
        "RemoveTextFromHostnameDisplay is not in effect in this release"
    ));
    assert!(about(
        "(set to their defaults) are not in effect in this release"
    ));
    assert!(about(
        "DetachLostSlavesAfterMasterFailover is the old name of DetachLostReplicasAfterMasterFailover; rename it"
    ));
    assert!(about(
        "RecoverIntermediateMasterClusterFilters is not in effect in this release"
    ));
    assert_eq!(texts.len(), 7, "{texts:#?}");
}

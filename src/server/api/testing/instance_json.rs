//! Every field of an instance, byte for byte.

use std::time::Duration;

use orchestrator_core::domain::{
    BinlogPosition, BinlogSettings, Candidate, Downtime, Flavor, GroupMember, GtidState,
    InstanceRecord, Placement, PromotionRule, SemiSync, ServerIdentity, SourceAddress, ThreadState,
};

use super::Service;
use crate::api::view::samples::{NOW, Sample, key, link, server, with};

fn at(file: &str, offset: u64) -> BinlogPosition {
    BinlogPosition {
        file: file.into(),
        offset,
    }
}

/// A server in which every field differs from its default.
fn full() -> Sample {
    let head = with(server("db1", None), |seen| {
        seen.identity.server_uuid = "11111111-0000-0000-0000-000000000001".into();
        seen.gtid.executed = "11111111-0000-0000-0000-000000000001:1-49".into();
        seen.cluster_alias = "main".into();
    });
    let full = with(server("db2:3307", Some("db1")), |seen| {
        seen.latency = Duration::from_nanos(2_401_597);
        seen.identity = ServerIdentity {
            server_id: 101,
            server_uuid: "22222222-0000-0000-0000-000000000002".into(),
            version: "8.0.36".into(),
            version_comment: "Source <distribution>".into(),
            flavor: Flavor::MySql,
            uptime: Duration::from_secs(86_400),
            alias: "second".into(),
        };
        seen.read_only = true;
        seen.binlog = BinlogSettings {
            enabled: true,
            logs_replica_updates: true,
            format: "ROW".into(),
            row_image: "FULL".into(),
            position: Some(at("mysql-bin.000001", 154)),
        };
        seen.gtid = GtidState {
            mode: "ON".into(),
            executed:
                "11111111-0000-0000-0000-000000000001:1-49,22222222-0000-0000-0000-000000000002:1"
                    .into(),
            purged: "11111111-0000-0000-0000-000000000001:1-9".into(),
            ..GtidState::default()
        };
        let mut to_source = link(SourceAddress::Attached(key("db1")));
        to_source.source_uuid = "11111111-0000-0000-0000-000000000001".into();
        to_source.receiver = ThreadState::Other;
        to_source.received = at("mysql-bin.000007", 4);
        to_source.applied = at("mysql-bin.000006", 44);
        to_source.relay_log = at("relay.000002", 320);
        to_source.applier_error = "Duplicate entry 'ä' for \"PRIMARY\"".into();
        to_source.receiver_error = "error\nreconnecting".into();
        to_source.delay = Duration::from_secs(30);
        to_source.seconds_behind = Some(31);
        to_source.uses_oracle_gtid = true;
        to_source.has_filters = true;
        to_source.has_credentials = true;
        to_source.tls_allowed = true;
        seen.replication = Some(to_source);
        seen.lag_seconds = Some(33);
        seen.semi_sync = SemiSync {
            available: true,
            priority: 2,
            source_enabled: true,
            replica_enabled: true,
            source_timeout: Duration::from_secs(10),
            wait_for_replica_count: 1,
            source_status: true,
            source_clients: 3,
            replica_status: true,
            waits_after_sync: Some(true),
            waits_for_absent: Some(true),
            waiting_commits: Some(0),
        };
        seen.replicas = vec![key("db3"), key("db4")];
        seen.group = Some(GroupMember {
            group_name: "group-1".into(),
            is_single_primary: true,
            state: "RECOVERING".into(),
            role: "SECONDARY".into(),
            members: vec![key("db1")],
            primary: Some(key("db1")),
        });
        seen.placement = Placement {
            data_center: "dc1".into(),
            region: "north".into(),
            physical_environment: "rack 7".into(),
        };
        seen.replication_credentials_available = true;
        seen.uses_pseudo_gtid = true;
    });
    let mut sample = Sample::of(vec![
        head,
        InstanceRecord {
            last_seen_at: Some(NOW.minus(Duration::from_secs(3))),
            last_checked_at: Some(NOW.minus(Duration::from_secs(3))),
            ..full
        },
    ]);
    let downtime = Downtime {
        owner: "ada".into(),
        reason: "disk & fan".into(),
        begins_at: NOW.minus(Duration::from_millis(1_900)),
        ends_at: NOW.plus(Duration::from_secs(600)),
    };
    sample.decided.downtimes.insert(key("db2:3307"), downtime);
    let candidate = Candidate {
        rule: PromotionRule::Prefer,
        registered_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(600)),
    };
    sample.decided.candidates.insert(key("db2:3307"), candidate);
    sample
}

const FULL: &str = concat!(
    r#"{"Key":{"Hostname":"db2","Port":3307},"InstanceAlias":"second","Uptime":86400,"ServerID":101,"#,
    r#""ServerUUID":"22222222-0000-0000-0000-000000000002","Version":"8.0.36","VersionComment":"Source \u003cdistribution\u003e","#,
    r#""FlavorName":"MySQL","ReadOnly":true,"Binlog_format":"ROW","BinlogRowImage":"FULL","LogBinEnabled":true,"#,
    r#""LogSlaveUpdatesEnabled":true,"LogReplicationUpdatesEnabled":true,"#,
    r#""SelfBinlogCoordinates":{"LogFile":"mysql-bin.000001","LogPos":154,"Type":0},"#,
    r#""MasterKey":{"Hostname":"db1","Port":3306},"MasterUUID":"11111111-0000-0000-0000-000000000001","AncestryUUID":"11111111-0000-0000-0000-000000000001,22222222-0000-0000-0000-000000000002,group-1","#,
    r#""IsDetachedMaster":false,"Slave_SQL_Running":true,"ReplicationSQLThreadRuning":true,"#,
    r#""Slave_IO_Running":false,"ReplicationIOThreadRuning":false,"ReplicationSQLThreadState":1,"#,
    r#""ReplicationIOThreadState":2,"HasReplicationFilters":true,"GTIDMode":"ON","SupportsOracleGTID":true,"#,
    r#""UsingOracleGTID":true,"UsingMariaDBGTID":false,"UsingPseudoGTID":true,"#,
    r#""ReadBinlogCoordinates":{"LogFile":"mysql-bin.000007","LogPos":4,"Type":0},"#,
    r#""ExecBinlogCoordinates":{"LogFile":"mysql-bin.000006","LogPos":44,"Type":0},"IsDetached":false,"#,
    r#""RelaylogCoordinates":{"LogFile":"relay.000002","LogPos":320,"Type":1},"#,
    r#""LastSQLError":"\"Duplicate entry '\\u00e4' for \\\"PRIMARY\\\"\"","#,
    r#""LastIOError":"\"error\\nreconnecting\"","SecondsBehindMaster":{"Int64":31,"Valid":true},"SQLDelay":30,"#,
    r#""ExecutedGtidSet":"11111111-0000-0000-0000-000000000001:1-49,22222222-0000-0000-0000-000000000002:1","GtidPurged":"11111111-0000-0000-0000-000000000001:1-9","GtidErrant":"22222222-0000-0000-0000-000000000002:1","#,
    r#""SlaveLagSeconds":{"Int64":33,"Valid":true},"ReplicationLagSeconds":{"Int64":33,"Valid":true},"#,
    r#""SlaveHosts":[{"Hostname":"db3","Port":3306},{"Hostname":"db4","Port":3306}],"#,
    r#""Replicas":[{"Hostname":"db3","Port":3306},{"Hostname":"db4","Port":3306}],"ClusterName":"db1:3306","#,
    r#""SuggestedClusterAlias":"main","DataCenter":"dc1","Region":"north","PhysicalEnvironment":"rack 7","#,
    r#""ReplicationDepth":1,"IsCoMaster":false,"HasReplicationCredentials":true,"#,
    r#""ReplicationCredentialsAvailable":true,"SemiSyncAvailable":true,"SemiSyncPriority":2,"#,
    r#""SemiSyncMasterEnabled":true,"SemiSyncReplicaEnabled":true,"SemiSyncMasterTimeout":10000,"#,
    r#""SemiSyncMasterWaitForReplicaCount":1,"SemiSyncMasterStatus":true,"SemiSyncMasterClients":3,"#,
    r#""SemiSyncReplicaStatus":true,"LastSeenTimestamp":"2026-11-21T09:25:39Z","IsLastCheckValid":true,"#,
    r#""IsUpToDate":true,"IsRecentlyChecked":true,"SecondsSinceLastSeen":{"Int64":3,"Valid":true},"#,
    r#""CountMySQLSnapshots":0,"IsCandidate":true,"PromotionRule":"prefer","IsDowntimed":true,"#,
    r#""DowntimeReason":"disk \u0026 fan","DowntimeOwner":"ada","DowntimeEndTimestamp":"2026-11-21 09:35:42","#,
    r#""ElapsedDowntime":1000000000,"UnresolvedHostname":"","AllowTLS":true,"#,
    r#""Problems":["not_replicating","errant_gtid","group_replication_member_not_online"],"#,
    r#""LastDiscoveryLatency":2401597,"ReplicationGroupName":"group-1","ReplicationGroupIsSinglePrimary":true,"#,
    r#""ReplicationGroupMemberState":"RECOVERING","ReplicationGroupMemberRole":"SECONDARY","#,
    r#""ReplicationGroupMembers":[{"Hostname":"db1","Port":3306}],"#,
    r#""ReplicationGroupPrimaryInstanceKey":{"Hostname":"db1","Port":3306}}"#,
);

const HEARD_OF: &str = concat!(
    r#"{"Key":{"Hostname":"db9","Port":3306},"InstanceAlias":"","Uptime":0,"ServerID":0,"ServerUUID":"","#,
    r#""Version":"Unknown","VersionComment":"","FlavorName":"unknown","ReadOnly":false,"Binlog_format":"","#,
    r#""BinlogRowImage":"","LogBinEnabled":false,"LogSlaveUpdatesEnabled":false,"#,
    r#""LogReplicationUpdatesEnabled":false,"SelfBinlogCoordinates":{"LogFile":"","LogPos":0,"Type":0},"#,
    r#""MasterKey":{"Hostname":"","Port":0},"MasterUUID":"","AncestryUUID":"","IsDetachedMaster":false,"#,
    r#""Slave_SQL_Running":false,"ReplicationSQLThreadRuning":false,"Slave_IO_Running":false,"#,
    r#""ReplicationIOThreadRuning":false,"ReplicationSQLThreadState":-1,"ReplicationIOThreadState":-1,"#,
    r#""HasReplicationFilters":false,"GTIDMode":"","SupportsOracleGTID":false,"UsingOracleGTID":false,"#,
    r#""UsingMariaDBGTID":false,"UsingPseudoGTID":false,"#,
    r#""ReadBinlogCoordinates":{"LogFile":"","LogPos":0,"Type":0},"#,
    r#""ExecBinlogCoordinates":{"LogFile":"","LogPos":0,"Type":0},"IsDetached":false,"#,
    r#""RelaylogCoordinates":{"LogFile":"","LogPos":0,"Type":1},"LastSQLError":"","LastIOError":"","#,
    r#""SecondsBehindMaster":{"Int64":0,"Valid":false},"SQLDelay":0,"ExecutedGtidSet":"","GtidPurged":"","#,
    r#""GtidErrant":"","SlaveLagSeconds":{"Int64":0,"Valid":false},"#,
    r#""ReplicationLagSeconds":{"Int64":0,"Valid":false},"SlaveHosts":[],"Replicas":[],"#,
    r#""ClusterName":"db9:3306","SuggestedClusterAlias":"","DataCenter":"","Region":"","#,
    r#""PhysicalEnvironment":"","ReplicationDepth":0,"IsCoMaster":false,"HasReplicationCredentials":false,"#,
    r#""ReplicationCredentialsAvailable":false,"SemiSyncAvailable":false,"SemiSyncPriority":0,"#,
    r#""SemiSyncMasterEnabled":false,"SemiSyncReplicaEnabled":false,"SemiSyncMasterTimeout":0,"#,
    r#""SemiSyncMasterWaitForReplicaCount":0,"SemiSyncMasterStatus":false,"SemiSyncMasterClients":0,"#,
    r#""SemiSyncReplicaStatus":false,"LastSeenTimestamp":"","IsLastCheckValid":false,"IsUpToDate":false,"#,
    r#""IsRecentlyChecked":false,"SecondsSinceLastSeen":{"Int64":0,"Valid":false},"CountMySQLSnapshots":0,"#,
    r#""IsCandidate":false,"PromotionRule":"neutral","IsDowntimed":false,"DowntimeReason":"","#,
    r#""DowntimeOwner":"","DowntimeEndTimestamp":"","ElapsedDowntime":0,"UnresolvedHostname":"","#,
    r#""AllowTLS":false,"Problems":["last_check_invalid"],"LastDiscoveryLatency":0,"#,
    r#""ReplicationGroupName":"","ReplicationGroupIsSinglePrimary":false,"ReplicationGroupMemberState":"","#,
    r#""ReplicationGroupMemberRole":"","ReplicationGroupMembers":[],"#,
    r#""ReplicationGroupPrimaryInstanceKey":{"Hostname":"","Port":0}}"#,
);

#[tokio::test]
async fn every_field_of_an_instance_is_written_as_clients_know_it() {
    let answer = Service::of(full()).get("/api/instance/db2/3307").await;
    assert_eq!(answer.body, FULL);
    assert_eq!(
        answer.header("content-type"),
        "application/json; charset=UTF-8"
    );
}

#[tokio::test]
async fn an_instance_heard_of_only_is_written_with_empty_fields() {
    let heard = InstanceRecord::heard_of(key("db9"), NOW);
    let answer = Service::of(Sample::of(vec![heard]))
        .get("/api/instance/db9/3306")
        .await;
    assert_eq!(answer.body, HEARD_OF);
}

#[tokio::test]
async fn a_failed_probe_keeps_the_last_values_with_their_age() {
    let mut record = with(server("db1", None), |seen| seen.identity.server_id = 7);
    record.last_checked_at = Some(NOW.plus(Duration::from_secs(10)));
    let service = Service::of(Sample::of(vec![record]));
    service.fakes.wait(Duration::from_secs(12));
    let json = service.get("/api/instance/db1/3306").await.json();
    assert_eq!(json["ServerID"], 7);
    assert_eq!(json["IsLastCheckValid"], false);
    assert_eq!(json["IsUpToDate"], true);
    assert_eq!(json["SecondsSinceLastSeen"]["Int64"], 12);
    assert_eq!(json["Problems"], serde_json::json!(["last_check_invalid"]));
}

#[tokio::test]
async fn detached_and_unreadable_sources_are_shown_as_the_server_has_them() {
    let pointed_at = |name: &str, source: SourceAddress| {
        with(server(name, Some("x")), |seen| {
            let to_source = seen.replication.as_mut().unwrap();
            to_source.source = source;
            to_source.applied.file = "//mysql-bin.000003".into();
        })
    };
    let service = Service::of(Sample::of(vec![
        pointed_at("a", SourceAddress::Detached(key("db1:3307"))),
        pointed_at("b", SourceAddress::Invalid("no,host".into())),
    ]));
    let json = service.get("/api/instance/a/3306").await.json();
    assert_eq!(
        json["MasterKey"],
        serde_json::json!({"Hostname": "//db1", "Port": 3307})
    );
    assert_eq!(json["IsDetachedMaster"], true);
    assert_eq!(json["IsDetached"], true);
    assert_eq!(json["MasterUUID"], "No", "the server did not say");
    let json = service.get("/api/instance/b/3306").await.json();
    assert_eq!(
        json["MasterKey"],
        serde_json::json!({"Hostname": "no,host", "Port": 0})
    );
    assert_eq!(json["ClusterName"], "b:3306");
}

#[tokio::test]
async fn what_a_server_says_of_its_promotion_rule_stands_above_what_was_registered() {
    let mut sample = full();
    sample.records[1] = with(sample.records[1].clone(), |seen| {
        seen.promotion_rule = Some(PromotionRule::MustNot);
    });
    let json = Service::of(sample)
        .get("/api/instance/db2/3307")
        .await
        .json();
    assert_eq!(json["PromotionRule"], "must_not");
    assert_eq!(json["IsCandidate"], false);
}

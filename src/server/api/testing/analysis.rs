//! What is wrong, what is done about it, and why not.

use std::time::Duration;

use orchestrator_core::analysis::AnalysisPolicy;
use orchestrator_core::decided::Command;
use orchestrator_core::domain::{
    FindingCode, InstanceRecord, ProbeFailure, ProbeFailureKind, RecoveryOutcome, ThreadState,
    Timestamp,
};
use orchestrator_core::ports::{CodeChange, CodeChanges, NothingDone};
use serde_json::{Value, json};

use super::Service;
use super::recovering::{decide, end, registration};
use crate::api::view::samples::{NOW, Sample, key, pattern, server, two_clusters, with};

/// Nobody answers there any more: the last good probe is two seconds old.
pub(crate) fn gone(mut record: InstanceRecord) -> InstanceRecord {
    let before = NOW.minus(Duration::from_secs(2));
    record.last_seen_at = Some(before);
    record.last_checked_at = Some(NOW);
    record.failures_in_a_row = 1;
    record.failure = Some(ProbeFailure {
        kind: ProbeFailureKind::Refused,
        code: 0,
        message: "connecting: connection refused".into(),
        is_partial: false,
    });
    with(record, |seen| seen.observed_at = before)
}

/// Its receiver gets no answer any more.
fn cut_off(record: InstanceRecord) -> InstanceRecord {
    with(record, |seen| {
        let link = seen.replication.as_mut().unwrap();
        link.receiver = ThreadState::Other;
        link.receiver_errno = 2003;
        link.uses_oracle_gtid = true;
        seen.gtid.mode = "ON".into();
        seen.identity.server_id = seen.key.host().as_str().bytes().map(u32::from).sum();
        seen.identity.server_uuid = format!("uuid-of-{}", seen.key);
        seen.binlog.enabled = true;
        seen.binlog.logs_replica_updates = true;
        seen.binlog.format = "ROW".into();
    })
}

/// `db1` (alias main) is dead, and both replicas say so; `db9` and its replica are well.
pub(crate) fn dead_primary() -> Sample {
    let primary = with(server("db1", None), |seen| {
        seen.cluster_alias = "main".into();
        seen.gtid.mode = "ON".into();
        seen.placement.data_center = "dc1".into();
        seen.replicas = vec![key("db2"), key("db3")];
    });
    let mut sample = Sample::of(vec![
        gone(primary),
        cut_off(server("db2", Some("db1"))),
        cut_off(server("db3", Some("db1"))),
        with(server("db9", None), |seen| seen.replicas = vec![key("db8")]),
        server("db8", Some("db9")),
    ]);
    sample.config.recovery.primary_clusters = vec!["*".into()];
    sample.config.recover_primary_filters = vec!["*".into()];
    sample
}

async fn entries(service: &Service, path: &str) -> Vec<Value> {
    let answer = service.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    let json = answer.json();
    assert_eq!(json["Code"], "OK");
    assert_eq!(json["Message"], "Analysis");
    json["Details"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_dead_primary_is_an_entry_of_exactly_this_shape() {
    let service = Service::of(dead_primary());
    let answer = service.get("/api/replication-analysis").await;
    let replicas = r#"[{"Hostname":"db2","Port":3306},{"Hostname":"db3","Port":3306}]"#;
    let expected = [
        r#"{"Code":"OK","Message":"Analysis","Details":[{"#,
        r#""AnalyzedInstanceKey":{"Hostname":"db1","Port":3306},"AnalyzedInstanceMasterKey":{"Hostname":"","Port":0},"#,
        r#""ClusterDetails":{"ClusterName":"db1:3306","ClusterAlias":"main","ClusterDomain":"db1:3306","CountInstances":0,"#,
        r#""HeuristicLag":0,"HasAutomatedMasterRecovery":true,"HasAutomatedIntermediateMasterRecovery":false},"#,
        r#""AnalyzedInstanceDataCenter":"dc1","AnalyzedInstanceRegion":"","AnalyzedInstancePhysicalEnvironment":"","#,
        r#""AnalyzedInstanceBinlogCoordinates":{"LogFile":"","LogPos":0,"Type":0},"#,
        r#""IsMaster":true,"IsReplicationGroupMember":false,"IsCoMaster":false,"#,
        r#""LastCheckValid":false,"LastCheckPartialSuccess":false,"#,
        r#""CountReplicas":2,"CountValidReplicas":2,"CountValidReplicatingReplicas":0,"#,
        r#""CountReplicasFailingToConnectToMaster":2,"CountDowntimedReplicas":0,"ReplicationDepth":0,"#,
        &format!(r#""Replicas":{replicas},"SlaveHosts":{replicas},"IsFailingToConnectToMaster":false,"#),
        r#""Analysis":"DeadMaster","Description":"DESCRIPTION","#,
        r#""StructureAnalysis":null,"#,
        r#""IsDowntimed":false,"IsReplicasDowntimed":false,"DowntimeEndTimestamp":"","DowntimeRemainingSeconds":0,"#,
        r#""IsBinlogServer":false,"PseudoGTIDImmediateTopology":false,"OracleGTIDImmediateTopology":true,"#,
        r#""MariaDBGTIDImmediateTopology":false,"BinlogServerImmediateTopology":false,"#,
        r#""SemiSyncMasterEnabled":false,"SemiSyncMasterStatus":false,"SemiSyncMasterWaitForReplicaCount":0,"#,
        r#""SemiSyncMasterClients":0,"CountSemiSyncReplicasEnabled":0,"#,
        r#""CountLoggingReplicas":2,"CountStatementBasedLoggingReplicas":0,"CountMixedBasedLoggingReplicas":0,"#,
        r#""CountRowBasedLoggingReplicas":2,"CountDistinctMajorVersionsLoggingReplicas":1,"#,
        r#""CountDelayedReplicas":0,"CountLaggingReplicas":0,"IsActionableRecovery":false,"#,
        &format!(
            r#""ProcessingNodeHostname":"orc1","ProcessingNodeToken":"{}","#,
            "ab".repeat(32)
        ),
        r#""CountAdditionalAgreeingNodes":0,"StartActivePeriod":"","SkippableDueToDowntime":false,"#,
        r#""GTIDMode":"ON","MinReplicaGTIDMode":"ON","MaxReplicaGTIDMode":"ON","MaxReplicaGTIDErrant":"","#,
        r#""CommandHint":"","IsReadOnly":false,"Evidence":EVIDENCE,"#,
        r#""WhyNothingIsDone":"nothing stands in the way: a recovery begins at the next look","#,
        r#""BlockedByRecoveryUID":"","RecoveryUnderWayUID":""}]}"#,
    ]
    .concat();
    let json = answer.json();
    let entry = &json["Details"][0];
    let description = entry["Description"].as_str().unwrap();
    assert!(!description.is_empty());
    let evidence = &entry["Evidence"];
    let all = evidence.to_string();
    assert!(
        all.contains("connection refused") && all.contains("2 s ago"),
        "{all}"
    );
    let expected = expected
        .replace("DESCRIPTION", description)
        .replace("EVIDENCE", &all);
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn entries_are_chosen_by_cluster_and_by_instance() {
    let service = Service::of(dead_primary());
    for (path, count) in [
        ("replication-analysis/main", 1),
        ("replication-analysis/db1:3306", 1),
        ("replication-analysis/db2", 1),
        ("replication-analysis/main%0A", 1),
        ("replication-analysis/db9", 0),
        ("replication-analysis/instance/db1/3306", 1),
        ("replication-analysis/instance/db2/3306", 0),
        ("replication-analysis/instance/unknown/3306", 0),
    ] {
        let found = entries(&service, &format!("/api/{path}")).await;
        assert_eq!(found.len(), count, "{path}");
    }
    for (path, kind) in [
        ("replication-analysis/nothing", "not-found"),
        ("replication-analysis/instance/db1/0", "invalid-input"),
        ("replication-analysis/%FF", "invalid-input"),
        ("replication-analysis/..%2F..%2Fetc", "not-found"),
    ] {
        let answer = service.get(&format!("/api/{path}")).await;
        assert_eq!(answer.status, 500, "{path}");
        assert_eq!(answer.header("orchestrator-error"), kind, "{path}");
    }
}

#[tokio::test]
async fn a_structure_warning_alone_is_an_entry_without_a_problem() {
    let service = Service::of(Sample::of(vec![
        with(server("db1", None), |seen| seen.read_only = true),
        server("db2", Some("db1")),
    ]));
    let found = entries(&service, "/api/replication-analysis").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["Analysis"], "NoProblem");
    assert_eq!(found[0]["Description"], "");
    assert_eq!(
        found[0]["StructureAnalysis"],
        json!(["NoWriteableMasterStructureWarning"])
    );
    assert_eq!(found[0]["Evidence"], json!(["It is read-only."]));
    assert_eq!(
        found[0]["WhyNothingIsDone"],
        "this finding calls for no recovery"
    );
    // Nothing wrong at all.
    let well = Service::of(two_clusters());
    let answer = well.get("/api/replication-analysis/shop-a:3307").await;
    assert_eq!(
        answer.body,
        r#"{"Code":"OK","Message":"Analysis","Details":[]}"#
    );
}

#[tokio::test]
async fn a_downtime_is_shown_with_its_negative_rest_and_holds_back() {
    let service = Service::of(dead_primary());
    let begun = service
        .get("/api/begin-downtime/db1/3306/ada/disk/10m")
        .await;
    assert_eq!(begun.status, 200);
    service.fakes.wait(Duration::from_secs(60));
    let found = entries(&service, "/api/replication-analysis").await;
    let entry = found.first().unwrap();
    assert_eq!(entry["IsDowntimed"], true);
    assert_eq!(entry["SkippableDueToDowntime"], true);
    assert_eq!(entry["IsReplicasDowntimed"], false);
    assert_eq!(entry["DowntimeEndTimestamp"], "2026-11-21 09:35:42");
    assert_eq!(entry["DowntimeRemainingSeconds"], -540);
    let why = entry["WhyNothingIsDone"].as_str().unwrap();
    assert!(why.contains("ada has put it in downtime: disk"), "{why}");
}

#[tokio::test]
async fn replicas_in_downtime_hold_back_what_is_about_them() {
    let mut sample = Sample::of(vec![
        with(server("db1", None), |seen| {
            seen.replicas = vec![key("db2"), key("db3")];
        }),
        cut_off(server("db2", Some("db1"))),
        cut_off(server("db3", Some("db1"))),
    ]);
    let downtime = |name: &str| Command::BeginDowntime {
        key: key(name),
        owner: "ada".into(),
        reason: "disk".into(),
        ends_at: NOW.plus(Duration::from_secs(600)),
    };
    decide(&mut sample.decided, [downtime("db2"), downtime("db3")]);
    let found = entries(&Service::of(sample), "/api/replication-analysis").await;
    let entry = &found[0];
    assert_eq!(entry["Analysis"], "AllMasterReplicasNotReplicating");
    assert_eq!(entry["CountDowntimedReplicas"], 2);
    assert_eq!(entry["IsDowntimed"], false);
    assert_eq!(entry["IsReplicasDowntimed"], true);
    assert_eq!(entry["SkippableDueToDowntime"], true);
}

async fn why(sample: Sample) -> Value {
    let service = Service::of(sample);
    let answer = service.get("/api/v2/why-not").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let json = answer.json();
    // Both routes say the same.
    let old = entries(&service, "/api/replication-analysis").await;
    let new = &json["findings"][0]["why_nothing_is_done"];
    assert_eq!(old[0]["WhyNothingIsDone"], new.as_str().unwrap_or_default());
    json
}

#[tokio::test]
async fn every_reason_of_the_gate_is_told() {
    let told = why(dead_primary()).await;
    assert_eq!(
        told["findings"][0]["server"],
        json!({"hostname": "db1", "port": 3306})
    );
    assert_eq!(told["findings"][0]["code"], "DeadMaster");
    assert_eq!(told["findings"][0]["calls_for_recovery"], true);
    assert_eq!(told["findings"][0]["blocked_by"], Value::Null);
    assert_eq!(told["recoveries_disabled_by"], Value::Null);

    let mut uncovered = dead_primary();
    uncovered.config.recovery.primary_clusters = vec!["other".into()];
    let told = why(uncovered).await;
    let reason = told["findings"][0]["why_nothing_is_done"].as_str();
    assert!(reason.unwrap().contains("RecoverMasterClusterFilters"));

    let mut switched_off = dead_primary();
    let command = Command::DisableRecoveries { by: "ada".into() };
    decide(&mut switched_off.decided, [command]);
    let told = why(switched_off).await;
    let reason = told["findings"][0]["why_nothing_is_done"].as_str();
    assert_eq!(
        reason,
        Some("ada has disabled all recoveries; enable-global-recoveries enables them")
    );
    assert_eq!(told["recoveries_disabled_by"], "ada");
}

#[tokio::test]
async fn a_recent_recovery_holds_the_next_one_back_until_note_is_taken() {
    let mut sample = dead_primary();
    let past = [
        Command::RegisterRecovery(Box::new(registration(0xc1))),
        Command::EndRecovery(Box::new(end(0xc1))),
    ];
    decide(&mut sample.decided, past);
    let service = Service::of(sample);
    service.fakes.wait(Duration::from_secs(1));
    let answer = service.get("/api/blocked-recoveries").await;
    let reason = answer.json()[0]["Reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("ended a short while ago"), "{reason}");
    assert_eq!(
        answer.body,
        [
            r#"[{"FailedInstanceKey":{"Hostname":"db1","Port":3306},"ClusterName":"db1:3306","Analysis":"DeadMaster","#,
            r#""LastBlockedTimestamp":"2026-11-21T09:25:43Z","BlockingRecoveryId":1,"#,
            r#""BlockingRecoveryUID":"000000000000000000000000000000c1","#,
            &format!(r#""Reason":"{reason}"}}]"#),
        ]
        .concat()
    );
    let of = |name: &str| format!("/api/blocked-recoveries/cluster/{name}");
    for (name, is_there) in [("db1:3306", true), ("main", false), ("db9:3306", false)] {
        let answer = service.get(&of(name)).await;
        assert_eq!(answer.body != "[]", is_there, "{name}: {}", answer.body);
    }
    let entry = &entries(&service, "/api/replication-analysis").await[0];
    assert_eq!(
        entry["BlockedByRecoveryUID"],
        "000000000000000000000000000000c1"
    );
    service.get("/api/ack-all-recoveries?comment=seen").await;
    assert_eq!(service.get("/api/blocked-recoveries").await.body, "[]");
}

#[tokio::test]
async fn a_recovery_under_way_is_no_reason_but_a_deed() {
    let mut sample = dead_primary();
    let begun = Command::RegisterRecovery(Box::new(registration(0xc1)));
    decide(&mut sample.decided, [begun]);
    let service = Service::of(sample);
    let uid = "000000000000000000000000000000c1";
    let entry = &entries(&service, "/api/replication-analysis").await[0];
    assert_eq!(entry["RecoveryUnderWayUID"], uid);
    assert_eq!(entry["WhyNothingIsDone"], "");
    let told = service.get("/api/v2/why-not").await.json();
    assert_eq!(
        told["findings"][0]["recovery_under_way"],
        json!({"number": 1, "uid": uid})
    );
    assert_eq!(told["findings"][0]["why_nothing_is_done"], Value::Null);
    assert_eq!(service.get("/api/blocked-recoveries").await.body, "[]");
}

#[tokio::test]
async fn what_the_loop_says_goes_before_what_the_gate_would() {
    let service = Service::of(dead_primary());
    let says = |code, subject: &str, why: &str| NothingDone {
        code,
        subject: key(subject),
        cluster: "db1:3306".into(),
        why: why.into(),
        blocked_by: Some("000000000000000000000000000000ee".into()),
        since: NOW.minus(Duration::from_secs(3)),
    };
    *service.fakes.recovering.told.lock().unwrap() = vec![
        says(FindingCode::UnreachablePrimary, "db1", "of yesterday"),
        says(FindingCode::DeadPrimary, "db9", "of another"),
        says(FindingCode::DeadPrimary, "db1", "a hook \"<failed>\""),
    ];
    let told = service.get("/api/v2/why-not/main").await;
    assert!(
        told.body.contains(r#""a hook \"\u003cfailed\u003e\"""#),
        "{}",
        told.body
    );
    let finding = &told.json()["findings"][0];
    assert_eq!(finding["since"], "2026-11-21T09:25:39.000Z");
    // The recovery that it names is not known any more.
    assert_eq!(
        finding["blocked_by"],
        json!({"number": null, "uid": "000000000000000000000000000000ee"})
    );
    let blocked = service.get("/api/blocked-recoveries").await.json();
    assert_eq!(blocked[0]["BlockingRecoveryId"], 0);
}

#[tokio::test]
async fn a_host_that_is_to_be_ignored_is_left_out_and_named() {
    let mut sample = dead_primary();
    sample.config.analysis = AnalysisPolicy {
        ignored_hosts: vec![pattern("^db1$")],
        ..AnalysisPolicy::default()
    };
    let service = Service::of(sample);
    assert!(
        entries(&service, "/api/replication-analysis")
            .await
            .is_empty()
    );
    let told = service.get("/api/v2/why-not").await.json();
    assert_eq!(
        told["left_out"],
        json!([{"server": {"hostname": "db1", "port": 3306}, "filter": "^db1$"}])
    );
    let other = service.get("/api/v2/why-not/db9").await.json();
    assert_eq!(other["left_out"], json!([]));
    let answer = service.get("/api/v2/why-not/nothing").await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn a_locked_primary_is_sure_once_its_log_was_seen_not_to_move() {
    let locked = |at: Timestamp| {
        let mut record = with(server("db1", None), |seen| {
            seen.observed_at = at;
            seen.replicas = vec![key("db2")];
            seen.semi_sync.source_enabled = true;
            seen.semi_sync.source_status = true;
            seen.semi_sync.wait_for_replica_count = 1;
            seen.binlog.position = Some(orchestrator_core::domain::BinlogPosition {
                file: "bin.000001".into(),
                offset: 4,
            });
        });
        record.last_seen_at = Some(at);
        record.last_checked_at = Some(at);
        record
    };
    let service = Service::of(Sample::of(vec![locked(NOW), server("db2", Some("db1"))]));
    let code = |found: Vec<Value>| found[0]["Analysis"].as_str().unwrap().to_owned();
    let found = entries(&service, "/api/replication-analysis").await;
    assert_eq!(code(found), "LockedSemiSyncMasterHypothesis");
    service.fakes.wait(Duration::from_secs(11));
    let later = NOW.plus(Duration::from_secs(11));
    service
        .fakes
        .change_picture(|picture| picture.put(locked(later)));
    let found = entries(&service, "/api/replication-analysis").await;
    assert_eq!(code(found), "LockedSemiSyncMaster");
}

#[tokio::test]
async fn a_recovery_that_was_called_off_holds_nobody_back() {
    let mut sample = dead_primary();
    let mut off = end(0xc1);
    off.outcome = RecoveryOutcome::CalledOff;
    off.successor = None;
    let past = [
        Command::RegisterRecovery(Box::new(registration(0xc1))),
        Command::EndRecovery(Box::new(off)),
    ];
    decide(&mut sample.decided, past);
    let service = Service::of(sample);
    assert_eq!(service.get("/api/blocked-recoveries").await.body, "[]");
    let list = service.get("/api/audit-recovery").await.json();
    assert_eq!(list[0]["IsActive"], false);
    assert_eq!(list[0]["Outcome"], "called-off");
}

#[tokio::test]
async fn the_history_of_codes_is_told_as_before() {
    let service = Service::of(two_clusters());
    let path = "/api/replication-analysis-changelog";
    let none = service.get(path).await;
    assert_eq!((none.status.as_u16(), none.body.as_str()), (200, "null"));
    let change = |seconds, code| CodeChange {
        at: NOW.plus(Duration::from_secs(seconds)),
        code,
    };
    *service.fakes.recovering.changes.lock().unwrap() = vec![CodeChanges {
        server: key("db1"),
        changes: vec![change(0, Some(FindingCode::DeadPrimary)), change(60, None)],
    }];
    let told = service.get(path).await;
    assert_eq!(
        told.body,
        r#"[{"AnalyzedInstanceKey":{"Hostname":"db1","Port":3306},"Changelog":["2026-11-21 09:25:42;DeadMaster,","2026-11-21 09:26:42;NoProblem,"]}]"#
    );
}

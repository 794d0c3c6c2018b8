//! Lists of detections and recoveries, one recovery as a whole, the global switch.

use std::time::Duration;

use orchestrator_core::decided::codec::encode;
use orchestrator_core::decided::{Command, RecoveryNews, RecoveryStepCommand};
use orchestrator_core::domain::{DataLoss, Fence, Phase, RecoveryId, RecoverySessionId};
use orchestrator_core::recovery::plan::{Action, StepState, WhyFailed};
use serde_json::{Value, json};

use super::Service;
use super::analysis::dead_primary;
use super::recovering::{decide, detection, end, registration};
use crate::api::view::samples::{NOW, Sample, key, two_clusters};

const UID: &str = "000000000000000000000000000000c1";

fn registered(id: u128) -> Command {
    Command::RegisterRecovery(Box::new(registration(id)))
}

fn ended(id: u128) -> Command {
    Command::EndRecovery(Box::new(end(id)))
}

/// Detection 1 and recovery 2 of it, ended.
fn past() -> Sample {
    let mut sample = two_clusters();
    let found = Command::RegisterDetection(Box::new(detection(0xc1, NOW)));
    decide(&mut sample.decided, [found, registered(0xc1), ended(0xc1)]);
    sample
}

fn entry(analysis: &str, start: &str) -> String {
    let none = r#"{"Hostname":"","Port":0}"#;
    let replicas = r#"[{"Hostname":"db2","Port":3306},{"Hostname":"db3","Port":3306}]"#;
    [
        &format!(r#"{{"AnalyzedInstanceKey":{{"Hostname":"db1","Port":3306}},"AnalyzedInstanceMasterKey":{none},"#),
        r#""ClusterDetails":{"ClusterName":"db1:3306","ClusterAlias":"main","ClusterDomain":"","CountInstances":0,"#,
        r#""HeuristicLag":0,"HasAutomatedMasterRecovery":false,"HasAutomatedIntermediateMasterRecovery":false},"#,
        r#""AnalyzedInstanceDataCenter":"","AnalyzedInstanceRegion":"","AnalyzedInstancePhysicalEnvironment":"","#,
        r#""AnalyzedInstanceBinlogCoordinates":{"LogFile":"","LogPos":0,"Type":0},"IsMaster":false,"#,
        r#""IsReplicationGroupMember":false,"IsCoMaster":false,"LastCheckValid":false,"LastCheckPartialSuccess":false,"#,
        r#""CountReplicas":2,"CountValidReplicas":0,"CountValidReplicatingReplicas":0,"#,
        r#""CountReplicasFailingToConnectToMaster":0,"CountDowntimedReplicas":0,"ReplicationDepth":0,"#,
        &format!(r#""Replicas":{replicas},"SlaveHosts":{replicas},"IsFailingToConnectToMaster":false,"#),
        &format!(r#""Analysis":"{analysis}","Description":"","StructureAnalysis":null,"#),
        r#""IsDowntimed":false,"IsReplicasDowntimed":false,"DowntimeEndTimestamp":"","DowntimeRemainingSeconds":0,"#,
        r#""IsBinlogServer":false,"PseudoGTIDImmediateTopology":false,"OracleGTIDImmediateTopology":false,"#,
        r#""MariaDBGTIDImmediateTopology":false,"BinlogServerImmediateTopology":false,"SemiSyncMasterEnabled":false,"#,
        r#""SemiSyncMasterStatus":false,"SemiSyncMasterWaitForReplicaCount":0,"SemiSyncMasterClients":0,"#,
        r#""CountSemiSyncReplicasEnabled":0,"CountLoggingReplicas":0,"CountStatementBasedLoggingReplicas":0,"#,
        r#""CountMixedBasedLoggingReplicas":0,"CountRowBasedLoggingReplicas":0,"#,
        r#""CountDistinctMajorVersionsLoggingReplicas":0,"CountDelayedReplicas":0,"CountLaggingReplicas":0,"#,
        r#""IsActionableRecovery":false,"ProcessingNodeHostname":"","ProcessingNodeToken":"","#,
        &format!(r#""CountAdditionalAgreeingNodes":0,"StartActivePeriod":"{start}","SkippableDueToDowntime":false,"#),
        r#""GTIDMode":"","MinReplicaGTIDMode":"","MaxReplicaGTIDMode":"","MaxReplicaGTIDErrant":"","CommandHint":"","#,
        r#""IsReadOnly":false,"Evidence":[],"WhyNothingIsDone":"","BlockedByRecoveryUID":"","RecoveryUnderWayUID":""}"#,
    ]
    .concat()
}

#[tokio::test]
async fn a_recovery_in_a_list_has_exactly_this_shape() {
    let service = Service::of(past());
    let expected = [
        &format!(r#"[{{"Id":2,"UID":"{UID}","AnalysisEntry":{},"#, entry("DeadMaster", "")),
        r#""SuccessorKey":{"Hostname":"db2","Port":3306},"SuccessorAlias":"db2-alias","SuccessorBinlogCoordinates":null,"#,
        r#""IsActive":true,"IsSuccessful":true,"LostReplicas":[{"Hostname":"db3","Port":3306}],"#,
        r#""ParticipatingInstanceKeys":[{"Hostname":"db1","Port":3306},{"Hostname":"db2","Port":3306}],"AllErrors":[""],"#,
        r#""RecoveryStartTimestamp":"2026-11-21T09:25:42Z","RecoveryEndTimestamp":"2026-11-21 09:25:42","#,
        r#""ProcessingNodeHostname":"orc1","ProcessingNodeToken":"","#,
        r#""Acknowledged":false,"AcknowledgedAt":"","AcknowledgedBy":"","AcknowledgedComment":"","#,
        r#""LastDetectionId":1,"RelatedRecoveryId":0,"Type":"","RecoveryType":"NotMasterRecovery","#,
        r#""Phase":"ended","Outcome":"succeeded","Attempt":1,"RequestedBy":"","#,
        r#""DataLoss":"unknown; at most what was committed since 2026-11-21T09:25:40Z","#,
        r#""TimeSplit":{"DetectMilliseconds":120,"DecideMilliseconds":30,"CloseMilliseconds":50,"#,
        r#""PromoteMilliseconds":80,"PublishMilliseconds":null}}]"#,
    ]
    .concat();
    assert_eq!(service.get("/api/audit-recovery").await.body, expected);
    for path in [
        "audit-recovery/0",
        "audit-recovery/id/2",
        &format!("audit-recovery/uid/{UID}"),
        "audit-recovery/cluster/db1:3306",
        "audit-recovery/cluster/db1:3306/0",
        "audit-recovery/alias/main",
        "audit-recovery/alias/main/0",
        "audit-recovery?unacknowledged=true",
        "recently-active-cluster-recovery/db1:3306",
        "recently-active-instance-recovery/db2/3306",
    ] {
        let answer = service.get(&format!("/api/{path}")).await;
        assert_eq!(answer.body, expected, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_meant_is_not_in_a_list() {
    let service = Service::of(past());
    for path in [
        "audit-recovery/1",
        "audit-recovery/id/1",
        "audit-recovery/id/18446744073709551615",
        "audit-recovery/uid/000000000000000000000000000000c2",
        // Names are compared literally.
        "audit-recovery/cluster/main",
        "audit-recovery/cluster/db1",
        "audit-recovery/alias/db1:3306",
        "audit-recovery/alias/MAIN",
        "active-cluster-recovery/db1:3306",
        "recently-active-cluster-recovery/main",
        "recently-active-instance-recovery/db1/3306",
        "audit-failure-detection/1",
        "audit-failure-detection/id/2",
        "audit-failure-detection/alias/other",
        "audit-recovery-steps/000000000000000000000000000000c2",
        "audit-recovery/alias/%27%20OR%201=1%20--",
        "audit-recovery/cluster/%3Cscript%3E",
    ] {
        let answer = service.get(&format!("/api/{path}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (200, "[]"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_name_that_is_no_number_and_no_uid_is_refused_and_shown_harmless() {
    let service = Service::of(past());
    for text in [
        "x",
        "-1",
        "+2",
        "1.5",
        "99999999999999999999",
        "2%00",
        "%1B%5B2J",
        &"f".repeat(5_000),
    ] {
        for route in [
            "audit-recovery/id",
            "audit-recovery/uid",
            "audit-failure-detection/id",
        ] {
            let answer = service.get(&format!("/api/{route}/{text}")).await;
            assert_eq!(answer.status, 500, "{route}/{text}");
            assert_eq!(answer.header("orchestrator-error"), "invalid-input");
            let json = answer.json();
            let message = json["Message"].as_str().unwrap();
            assert!(
                message.len() < 400 && !message.contains('\u{1b}'),
                "{message}"
            );
        }
        let answer = service.get(&format!("/api/v2/recoveries/{text}")).await;
        assert_eq!(answer.status, 422, "{text}");
    }
    let answer = service.get("/api/v2/recoveries/3").await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.json()["error"]["message"],
        "there is no recovery '3'; it may have been long ago"
    );
}

#[tokio::test]
async fn a_detection_has_exactly_this_shape() {
    let service = Service::of(past());
    let start = "2026-11-21T09:25:42Z";
    let expected = [
        &format!(
            r#"[{{"Id":1,"UID":"","AnalysisEntry":{},"#,
            entry("DeadMaster", start)
        ),
        r#""SuccessorKey":null,"SuccessorAlias":"","SuccessorBinlogCoordinates":null,"#,
        r#""IsActive":false,"IsSuccessful":false,"LostReplicas":[],"ParticipatingInstanceKeys":[],"AllErrors":null,"#,
        r#""RecoveryStartTimestamp":"2026-11-21T09:25:42Z","RecoveryEndTimestamp":"","#,
        r#""ProcessingNodeHostname":"orc1","ProcessingNodeToken":"","#,
        r#""Acknowledged":false,"AcknowledgedAt":"","AcknowledgedBy":"","AcknowledgedComment":"","#,
        r#""LastDetectionId":0,"RelatedRecoveryId":2,"Type":"","RecoveryType":"","#,
        &format!(r#""RecoveryUID":"{UID}","IsActionable":true}}]"#),
    ]
    .concat();
    for path in [
        "audit-failure-detection",
        "audit-failure-detection/0",
        "audit-failure-detection/-1",
        "audit-failure-detection/x",
        "audit-failure-detection/id/1",
        &format!("audit-failure-detection/id/{UID}"),
        "audit-failure-detection/alias/main",
        "audit-failure-detection/alias/main/0",
    ] {
        let answer = service.get(&format!("/api/{path}")).await;
        assert_eq!(answer.body, expected, "{path}");
    }
}

#[tokio::test]
async fn lists_are_paged_by_twenty_newest_first() {
    let mut sample = two_clusters();
    for id in 1..=41 {
        // Note is taken of each, so that the next may begin.
        let noted = Command::AcknowledgeRecoveries {
            which: orchestrator_core::decided::Acknowledged::All,
            by: "ada".into(),
            comment: "seen".into(),
        };
        decide(&mut sample.decided, [registered(id), ended(id), noted]);
    }
    let service = Service::of(sample);
    let numbers = async |path: &str| {
        let json = service.get(&format!("/api/{path}")).await.json();
        let ids = json.as_array().unwrap().iter();
        ids.map(|one| one["Id"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    // Each takes three entries of the log.
    let number = |nth: u64| (nth - 1) * 3 + 1;
    let first: Vec<u64> = (22..=41).rev().map(number).collect();
    let second: Vec<u64> = (2..=21).rev().map(number).collect();
    for path in [
        "audit-recovery",
        "audit-recovery/0",
        "audit-recovery/x",
        "audit-recovery/-1",
        "audit-recovery/1.5",
        "audit-recovery/99999999999999999999",
        "audit-recovery/alias/main/nonsense",
    ] {
        assert_eq!(numbers(path).await, first, "{path}");
    }
    assert_eq!(numbers("audit-recovery/1").await, second);
    assert_eq!(numbers("audit-recovery/cluster/db1:3306/1").await, second);
    assert_eq!(numbers("audit-recovery/2").await, [1]);
    assert_eq!(numbers("audit-recovery/3").await, [0_u64; 0]);
    let last = u64::MAX.to_string();
    assert_eq!(numbers(&format!("audit-recovery/{last}")).await, [0_u64; 0]);
    let open = numbers("audit-recovery?unacknowledged=true").await;
    assert_eq!(open, [0_u64; 0]);
    assert_eq!(
        numbers("audit-recovery?unacknowledged=yes").await,
        first,
        "only the word true counts"
    );
}

#[tokio::test]
async fn a_recovery_under_way_is_active_and_then_recently_so() {
    let mut sample = two_clusters();
    decide(&mut sample.decided, [registered(0xc1)]);
    let service = Service::of(sample);
    let count = async |path: &str| {
        let json = service.get(&format!("/api/{path}")).await.json();
        json.as_array().unwrap().len()
    };
    assert_eq!(count("active-cluster-recovery/db1:3306").await, 1);
    assert_eq!(count("recently-active-cluster-recovery/db1:3306").await, 0);
    let json = service.get("/api/audit-recovery").await.json();
    assert_eq!(json[0]["IsActive"], true);
    assert_eq!(json[0]["RecoveryEndTimestamp"], "");
    assert_eq!(json[0]["Phase"], "registered");
    assert_eq!(json[0]["TimeSplit"], Value::Null);
    assert_eq!(
        json[0]["SuccessorKey"],
        json!({"Hostname": "", "Port": 0}),
        "an empty key in lists"
    );
    service.fakes.decide(ended(0xc1)).await;
    assert_eq!(count("active-cluster-recovery/db1:3306").await, 0);
    service.fakes.wait(Duration::from_secs(300));
    assert_eq!(count("recently-active-cluster-recovery/db1:3306").await, 1);
    service.fakes.wait(Duration::from_secs(1));
    assert_eq!(count("recently-active-cluster-recovery/db1:3306").await, 0);
    // It holds others back from its end on, for an hour.
    let is_active = async || service.get("/api/audit-recovery").await.json()[0]["IsActive"].clone();
    assert_eq!(is_active().await, true);
    service.fakes.wait(Duration::from_secs(3600 - 301));
    assert_eq!(is_active().await, false);
}

#[tokio::test]
async fn the_record_of_a_recovery_is_told_from_the_detection_on() {
    let service = Service::of(two_clusters());
    let id = RecoveryId::from_number(0xc1);
    let note = |text: &str| Command::RecoveryStep {
        id,
        step: Box::new(RecoveryStepCommand::Note {
            notes: vec![(NOW, text.into())],
        }),
    };
    let found = Command::RegisterDetection(Box::new(detection(0xc1, NOW)));
    service.fakes.decide(found).await;
    service.fakes.decide(note("db1 does not answer")).await;
    let before = service
        .get(&format!("/api/audit-recovery-steps/{UID}"))
        .await;
    assert_eq!(
        before.body,
        format!(
            r#"[{{"Id":2048,"RecoveryUID":"{UID}","AuditAt":"2026-11-21T09:25:42Z","Message":"db1 does not answer"}}]"#
        )
    );
    service.fakes.decide(registered(0xc1)).await;
    service.fakes.decide(note("<b>db2</b> is chosen")).await;
    let steps = service.get("/api/audit-recovery-steps/3").await;
    assert!(steps.body.contains(r"\u003cb\u003edb2"), "{}", steps.body);
    let messages: Vec<Value> = steps
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["Message"].clone())
        .collect();
    assert_eq!(messages, ["db1 does not answer", "<b>db2</b> is chosen"]);
}

/// A recovery of the dead primary with a real plan, of which some steps were done.
fn planned() -> (Sample, usize) {
    let mut sample = dead_primary();
    let view = std::sync::Arc::new(sample.view());
    let examined =
        crate::api::view::ExaminedCache::default().current(view, Default::default(), NOW);
    let policy = sample.config.recovery.clone();
    let plan = orchestrator_core::recovery::plan::plan(&examined.scene(), &key("db1"), &policy);
    let plan = plan.expect("a plan");
    let steps = plan.steps.len();
    let mut begun = registration(0xc1);
    begun.plan = encode(&plan).unwrap();
    begun.sessions = vec![RecoverySessionId {
        server: key("db2"),
        connection_id: 7,
    }];
    let failed = StepState::Failed(WhyFailed::Deadline {
        number: 1,
        on: key("db3"),
        action: Action::StopReceiver,
    });
    let state = |state: &StepState| encode(state).unwrap();
    let news = RecoveryNews {
        steps: vec![
            (0, state(&StepState::Done(NOW))),
            (1, state(&failed)),
            (2, state(&StepState::Begun(NOW))),
            (3, vec![9, 9, 9]),
        ],
        notes: vec![(NOW, "receivers are being stopped".into())],
        ..RecoveryNews::default()
    };
    let enter = RecoveryStepCommand::Enter {
        fence: Fence::from_number(1),
        phase: Phase::ReceiversStopped,
        news,
    };
    let commands = [
        Command::RegisterDetection(Box::new(detection(0xc1, NOW))),
        Command::RegisterRecovery(Box::new(begun)),
        Command::RecoveryStep {
            id: RecoveryId::from_number(0xc1),
            step: Box::new(enter),
        },
    ];
    decide(&mut sample.decided, commands);
    (sample, steps)
}

#[tokio::test]
async fn one_recovery_is_told_with_everything() {
    let (sample, steps) = planned();
    let service = Service::of(sample);
    let by_number = service.get("/api/v2/recoveries/2").await;
    let by_uid = service.get(&format!("/api/v2/recoveries/{UID}")).await;
    assert_eq!(by_number.body, by_uid.body);
    let told = by_number.json();
    assert_eq!(told["code"], "DeadMaster");
    assert_eq!(told["kind"], "dead-primary");
    assert_eq!(told["phase"], "receivers-stopped");
    assert_eq!(told["entered"][1]["phase"], "receivers-stopped");
    assert_eq!(told["requested_by"], Value::Null);
    assert_eq!(told["detection"]["description"], "the primary is gone");
    assert_eq!(told["sessions"], 1);
    assert_eq!(told["stale_sessions"], 0);
    assert_eq!(told["plan"]["error"], Value::Null);
    let text = told["plan"]["text"].as_array().unwrap();
    assert!(text.len() >= steps, "{text:?}");
    assert!(text[0].as_str().unwrap().starts_with("0 Registered db"));
    let all = told["steps"].as_array().unwrap();
    assert_eq!(all.len(), steps);
    let states: Vec<&str> = all
        .iter()
        .map(|step| step["state"].as_str().unwrap())
        .collect();
    assert_eq!(
        states[..5],
        ["done", "failed", "begun", "unreadable", "waiting"]
    );
    assert!(
        all[1]["reason"]
            .as_str()
            .unwrap()
            .contains("did not end in time")
    );
    assert_eq!(all[4]["at"], Value::Null);
    assert_eq!(told["notes"][0]["text"], "receivers are being stopped");
    assert_eq!(told["end"], Value::Null);
    assert_eq!(told["blocks_until"], Value::Null);
}

#[tokio::test]
async fn an_ended_recovery_tells_its_loss_and_where_its_time_went() {
    let service = Service::of(past());
    let told = service.get("/api/v2/recoveries/2").await.json();
    // One without a plan is the predecessor's: it says so, and all else is told.
    assert_eq!(
        told["plan"]["error"],
        "the predecessor carried it out; its plans are not kept"
    );
    assert_eq!(told["steps"], json!([]));
    assert_eq!(told["blocks_until"], "2026-11-21T10:25:42.000Z");
    assert_eq!(told["end"]["outcome"], "succeeded");
    assert_eq!(
        told["end"]["data_loss"],
        json!({
            "kind": "unknown",
            "text": "unknown; at most what was committed since 2026-11-21T09:25:40Z",
            "at_most_since": "2026-11-21T09:25:40.000Z",
            "at_least": [],
            "set": null,
        })
    );
    assert_eq!(told["end"]["time_split"]["promote_seconds"], 0.08);
    let known = RecoveryStepCommand::StateLoss {
        loss: DataLoss::Exactly {
            set: "a:7-9".into(),
        },
        notes: vec![],
    };
    let command = Command::RecoveryStep {
        id: RecoveryId::from_number(0xc1),
        step: Box::new(known),
    };
    service.fakes.decide(command).await;
    let told = service.get("/api/v2/recoveries/2").await.json();
    assert_eq!(told["end"]["data_loss"]["set"], "a:7-9");
    let list = service.get("/api/audit-recovery").await.json();
    assert_eq!(list[0]["DataLoss"], "lost: a:7-9");
}

#[tokio::test]
async fn the_global_switch_is_turned_and_shown() {
    let service = Service::of(two_clusters());
    let says = async |path: &str, message: &str, details: &str| {
        let answer = service.get(&format!("/api/{path}")).await;
        let expected = format!(r#"{{"Code":"OK","Message":"{message}","Details":"{details}"}}"#);
        assert_eq!(answer.body, expected, "{path}");
    };
    let on = ("Global recoveries enabled", "enabled");
    let off = ("Global recoveries disabled", "disabled");
    says("check-global-recoveries", on.0, on.1).await;
    for _ in 0..2 {
        says(
            "disable-global-recoveries",
            "Globally disabled recoveries",
            "disabled",
        )
        .await;
        says("check-global-recoveries", off.0, off.1).await;
    }
    let by = service.get("/api/v2/why-not").await.json();
    assert_eq!(by["recoveries_disabled_by"], "ada");
    for _ in 0..2 {
        says(
            "enable-global-recoveries",
            "Globally enabled recoveries",
            "enabled",
        )
        .await;
        says("check-global-recoveries", on.0, on.1).await;
    }
}

#[tokio::test]
async fn the_filters_are_shown_as_written() {
    let mut sample = two_clusters();
    sample.config.recover_primary_filters = vec!["alias=main".into(), "<x>".into()];
    sample.config.recovery_ignored_hosts = vec!["^db9".into()];
    let answer = Service::of(sample)
        .get("/api/automated-recovery-filters")
        .await;
    assert_eq!(
        answer.body,
        concat!(
            r#"{"Code":"OK","Message":"Automated recovery configuration details","Details":{"#,
            r#""RecoverIntermediateMasterClusterFilters":[],"#,
            r#""RecoverMasterClusterFilters":["alias=main","\u003cx\u003e"],"#,
            r#""RecoveryIgnoreHostnameFilters":["^db9"]}}"#
        )
    );
}

#[tokio::test]
async fn without_any_recovery_lists_are_empty() {
    let service = Service::of(two_clusters());
    for path in [
        "audit-recovery",
        "audit-failure-detection",
        "blocked-recoveries",
        "active-cluster-recovery/db1:3306",
        "recently-active-cluster-recovery/db1:3306",
        "recently-active-instance-recovery/db1/3306",
    ] {
        assert_eq!(
            service.get(&format!("/api/{path}")).await.body,
            "[]",
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_cluster_without_an_alias_goes_by_its_name() {
    let mut sample = two_clusters();
    let mut found = detection(0xc1, NOW);
    found.cluster_alias = String::new();
    let mut begun = registration(0xc1);
    begun.cluster_alias = String::new();
    let commands = [
        Command::RegisterDetection(Box::new(found)),
        Command::RegisterRecovery(Box::new(begun)),
    ];
    decide(&mut sample.decided, commands);
    let service = Service::of(sample);
    for path in ["audit-recovery", "audit-failure-detection"] {
        let list = service.get(&format!("/api/{path}")).await.json();
        let cluster = &list[0]["AnalysisEntry"]["ClusterDetails"];
        assert_eq!(cluster["ClusterAlias"], "db1:3306", "{path}");
    }
}

//! Recoveries on request.

use orchestrator_core::domain::{RecoveryId, RecoveryOutcome};
use orchestrator_core::ports::{Insistence, RecoverError, RecoveryRequest};
use serde_json::{Value, json};

use super::analysis::dead_primary;
use super::{Answer, Service};
use crate::api::view::samples::{key, server, two_clusters};

async fn post(service: &Service, path: &str) -> Answer {
    service.ask("POST", &format!("/api/{path}"), &[]).await
}

fn asked(service: &Service) -> Vec<RecoveryRequest> {
    service.fakes.recovering.requests.lock().unwrap().clone()
}

#[tokio::test]
async fn a_request_says_what_who_and_how() {
    let service = Service::of(dead_primary());
    let request = |candidate: Option<&str>, insistence, skips_hooks| RecoveryRequest {
        failed: key("db1"),
        candidate: candidate.map(key),
        insistence,
        skips_hooks,
        who: "ada".into(),
        whence: "127.0.0.1".into(),
    };
    let (asks, orders) = (Insistence::Asks, Insistence::Orders);
    let cases = [
        ("recover/db1/3306", request(None, asks, false)),
        (
            "recover/db1/3306/db3/3306",
            request(Some("db3"), asks, false),
        ),
        (
            "recover/db1/3306?skipProcesses=true",
            request(None, asks, true),
        ),
        (
            "recover/db1/3306?skipProcesses=1",
            request(None, asks, false),
        ),
        ("recover-lite/db1/3306", request(None, asks, true)),
        (
            "recover-lite/db1/3306/db3/3306",
            request(Some("db3"), asks, true),
        ),
        ("force-master-failover/main", request(None, orders, false)),
        (
            "force-master-failover/db1:3306",
            request(None, orders, false),
        ),
        (
            "force-master-failover/db2/3306",
            request(None, orders, false),
        ),
        (
            "force-master-takeover/main/db3/3306",
            request(Some("db3"), orders, false),
        ),
        (
            "force-master-takeover/db2/3306/db3/3306",
            request(Some("db3"), orders, false),
        ),
    ];
    for (path, expected) in cases {
        let service = Service::of(dead_primary());
        let answer = post(&service, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert_eq!(asked(&service), [expected], "{path}");
    }
    assert!(asked(&service).is_empty());
}

#[tokio::test]
async fn recover_answers_with_the_promoted_instance() {
    let service = Service::of(dead_primary());
    assert_eq!(
        post(&service, "recover/db1/3306").await.body,
        concat!(
            r#"{"Code":"OK","Message":"Recovery executed on db1:3306","#,
            r#""Details":{"Hostname":"db2","Port":3306}}"#
        )
    );
    let list = service.get("/api/audit-recovery").await.json();
    assert_eq!(list[0]["RequestedBy"], "ada");
}

#[tokio::test]
async fn what_is_not_attempted_says_why() {
    let service = Service::of(dead_primary());
    let refusal = |error| *service.fakes.recovering.refusal.lock().unwrap() = Some(error);
    let id = RecoveryId::from_number(0xc1);
    let reason = "no replica may be promoted: it has none";
    for (error, kind, message) in [
        (
            RecoverError::Refused {
                reason: reason.into(),
            },
            "refused",
            format!("Recovery not attempted: {reason}"),
        ),
        (
            RecoverError::NotLeader,
            "not-leader",
            "Recovery not attempted: this node is not the leader".into(),
        ),
        (
            RecoverError::Busy,
            "busy",
            "Recovery not attempted: too many recoveries were asked for at once; try again".into(),
        ),
        (
            RecoverError::Stopping,
            "unavailable",
            "Recovery not attempted: the service is stopping".into(),
        ),
        (
            RecoverError::Unfinished {
                id,
                reason: "leadership is lost".into(),
            },
            "unknown-outcome",
            format!(
                "recovery {id} was begun, and this node does not carry it on: leadership is lost"
            ),
        ),
    ] {
        refusal(error);
        for (path, details) in [
            ("recover/db1/3306", json!({"Hostname": "db1", "Port": 3306})),
            (
                "recover-lite/db1/3306",
                json!({"Hostname": "db1", "Port": 3306}),
            ),
            ("force-master-failover/main", Value::Null),
        ] {
            let answer = post(&service, path).await;
            assert_eq!(answer.status, 500, "{path}");
            assert_eq!(answer.header("orchestrator-error"), kind, "{path}");
            assert_eq!(answer.json()["Message"], message.as_str(), "{path}");
            assert_eq!(answer.json()["Details"], details, "{path}");
        }
    }
}

#[tokio::test]
async fn a_recovery_that_promotes_nobody_is_no_success() {
    for (outcome, errors, kind, why) in [
        (
            RecoveryOutcome::Failed,
            vec!["db2 refused".to_owned(), "db3 too".to_owned()],
            "partial",
            "db2 refused; db3 too",
        ),
        (
            RecoveryOutcome::CalledOff,
            vec![],
            "refused",
            "called off, because the old primary answered before any server was touched",
        ),
    ] {
        let service = Service::of(dead_primary());
        *service.fakes.recovering.outcome.lock().unwrap() = Some((outcome, errors));
        let answer = post(&service, "recover/db1/3306").await;
        assert_eq!(answer.status, 500);
        assert_eq!(answer.header("orchestrator-error"), kind);
        assert_eq!(
            answer.json()["Message"],
            format!("Recovery attempted but no instance promoted: {why}")
        );
        assert_eq!(
            answer.json()["Details"],
            json!({"Hostname": "db1", "Port": 3306})
        );
        let answer = post(&service, "force-master-failover/main").await;
        assert_eq!(
            answer.json()["Message"],
            format!("Master not failed over: {why}")
        );
        assert_eq!(answer.json()["Details"]["IsSuccessful"], false);
        assert_eq!(answer.json()["Details"]["SuccessorKey"], Value::Null);
    }
}

#[tokio::test]
async fn a_forced_failover_answers_with_the_whole_recovery() {
    let service = Service::of(dead_primary());
    let answer = post(&service, "force-master-failover/main").await;
    let json = answer.json();
    assert_eq!(json["Message"], "Master failed over");
    let details = &json["Details"];
    assert_eq!(
        details["SuccessorKey"],
        json!({"Hostname": "db2", "Port": 3306})
    );
    assert_eq!(
        details["SuccessorBinlogCoordinates"],
        json!({"LogFile": "", "LogPos": 0, "Type": 0})
    );
    // As it was found, in full.
    assert_eq!(details["AnalysisEntry"]["Analysis"], "DeadMaster");
    assert_eq!(
        details["AnalysisEntry"]["CountReplicasFailingToConnectToMaster"],
        2
    );
    assert_eq!(details["Type"], "MasterRecovery");
    assert_eq!(details["RecoveryType"], "MasterRecoveryGTID");
    assert_eq!(details["IsActive"], false);
    assert_eq!(details["AllErrors"], json!([]));
    assert_eq!(details["RecoveryStartTimestamp"], "");
    assert_eq!(details["UID"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn only_one_primary_and_a_direct_replica_will_do() {
    let service = Service::of(two_clusters());
    for (path, kind, message) in [
        ("force-master-failover/nothing", "not-found", ""),
        (
            "force-master-takeover/main/db10/3306",
            "refused",
            "You may only promote a direct child of the master db1:3306. db10:3306 is not one",
        ),
        (
            "force-master-takeover/main/db1/3306",
            "refused",
            "You may only promote a direct child of the master db1:3306. db1:3306 is not one",
        ),
        (
            "force-master-takeover/main/unknown/3306",
            "not-found",
            "unknown:3306 is not known; discover it first",
        ),
        ("force-master-takeover/main/db3/x", "invalid-input", ""),
        ("recover/db1/x", "invalid-input", ""),
        ("recover/db1/3306/db2/x", "invalid-input", ""),
        ("recover/a%20b/3306", "invalid-input", ""),
        ("recover/%00/3306", "invalid-input", ""),
    ] {
        let answer = post(&service, path).await;
        assert_eq!(answer.status, 500, "{path}");
        assert_eq!(answer.header("orchestrator-error"), kind, "{path}");
        let json = answer.json();
        let said = json["Message"].as_str().unwrap();
        assert!(said.starts_with(message), "{path}: {said}");
    }
    // Two that replicate from each other: somebody has to say which one failed.
    let mut pair = two_clusters();
    pair.records = vec![server("a", Some("b")), server("b", Some("a"))];
    let service = Service::of(pair);
    let answer = post(&service, "force-master-failover/a").await;
    let json = answer.json();
    let said = json["Message"].as_str().unwrap();
    assert!(
        said.starts_with("Cannot deduce cluster master for") && said.contains("Found 2"),
        "{said}"
    );
    assert!(asked(&service).is_empty());
}

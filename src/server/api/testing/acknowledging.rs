//! Taking note of recoveries, in every form.

use std::time::Duration;

use orchestrator_core::decided::Command;
use serde_json::Value;

use super::recovering::{decide, detection, end, registration};
use super::{Answer, Service};
use crate::api::view::samples::{NOW, Sample, key, two_clusters};

const UID: &str = "000000000000000000000000000000c1";

/// Recovery 2 is of `db1` of the cluster `db1:3306` (main), recovery 4 of `old1` of a cluster that is there no more.
fn past() -> Sample {
    let mut sample = two_clusters();
    let mut old = registration(0xd1);
    old.subject = key("old1");
    old.cluster = "old1:3306".into();
    old.cluster_alias = "ancient".into();
    old.servers = vec![];
    let commands = [
        Command::RegisterDetection(Box::new(detection(0xc1, NOW))),
        Command::RegisterRecovery(Box::new(registration(0xc1))),
        Command::EndRecovery(Box::new(end(0xc1))),
        Command::RegisterRecovery(Box::new(old)),
        Command::EndRecovery(Box::new(end(0xd1))),
    ];
    decide(&mut sample.decided, commands);
    sample
}

/// Numbers of recoveries that nobody took note of.
async fn open(service: &Service) -> Vec<u64> {
    let list = service.get("/api/audit-recovery?unacknowledged=true").await;
    let json = list.json();
    let ids = json.as_array().unwrap().iter();
    ids.map(|one| one["Id"].as_u64().unwrap()).collect()
}

async fn ok(service: &Service, path: &str, expected: &str) {
    let answer = service.ask("POST", &format!("/api/{path}"), &[]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (200, expected),
        "{path}"
    );
}

#[tokio::test]
async fn every_form_takes_note_of_what_it_names_and_of_nothing_else() {
    let cluster =
        r#"{"Code":"OK","Message":"Acknowledged cluster recoveries","Details":"db1:3306"}"#;
    let former =
        r#"{"Code":"OK","Message":"Acknowledged cluster recoveries","Details":"old1:3306"}"#;
    let one = |name: &str| {
        format!(r#"{{"Code":"OK","Message":"Acknowledged recovery","Details":"{name}"}}"#)
    };
    let instance = concat!(
        r#"{"Code":"OK","Message":"Acknowledged instance recoveries","#,
        r#""Details":{"Hostname":"db1","Port":3306}}"#
    );
    let forms: [(&str, &str, &[u64]); 13] = [
        ("ack-recovery/cluster/main?comment=seen", cluster, &[4]),
        ("ack-recovery/cluster/db1:3306?comment=seen", cluster, &[4]),
        ("ack-recovery/cluster/db2?comment=seen", cluster, &[4]),
        (
            "ack-recovery/cluster/alias/main?comment=seen",
            cluster,
            &[4],
        ),
        // Clusters that are there no more.
        ("ack-recovery/cluster/old1:3306?comment=seen", former, &[2]),
        ("ack-recovery/cluster/ancient?comment=seen", former, &[2]),
        (
            "ack-recovery/cluster/alias/ancient?comment=seen",
            former,
            &[2],
        ),
        (
            "ack-recovery/instance/db1/3306?comment=seen",
            instance,
            &[4],
        ),
        ("ack-recovery/2?comment=seen", &one("2"), &[4]),
        (&format!("ack-recovery/{UID}?comment=seen"), &one(UID), &[4]),
        (
            &format!("ack-recovery/uid/{UID}?comment=seen"),
            &one(UID),
            &[4],
        ),
        (
            "ack-all-recoveries?comment=%20we%20saw%0A",
            r#"{"Code":"OK","Message":"Acknowledged all recoveries","Details":"we saw"}"#,
            &[],
        ),
        // The promoted instance is not the failed one: nothing is meant, and that is fine.
        (
            "ack-recovery/instance/db2/3306?comment=seen",
            concat!(
                r#"{"Code":"OK","Message":"Acknowledged instance recoveries","#,
                r#""Details":{"Hostname":"db2","Port":3306}}"#
            ),
            &[4, 2],
        ),
    ];
    for (path, expected, left) in forms {
        let service = Service::of(past());
        assert_eq!(open(&service).await, [4, 2]);
        ok(&service, path, expected).await;
        assert_eq!(open(&service).await, left, "{path}");
        // Again: nothing changes, and that is fine too.
        ok(&service, path, expected).await;
    }
}

#[tokio::test]
async fn who_when_and_why_are_kept_and_nobody_is_held_back_any_more() {
    let service = Service::of(past());
    service.fakes.wait(Duration::from_secs(5));
    service
        .get("/api/ack-recovery/2?comment=%3Cb%3Eseen%0Aand%20told")
        .await;
    let json = service.get("/api/audit-recovery/id/2").await.json();
    assert_eq!(json[0]["Acknowledged"], true);
    assert_eq!(json[0]["AcknowledgedAt"], "2026-11-21T09:25:47Z");
    assert_eq!(json[0]["AcknowledgedBy"], "ada");
    // A line break cannot forge a line.
    assert_eq!(json[0]["AcknowledgedComment"], "<b>seen\\nand told");
    assert_eq!(json[0]["IsActive"], false);
    let whole = service.get("/api/v2/recoveries/2").await.json();
    assert_eq!(whole["acknowledgement"]["by"], "ada");
    assert_eq!(whole["blocks_until"], Value::Null);
    // The first who took note stays.
    service.fakes.wait(Duration::from_secs(5));
    service.get("/api/ack-recovery/2?comment=later").await;
    let json = service.get("/api/audit-recovery/id/2").await.json();
    assert_eq!(json[0]["AcknowledgedComment"], "<b>seen\\nand told");
}

#[tokio::test]
async fn a_cluster_or_instance_of_which_note_is_taken_is_told_of_again() {
    for path in [
        "ack-recovery/cluster/main?comment=x",
        "ack-recovery/instance/db1/3306?comment=x",
    ] {
        let mut sample = two_clusters();
        let found = Command::RegisterDetection(Box::new(detection(0xc1, NOW)));
        decide(&mut sample.decided, [found]);
        let service = Service::of(sample);
        let is_active = async || {
            let list = service.get("/api/audit-failure-detection").await;
            list.json()[0]["IsActive"].clone()
        };
        assert_eq!(is_active().await, true);
        service.get(&format!("/api/{path}")).await;
        assert_eq!(is_active().await, false, "{path}");
    }
}

#[tokio::test]
async fn without_a_comment_nothing_is_acknowledged() {
    for path in [
        "ack-recovery/cluster/main",
        "ack-recovery/cluster/alias/main",
        "ack-recovery/instance/db1/3306",
        "ack-recovery/2",
        &format!("ack-recovery/uid/{UID}"),
        "ack-all-recoveries",
    ] {
        for query in ["", "?comment=", "?comment=%20%0A", "?Comment=x"] {
            let service = Service::of(past());
            let answer = service.get(&format!("/api/{path}{query}")).await;
            assert_eq!(
                answer.body,
                r#"{"Code":"ERROR","Message":"No acknowledge comment given","Details":null}"#,
                "{path}{query}"
            );
            assert_eq!(answer.status, 500);
            assert_eq!(open(&service).await, [4, 2], "{path}{query}");
        }
    }
}

fn refused(answer: &Answer, kind: &str) {
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert_eq!(answer.header("orchestrator-error"), kind, "{}", answer.body);
}

#[tokio::test]
async fn what_nobody_knows_cannot_be_acknowledged() {
    let service = Service::of(past());
    let long = "x".repeat(1_025);
    for (path, kind) in [
        ("ack-recovery/3?comment=x", "not-found"),
        ("ack-recovery/18446744073709551615?comment=x", "not-found"),
        ("ack-recovery/0?comment=x", "not-found"),
        ("ack-recovery/-2?comment=x", "invalid-input"),
        ("ack-recovery/2%27%20OR%201=1?comment=x", "invalid-input"),
        ("ack-recovery/uid/x?comment=x", "invalid-input"),
        (
            "ack-recovery/uid/000000000000000000000000000000c9?comment=x",
            "not-found",
        ),
        ("ack-recovery/cluster/nothing?comment=x", "not-found"),
        ("ack-recovery/cluster/alias/nothing?comment=x", "not-found"),
        ("ack-recovery/instance/db1/x?comment=x", "invalid-input"),
        (
            &format!("ack-all-recoveries?comment={long}"),
            "invalid-input",
        ),
        ("ack-recovery/%FF?comment=x", "invalid-input"),
    ] {
        refused(&service.get(&format!("/api/{path}")).await, kind);
    }
    assert_eq!(open(&service).await, [4, 2]);
}

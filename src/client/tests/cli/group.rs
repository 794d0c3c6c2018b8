//! Commands about the group, and changes while leadership moves.

use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Run, header, paths, requests};

/// Commands that want a leader's word before anything else.
pub const OF_LEADER: [&str; 3] = ["raft-leader", "raft-leader-hostname", "raft-elect-leader"];

/// A node that says this of itself, and answers this to everything else.
async fn node(state: &str, status: u16, body: &str) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/api/raft-state"))
        .respond_with(ResponseTemplate::new(200).set_body_string(state))
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(status).set_body_string(body))
        .mount(&server)
        .await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_asked_whether_it_leads_and_then_for_what_is_wanted() {
    let health = r#"{"Code":"OK","Message":"","Details":{"Hostname":"orc1","Healthy":true}}"#;
    let hint = r#"{"Code":"OK","Message":"","Details":"orc2"}"#;
    for (words, body, asked, printed) in [
        (
            &["-c", "raft-leader"][..],
            "\"10.0.0.1:10008\"",
            "raft-leader",
            "10.0.0.1:10008\n",
        ),
        (&["-c", "raft-leader-hostname"], health, "status", "orc1\n"),
        (
            &["-c", "raft-elect-leader", "-H", "orc2"],
            hint,
            "raft-yield-hint/orc2",
            "orc2\n",
        ),
    ] {
        let server = node("\"Leader\"", 200, body).await;
        let ended = Run::new(words).api(&server.uri()).ends().await;
        ended.printed(printed);
        let asked = format!("/api/{asked}");
        assert_eq!(paths(&server).await, ["/api/raft-state", &asked]);
        let changes = words.contains(&"raft-elect-leader");
        let key = header(&requests(&server).await[1], "Idempotency-Key");
        assert_eq!(key.is_some(), changes, "{words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_lead_is_not_asked_for_more() {
    let alone =
        r#"{"Code":"ERROR","Message":"raft-state: not running with raft setup","Details":null}"#;
    for (state, said) in [
        ("\"Follower\"", "Follower"),
        ("\"Candidate\"", "Candidate"),
        (alone, "'raft-state: not running with raft setup'"),
    ] {
        let server = node(state, 200, "\"x\"").await;
        for words in [
            &["-c", "raft-leader"][..],
            &["-c", "raft-leader-hostname"],
            &["-c", "raft-elect-leader", "-H", "orc2"],
        ] {
            let ended = Run::new(words).api(&server.uri()).ends().await;
            let uri = server.uri();
            ended.refused(
                1,
                &format!(
                    "Cannot determine raft state: {uri}/api says {said} instead of Leader. Give all nodes of the group in \
                     ORCHESTRATOR_API (or -U)"
                ),
            );
        }
        assert_eq!(paths(&server).await, ["/api/raft-state"; 3]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_the_group_are_changed_by_one_command_each() {
    for (words, asked) in [
        (
            &["-c", "raft-add-peer", "-H", "orc4:10008"][..],
            "raft-add-peer/orc4:10008",
        ),
        (
            &["-c", "raft-remove-peer", "-H", "orc4:10008"],
            "raft-remove-peer/orc4:10008",
        ),
        (
            &["-c", "raft-replace-peer", "-q", "orc3", "-H", "orc4:10008"],
            "raft-replace-peer/orc3/orc4:10008",
        ),
    ] {
        let server = node("\"Leader\"", 200, "\"orc4:10008\"").await;
        let ended = Run::new(words).api(&server.uri()).ends().await;
        ended.printed("orc4:10008\n");
        assert_eq!(paths(&server).await, [format!("/api/{asked}")]);
        let key = header(&requests(&server).await[0], "Idempotency-Key");
        assert!(key.is_some(), "{words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_must_be_given() {
    let ended = Run::new(&["-c", "raft-elect-leader"]).ends().await;
    ended.refused(1, "hostname must be provided (-H)");
}

/// A refusal of this kind, as often, and then a success.
async fn refusing(kind: &str, times: u64) -> MockServer {
    let server = MockServer::start().await;
    let refusal = r#"{"Code":"ERROR","Message":"not now","Details":null}"#;
    Mock::given(any())
        .respond_with(
            ResponseTemplate::new(500)
                .insert_header("Orchestrator-Error", kind)
                .set_body_string(refusal),
        )
        .up_to_n_times(times)
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_string(r#"{"Code":"OK","Details":null}"#))
        .mount(&server)
        .await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_may_be_asked_for_again_is_with_the_same_key() {
    for kind in ["not-leader", "busy", "unknown-outcome"] {
        let server = refusing(kind, 2).await;
        let ended = Run::new(&["-c", "forget", "-i", "db1"])
            .api(&server.uri())
            .ends()
            .await;
        ended.printed("");
        let asked = requests(&server).await;
        let mut keys: Vec<_> = asked
            .iter()
            .map(|one| header(one, "Idempotency-Key"))
            .collect();
        assert_eq!(keys.len(), 3, "{kind}");
        keys.dedup();
        assert!(keys.len() == 1 && keys[0].is_some(), "{kind}: {keys:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_refusals_and_refused_reads_are_the_last_word() {
    for (words, kind) in [
        (&["-c", "forget", "-i", "db1"][..], "not-found"),
        (&["-c", "forget", "-i", "db1"], "refused"),
        (&["-c", "forget", "-i", "db1"], "partial"),
        (&["-c", "clusters"], "not-leader"),
    ] {
        let server = refusing(kind, 9).await;
        let ended = Run::new(words).api(&server.uri()).ends().await;
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (1, "not now\n"),
            "{kind}"
        );
        assert_eq!(paths(&server).await.len(), 1, "{kind}");
    }
}

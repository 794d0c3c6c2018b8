//! The routes about the group: as leader, as follower, cut off, and without a group.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::ports::{GroupError, GroupRole, Successor};
use serde_json::json;

use super::fakes::bare_router;
use super::group::FakeGroup;
use super::{Service, sample};

fn in_group(group: &Arc<FakeGroup>) -> Service {
    Service::placed(sample(), Some(group.clone()), bare_router)
}

#[tokio::test]
async fn without_a_group_the_predecessors_words_say_so() {
    let service = Service::assembled(sample(), bare_router);
    for (route, word) in [
        ("raft-state", "raft-state"),
        ("raft-leader", "raft-leader"),
        ("raft-peers", "raft-nodes"),
        ("raft-health", "raft-state"),
        ("raft-status", "raft-state"),
        ("raft-snapshot", "raft-leader"),
        ("raft-yield/orc2", "raft-yield"),
        ("raft-yield-hint/orc", "raft-yield-hint"),
        ("raft-add-peer/orc4", "raft-add-peer"),
        ("raft-remove-peer/orc3", "raft-remove-peer"),
        ("raft-replace-peer/orc3/orc4", "raft-replace-peer"),
        ("raft-follower-health-report/t/b/a", "raft-state"),
    ] {
        let answer = service.get(&format!("/api/{route}")).await;
        assert_eq!(answer.status, 500, "{route}");
        let message = format!("{word}: not running with raft setup");
        assert_eq!(
            answer.json(),
            json!({"Code": "ERROR", "Message": message, "Details": null}),
            "{route}"
        );
    }
    assert!(service.get("/api/reelect").await.is_done());
}

#[tokio::test]
async fn each_role_is_told_in_the_predecessors_words() {
    let fresh = Some(Duration::from_millis(10));
    let old = Some(Duration::from_secs(4));
    // Role, serving, leader known, age; then state, leader, health, what leader-check says.
    for (role, is_serving, leader, age, state, address, is_healthy) in [
        (
            GroupRole::Leader,
            true,
            Some(2),
            fresh,
            "Leader",
            "10.0.0.2:10008",
            true,
        ),
        // Elected, and not able to show it: no other node may take it for the leader.
        (
            GroupRole::Leader,
            false,
            Some(2),
            fresh,
            "Candidate",
            "",
            false,
        ),
        (
            GroupRole::Follower,
            false,
            Some(1),
            fresh,
            "Follower",
            "10.0.0.1:10008",
            true,
        ),
        (
            GroupRole::Learner,
            false,
            Some(1),
            fresh,
            "Follower",
            "10.0.0.1:10008",
            true,
        ),
        // It remembers a leader that it does not hear any more.
        (
            GroupRole::Follower,
            false,
            Some(1),
            old,
            "Candidate",
            "",
            false,
        ),
        (
            GroupRole::Follower,
            false,
            Some(1),
            None,
            "Candidate",
            "",
            false,
        ),
        (
            GroupRole::Follower,
            false,
            None,
            fresh,
            "Candidate",
            "",
            false,
        ),
        (
            GroupRole::Candidate,
            false,
            None,
            old,
            "Candidate",
            "",
            false,
        ),
        (GroupRole::Waiting, false, None, None, "Unknown", "", false),
        (GroupRole::Stopped, false, None, None, "Shutdown", "", false),
    ] {
        let group = FakeGroup::following(None);
        group.change(|status| {
            status.role = role;
            status.leader = leader;
            status.age = age;
        });
        *group.is_serving.lock().unwrap() = is_serving;
        let service = in_group(&group);
        let case = format!("{role:?} serving {is_serving}, {leader:?}, {age:?}");
        assert_eq!(service.get("/api/raft-state").await.json(), state, "{case}");
        assert_eq!(
            service.get("/api/raft-leader").await.json(),
            address,
            "{case}"
        );
        let health = service.get("/api/raft-health").await;
        match is_healthy {
            true => assert_eq!(health.body, "\"healthy\"", "{case}"),
            false => assert_eq!(
                (health.status.as_u16(), health.json()["Message"].clone()),
                (500, json!("unhealthy")),
                "{case}"
            ),
        }
        let check = service.get("/api/leader-check").await;
        let (status, said) = match is_serving {
            true => (200, "\"OK\""),
            false => (404, "\"Not leader\""),
        };
        assert_eq!(
            (check.status.as_u16(), check.body.as_str()),
            (status, said),
            "{case}"
        );
        let check = service.get("/api/leader-check/503").await;
        assert_eq!(check.status == 200, is_serving, "{case}");
        assert!(check.status == 200 || check.status == 503, "{case}");
    }
}

#[tokio::test]
async fn leader_check_follows_the_group_alone() {
    let group = FakeGroup::leading();
    let service = in_group(&group);
    service.fakes.health.lock().unwrap().is_leader = false;
    assert_eq!(service.get("/api/leader-check").await.status, 200);
    service.fakes.health.lock().unwrap().is_leader = true;
    *group.is_serving.lock().unwrap() = false;
    assert_eq!(service.get("/api/leader-check").await.status, 404);
    for check in ["lb-check", "_ping"] {
        assert_eq!(service.get(&format!("/api/{check}")).await.body, "\"OK\"");
    }
}

#[tokio::test]
async fn the_status_has_the_predecessors_fields_first_and_then_ours() {
    let group = FakeGroup::leading();
    group.change(|status| {
        status.me.matched_index = Some(45);
        status.members[1].matched_index = Some(41);
        status.members[1].is_healthy = Some(true);
        status.members[2].id = u64::MAX;
        status.members[2].heard_ago = None;
        status.members[2].is_voter = false;
        status.members[2].http = None;
        status.warnings = vec!["orc3 is not heard".into()];
    });
    let service = in_group(&group);
    let answer = service.get("/api/raft-status").await;
    assert!(
        answer.body.starts_with(concat!(
            r#"{"RaftBind":"10.0.0.1:10008","RaftAdvertise":"10.0.0.1:10008","State":"Leader","Healthy":true,"#,
            r#""IsPartOfQuorum":true,"Leader":"10.0.0.1:10008","LeaderURI":"http://10.0.0.1:3000","#,
            r#""Peers":["10.0.0.1:10008","10.0.0.2:10008","10.0.0.3:10008"],"Group":"00000000000000000000000000000abc","#,
            r#""ID":"1","Role":"leader","Term":7,"LastLogIndex":45,"CommittedIndex":44,"AppliedIndex":43,"AgeSeconds":0.12,"#,
        )),
        "{}",
        answer.body
    );
    let json = answer.json();
    assert_eq!(json["Digest"].as_str().unwrap().len(), 64);
    assert_eq!(json["DigestIndex"], 3);
    assert_eq!(
        json["Members"][1],
        json!({"ID": "2", "Name": "orc2", "Address": "10.0.0.2:10008", "URI": "http://10.0.0.2:3000", "IsLeader": false,
            "IsVoter": true, "IsHealthy": true, "HeardSecondsAgo": 0.04, "MatchedIndex": 41, "CertificateExpiresInDays": null})
    );
    assert_eq!(
        json["Members"][2],
        json!({"ID": "18446744073709551615", "Name": "orc3", "Address": "10.0.0.3:10008", "URI": null, "IsLeader": false,
            "IsVoter": false, "IsHealthy": null, "HeardSecondsAgo": null, "MatchedIndex": null, "CertificateExpiresInDays": null})
    );
    assert_eq!(json["Configured"], json!(["orc1", "orc2", "orc3"]));
    assert_eq!(json["Warnings"], json!(["orc3 is not heard"]));
    assert_eq!(
        service.get("/api/raft-peers").await.body,
        r#"["10.0.0.1:10008","10.0.0.2:10008","10.0.0.3:10008"]"#
    );
}

#[tokio::test]
async fn a_node_that_is_cut_off_says_so_in_its_status() {
    let service = in_group(&FakeGroup::cut_off());
    let json = service.get("/api/raft-status").await.json();
    assert_eq!(json["State"], "Candidate");
    assert_eq!(json["Role"], "follower");
    assert_eq!(
        (&json["Healthy"], &json["IsPartOfQuorum"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(
        (&json["Leader"], &json["LeaderURI"]),
        (&json!(""), &json!(""))
    );
    assert_eq!(json["AgeSeconds"], 10.0);
}

#[tokio::test]
async fn health_names_the_leader_and_on_the_leader_the_healthy_members() {
    let group = FakeGroup::leading();
    group.change(|status| {
        for (member, is_healthy) in status
            .members
            .iter_mut()
            .zip([Some(true), None, Some(false)])
        {
            member.is_healthy = is_healthy;
        }
    });
    let json = in_group(&group).get("/api/health").await.json();
    let details = &json["Details"];
    assert_eq!(details["IsActiveNode"], true);
    assert_eq!(details["IsRaftLeader"], true);
    assert_eq!(details["RaftLeader"], "10.0.0.1:10008");
    assert_eq!(details["RaftLeaderURI"], "http://10.0.0.1:3000");
    assert_eq!(details["RaftAdvertise"], "orc1");
    assert_eq!(details["RaftHealthyMembers"], json!(["orc1"]));
    assert_eq!(
        details["ActiveNode"],
        json!({"Hostname": "10.0.0.1:10008", "Token": "", "AppVersion": "", "FirstSeenActive": "", "LastSeenActive": "",
            "ExtraInfo": "", "Command": "", "DBBackend": "", "LastReported": "0001-01-01T00:00:00Z"})
    );
    assert_eq!(details["AvailableNodes"][0]["Hostname"], "orc1");

    let json = in_group(&FakeGroup::following(None))
        .get("/api/status")
        .await
        .json();
    let details = &json["Details"];
    assert_eq!(
        (&details["IsActiveNode"], &details["IsRaftLeader"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(details["RaftLeaderURI"], "http://10.0.0.1:3000");
    assert_eq!(details["RaftHealthyMembers"], json!(null));

    let json = in_group(&FakeGroup::cut_off())
        .get("/api/health")
        .await
        .json();
    assert_eq!(json["Code"], "OK", "its store is well");
    assert_eq!(json["Details"]["RaftLeader"], "");
    assert_eq!(json["Details"]["ActiveNode"]["Hostname"], "");
}

#[tokio::test]
async fn the_leader_hands_over_to_whom_it_is_told_and_says_why_not() {
    let group = FakeGroup::leading();
    let service = in_group(&group);
    let answer = service.get("/api/raft-yield/orc2").await;
    assert_eq!(
        answer.body,
        r#"{"Code":"OK","Message":"Leadership was handed to orc2","Details":null}"#
    );
    let answer = service.get("/api/raft-yield-hint/c3").await;
    assert_eq!(answer.json()["Details"], "c3");
    assert!(service.get("/api/reelect").await.is_done());
    // It has what is wished for already.
    assert!(service.get("/api/raft-yield/orc1").await.is_done());
    assert!(
        service
            .get("/api/raft-yield/10.0.0.1:10008")
            .await
            .is_done()
    );
    assert!(service.get("/api/raft-yield-hint/c1").await.is_done());
    let handed_over = group.handed_over.lock().unwrap().clone();
    assert_eq!(
        handed_over,
        [
            Successor::Member("orc2".into()),
            Successor::NameContains("c3".into()),
            Successor::Anyone
        ]
    );
    for (error, kind, said) in [
        (
            GroupError::NoSuchMember {
                wanted: "orc9".into(),
            },
            "not-found",
            "Leadership was not handed over: there is no other voting member orc9",
        ),
        (
            GroupError::Unknown {
                reason: "no node leads yet".into(),
            },
            "unknown-outcome",
            "Leadership was not handed over: it did not happen in time: no node leads yet",
        ),
    ] {
        *group.refuses.lock().unwrap() = Some(error);
        let answer = service.get("/api/raft-yield/orc9").await;
        assert_eq!(answer.header("orchestrator-error"), kind);
        assert_eq!(answer.json()["Message"], said);
    }
    *group.refuses.lock().unwrap() = Some(GroupError::Failed {
        reason: "disk full".into(),
    });
    let answer = service.get("/api/raft-snapshot").await;
    assert_eq!(
        answer.json()["Message"],
        "Cannot create snapshot: disk full"
    );
    *group.refuses.lock().unwrap() = None;
    assert_eq!(
        service.get("/api/raft-snapshot").await.body,
        "\"snapshot created\""
    );
}

#[tokio::test]
async fn nodes_of_the_group_are_changed_by_one_call_each() {
    for (route, node, nodes) in [
        ("raft-add-peer/orc4", "orc4:10008", "orc1 orc2 orc3 orc4"),
        ("raft-remove-peer/orc3", "orc3:10008", "orc1 orc2"),
        (
            "raft-replace-peer/orc3/orc4",
            "orc4:10008",
            "orc1 orc2 orc4",
        ),
    ] {
        let service = in_group(&FakeGroup::leading());
        let answer = service.get(&format!("/api/{route}")).await;
        assert_eq!(answer.body, format!("\"{node}\""), "{route}");
        let nodes: Vec<String> = nodes.split(' ').map(|one| format!("{one}:10008")).collect();
        assert_eq!(
            service.state.decisions.decided().desired_nodes(),
            Some(nodes),
            "{route}"
        );
    }
}

#[tokio::test]
async fn nodes_of_the_group_stay_where_a_change_makes_no_sense() {
    let group = FakeGroup::leading();
    *group.refuses.lock().unwrap() = Some(GroupError::Failed {
        reason: "orc9 is no node of the group".into(),
    });
    let service = in_group(&group);
    let answer = service.get("/api/raft-remove-peer/orc9").await;
    assert_eq!(
        answer.json()["Message"],
        "The nodes of the group stay: orc9 is no node of the group"
    );
    assert_eq!(service.state.decisions.decided().desired_nodes(), None);
}

#[tokio::test]
async fn a_follower_does_not_hand_over_and_names_the_leader() {
    let group = FakeGroup::following(None);
    let service = in_group(&group);
    for uri in ["/api/raft-yield/orc3", "/api/raft-yield-hint/c3"] {
        let answer = service.get(uri).await;
        assert_eq!(answer.status, 500);
        assert_eq!(answer.header("orchestrator-error"), "not-leader");
        assert_eq!(
            answer.json()["Message"],
            "Unauthorized: this is taken on the leader only; the leader is http://10.0.0.1:3000"
        );
    }
    assert!(group.handed_over.lock().unwrap().is_empty());
    assert!(
        service.get("/api/raft-snapshot").await.is_done(),
        "of its own"
    );
}

#[tokio::test]
async fn a_health_report_with_a_word_that_was_never_given_out_is_refused() {
    let service = in_group(&FakeGroup::leading());
    let answer = service
        .get("/api/raft-follower-health-report/abcdef01/10.0.0.2/10.0.0.2")
        .await;
    assert_eq!(answer.status, 500);
    let message = answer.json()["Message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("Cannot create snapshot: "), "{message}");
}

//! The shape of each route's success, and lists when nothing is known.

use std::time::Duration;

use orchestrator_core::decided::Command;
use orchestrator_core::domain::{ProbeFailure, ProbeFailureKind};
use orchestrator_core::ports::ProbeState;
use serde_json::json;

use super::Service;
use crate::api::view::samples::{NOW, Sample, key, server, two_clusters};

const KEY_DB1: &str = r#"{"Hostname":"db1","Port":3306}"#;

#[tokio::test]
async fn nothing_known_is_null_on_some_lists_and_brackets_on_others() {
    let service = Service::of(Sample::of(vec![]));
    for (path, body) in [
        ("clusters", "null"),
        ("masters", "null"),
        ("problems", "null"),
        ("problems/db1:3306", "null"),
        ("all-instances", "[]"),
        ("clusters-info", "[]"),
        ("downtimed", "[]"),
        ("instance-replicas/db1/3306", "[]"),
        ("search?s=x", "[]"),
        ("search/x", "[]"),
        ("v2/probes", "[]"),
    ] {
        let answer = service.get(&format!("/api/{path}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (200, body),
            "{path}"
        );
    }
}

#[tokio::test]
async fn lists_hold_the_right_instances_in_their_order() {
    let service = Service::of(two_clusters());
    let main = "10.0.0.1:3306 db1:3306 db10:3306 db2:3306 db3:3306";
    for (path, keys) in [
        ("cluster/main", main),
        ("cluster/db3:3306", main),
        ("cluster/alias/main", main),
        ("cluster/instance/db3/3306", main),
        ("cluster/main%0A", main),
        ("masters", "db1:3306 shop-a.example:3307"),
        ("master/main", "db1:3306"),
        ("instance/b10/3306", "db10:3306"),
        (
            "instance-replicas/db1/3306",
            "10.0.0.1:3306 db2:3306 db3:3306",
        ),
        (
            "cluster-osc-replicas/main",
            "db2:3306 db10:3306 10.0.0.1:3306 db3:3306",
        ),
        (
            "cluster-osc-slaves/main",
            "db2:3306 db10:3306 10.0.0.1:3306 db3:3306",
        ),
        ("search/shop%0A", "shop-a.example:3307 shop-b.example:3307"),
        ("search?s=shop-b%0A", "shop-b.example:3307"),
    ] {
        let answer = service.get(&format!("/api/{path}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert_eq!(answer.keys(), keys, "{path}");
    }
    assert_eq!(
        service.get("/api/clusters").await.body,
        r#"["db1:3306","shop-a.example:3307"]"#
    );
}

#[tokio::test]
async fn cluster_summaries_say_which_recoveries_are_automatic() {
    let mut sample = two_clusters();
    sample.config.recover_primary_filters = vec!["alias=main".into()];
    sample.config.recover_intermediate_filters = vec!["^shop".into()];
    let service = Service::of(sample);
    let main = concat!(
        r#"{"ClusterName":"db1:3306","ClusterAlias":"main","ClusterDomain":"","CountInstances":5,"HeuristicLag":0,"#,
        r#""HasAutomatedMasterRecovery":true,"HasAutomatedIntermediateMasterRecovery":false}"#
    );
    let shop = concat!(
        r#"{"ClusterName":"shop-a.example:3307","ClusterAlias":"shop-a.example:3307","ClusterDomain":"","CountInstances":2,"#,
        r#""HeuristicLag":0,"HasAutomatedMasterRecovery":false,"HasAutomatedIntermediateMasterRecovery":true}"#
    );
    assert_eq!(
        service.get("/api/clusters-info").await.body,
        format!("[{main},{shop}]")
    );
    assert_eq!(service.get("/api/cluster-info/db2").await.body, main);
    assert_eq!(service.get("/api/cluster-info/alias/main").await.body, main);
}

#[tokio::test]
async fn the_topology_text_is_escaped_in_its_envelope() {
    let service = Service::of(two_clusters());
    let shop = concat!(
        r#"{"Code":"OK","Message":"Topology of cluster shop-a.example:3307","Details":""#,
        r#"shop-a.example:3307   [0s,ok,8.0.36,rw,nobinlog]\n"#,
        r#"+ shop-b.example:3307 [0s,ok,8.0.36,ro,nobinlog]"}"#
    );
    for path in ["topology/shop-a:3307", "topology/shop-b.example/3307"] {
        let answer = service.get(&format!("/api/{path}")).await;
        assert_eq!(answer.body, shop, "{path}");
    }
    for path in [
        "topology-tabulated/shop-a:3307",
        "topology-tabulated/shop-a/3307",
    ] {
        let json = service.get(&format!("/api/{path}")).await.json();
        assert_eq!(
            json["Details"],
            "shop-a.example:3307  |0s|ok|8.0.36|rw|nobinlog|\n\
             + shop-b.example:3307|0s|ok|8.0.36|ro|nobinlog|",
            "{path}"
        );
    }
}

#[tokio::test]
async fn health_names_the_node_and_checks_are_bare_words() {
    let service = Service::of(two_clusters());
    let node = format!(
        concat!(
            r#"{{"Hostname":"orc1","Token":"{token}","AppVersion":"4.0.0-test","FirstSeenActive":"2026-11-21T08:25:42Z","#,
            r#""LastSeenActive":"2026-11-21T09:25:42Z","ExtraInfo":"","Command":"","#,
            r#""DBBackend":"/var/lib/orchestrator/orchestrator.sqlite3","LastReported":"0001-01-01T00:00:00Z"}}"#
        ),
        token = "ab".repeat(32)
    );
    let expected = format!(
        concat!(
            r#"{{"Code":"OK","Message":"This node is healthy","Details":{{"Healthy":true,"Hostname":"orc1","Token":"{token}","#,
            r#""IsActiveNode":true,"ActiveNode":{node},"Error":null,"AvailableNodes":[{node}],"RaftLeader":"","#,
            r#""IsRaftLeader":false,"RaftLeaderURI":"","RaftAdvertise":"","RaftHealthyMembers":null}}}}"#
        ),
        token = "ab".repeat(32),
        node = node
    );
    for path in ["health", "status"] {
        assert_eq!(
            service.get(&format!("/api/{path}")).await.body,
            expected,
            "{path}"
        );
    }
    for path in [
        "lb-check",
        "_ping",
        "leader-check",
        "leader-check/503",
        "routed-leader-check",
    ] {
        let answer = service.get(&format!("/api/{path}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (200, "\"OK\""),
            "{path}"
        );
    }
    service.fakes.health.lock().unwrap().is_leader = false;
    for (path, status) in [
        ("leader-check", 404),
        ("leader-check/503", 503),
        ("leader-check/x", 404),
        ("routed-leader-check", 404),
        ("routed-leader-check/429", 429),
    ] {
        let answer = service.get(&format!("/api/{path}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (status, "\"Not leader\""),
            "{path}"
        );
    }
}

#[tokio::test]
async fn discover_probes_and_then_tells_every_node() {
    let service = Service::of(two_clusters());
    service.fakes.names.lock().unwrap().push(("alias9", "db9"));
    let answer = service.get("/api/discover/alias9/3306").await;
    let json = answer.json();
    assert_eq!(json["Code"], "OK", "{}", answer.body);
    assert_eq!(
        json["Details"]["Key"],
        json!({"Hostname": "db9", "Port": 3306})
    );
    assert_eq!(json["Details"]["FlavorName"], "");
    assert_eq!(json["Details"]["Problems"], json!([]));
    assert_eq!(json["Details"]["IsLastCheckValid"], true);
    let proposals = service.fakes.proposals.lock().unwrap().clone();
    assert_eq!(proposals.len(), 1);
    assert_eq!(proposals[0].command, Command::Discover { key: key("db9") });
    assert_eq!(proposals[0].origin.who, "ada");
    assert_eq!(proposals[0].origin.whence, "127.0.0.1");
    assert_eq!(proposals[0].proposed_at, NOW);
}

#[tokio::test]
async fn a_new_instance_is_not_taken_for_a_known_one_with_a_longer_name() {
    let service = Service::of(Sample::of(vec![server("db10", None)]));
    let json = service.get("/api/discover/db1/3306").await.json();
    assert_eq!(json["Details"]["Key"]["Hostname"], "db1");
}

#[tokio::test]
async fn changes_answer_with_the_instance_and_take_effect() {
    let service = Service::of(two_clusters());
    let details = format!(r#""Details":{KEY_DB1}}}"#);
    for (path, details) in [
        ("refresh/db1/3306", details.as_str()),
        ("register-candidate/db1/3306/prefer%0A", &details),
        (
            "begin-downtime/db1/3306/ada%0A/disk%20%26%20fan%0A/30m",
            &details,
        ),
        ("async-discover/db1/3306", r#""Details":null}"#),
        ("reload-configuration", r#""Details":""}"#),
        (
            "reload-configuration?config=%2Fetc%2Fx.json",
            r#""Details":"/etc/x.json"}"#,
        ),
    ] {
        let answer = service.ask("POST", &format!("/api/{path}"), &[]).await;
        assert!(
            answer.body.starts_with(r#"{"Code":"OK","Message":""#),
            "{}",
            answer.body
        );
        assert!(answer.body.ends_with(details), "{path}: {}", answer.body);
    }
    let json = service.get("/api/instance/db1/3306").await.json();
    assert_eq!(json["PromotionRule"], "prefer");
    assert_eq!(json["IsCandidate"], true);
    assert_eq!(json["DowntimeOwner"], "ada");
    assert_eq!(json["DowntimeReason"], "disk & fan");
    assert_eq!(json["DowntimeEndTimestamp"], "2026-11-21 09:55:42");
    assert_eq!(service.get("/api/downtimed").await.keys(), "db1:3306");
    assert_eq!(service.get("/api/downtimed/main").await.keys(), "db1:3306");
    assert_eq!(service.get("/api/downtimed/shop-a:3307").await.body, "[]");
    for _ in 0..2 {
        let ended = service.get("/api/end-downtime/db1/3306").await;
        assert_eq!(ended.status, 200, "also when there is none");
        assert!(ended.body.ends_with(&details));
    }
    assert_eq!(service.get("/api/downtimed").await.body, "[]");
}

#[tokio::test]
async fn an_alias_that_is_set_wins_everywhere_until_it_is_taken_away() {
    let service = Service::of(two_clusters());
    let set = |path: &str| {
        let path = format!("/api/set-cluster-alias/{path}");
        let service = &service;
        async move { service.ask("POST", &path, &[]).await }
    };
    let answer = set("main?alias=store%20%26%20shop%0A").await;
    assert_eq!(
        answer.body,
        r#"{"Code":"OK","Message":"The cluster db1:3306 has the alias 'store \u0026 shop' now","Details":null}"#
    );
    let proposals = service.fakes.proposals.lock().unwrap().clone();
    assert_eq!(
        proposals[0].command,
        Command::SetClusterAlias {
            cluster: "db1:3306".to_owned(),
            alias: "store & shop".to_owned(),
            by: "ada".to_owned(),
        }
    );
    for path in [
        "cluster-info/db2",
        "cluster-info/alias/store%20%26%20shop",
        "cluster-info/store%20%26%20shop",
    ] {
        let info = service.get(&format!("/api/{path}")).await.json();
        assert_eq!(info["ClusterAlias"], "store & shop", "{path}");
        assert_eq!(info["ClusterName"], "db1:3306", "{path}");
    }
    let below = service.get("/api/instance/db10/3306").await.json();
    assert_eq!(below["SuggestedClusterAlias"], "store & shop");
    let before = service.get("/api/cluster/alias/main").await;
    assert_eq!(before.header("orchestrator-error"), "not-found");
    // By a known instance, and for a cluster that is not there yet.
    for (path, alias) in [
        ("shop-b.example:3307?alias=b", "b"),
        ("later:3306?alias=c", "c"),
    ] {
        assert_eq!(set(path).await.json()["Code"], "OK", "{path}");
        let name = format!("later:3306?alias={alias}");
        let again = set(&name).await.json();
        assert_eq!(again["Code"] == "OK", alias == "c", "{again}");
    }
    let names = |service: &Service| {
        let decided = service.state.decisions.decided();
        let names: Vec<String> = decided.cluster_aliases.keys().cloned().collect();
        names.join(" ")
    };
    assert_eq!(
        names(&service),
        "db1:3306 later:3306 shop-a.example:3307",
        "the cluster of an instance, and what is written out"
    );
    let taken = set("db1:3306?alias=c").await;
    assert_eq!(taken.header("orchestrator-error"), "refused");
    let message = taken.json()["Message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("the cluster later:3306 has this alias already"),
        "{message}"
    );
    assert_eq!(set("db1:3306?alias=").await.json()["Code"], "OK");
    let info = service.get("/api/cluster-info/alias/main").await.json();
    assert_eq!(info["ClusterAlias"], "main");
}

#[tokio::test]
async fn a_downtime_without_duration_has_the_default_one() {
    let service = Service::of(two_clusters());
    service.get("/api/begin-downtime/db1/3306/ada/disk").await;
    let json = service.get("/api/instance/db1/3306").await.json();
    assert_eq!(json["DowntimeEndTimestamp"], "2026-11-21 09:35:42");
    service.fakes.wait(Duration::from_secs(600));
    assert_eq!(
        service.get("/api/downtimed").await.body,
        "[]",
        "it ends by itself"
    );
}

#[tokio::test]
async fn forgetting_drops_an_instance_or_all_of_a_cluster() {
    let service = Service::of(two_clusters());
    let answer = service.get("/api/forget/db3/3306").await;
    assert_eq!(
        answer.json()["Details"],
        json!({"Hostname": "db3", "Port": 3306})
    );
    assert!(
        !service
            .get("/api/cluster/main")
            .await
            .keys()
            .contains("db3")
    );
    let answer = service.get("/api/forget-cluster/main").await;
    assert_eq!(
        answer.body,
        r#"{"Code":"OK","Message":"Forgot the 4 instances of cluster db1:3306","Details":null}"#
    );
    assert_eq!(
        service.get("/api/clusters").await.body,
        r#"["shop-a.example:3307"]"#
    );
}

#[tokio::test]
async fn a_retry_with_its_key_proposes_the_same_request_again() {
    let service = Service::of(two_clusters());
    let asked = [
        ("POST", "/api/end-downtime/db1/3306", Some("k1")),
        ("POST", "/api/end-downtime/db1/3306", Some("k1")),
        ("GET", "/api/end-downtime/db1/3306", Some("k1")),
        ("POST", "/api/end-downtime/db1/3306?a", Some("k1")),
        ("POST", "/api/end-downtime/db2/3306", Some("k1")),
        ("POST", "/api/end-downtime/db1/3306", Some("k2")),
        ("POST", "/api/end-downtime/db1/3306", None),
        ("POST", "/api/end-downtime/db1/3306", None),
    ];
    for (method, path, key) in asked {
        let key: Vec<_> = key
            .map(|key| ("Idempotency-Key", key))
            .into_iter()
            .collect();
        assert!(service.ask(method, path, &key).await.is_done());
    }
    service
        .ask(
            "POST",
            "/api/forget-cluster/shop-a:3307",
            &[("Idempotency-Key", "k3")],
        )
        .await;
    let proposals = service.fakes.proposals.lock().unwrap();
    let ids: Vec<u128> = proposals.iter().map(|proposal| proposal.request).collect();
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "all differ: {ids:?}");
    assert_eq!(
        ids.len(),
        asked.len() - 1 + 2,
        "only the second is the first"
    );
}

#[tokio::test]
async fn probes_say_what_is_under_way_and_why_it_fails() {
    let mut failing = server("db2", None);
    failing.last_checked_at = Some(NOW.plus(Duration::from_secs(1)));
    failing.failures_in_a_row = 3;
    failing.failure = Some(ProbeFailure {
        kind: ProbeFailureKind::AccessDenied,
        code: 1045,
        message: "connecting: access denied for 'orc'".into(),
        is_partial: false,
    });
    let mut hanging = failing.clone();
    hanging.key = key("db3");
    hanging.probing_since = Some(NOW);
    let heard = orchestrator_core::domain::InstanceRecord::heard_of(key("db4"), NOW);
    let service = Service::of(Sample::of(vec![
        server("db1", None),
        failing,
        hanging,
        heard,
    ]));
    service.fakes.wait(Duration::from_millis(2_500));
    service.fakes.probing.lock().unwrap().push(ProbeState {
        key: key("db2"),
        probing_since: None,
        next_due_at: Some(NOW.plus(Duration::from_secs(60))),
        is_on_slow_queue: true,
    });
    let answer = service.get("/api/v2/probes/db2/3306").await;
    assert_eq!(
        answer.body,
        concat!(
            r#"{"key":{"hostname":"db2","port":3306},"state":"failing","age_seconds":2.5,"#,
            r#""last_checked_at":"2026-11-21T09:25:43.000Z","last_seen_at":"2026-11-21T09:25:42.000Z","#,
            r#""probing_since":null,"probing_for_seconds":null,"#,
            r#""failure":{"kind":"access_denied","code":1045,"message":"connecting: access denied for 'orc'","is_partial":false},"#,
            r#""failures_in_a_row":3,"next_due_at":"2026-11-21T09:26:42.000Z","is_on_slow_queue":true}"#
        )
    );
    let all = service.get("/api/v2/probes").await.json();
    let states: Vec<&str> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["ok", "failing", "hanging", "never_seen"]);
    assert_eq!(all[2]["probing_for_seconds"], 2.5);
    assert_eq!(all[3]["age_seconds"], json!(null));
}

#[tokio::test]
async fn ipv6_addresses_work_in_both_forms_of_a_path() {
    let service = Service::of(Sample::of(vec![
        server("[fd00::1]:3307", None),
        server("[fd00::2]:3307", Some("[fd00::1]:3307")),
    ]));
    for path in [
        "instance/fd00::2/3307",
        "instance/%5Bfd00::2%5D/3307",
        "cluster/instance/fd00::2/3307",
        "cluster/%5Bfd00::1%5D:3307",
        "topology/fd00::2/3307",
        "topology/%5Bfd00::2%5D:3307",
    ] {
        let answer = service.get(&format!("/api/{path}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
}

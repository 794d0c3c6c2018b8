//! Refusals: status, kind, message, and that nothing happened.

use orchestrator_core::domain::{ProbeFailure, ProbeFailureKind};
use orchestrator_core::ports::{DiscoverError, ProposeError};
use serde_json::json;

use super::Service;
use crate::api::view::samples::{key, two_clusters};

#[tokio::test]
async fn each_mistake_has_its_kind_and_one_clear_sentence() {
    let service = Service::of(two_clusters());
    let long_alias = format!("set-cluster-alias/main?alias={}", "x".repeat(129));
    let long_reason = format!("begin-downtime/db1/3306/ada/{}", "x".repeat(1025));
    for (path, kind, message) in [
        ("instance/db1/abc", "invalid-input", "Invalid port: abc"),
        (
            "instance/db1/0",
            "invalid-input",
            "the port is 0; a server listens on 1 to 65535",
        ),
        (
            "instance/a,b/3306",
            "invalid-input",
            "'a,b' is not a host name or address",
        ),
        ("instance/db1%0A/x%0A", "invalid-input", "Invalid port: x"),
        (
            "instance/%FF/3306",
            "invalid-input",
            "the path holds an escaped byte sequence that is not UTF-8 text",
        ),
        (
            "instance/new/3306",
            "not-found",
            "new:3306 is not known; discover it first",
        ),
        (
            "cluster/new",
            "not-found",
            "no cluster is known by 'new'; give a cluster name, an alias, or a known instance as host:port",
        ),
        (
            "cluster/alias/new",
            "not-found",
            "no cluster has the alias 'new'",
        ),
        (
            "cluster/instance/new/3306",
            "not-found",
            "new:3306 is not known; discover it first",
        ),
        (
            "topology/new/99",
            "not-found",
            "no cluster is known by 'new:99'; give a cluster name, an alias, or a known instance as host:port",
        ),
        (
            "forget/new/3306",
            "not-found",
            "new:3306 is not known; discover it first",
        ),
        (
            "register-candidate/db1/3306/must",
            "refused",
            "refused: the promotion rule 'must' cannot be registered; use prefer, neutral, prefer_not or must_not",
        ),
        (
            "register-candidate/db1/3306/best",
            "invalid-input",
            "'best' is not a promotion rule; the rules are prefer, neutral, prefer_not and must_not",
        ),
        (
            "begin-downtime/db1/3306/ada/disk/soon",
            "invalid-input",
            "'soon' is not a duration; write a whole number and one of s, m, h, d, w, for example 30m",
        ),
        (
            "begin-downtime/db1/3306/ada/disk/0s",
            "refused",
            "refused: it would have ended before it was decided; give a longer duration",
        ),
        (
            "begin-downtime/db1/3306/%0A/disk",
            "invalid-input",
            "the owner is empty; say it in the URL",
        ),
        (
            "set-cluster-alias/main",
            "invalid-input",
            "the alias is empty; say it in the URL",
        ),
        (
            &long_alias,
            "invalid-input",
            "the alias has 129 characters; at most 128 are kept",
        ),
        (
            "set-cluster-alias/b1?alias=shop",
            "not-found",
            "no cluster is known by 'b1'; give a cluster name, an alias, or a known instance as host:port",
        ),
        (
            &long_reason,
            "invalid-input",
            "the reason has 1025 characters; at most 1024 are kept",
        ),
    ] {
        let answer = service.get(&format!("/api/{path}")).await;
        assert_eq!(answer.status, 500, "{path}");
        let json = answer.json();
        assert_eq!(json["Code"], "ERROR", "{path}");
        assert_eq!(json["Message"], message, "{path}");
        assert_eq!(answer.header("orchestrator-error"), kind, "{path}");
        assert_eq!(
            answer.header("content-type"),
            "application/json; charset=UTF-8"
        );
        let details = match path.starts_with("begin-downtime") {
            true => json!({"Hostname": "db1", "Port": 3306}),
            false => json!(null),
        };
        assert_eq!(json["Details"], details, "{path}");
    }
    let decided = service.state.decisions.decided();
    assert!(decided.downtimes.is_empty() && decided.candidates.is_empty());
    assert_eq!(service.state.picture.picture().len(), 7);
}

#[tokio::test]
async fn a_change_that_was_not_decided_says_whether_that_is_certain() {
    let service = Service::of(two_clusters());
    for (error, kind, said) in [
        (
            ProposeError::NotLeader {
                leader: Some("http://orc2:3000".into()),
            },
            "not-leader",
            "this node is not the leader; the leader is http://orc2:3000",
        ),
        (ProposeError::Busy, "busy", "try again"),
        (
            ProposeError::Store {
                reason: "disk full".into(),
            },
            "unavailable",
            "could not be stored: disk full",
        ),
        (
            ProposeError::Unknown {
                reason: "no answer within 10 s".into(),
            },
            "unknown-outcome",
            "the outcome of the change is unknown",
        ),
    ] {
        *service.fakes.propose_error.lock().unwrap() = Some(error);
        let changes = [
            "begin-downtime/db1/3306/ada/disk/5m",
            "end-downtime/db1/3306",
            "register-candidate/db1/3306/prefer",
            "forget/db1/3306",
            "forget-cluster/main",
            "discover/db1/3306",
            "async-discover/db1/3306",
        ];
        for path in changes {
            let answer = service.get(&format!("/api/{path}")).await;
            assert_eq!(answer.header("orchestrator-error"), kind, "{path}");
            let message = answer.json()["Message"].as_str().unwrap().to_owned();
            assert!(message.contains(said), "{path}: {message}");
        }
    }
}

#[tokio::test]
async fn a_cluster_forgotten_in_part_says_how_far_it_came() {
    let service = Service::of(two_clusters());
    *service.fakes.propose_error_after.lock().unwrap() = Some((2, ProposeError::Busy));
    let answer = service.get("/api/forget-cluster/main").await;
    assert_eq!(answer.header("orchestrator-error"), "partial");
    assert_eq!(
        answer.json()["Message"],
        "2 of 5 instances were forgotten, then: too many changes are waiting to be stored; try again"
    );
}

#[tokio::test]
async fn a_server_that_cannot_be_probed_is_named_with_the_reason() {
    let service = Service::of(two_clusters());
    for (error, kind, message) in [
        (
            DiscoverError::Probe(ProbeFailure {
                kind: ProbeFailureKind::Refused,
                code: 0,
                message: "connecting: connection refused".into(),
                is_partial: false,
            }),
            "probe-failed",
            "db9:3306 could not be probed: connecting: connection refused",
        ),
        (
            DiscoverError::Ignored { key: key("db9") },
            "refused",
            "db9:3306 could not be probed: db9:3306 is left out by DiscoveryIgnoreHostnameFilters",
        ),
        (
            DiscoverError::Busy { capacity: 10 },
            "busy",
            "db9:3306 could not be probed: too many instances wait to be probed (DiscoveryQueueCapacity is 10); try again",
        ),
        (
            DiscoverError::Stopping,
            "unavailable",
            "db9:3306 could not be probed: the service is stopping",
        ),
    ] {
        *service.fakes.discover_error.lock().unwrap() = Some(error);
        for path in [
            "discover/db9/3306",
            "refresh/db9/3306",
            "async-discover/db9/3306",
        ] {
            let answer = service.get(&format!("/api/{path}")).await;
            assert_eq!(answer.status, 500);
            assert_eq!(answer.header("orchestrator-error"), kind, "{path}");
            assert_eq!(answer.json()["Message"], message, "{path}");
        }
    }
    assert!(
        service.fakes.proposals.lock().unwrap().is_empty(),
        "nobody was told"
    );
}

#[tokio::test]
async fn a_name_service_that_is_down_hides_nothing_that_is_known() {
    let service = Service::of(two_clusters());
    let broken = [("db1", ""), ("b10", ""), ("new", "")];
    service.fakes.names.lock().unwrap().extend(broken);
    assert_eq!(
        service.get("/api/instance/db1/3306").await.keys(),
        "db1:3306"
    );
    assert_eq!(
        service.get("/api/instance/b10/3306").await.keys(),
        "db10:3306"
    );
    let answer = service.get("/api/instance/new/3306").await;
    assert_eq!(answer.header("orchestrator-error"), "probe-failed");
    assert_eq!(
        answer.json()["Message"],
        "the host name 'new' could not be resolved: no such host"
    );
    let answer = service.get("/api/discover/new/3306").await;
    assert_eq!(answer.header("orchestrator-error"), "probe-failed");
}

#[tokio::test]
async fn an_unhealthy_node_says_why_and_still_describes_itself() {
    let service = Service::of(two_clusters());
    {
        let mut health = service.fakes.health.lock().unwrap();
        health.is_healthy = false;
        health.error = Some("the store could not be written: disk full".into());
    }
    for path in ["health", "status"] {
        let answer = service.get(&format!("/api/{path}")).await;
        assert_eq!(answer.status, 500);
        let json = answer.json();
        assert_eq!(
            json["Message"],
            "This node is not healthy: the store could not be written: disk full"
        );
        assert_eq!(json["Details"]["Healthy"], false);
        assert_eq!(json["Details"]["Error"], json!({}));
    }
}

#[tokio::test]
async fn configuration_with_mistakes_is_not_taken() {
    let service = Service::of(two_clusters());
    *service.fakes.reload.lock().unwrap() = Err(vec![
        "a.json: InstancePollSeconds is -1".into(),
        "b.json: not found".into(),
    ]);
    let answer = service.get("/api/reload-configuration").await;
    assert_eq!(answer.header("orchestrator-error"), "invalid-input");
    assert_eq!(
        answer.json()["Message"],
        "the configuration was not reloaded, the one before stays in force: a.json: InstancePollSeconds is -1; b.json: not found"
    );
    *service.fakes.reload.lock().unwrap() = Ok(vec!["Foo is unknown".into()]);
    assert_eq!(
        service.get("/api/reload-configuration").await.json()["Message"],
        "Configuration reloaded; Foo is unknown"
    );
}

#[tokio::test]
async fn new_routes_use_statuses() {
    let service = Service::of(two_clusters());
    for (path, status, kind, message) in [
        (
            "v2/probes/new/3306",
            404,
            "not-found",
            "new:3306 is not known; discover it first",
        ),
        ("v2/probes/db1/x", 422, "invalid-input", "Invalid port: x"),
    ] {
        let answer = service.get(&format!("/api/{path}")).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("orchestrator-error"), kind);
        assert_eq!(
            answer.json(),
            json!({"error": {"kind": kind, "message": message}}),
            "{path}"
        );
    }
}

#[tokio::test]
async fn head_never_changes_anything() {
    let service = Service::of(two_clusters());
    let answer = service.ask("HEAD", "/api/forget/db1/3306", &[]).await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("allow"), "GET, POST");
    assert!(service.fakes.proposals.lock().unwrap().is_empty());
    assert_eq!(service.ask("HEAD", "/api/clusters", &[]).await.status, 200);
}

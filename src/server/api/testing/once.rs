//! Changes that are asked for again with the same `Idempotency-Key`.

use std::time::Duration;

use orchestrator_core::ports::ProposeError;

use super::callers::{config, local};
use super::{Service, gated, sample};
use crate::api::access::Authentication;

const DOWNTIME: &str = "/api/begin-downtime/db1/3306/ada/disk/30m";

fn service() -> Service {
    Service::assembled(sample(), |state| {
        gated(state, config(Authentication::Unset), local())
    })
}

fn made(service: &Service) -> usize {
    service.fakes.proposals.lock().unwrap().len()
}

#[tokio::test]
async fn a_key_is_1_to_128_visible_characters_and_there_once() {
    let service = service();
    let longest = "k".repeat(128);
    let too_long = "k".repeat(129);
    let key = |text| ("idempotency-key", text);
    let refused: [&[(&str, &str)]; 6] = [
        &[key("")],
        &[key("a b")],
        &[key("k\u{e4}")],
        &[key("a\tb")],
        &[key(&too_long)],
        &[key("a"), key("a")],
    ];
    // Also on a route that decides nothing, so that a mistake is seen wherever it is made.
    for uri in [DOWNTIME, "/api/refresh/db1/3306"] {
        for headers in refused {
            let answer = service.ask("POST", uri, headers).await;
            assert_eq!(answer.status, 500, "{headers:?}");
            assert_eq!(answer.header("orchestrator-error"), "invalid-input");
            assert_eq!(
                answer.json()["Message"],
                "the header Idempotency-Key is to be there once, with 1 to 128 visible ASCII characters; nothing was changed"
            );
        }
    }
    assert_eq!(made(&service), 0);
    for text in ["!", longest.as_str()] {
        assert!(service.ask("POST", DOWNTIME, &[key(text)]).await.is_done());
    }
}

#[tokio::test]
async fn every_change_that_is_asked_for_again_takes_effect_once_and_gets_the_first_answer() {
    let key = [("Idempotency-Key", "k")];
    for (uri, proposals) in [
        (DOWNTIME, 1),
        ("/api/end-downtime/db1/3306", 1),
        ("/api/register-candidate/db1/3306/prefer", 1),
        ("/api/set-cluster-alias/main?alias=store", 1),
        ("/api/discover/db1/3306", 1),
        ("/api/async-discover/db1/3306", 1),
        ("/api/refresh/db1/3306", 0),
        ("/api/forget/b10/3306", 1),
        ("/api/forget-cluster/main", 5),
    ] {
        let service = service();
        let first = service.ask("POST", uri, &key).await;
        assert!(first.is_done(), "{uri}: {}", first.body);
        service.fakes.wait(Duration::from_secs(599));
        let second = service.ask("POST", uri, &key).await;
        assert_eq!(second.body, first.body, "{uri}");
        assert_eq!(second.status, first.status, "{uri}");
        assert_eq!(second.header("content-type"), first.header("content-type"));
        assert_eq!(second.header("x-orchestrator-replayed"), "true", "{uri}");
        assert_eq!(made(&service), proposals, "{uri}");
    }
}

#[tokio::test]
async fn a_node_that_did_not_give_the_first_answer_gives_one_that_agrees() {
    let key = [("Idempotency-Key", "k")];
    for (uri, answer) in [
        (
            DOWNTIME,
            r#"{"Code":"OK","Message":"db1:3306 is downtimed until 2026-11-21T09:55:42Z","Details":{"Hostname":"db1","Port":3306}}"#,
        ),
        (
            "/api/forget/db2/3306",
            r#"{"Code":"OK","Message":"Forgot db2:3306","Details":{"Hostname":"db2","Port":3306}}"#,
        ),
        (
            "/api/forget-cluster/main",
            r#"{"Code":"OK","Message":"Forgot the cluster main","Details":null}"#,
        ),
        (
            "/api/set-cluster-alias/main?alias=store",
            r#"{"Code":"OK","Message":"The cluster main has the alias 'store' now","Details":null}"#,
        ),
    ] {
        let service = service();
        assert!(service.ask("POST", uri, &key).await.is_done());
        let made_before = made(&service);
        service.fakes.wait(Duration::from_secs(60));
        // The next leader: what is decided is there, the answers of the one before are not.
        let next = service.successor(|state| gated(state, config(Authentication::Unset), local()));
        let second = next.ask("POST", uri, &key).await;
        assert_eq!(second.body, answer, "{uri}");
        assert_eq!(made(&next), made_before, "{uri}");
        // It knows what the key belongs to, too, which was never asked for there.
        let mixed = next.ask("POST", "/api/forget/db1/3306", &key).await;
        assert_eq!(mixed.header("orchestrator-error"), "invalid-input", "{uri}");
        assert_eq!(made(&next), made_before, "{uri}");
        let other = next.ask("POST", uri, &[("Idempotency-Key", "other")]).await;
        assert_eq!(other.is_done(), uri == DOWNTIME, "{uri}: {}", other.body);
    }
}

#[tokio::test]
async fn forgetting_a_cluster_goes_on_where_it_ended() {
    let service = service();
    let key = [("Idempotency-Key", "k")];
    *service.fakes.propose_error_after.lock().unwrap() = Some((2, ProposeError::Busy));
    let partly = service.ask("POST", "/api/forget-cluster/main", &key).await;
    assert_eq!(partly.header("orchestrator-error"), "partial");
    *service.fakes.propose_error_after.lock().unwrap() = None;
    let rest = service.ask("POST", "/api/forget-cluster/main", &key).await;
    assert!(rest.is_done(), "{}", rest.body);
    assert_eq!(
        service.get("/api/clusters").await.body,
        r#"["shop-a.example:3307"]"#
    );
    let again = service.ask("POST", "/api/forget-cluster/main", &key).await;
    assert_eq!(again.body, rest.body);
    assert_eq!(made(&service), 5, "each member once");
}

#[tokio::test]
async fn a_key_of_another_request_is_refused() {
    let service = service();
    let key = [("Idempotency-Key", "k")];
    assert!(service.ask("POST", DOWNTIME, &key).await.is_done());
    for (method, uri) in [
        ("POST", "/api/begin-downtime/db2/3306/ada/disk/30m"),
        ("POST", "/api/begin-downtime/db1/3306/ada/disk/31m"),
        ("POST", "/api/begin-downtime/db1/3306/ada/disk/30m?x=y"),
        ("GET", DOWNTIME),
        ("POST", "/api/forget-cluster/main"),
    ] {
        let answer = service.ask(method, uri, &key).await;
        assert_eq!(
            answer.header("orchestrator-error"),
            "invalid-input",
            "{uri}"
        );
        assert_eq!(
            answer.json()["Message"],
            "this Idempotency-Key belongs to another request of the last ten minutes; nothing was changed: give each call a key of its own, and only its retries the same"
        );
    }
    assert_eq!(made(&service), 1);
    service.fakes.wait(Duration::from_secs(601));
    let later = service
        .ask("POST", "/api/end-downtime/db1/3306", &key)
        .await;
    assert!(later.is_done(), "ten minutes later it is free again");
}

#[tokio::test]
async fn what_was_not_done_is_tried_again_with_the_same_key() {
    let service = service();
    let key = [("Idempotency-Key", "k")];
    for error in [
        ProposeError::Busy,
        ProposeError::Store {
            reason: "disk full".into(),
        },
        ProposeError::Unknown {
            reason: "no answer".into(),
        },
    ] {
        *service.fakes.propose_error.lock().unwrap() = Some(error);
        assert!(!service.ask("POST", DOWNTIME, &key).await.is_done());
    }
    *service.fakes.propose_error.lock().unwrap() = None;
    assert!(service.ask("POST", DOWNTIME, &key).await.is_done());
    assert_eq!(made(&service), 1);
}

#[tokio::test]
async fn twins_under_way_at_once_are_carried_out_once() {
    let service = service();
    let key = [("Idempotency-Key", "k")];
    let gate = service.fakes.hold_proposals();
    let (first, second, ()) = tokio::join!(
        service.ask("POST", DOWNTIME, &key),
        service.ask("POST", DOWNTIME, &key),
        async {
            // Both have come as far as they come.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert_eq!(
                service.fakes.waiting_proposals(),
                1,
                "the twin waits for it"
            );
            drop(gate);
        }
    );
    assert!(first.is_done() && first.body == second.body);
    let replayed =
        [&first, &second].map(|answer| answer.header("x-orchestrator-replayed") == "true");
    assert_eq!(replayed.iter().filter(|was| **was).count(), 1);
    assert_eq!(made(&service), 1);
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_nothing_that_blocks_the_next() {
    let service = service();
    let key = [("Idempotency-Key", "k")];
    let gate = service.fakes.hold_proposals();
    let gone = tokio::time::timeout(
        Duration::from_millis(5),
        service.ask("POST", DOWNTIME, &key),
    );
    assert!(gone.await.is_err(), "it went before the answer");
    drop(gate);
    assert!(service.ask("POST", DOWNTIME, &key).await.is_done());
}

//! Making and claiming access tokens: what is answered, what is decided, and what is not.

use std::time::Duration;

use orchestrator_core::decided::Command;
use orchestrator_core::ports::ProposeError;
use serde_json::json;

use super::Service;
use super::evidence::{PUBLIC, sample};
use super::fakes::bare_router;
use crate::api::TokenTimes;
use crate::api::view::samples::NOW;

const MAKE: &str = "/api/v2/access-tokens?owner=ann";

fn service() -> Service {
    Service::assembled(sample(), bare_router)
}

fn claim(public: &str) -> String {
    format!("/web/access-token?publicToken={public}")
}

#[tokio::test]
async fn a_token_is_made_for_an_owner_and_waits_as_long_as_configured() {
    let service = service();
    let answer = service.ask("POST", MAKE, &[]).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    let json = answer.json();
    let public = json["publicToken"].as_str().unwrap();
    assert!(public.len() == 64 && public.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(
        json,
        json!({"publicToken": public, "claimBy": "2026-11-21T09:26:42.000Z"})
    );
    let proposals = service.fakes.proposals.lock().unwrap();
    let Command::CreateAccessToken {
        public: made,
        owner,
        claim_by,
    } = &proposals[0].command
    else {
        panic!("{proposals:?}");
    };
    assert_eq!((made.to_string().as_str(), owner.as_str()), (public, "ann"));
    assert_eq!(*claim_by, NOW.plus(Duration::from_secs(60)));
}

#[tokio::test]
async fn a_retry_makes_another_token_so_that_every_answer_names_one_that_exists() {
    let service = service();
    let key = [("Idempotency-Key", "k")];
    let mut made = vec![];
    for _ in 0..2 {
        let json = service.ask("POST", MAKE, &key).await.json();
        made.push(json["publicToken"].as_str().unwrap().to_owned());
    }
    assert_ne!(made[0], made[1]);
    let requests = service
        .fakes
        .proposals
        .lock()
        .unwrap()
        .iter()
        .map(|p| p.request)
        .collect::<Vec<_>>();
    assert_ne!(requests[0], requests[1]);
    for public in made {
        assert_eq!(service.get(&claim(&public)).await.status, 302);
    }
}

#[tokio::test]
async fn a_claim_hands_over_a_cookie_and_decides_a_digest_only() {
    let service = service();
    let answer = service.get(&claim(&PUBLIC.to_string())).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (302, ""));
    assert_eq!(answer.header("location"), "/api/clusters");
    assert_eq!(answer.header("cache-control"), "no-store");
    let cookie = answer.header("set-cookie");
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Strict");
    let value = pair.strip_prefix("access-token=").unwrap();
    let (public, secret) = value.split_once(':').unwrap();
    assert_eq!(public, PUBLIC.to_string());
    assert!(secret.len() == 64 && secret.bytes().all(|b| b.is_ascii_hexdigit()));
    assert!(answer.headers["set-cookie"].is_sensitive());
    let decided = service.state.decisions.decided();
    let claim = decided.access_tokens[&PUBLIC].claim.clone().unwrap();
    assert_eq!(claim.expires_at, NOW.plus(Duration::from_secs(3600)));
    let digest = crate::api::access::digest_of(&orchestrator_core::domain::Secret::new(secret));
    assert_eq!(claim.secret_digest, digest);
}

#[tokio::test]
async fn the_cookie_is_secure_when_tls_was_spoken_here_or_before_a_proxy() {
    for (serves_tls, headers, is_secure) in [
        (false, &[][..], false),
        (false, &[("x-forwarded-proto", "http")][..], false),
        (false, &[("x-forwarded-proto", "HTTPS")][..], true),
        (true, &[][..], true),
    ] {
        let mut sample = sample();
        sample.config.serves_tls = serves_tls;
        sample.config.url_prefix = "/orc".into();
        let service = Service::assembled(sample, bare_router);
        let answer = service
            .ask("GET", &claim(&PUBLIC.to_string()), headers)
            .await;
        assert_eq!(
            answer.header("set-cookie").ends_with("; Secure"),
            is_secure,
            "{headers:?}"
        );
        assert_eq!(answer.header("location"), "/orc/api/clusters");
    }
}

#[tokio::test]
async fn claims_that_cannot_be_are_refused_with_status_200_and_never_come_into_the_log() {
    let service = service();
    assert_eq!(service.get(&claim(&PUBLIC.to_string())).await.status, 302);
    let unknown = "22".repeat(32);
    let claimed = PUBLIC.to_string();
    for (public, kind, sentence) in [
        (
            unknown.as_str(),
            "refused",
            "refused: there is no such token, or it is over; make another one",
        ),
        (
            &claimed,
            "refused",
            "refused: the token was claimed already; if it was not you, somebody else has it: make another one and say so to whoever runs this service",
        ),
        (
            "",
            "invalid-input",
            "the publicToken is empty; say it in the URL",
        ),
        (
            "xyz",
            "invalid-input",
            "a public token is 64 hexadecimal digits (0-9, a-f); copy it as it was handed out",
        ),
        (
            "%FF",
            "invalid-input",
            "a public token is 64 hexadecimal digits (0-9, a-f); copy it as it was handed out",
        ),
    ] {
        let answer = service.get(&claim(public)).await;
        assert_eq!(answer.status, 200, "{public}");
        assert_eq!(answer.header("orchestrator-error"), kind, "{public}");
        assert_eq!(
            answer.json(),
            json!({"Code": "ERROR", "Message": sentence, "Details": null})
        );
        assert_eq!(answer.header("set-cookie"), "");
    }
    assert_eq!(service.fakes.proposals.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_late_claim_is_refused_and_so_is_one_that_cannot_be_stored() {
    let service = service();
    let uri = claim(&PUBLIC.to_string());
    let full = ProposeError::Store {
        reason: "disk full".into(),
    };
    *service.fakes.propose_error.lock().unwrap() = Some(full);
    let answer = service.get(&uri).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("orchestrator-error")),
        (200, "unavailable")
    );
    assert_eq!(answer.header("set-cookie"), "", "nothing was decided");
    *service.fakes.propose_error.lock().unwrap() = None;
    service.fakes.wait(Duration::from_secs(60));
    let answer = service.get(&uri).await;
    assert_eq!(
        answer.json()["Message"],
        "refused: the time for claiming the token is over; make another one and claim it sooner"
    );
}

#[tokio::test]
async fn without_the_method_token_there_are_no_tokens() {
    let mut sample = sample();
    sample.config.tokens = None;
    let service = Service::assembled(sample, bare_router);
    let sentence = "there are no access tokens here, because AuthenticationMethod is not token; set it to token to use them";
    let made = service.ask("POST", MAKE, &[]).await;
    assert_eq!(made.status, 409);
    assert_eq!(
        made.json(),
        json!({"error": {"kind": "refused", "message": sentence}})
    );
    let claimed = service.get(&claim(&PUBLIC.to_string())).await;
    assert_eq!(
        (claimed.status.as_u16(), claimed.header("set-cookie")),
        (200, "")
    );
    assert_eq!(claimed.json()["Message"], sentence);
    assert!(service.fakes.proposals.lock().unwrap().is_empty());
}

#[tokio::test]
async fn owners_are_named_and_a_configuration_without_time_to_claim_makes_no_token() {
    let service = service();
    for uri in ["/api/v2/access-tokens", "/api/v2/access-tokens?owner=%20"] {
        let answer = service.ask("POST", uri, &[]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("orchestrator-error")),
            (422, "invalid-input")
        );
    }
    let mut sample = sample();
    sample.config.tokens = Some(TokenTimes {
        claim_within: Duration::ZERO,
        life: Duration::ZERO,
    });
    let service = Service::assembled(sample, bare_router);
    assert_eq!(service.ask("POST", MAKE, &[]).await.status, 409);
}

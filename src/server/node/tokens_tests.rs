//! The life of a token over the real routes, gate and lookup.

use std::time::Duration;

use orchestrator_core::decided::{GroupId, Snapshot, codec};

use super::*;
use crate::api::access::{Authentication, Peer};
use crate::api::testing::{Answer, Service, access_config, gated, local, remote, sample};

/// Routes behind the real gate and the real lookup; both are asked from here and from elsewhere.
fn service(peer: Peer) -> Service {
    Service::assembled(sample(), |state| {
        let tokens = DecidedTokens {
            decisions: state.decisions.clone(),
            clock: state.clock.clone(),
        };
        let authentication = Authentication::Token(Arc::new(tokens));
        gated(state, access_config(authentication), peer)
    })
}

async fn change(service: &Service, cookie: &str) -> Answer {
    let headers = [("cookie", cookie)];
    let uri = "/api/end-downtime/db1/3306";
    service.ask("POST", uri, &headers).await
}

/// Makes a token, claims it, and returns the cookie.
async fn cookie(service: &Service) -> String {
    let made = service
        .ask("POST", "/api/v2/access-tokens?owner=ann", &[])
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    let public = made.json()["publicToken"].as_str().unwrap().to_owned();
    let uri = format!("/web/access-token?publicToken={public}");
    let claimed = service.get(&uri).await;
    assert_eq!(claimed.status, 302, "{}", claimed.body);
    let again = service.get(&uri).await;
    assert_eq!(
        again.header("orchestrator-error"),
        "refused",
        "claimed once"
    );
    let cookie = claimed.header("set-cookie");
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_changes_things_in_its_owners_name_until_it_expires() {
    let service = service(local());
    let before = change(&service, "").await;
    assert_eq!(before.header("orchestrator-error"), "unauthorized");
    let cookie = cookie(&service).await;
    let done = change(&service, &cookie).await;
    assert!(done.is_done(), "{}", done.body);
    let who = service
        .fakes
        .proposals
        .lock()
        .unwrap()
        .last()
        .unwrap()
        .origin
        .who
        .clone();
    assert_eq!(who, "ann");
    service.fakes.wait(Duration::from_secs(3599));
    assert!(change(&service, &cookie).await.is_done());
    service.fakes.wait(Duration::from_secs(1));
    let after = change(&service, &cookie).await;
    assert_eq!(after.header("orchestrator-error"), "unauthorized");
}

#[tokio::test]
async fn no_other_cookie_than_the_one_handed_over_is_good() {
    let service = service(local());
    let cookie = cookie(&service).await;
    let (public, secret) = cookie
        .strip_prefix("access-token=")
        .and_then(|value| value.split_once(':'))
        .unwrap();
    let digest = crate::api::access::digest_of(&orchestrator_core::domain::Secret::new(secret));
    let digest: String = digest
        .as_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    for (public, secret) in [
        (public, ""),
        (public, public),
        (public, &secret[1..]),
        (public, &format!("{secret}0")),
        (public, &secret.replace('0', "1")),
        (public, &digest),
        (&"11".repeat(32), secret),
        (&"22".repeat(32), secret),
        ("", secret),
        ("é", secret),
    ] {
        let answer = change(&service, &format!("access-token={public}:{secret}")).await;
        let kind = answer.header("orchestrator-error");
        assert_eq!(kind, "unauthorized", "{public} {secret}");
    }
}

#[tokio::test]
async fn from_elsewhere_nobody_makes_a_token() {
    let service = service(remote());
    let answer = service
        .ask("POST", "/api/v2/access-tokens?owner=eve", &[])
        .await;
    assert_eq!(answer.status, 403);
    assert!(service.fakes.proposals.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_secret_is_in_no_command_state_or_snapshot() {
    let service = service(local());
    let cookie = cookie(&service).await;
    let secret = cookie.split_once(':').unwrap().1.to_owned();
    let raw: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let decided = service.state.decisions.decided();
    let group = GroupId::from_number(1);
    let mut kept = vec![Snapshot::of(group, &decided, vec![]).to_bytes().unwrap()];
    for proposal in service.fakes.proposals.lock().unwrap().iter() {
        kept.push(codec::encode(proposal).unwrap());
        kept.push(format!("{proposal:?}").into_bytes());
    }
    kept.push(format!("{decided:?}").into_bytes());
    let has = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    for bytes in &kept {
        assert!(!has(bytes, secret.as_bytes()) && !has(bytes, &raw));
    }
    // The look finds what is there.
    let public = decided.access_tokens.keys().next().unwrap();
    assert!(has(&kept[0], public.as_bytes()));
}

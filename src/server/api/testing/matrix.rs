//! Every route of the table, behind the real gate, asked by every kind of caller with every method: the answer must be
//! what the route's access class says, and what is refused must have decided nothing.

use axum::http::StatusCode;

use super::callers::{May, Who, callers, certified, remote, who};
use super::evidence::{cases, sample};
use super::{Answer, Service, gated};
use crate::api::access::Authentication;
use crate::api::{Access, routes};

const METHODS: [&str; 3] = ["GET", "POST", "HEAD"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// 401.
    TurnedAway,
    /// 500 as the predecessor, kind unauthorized.
    Unauthorized,
    /// 403, kind unauthorized.
    Forbidden,
    /// 404: the route does not have this method.
    NotThere,
    /// 405: asked for the headers of a change.
    NoHead,
    /// The handler did it.
    Done,
}

fn expected(may: May, access: Access, method: &str, is_status: bool) -> Verdict {
    use Verdict::{Done, Forbidden, NoHead, NotThere, TurnedAway, Unauthorized};
    let come_in = match may {
        May::Nothing => false,
        May::AskStatus => is_status,
        _ => true,
    };
    if !come_in {
        return TurnedAway;
    }
    let may_claim = !matches!(may, May::Read);
    let may_change = matches!(may, May::Change | May::Everything);
    let may_administer = matches!(may, May::ClaimAndAdminister | May::Everything);
    match (access, method) {
        (Access::Health | Access::Reads, "POST") => NotThere,
        (Access::Health | Access::Reads, _) => Done,
        (Access::LocalOnly, "GET" | "HEAD") => NotThere,
        (Access::LocalOnly, _) if may_administer => Done,
        (Access::LocalOnly, _) => Forbidden,
        (Access::Changes | Access::Claims, "HEAD") => NoHead,
        (Access::Changes, _) if may_change => Done,
        (Access::Claims, _) if may_claim => Done,
        (Access::Changes | Access::Claims, _) => Unauthorized,
    }
}

fn verdict(answer: &Answer) -> Result<Verdict, String> {
    let kind = answer.header("orchestrator-error");
    let message = || {
        let json = answer.json();
        let of_envelope = json["Message"].as_str().unwrap_or_default();
        let message = json["error"]["message"].as_str().unwrap_or(of_envelope);
        message.starts_with("Unauthorized")
    };
    match (answer.status, kind) {
        (StatusCode::UNAUTHORIZED, "") => Ok(Verdict::TurnedAway),
        (StatusCode::INTERNAL_SERVER_ERROR, "unauthorized") if message() => {
            Ok(Verdict::Unauthorized)
        }
        (StatusCode::FORBIDDEN, "unauthorized") if message() => Ok(Verdict::Forbidden),
        (StatusCode::NOT_FOUND, "") if answer.header("content-type").starts_with("text/plain") => {
            Ok(Verdict::NotThere)
        }
        (StatusCode::METHOD_NOT_ALLOWED, "") => Ok(Verdict::NoHead),
        _ if answer.is_done() => Ok(Verdict::Done),
        _ => Err(format!("{} {kind} {}", answer.status, answer.body)),
    }
}

/// The routes as this caller meets them.
pub(crate) fn service(who: &Who) -> Service {
    let (config, peer) = (who.config.clone(), who.peer.clone());
    Service::assembled(sample(), |state| gated(state, config, peer))
}

#[tokio::test]
async fn every_route_answers_every_caller_as_its_access_class_says() {
    let cases = cases();
    let mut asked = 0;
    for who in callers() {
        let refusing = service(&who);
        for route in routes() {
            let case = cases.iter().find(|case| case.path == route.path);
            let uri = case.expect("every route has a case").success;
            let is_status = route.path == who.config.status_path;
            for method in METHODS {
                let expected = expected(who.may, route.access, method, is_status);
                let what = format!("{}: {method} {uri}", who.name);
                let changing = matches!(
                    route.access,
                    Access::Changes | Access::Claims | Access::LocalOnly
                );
                // What takes effect would change what the next one is asked of.
                let fresh;
                let service = match expected == Verdict::Done && changing {
                    true => {
                        fresh = service(&who);
                        &fresh
                    }
                    false => &refusing,
                };
                let answer = service.ask(method, uri, &who.headers).await;
                assert_eq!(verdict(&answer), Ok(expected), "{what}");
                asked += 1;
            }
        }
        let decided = refusing.fakes.proposals.lock().unwrap().len();
        assert_eq!(decided, 0, "{}: a refusal decided something", who.name);
    }
    // docs/api-evidence.md names this number.
    assert_eq!(callers().len(), 37);
    assert_eq!(asked, 37 * METHODS.len() * cases.len());
}

#[tokio::test]
async fn what_is_not_in_the_table_is_not_there_and_says_nothing_to_strangers() {
    for who in callers() {
        let service = service(&who);
        for uri in [
            "/",
            "/web",
            "/api/v2/access-tokens/x",
            "/api/grab-election",
            "/debug/vars",
        ] {
            for method in ["GET", "POST", "HEAD", "DELETE"] {
                let expected = match who.may {
                    May::Nothing | May::AskStatus => Verdict::TurnedAway,
                    _ => Verdict::NotThere,
                };
                let answer = service.ask(method, uri, &who.headers).await;
                assert_eq!(
                    verdict(&answer),
                    Ok(expected),
                    "{}: {method} {uri}",
                    who.name
                );
            }
        }
    }
}

#[tokio::test]
async fn no_writing_of_a_path_takes_the_exception_of_the_status_path_for_another_route() {
    let who = who(
        "mTLS, none",
        certified(Authentication::Nobody, false),
        remote(),
        &[],
        May::AskStatus,
    );
    let service = service(&who);
    for case in cases() {
        if case.path == "/api/status" {
            continue;
        }
        let path = case.success.split('?').next().unwrap();
        for uri in [
            format!("{path}?x=/api/status"),
            format!("{path}?/api/status"),
            format!("/api/status/..{path}"),
            format!("/api/status/%2e%2e{path}"),
            format!("/api/status;{path}"),
            format!("/api/status%00{path}"),
        ] {
            for method in METHODS {
                let answer = service.ask(method, &uri, &[]).await;
                assert_eq!(verdict(&answer), Ok(Verdict::TurnedAway), "{method} {uri}");
            }
        }
    }
}

//! Every route of the table, behind the real gate, asked by every kind of caller with every method: the answer must be
//! what the route's access class and the node's place in its group say, and what is refused must have decided nothing.

use axum::http::StatusCode;

use super::callers::{May, Who, callers, certified, remote, who};
use super::evidence::{Case, Failure, cases, sample};
use super::group::FakeGroup;
use super::{Answer, Service, gated};
use crate::api::access::Authentication;
use crate::api::{Access, Route, routes};

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
    /// 500, kind refused: there is no group, or nothing that it could ever do.
    Refused,
    /// 404: this node does not lead, in answer to the question whether it does.
    DoesNotLead,
    /// Kind not-leader: the leader is needed for it.
    NotLeader,
    /// 500, kind unavailable: the group does not work here.
    Unhealthy,
}

/// What the node that is asked is in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In none.
    Alone,
    Leader,
    /// One that hears the leader; both have the same configuration.
    Follower,
    /// One that hears no leader.
    CutOff,
}

const PLACES: [Place; 4] = [Place::Alone, Place::Leader, Place::Follower, Place::CutOff];

/// What becomes of a request that the caller may make.
fn let_through(place: Place, route: &Route, case: &Case) -> Verdict {
    use Verdict::{DoesNotLead, Done, NotLeader, Refused, Unhealthy};
    let is_check = route.path.contains("leader-check");
    let is_through_the_leader = !route.answered_locally;
    let is_yield = route.path.contains("raft-yield");
    let changes = !matches!(route.access, Access::Health | Access::Reads);
    match place {
        _ if matches!(case.failure, Failure::Always) => Refused,
        Place::Alone if case.is_of_the_group => Refused,
        Place::Alone | Place::Leader => Done,
        Place::Follower if is_check && route.answered_locally => DoesNotLead,
        Place::Follower | Place::CutOff if is_yield => NotLeader,
        Place::Follower => Done,
        Place::CutOff if is_check => DoesNotLead,
        Place::CutOff if route.path == "/api/raft-health" => Unhealthy,
        Place::CutOff if changes && is_through_the_leader => NotLeader,
        Place::CutOff => Done,
    }
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
        (_, "not-leader") => Ok(Verdict::NotLeader),
        (StatusCode::INTERNAL_SERVER_ERROR, "refused") => Ok(Verdict::Refused),
        (StatusCode::INTERNAL_SERVER_ERROR, "unavailable") => Ok(Verdict::Unhealthy),
        (StatusCode::NOT_FOUND | StatusCode::SERVICE_UNAVAILABLE, "")
            if answer.body == "\"Not leader\"" || answer.body.is_empty() =>
        {
            Ok(Verdict::DoesNotLead)
        }
        _ if answer.is_done() => Ok(Verdict::Done),
        _ => Err(format!("{} {kind} {}", answer.status, answer.body)),
    }
}

/// The routes as this caller meets them.
pub(crate) fn service(who: &Who) -> Service {
    let (config, peer) = (who.config.clone(), who.peer.clone());
    Service::assembled(sample(), |state| gated(state, config, peer))
}

/// The routes as this caller meets them where this case succeeds.
pub(crate) fn service_for(who: &Who, case: &Case) -> Service {
    let place = match case.is_of_the_group {
        true => Place::Leader,
        false => Place::Alone,
    };
    Placed::of(who, place).node
}

/// A node, and the leader that it passes requests on to, when it has one. Both have the same configuration.
struct Placed {
    node: Service,
    leader: Option<Service>,
}

impl Placed {
    fn of(who: &Who, place: Place) -> Self {
        let service = |group| {
            let (config, peer) = (who.config.clone(), who.peer.clone());
            Service::placed(sample(), group, |state| gated(state, config, peer))
        };
        let leader = (place == Place::Follower).then(|| service(Some(FakeGroup::leading())));
        let group = match place {
            Place::Alone => None,
            Place::Leader => Some(FakeGroup::leading()),
            Place::Follower => Some(FakeGroup::following(leader.as_ref().map(Service::handler))),
            Place::CutOff => Some(FakeGroup::cut_off()),
        };
        Self {
            node: service(group),
            leader,
        }
    }

    /// How much was decided.
    fn decided(&self) -> usize {
        let of = |service: &Service| service.fakes.proposals.lock().unwrap().len();
        of(&self.node) + self.leader.as_ref().map_or(0, of)
    }
}

#[tokio::test]
async fn every_route_answers_every_caller_as_its_access_class_and_the_nodes_place_say() {
    let cases = cases();
    let mut asked = 0;
    for (who, place) in callers()
        .iter()
        .flat_map(|who| PLACES.map(|place| (who, place)))
    {
        let refusing = Placed::of(who, place);
        for route in routes() {
            let case = cases.iter().find(|case| case.path == route.path);
            let case = case.expect("every route has a case");
            let uri = case.success;
            let is_status = route.path == who.config.status_path;
            for method in METHODS {
                let expected = match expected(who.may, route.access, method, is_status) {
                    Verdict::Done => let_through(place, &route, case),
                    refusal => refusal,
                };
                let what = format!("{place:?}, {}: {method} {uri}", who.name);
                let changing = !matches!(route.access, Access::Health | Access::Reads);
                // What takes effect would change what the next one is asked of.
                let fresh;
                let placed = match expected == Verdict::Done && changing {
                    true => {
                        fresh = Placed::of(who, place);
                        &fresh
                    }
                    false => &refusing,
                };
                let answer = placed.node.ask(method, uri, &who.headers).await;
                assert_eq!(verdict(&answer), Ok(expected), "{what}");
                let says_its_age = !answer.header("x-orchestrator-age-seconds").is_empty();
                let is_read = route.access == Access::Reads
                    && matches!(
                        expected,
                        Verdict::Done | Verdict::Refused | Verdict::Unhealthy
                    );
                let in_a_group = place != Place::Alone;
                assert_eq!(says_its_age, is_read && in_a_group, "{what}");
                asked += 1;
            }
        }
        let decided = refusing.decided();
        assert_eq!(
            decided, 0,
            "{place:?}, {}: a refusal decided something",
            who.name
        );
    }
    // docs/api-evidence.md names this number.
    assert_eq!(callers().len(), 37);
    assert_eq!(asked, 37 * PLACES.len() * METHODS.len() * cases.len());
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

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use orchestrator_core::ports::{BoxFuture, Group};

use super::hearing::Hearing;
use super::pass_on::{Outcome, PassOn};
use super::{freshness, message};
use crate::api::access::{Standing, Vouched};
use crate::api::input::InputError;
use crate::api::steps::{Next, Step};
use crate::api::{Access, ApiError, AppState, Route, V2Error, once};

/// Around each route, inside of its access check: answers here, or lets the leader answer. It knows of the route what decides that.
pub(in crate::api) struct Relay {
    state: AppState,
    access: Access,
    answered_locally: bool,
    is_repeatable: bool,
    is_lengthy: bool,
    is_new: bool,
    body_bytes_max: usize,
}

impl Relay {
    /// For this route; bodies of its requests have so many bytes at most.
    pub(in crate::api) fn of(route: &Route, state: &AppState, body_bytes_max: usize) -> Self {
        Self {
            state: state.clone(),
            access: route.access,
            answered_locally: route.answered_locally,
            is_repeatable: route.is_repeatable,
            is_lengthy: route.is_lengthy,
            is_new: route.path.starts_with("/api/v2/"),
            body_bytes_max,
        }
    }

    /// Whether the route has this method at all.
    fn takes(&self, method: &Method) -> bool {
        match self.access {
            Access::Health | Access::Reads => matches!(*method, Method::GET | Method::HEAD),
            Access::Changes | Access::Claims => matches!(*method, Method::GET | Method::POST),
            Access::LocalOnly => *method == Method::POST,
        }
    }

    /// An error in the form of the route: by status for new ones, 200 for claims, else 500.
    fn refuse(&self, error: ApiError) -> Response {
        if self.is_new {
            return V2Error(error).into_response();
        }
        let mut answer = error.into_response();
        if self.access == Access::Claims {
            *answer.status_mut() = StatusCode::OK;
        }
        answer
    }
}

impl Step for Relay {
    fn answer<'a>(&'a self, request: Request, next: Next<'a>) -> BoxFuture<'a, Response> {
        Box::pin(answer_or_pass_on(self, request, next))
    }
}

async fn answer_or_pass_on(relay: &Relay, request: Request, next: Next<'_>) -> Response {
    if relay.access == Access::Changes
        && let Err(wrong) = once::key_of(request.headers())
    {
        return relay.refuse(wrong.into());
    }
    let Some(group) = relay.state.group.clone() else {
        return next.run(request).await;
    };
    let was_passed_on = request.extensions().get::<Vouched>().is_some();
    if relay.answered_locally && was_passed_on {
        // The caller asked another node about itself; no node that keeps to the table passes that on.
        return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    }
    if relay.answered_locally || !relay.takes(request.method()) {
        return here(relay, group.as_ref(), next.run(request).await);
    }
    let hearing = Hearing::now(group.as_ref());
    match hearing {
        Hearing::Leads | Hearing::LeadsInDoubt => {
            here(relay, group.as_ref(), next.run(request).await)
        }
        _ if was_passed_on => relay.refuse(not_leader(&hearing)),
        Hearing::Follows(_) => by_the_leader(relay, group, request, next).await,
        Hearing::CutOff => match relay.access {
            Access::Health => next.run(request).await,
            Access::Reads => here(relay, group.as_ref(), next.run(request).await),
            Access::Changes | Access::Claims | Access::LocalOnly => {
                relay.refuse(ApiError::NoLeader)
            }
        },
    }
}

/// Reads say how fresh they are.
fn here(relay: &Relay, group: &dyn Group, answer: Response) -> Response {
    match relay.access {
        Access::Reads => freshness::say(group, answer),
        _ => answer,
    }
}

fn not_leader(hearing: &Hearing) -> ApiError {
    match hearing {
        Hearing::Follows(leader) => ApiError::NotLeader {
            leader: leader.http.clone().unwrap_or_else(|| leader.name.clone()),
        },
        _ => ApiError::NoLeader,
    }
}

async fn by_the_leader(
    relay: &Relay,
    group: Arc<dyn Group>,
    request: Request,
    next: Next<'_>,
) -> Response {
    let Some(standing) = request.extensions().get::<Standing>().cloned() else {
        return relay.refuse(InputError::NoCaller.into());
    };
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, relay.body_bytes_max).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n").into_response();
    };
    // A key of ours where the caller has none, so that asking again changes nothing twice. It stays with the request when
    // that ends up here.
    if relay.access == Access::Changes {
        once::give_key(&mut parts.headers, relay.state.ids.as_ref());
    }
    let request = message::outgoing(&parts, &body, &standing, &relay.state.config());
    let pass_on = PassOn {
        group: group.clone(),
        clock: relay.state.clock.clone(),
        access: relay.access,
        is_repeatable: relay.is_repeatable,
        is_lengthy: relay.is_lengthy,
        request,
    };
    match pass_on.run().await {
        Outcome::Answered(answer) => message::handed_on(answer),
        Outcome::Here => {
            let answer = next.run(again(parts, body)).await;
            here(relay, group.as_ref(), answer)
        }
        // As the predecessor: whoever asks for this looks at the status alone.
        Outcome::NoAnswer(_) if relay.access == Access::Health => {
            StatusCode::BAD_GATEWAY.into_response()
        }
        Outcome::NoAnswer(why) => relay.refuse(why),
    }
}

fn again(parts: Parts, body: Bytes) -> Request {
    Request::from_parts(parts, Body::from(body))
}

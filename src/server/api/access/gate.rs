use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

use super::audit::Audit;
use super::authentication::{Identity, check_certificate, identify};
use super::authorization::{may_administer, may_change, may_claim};
use super::{AccessConfig, Peer, Rejected, browser};
use crate::api::{Caller, ERROR_HEADER};

/// Access in force; cheap to clone.
#[derive(Clone)]
pub struct Gate(watch::Receiver<Arc<AccessConfig>>);

impl Gate {
    /// A gate that follows the configuration.
    pub fn new(config: watch::Receiver<Arc<AccessConfig>>) -> Self {
        Self(config)
    }

    fn config(&self) -> Arc<AccessConfig> {
        self.0.borrow().clone()
    }
}

/// Layer around every path, unknown ones included: certificate, identity, and the name a browser uses for us.
pub async fn guard_everything(
    State(gate): State<Gate>,
    mut request: Request,
    next: Next,
) -> Response {
    let config = gate.config();
    let peer = peer_of(&request);
    let identity = match check_certificate(&config, &peer, request.uri().path())
        .and_then(|()| identify(&config, &peer, request.headers()))
    {
        Ok(identity) => identity,
        Err(rejected) => return turned_away(rejected),
    };
    if let Err(why) = browser::check(&config, &peer, request.method(), request.headers(), false) {
        return refused(StatusCode::FORBIDDEN, "cross-site", &why.to_string());
    }
    request.extensions_mut().insert(Caller {
        user: identity.user.clone(),
        address: peer.ip(),
    });
    request.extensions_mut().insert(identity);
    next.run(request).await
}

/// Layer around each changing route.
pub async fn guard_changes(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let config = gate.config();
    let peer = peer_of(&request);
    if let Err(why) = browser::check(&config, &peer, request.method(), request.headers(), true) {
        return refused(StatusCode::FORBIDDEN, "cross-site", &why.to_string());
    }
    if request.method() == Method::HEAD {
        return no_head();
    }
    let identity = identity_of(&request);
    let audit = Audit::of(&config, &identity, &peer, &request);
    match may_change(&config, &peer, request.headers(), &identity) {
        Ok(()) => audit.follow(request, next).await,
        Err(denied) => unauthorized(&audit, &denied.to_string()),
    }
}

/// Layer around each route that takes something handed out before. Whoever has it may open it as a link, from anywhere.
pub async fn guard_claims(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    if request.method() == Method::HEAD {
        return no_head();
    }
    let config = gate.config();
    let audit = Audit::of(
        &config,
        &identity_of(&request),
        &peer_of(&request),
        &request,
    );
    match may_claim(&config) {
        Ok(()) => audit.follow(request, next).await,
        Err(denied) => unauthorized(&audit, &denied.to_string()),
    }
}

/// Layer around each route for the machine of the service itself. These routes are new with us: they answer by status.
pub async fn guard_local(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let config = gate.config();
    let peer = peer_of(&request);
    let audit = Audit::of(&config, &identity_of(&request), &peer, &request);
    if let Err(why) = browser::check_none(request.headers()) {
        audit.record("refused", &why.to_string());
        return refused_by_status("cross-site", &why.to_string());
    }
    match may_administer(&config, &peer, request.headers()) {
        Ok(()) => audit.follow(request, next).await,
        Err(denied) => {
            audit.record("refused", &denied.to_string());
            refused_by_status("unauthorized", &denied.to_string())
        }
    }
}

fn peer_of(request: &Request) -> Peer {
    request
        .extensions()
        .get::<Peer>()
        .cloned()
        .unwrap_or_default()
}

fn identity_of(request: &Request) -> Identity {
    request
        .extensions()
        .get::<Identity>()
        .cloned()
        .unwrap_or_default()
}

/// HEAD promises to change nothing.
fn no_head() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, POST")]).into_response()
}

fn turned_away(rejected: Rejected) -> Response {
    let mut response = (StatusCode::UNAUTHORIZED, format!("{rejected}\n")).into_response();
    if rejected == Rejected::Password {
        let realm = HeaderValue::from_static("Basic realm=\"Authorization Required\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, realm);
    }
    response
}

/// The predecessor answers 500 with its envelope, and clients look at nothing else.
fn unauthorized(audit: &Audit, why: &str) -> Response {
    audit.record("refused", why);
    refused(StatusCode::INTERNAL_SERVER_ERROR, "unauthorized", why)
}

fn refused(status: StatusCode, kind: &'static str, message: &str) -> Response {
    let message = serde_json::Value::from(message);
    let body = format!(r#"{{"Code":"ERROR","Message":{message},"Details":null}}"#);
    answer(status, kind, body)
}

fn refused_by_status(kind: &'static str, message: &str) -> Response {
    let message = serde_json::Value::from(message);
    let body = format!(r#"{{"error":{{"kind":"{kind}","message":{message}}}}}"#);
    answer(StatusCode::FORBIDDEN, kind, body)
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=UTF-8"),
    );
    headers.insert(ERROR_HEADER, HeaderValue::from_static(kind));
    response
}

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use orchestrator_core::ports::BoxFuture;
use tokio::sync::watch;

use super::audit::Audit;
use super::authentication::check_certificate;
use super::authorization::{may_administer, may_change, may_claim};
use super::standing::{NotLetIn, peer_of};
use super::{AccessConfig, CrossSite, Peer, Rejected, Standing, Vouched};
use crate::api::steps::{Next, Step};
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

/// Guards against those who may not.
pub(in crate::api) enum Guard {
    /// Around every path, unknown ones included: certificate, identity, and the name a browser uses for us. A request that
    /// another node passed on is judged again here, by what that node vouches for.
    Everything(Gate),
    /// Around each changing route.
    Changes(Gate),
    /// Around each route that takes something handed out before. Whoever has it may open it as a link, from anywhere.
    Claims(Gate),
    /// Around each route for the machine of the service itself. These routes are new with us: they answer by status.
    Local(Gate),
}

impl Step for Guard {
    fn answer<'a>(&'a self, request: Request, next: Next<'a>) -> BoxFuture<'a, Response> {
        match self {
            Self::Everything(gate) => Box::pin(guard_everything(gate, request, next)),
            Self::Changes(gate) => Box::pin(guard_changes(gate, request, next)),
            Self::Claims(gate) => Box::pin(guard_claims(gate, request, next)),
            Self::Local(gate) => Box::pin(guard_local(gate, request, next)),
        }
    }
}

async fn guard_everything(gate: &Gate, mut request: Request, next: Next<'_>) -> Response {
    let config = gate.config();
    let standing = match let_in(&config, &request) {
        Ok(standing) => standing,
        Err(NotLetIn::Rejected(rejected)) => return turned_away(rejected),
        Err(NotLetIn::CrossSite(why)) => {
            return refused(StatusCode::FORBIDDEN, "cross-site", &why.to_string());
        }
    };
    request.extensions_mut().insert(Caller {
        user: standing.identity.user.clone(),
        address: standing.address(),
        through: standing.through.clone(),
    });
    request.extensions_mut().insert(standing);
    next.run(request).await
}

fn let_in(config: &AccessConfig, request: &Request) -> Result<Standing, NotLetIn> {
    let path = request.uri().path();
    let certified = |peer| check_certificate(config, peer, path).map_err(NotLetIn::Rejected);
    if let Some(vouched) = request.extensions().get::<Vouched>() {
        certified(&peer_of(vouched))?;
        return Standing::vouched(config, vouched);
    }
    let peer = request.extensions().get::<Peer>();
    let peer = peer.cloned().unwrap_or_default();
    certified(&peer)?;
    Standing::direct(config, &peer, request.method(), request.headers())
}

async fn guard_changes(gate: &Gate, request: Request, next: Next<'_>) -> Response {
    let Some(standing) = standing_of(&request) else {
        return no_standing();
    };
    if let Err(why) = standing.browser_may_change {
        return refused(StatusCode::FORBIDDEN, "cross-site", &why.to_string());
    }
    if request.method() == Method::HEAD {
        return no_head();
    }
    let config = gate.config();
    let audit = Audit::of(&config, &standing, &request);
    match may_change(&config, &standing) {
        Ok(()) => audit.follow(request, next).await,
        Err(denied) => unauthorized(&audit, &denied.to_string()),
    }
}

async fn guard_claims(gate: &Gate, request: Request, next: Next<'_>) -> Response {
    if request.method() == Method::HEAD {
        return no_head();
    }
    let Some(standing) = standing_of(&request) else {
        return no_standing();
    };
    let config = gate.config();
    let audit = Audit::of(&config, &standing, &request);
    match may_claim(&config) {
        Ok(()) => audit.follow(request, next).await,
        Err(denied) => unauthorized(&audit, &denied.to_string()),
    }
}

async fn guard_local(gate: &Gate, request: Request, next: Next<'_>) -> Response {
    let Some(standing) = standing_of(&request) else {
        return no_standing();
    };
    let config = gate.config();
    let audit = Audit::of(&config, &standing, &request);
    if standing.is_of_a_browser {
        let why = CrossSite::Browser.to_string();
        audit.record("refused", &why);
        return refused_by_status("cross-site", &why);
    }
    match may_administer(&config, &standing) {
        Ok(()) => audit.follow(request, next).await,
        Err(denied) => {
            audit.record("refused", &denied.to_string());
            refused_by_status("unauthorized", &denied.to_string())
        }
    }
}

fn standing_of(request: &Request) -> Option<Standing> {
    request.extensions().get::<Standing>().cloned()
}

/// The layer around every path puts it there; a request without it is let through nowhere.
fn no_standing() -> Response {
    let text = "the caller of this request was not established; this is a fault of the service, please report it";
    refused(StatusCode::INTERNAL_SERVER_ERROR, "unauthorized", text)
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

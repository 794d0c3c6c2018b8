use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

use super::authentication::{Identity, check_certificate, identify};
use super::authorization::may_change;
use super::{AccessConfig, Peer, Rejected, browser};
use crate::api::Caller;

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
    let peer = request
        .extensions()
        .get::<Peer>()
        .cloned()
        .unwrap_or_default();
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
    let peer = request
        .extensions()
        .get::<Peer>()
        .cloned()
        .unwrap_or_default();
    if let Err(why) = browser::check(&config, &peer, request.method(), request.headers(), true) {
        return refused(StatusCode::FORBIDDEN, "cross-site", &why.to_string());
    }
    let identity = request
        .extensions()
        .get::<Identity>()
        .cloned()
        .unwrap_or_default();
    if let Err(denied) = may_change(&config, &peer, request.headers(), &identity) {
        // The predecessor answers 500 with its envelope, and clients look at nothing else.
        return refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            "unauthorized",
            &denied.to_string(),
        );
    }
    next.run(request).await
}

fn turned_away(rejected: Rejected) -> Response {
    let mut response = (StatusCode::UNAUTHORIZED, format!("{rejected}\n")).into_response();
    if rejected == Rejected::Password {
        let realm = HeaderValue::from_static("Basic realm=\"Authorization Required\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, realm);
    }
    response
}

fn refused(status: StatusCode, kind: &'static str, message: &str) -> Response {
    let message = serde_json::Value::from(message);
    let body = format!(r#"{{"Code":"ERROR","Message":{message},"Details":null}}"#);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=UTF-8"),
    );
    headers.insert("orchestrator-error", HeaderValue::from_static(kind));
    response
}

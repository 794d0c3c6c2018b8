use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use orchestrator_core::domain::InstanceKey;
use tokio::sync::watch;

use super::authentication::{Identity, check_certificate, identify};
use super::authorization::may_change;
use super::{AccessConfig, AuditEntry, AuditSink, Peer, Rejected, browser};
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
    // HEAD promises to change nothing.
    if request.method() == Method::HEAD {
        return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    }
    let identity = request
        .extensions()
        .get::<Identity>()
        .cloned()
        .unwrap_or_default();
    let audit = Audit::of(&config, &identity, &peer, &request);
    if let Err(denied) = may_change(&config, &peer, request.headers(), &identity) {
        let why = denied.to_string();
        audit.record("refused", &why);
        // The predecessor answers 500 with its envelope, and clients look at nothing else.
        return refused(StatusCode::INTERNAL_SERVER_ERROR, "unauthorized", &why);
    }
    let response = next.run(request).await;
    let outcome = if response.status().is_success() {
        "done"
    } else {
        "failed"
    };
    audit.record(outcome, "");
    response
}

/// What the audit says of a request to change something: who, whence, what, and its outcome.
struct Audit {
    who: String,
    whence: String,
    path: String,
    sink: Option<Arc<dyn AuditSink>>,
}

impl Audit {
    fn of(config: &AccessConfig, identity: &Identity, peer: &Peer, request: &Request) -> Self {
        let whence = peer
            .ip()
            .map_or_else(|| "unix socket".to_owned(), |ip| ip.to_string());
        // Everything here comes from outside; control bytes must not forge lines.
        let (who, path) = (
            identity.user.escape_debug(),
            request.uri().path().escape_debug(),
        );
        Self {
            who: who.to_string(),
            whence,
            path: path.to_string(),
            sink: config.audit.clone(),
        }
    }

    fn record(&self, outcome: &'static str, why: &str) {
        let Self {
            who,
            whence,
            path,
            sink,
        } = self;
        tracing::info!(target: "orchestrator::audit", who, whence, path, outcome, why, "change requested");
        let Some(sink) = sink else { return };
        let below = path
            .rsplit_once("/api/")
            .map_or(path.as_str(), |(_, below)| below);
        let mut segments = below.trim_start_matches("v2/").split('/');
        let what = segments.next().unwrap_or_default().to_owned();
        let about = InstanceKey::from_parts(
            segments.next().unwrap_or_default(),
            segments.next().unwrap_or_default(),
        );
        let (host, port) = about.map_or_else(
            |_| Default::default(),
            |key| (key.host().to_string(), key.port().to_string()),
        );
        let who = if who.is_empty() { "nobody" } else { who };
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        sink.record(AuditEntry {
            what,
            host,
            port,
            message: format!("{who} from {whence} asked for {path}: {outcome}{why}"),
        });
    }
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

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use orchestrator_core::domain::InstanceKey;

use super::{AccessConfig, AuditEntry, AuditSink, Standing};
use crate::api::ERROR_HEADER;
use crate::api::steps::Next;

/// Longest part of `X-Forwarded-For` that is recorded: twenty addresses.
const FORWARDED_FOR_CHARS: usize = 1_000;

/// What the audit says of a request to change something: who, whence, what, and its outcome.
pub(super) struct Audit {
    who: String,
    whence: String,
    path: String,
    sink: Option<Arc<dyn AuditSink>>,
}

impl Audit {
    pub(super) fn of(config: &AccessConfig, standing: &Standing, request: &Request) -> Self {
        let whence = whence(standing, request);
        // Everything here comes from outside; control bytes must not forge lines. The query is left out: it may hold what
        // is not for a log.
        let (who, path) = (
            standing.identity.user.escape_debug(),
            request.uri().path().escape_debug(),
        );
        Self {
            who: who.to_string(),
            whence,
            path: path.to_string(),
            sink: config.audit.clone(),
        }
    }

    /// Lets the request through, and records what comes of it.
    pub(super) async fn follow(self, request: Request, next: Next<'_>) -> Response {
        let response = next.run(request).await;
        let (status, headers) = (response.status(), response.headers());
        let is_done = status.is_success() || status.is_redirection();
        // Some refusals have status 200, as in the predecessor.
        let outcome = match is_done && !headers.contains_key(ERROR_HEADER) {
            true => "done",
            false => "failed",
        };
        self.record(outcome, "");
        response
    }

    /// Writes a line to the log, and to the audit file where there is one.
    pub(super) fn record(&self, outcome: &'static str, why: &str) {
        let Self {
            who,
            whence,
            path,
            sink,
        } = self;
        tracing::info!(target: "orchestrator::audit", who, whence, path, outcome, why, "change requested");
        if let Some(sink) = sink {
            sink.record(self.entry(outcome, why));
        }
    }

    fn entry(&self, outcome: &str, why: &str) -> AuditEntry {
        let Self {
            who, whence, path, ..
        } = self;
        let below = path
            .rsplit_once("/api/")
            .map_or(path.as_str(), |(_, below)| below);
        let mut segments = below.trim_start_matches("v2/").split('/');
        let mut next = || segments.next().unwrap_or_default();
        let (what, host, port) = (next().to_owned(), next(), next());
        // Not every path is about an instance; a cluster's name is no host and port.
        let about = InstanceKey::from_parts(host, port);
        let (host, port) = about.map_or_else(
            |_| Default::default(),
            |key| (key.host().to_string(), key.port().to_string()),
        );
        let who = if who.is_empty() { "nobody" } else { who };
        let reason = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        let message = format!("{who} from {whence} asked for {path}: {outcome}{reason}");
        AuditEntry {
            what,
            host,
            port,
            message,
        }
    }
}

/// Address of the caller; for whom it says to ask, which only a proxy knows and anybody may invent; and the node that it
/// asked.
fn whence(standing: &Standing, request: &Request) -> String {
    let mut whence = standing
        .address()
        .map_or_else(|| "unix socket".to_owned(), |ip| ip.to_string());
    let forwarded = request.headers().get("x-forwarded-for");
    if let Some(text) = forwarded.and_then(|value| value.to_str().ok()) {
        let text: String = text.chars().take(FORWARDED_FOR_CHARS).collect();
        whence += &format!(" (X-Forwarded-For: {})", text.escape_debug());
    }
    if let Some(node) = &standing.through {
        whence += &format!(" through {}", node.escape_debug());
    }
    whence
}

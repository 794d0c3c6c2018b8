//! What is answered while the node waits for its store, and nothing else can be.

use axum::Router;
use axum::http::Uri;
use axum::response::Response;
use tokio::sync::watch;

use super::error::ErrorKind;
use super::{envelope, health};

/// Answers every request with what the node waits for; who asks for the leader, with the usual no.
pub fn waiting_router(reason: watch::Receiver<String>) -> Router {
    Router::new().fallback(move |uri: Uri| {
        let reason = reason.borrow().clone();
        async move { answer(&uri, &reason) }
    })
}

fn answer(uri: &Uri, reason: &str) -> Response {
    if let Some((_, asked)) = uri.path().split_once("leader-check") {
        let asked = asked.strip_prefix('/');
        return envelope::bare_with(health::refusal_status(asked), "Not leader");
    }
    let message = format!("This node is not healthy: it waits for its store: {reason}");
    envelope::error(ErrorKind::Unavailable, &message, &())
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn everything_is_unavailable_and_nobody_leads() {
        let status = |path: &str| answer(&path.parse().unwrap(), "it sleeps").status();
        for path in ["/api/health", "/api/raft-status", "/api/clusters", "/"] {
            assert_eq!(status(path), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        }
        assert_eq!(status("/api/leader-check"), StatusCode::NOT_FOUND);
        let asked = StatusCode::SERVICE_UNAVAILABLE;
        assert_eq!(status("/p/api/routed-leader-check/503"), asked);
    }
}

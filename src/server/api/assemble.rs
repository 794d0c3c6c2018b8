//! Puts the route table together with the layers around it. Nothing is reachable that is not in the table.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use super::access::{Gate, guard_changes, guard_claims, guard_everything, guard_local};
use super::group::{Relay, relay};
use super::once::once;
use super::serve::Limits;
use super::{Access, AppState, Route, STATUS_PATH};

/// How long a request waits for one of the places for ordinary requests before it is told that the node is busy.
const PLACE_PATIENCE: Duration = Duration::from_secs(5);

/// The longest an ordinary request is worked on. Longer than any probe (connect and read timeouts are 12 s by default) and
/// than the longest wait for a store; handlers that legitimately take longer have deadlines of their own.
const REQUEST_DEADLINE: Duration = Duration::from_secs(120);

/// Builds the router of `routes`. `gate` decides access; ordinary requests share `limits.requests` places, health requests
/// need none.
pub fn assemble(state: AppState, routes: Vec<Route>, gate: &Gate, limits: &Limits) -> Router {
    let config = state.config();
    let places = Arc::new(Semaphore::new(limits.requests));
    let mut router = Router::new();
    for route in routes {
        let path = match route.path {
            STATUS_PATH if config.status_endpoint != STATUS_PATH => config.status_endpoint.clone(),
            path => format!("{}{path}", config.url_prefix),
        };
        let body_bytes_max = usize::try_from(limits.body_bytes).unwrap_or(usize::MAX);
        let relaying = Relay::of(&route, &state, body_bytes_max);
        let mut handler = route.handler;
        if route.access == Access::Changes {
            handler = handler.layer(from_fn_with_state(state.clone(), once));
        }
        handler = handler.layer(from_fn_with_state(relaying, relay));
        if route.access != Access::Health {
            handler = handler.layer(from_fn_with_state(places.clone(), take_place));
        }
        handler = match route.access {
            Access::Health | Access::Reads => handler,
            Access::Changes => handler.layer(from_fn_with_state(gate.clone(), guard_changes)),
            Access::Claims => handler.layer(from_fn_with_state(gate.clone(), guard_claims)),
            Access::LocalOnly => handler.layer(from_fn_with_state(gate.clone(), guard_local)),
        };
        router = router.route(&path, handler);
    }
    router
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .layer(from_fn_with_state(gate.clone(), guard_everything))
        .layer(from_fn(record))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(CompressionLayer::new())
        .layer(SetResponseHeaderLayer::if_not_present(
            axum::http::header::X_CONTENT_TYPE_OPTIONS,
            axum::http::HeaderValue::from_static("nosniff"),
        ))
        .with_state(state)
}

/// Unknown paths, and methods a route does not have, are not there, as in the predecessor.
async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

async fn take_place(
    State(places): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Response {
    let place = tokio::time::timeout(PLACE_PATIENCE, places.acquire_owned()).await;
    let Ok(Ok(_place)) = place else {
        metrics::counter!("orchestrator_http_requests_refused_total").increment(1);
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests are being served; try again\n",
        )
            .into_response();
    };
    match tokio::time::timeout(REQUEST_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let text =
                "the request took too long; if it changes something, its outcome is unknown\n";
            (StatusCode::GATEWAY_TIMEOUT, text).into_response()
        }
    }
}

/// One debug line and the counters of each request. The query is left out: it may hold what is not for a log.
async fn record(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", |path| path.as_str())
        .to_owned();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let status = response.status();
    metrics::counter!("orchestrator_http_requests_total", "route" => route, "status" => status.as_str().to_owned()).increment(1);
    tracing::debug!(%method, path = %path.escape_debug(), status = status.as_u16(), "http request");
    response
}

fn panicked(cause: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    metrics::counter!("orchestrator_http_panics_total").increment(1);
    tracing::error!(
        text,
        "a request handler panicked: this is a bug of ours, please report it"
    );
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal error: this is a bug; the log of this node says more\n",
    )
        .into_response()
}

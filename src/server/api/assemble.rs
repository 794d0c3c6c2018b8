//! Puts the route table together with the layers around it. Nothing is reachable that is not in the table.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use orchestrator_core::ports::BoxFuture;
use tokio::sync::Semaphore;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use super::access::{Gate, Guard};
use super::group::Relay;
use super::once::Once;
use super::serve::Limits;
use super::steps::{Next, Step, Steps};
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
        let steps = steps(&state, &route, gate, limits, &places);
        let handler = route.handler.layer(from_fn_with_state(steps, through));
        router = router.route(&path, handler);
    }
    let everywhere: Vec<Box<dyn Step>> =
        vec![Box::new(Record), Box::new(Guard::Everything(gate.clone()))];
    let around_all = ServiceBuilder::new()
        .layer(SetResponseHeaderLayer::if_not_present(
            axum::http::header::X_CONTENT_TYPE_OPTIONS,
            axum::http::HeaderValue::from_static("nosniff"),
        ))
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Steps::new(everywhere), through));
    router
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .layer(around_all)
        .with_state(state)
}

/// The steps of one route, inside of those of all.
fn steps(
    state: &AppState,
    route: &Route,
    gate: &Gate,
    limits: &Limits,
    places: &Arc<Semaphore>,
) -> Steps {
    let mut steps: Vec<Box<dyn Step>> = Vec::new();
    match route.access {
        Access::Health | Access::Reads => {}
        Access::Changes => steps.push(Box::new(Guard::Changes(gate.clone()))),
        Access::Claims => steps.push(Box::new(Guard::Claims(gate.clone()))),
        Access::LocalOnly => steps.push(Box::new(Guard::Local(gate.clone()))),
    }
    if route.access != Access::Health {
        steps.push(Box::new(Places(places.clone())));
    }
    let body_bytes_max = usize::try_from(limits.body_bytes).unwrap_or(usize::MAX);
    steps.push(Box::new(Relay::of(route, state, body_bytes_max)));
    if route.access == Access::Changes {
        steps.push(Box::new(Once(state.clone())));
    }
    Steps::new(steps)
}

/// The one layer around a handler.
async fn through(State(steps): State<Steps>, request: Request, next: middleware::Next) -> Response {
    steps.run(request, next).await
}

/// Unknown paths, and methods a route does not have, are not there, as in the predecessor.
async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

/// The places for ordinary requests.
struct Places(Arc<Semaphore>);

impl Step for Places {
    fn answer<'a>(&'a self, request: Request, next: Next<'a>) -> BoxFuture<'a, Response> {
        Box::pin(take_place(&self.0, request, next))
    }
}

async fn take_place(places: &Semaphore, request: Request, next: Next<'_>) -> Response {
    let place = tokio::time::timeout(PLACE_PATIENCE, places.acquire()).await;
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
struct Record;

impl Step for Record {
    fn answer<'a>(&'a self, request: Request, next: Next<'a>) -> BoxFuture<'a, Response> {
        Box::pin(record(request, next))
    }
}

async fn record(request: Request, next: Next<'_>) -> Response {
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

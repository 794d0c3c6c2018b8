//! How this node is, for load balancers, monitors and clients that look for the leader.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::dto::{GroupHealth, HealthStatusDto};
use super::error::ErrorKind;
use super::input::Params;
use super::{AppState, envelope};

/// `health` and `status`.
pub async fn health(State(state): State<AppState>) -> Response {
    let report = state.health.report();
    let config = state.config();
    let group = state.group.as_deref().map(GroupHealth::of);
    let status = HealthStatusDto::of(&report, &config, group.as_ref());
    if report.is_healthy {
        return envelope::ok("This node is healthy", &status);
    }
    let why = report.error.as_deref().unwrap_or("no reason was given");
    envelope::error(
        ErrorKind::Unavailable,
        &format!("This node is not healthy: {why}"),
        &status,
    )
}

/// `lb-check` and `_ping`: this process answers.
pub async fn lb_check() -> Response {
    envelope::bare("OK")
}

/// `leader-check`: 200 when this node leads, else 404 or the status asked for.
pub async fn leader_check(State(state): State<AppState>, params: Params) -> Response {
    let is_leader = match &state.group {
        Some(group) => group.is_serving_leader(),
        None => state.health.report().is_leader,
    };
    if is_leader {
        return envelope::bare("OK");
    }
    envelope::bare_with(refusal_status(params.find("errorStatusCode")), "Not leader")
}

/// What cannot be the status of an answer leaves the usual one.
pub(super) fn refusal_status(asked: Option<&str>) -> StatusCode {
    asked
        .and_then(|text| text.parse::<u16>().ok())
        .filter(|code| (200..=599).contains(code))
        .and_then(|code| StatusCode::from_u16(code).ok())
        .unwrap_or(StatusCode::NOT_FOUND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_asked_for_is_taken_when_it_is_one() {
        for (asked, status) in [
            (None, 404),
            (Some("503"), 503),
            (Some("200"), 200),
            (Some("0"), 404),
            (Some("100"), 404),
            (Some("999"), 404),
            (Some("x"), 404),
            (Some("-1"), 404),
        ] {
            assert_eq!(refusal_status(asked).as_u16(), status, "{asked:?}");
        }
    }
}

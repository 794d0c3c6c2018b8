//! A cluster as text.

use axum::extract::State;
use axum::response::Response;
use orchestrator_core::topology::{Layout, Line, draw};

use super::input::Params;
use super::{ApiError, AppState, envelope};

/// `topology/{hint}` and `topology/{host}/{port}`.
pub async fn bracketed(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    text(&state, &params, Layout::Bracketed)
}

/// `topology-tabulated/{hint}` and `topology-tabulated/{host}/{port}`.
pub async fn tabulated(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    text(&state, &params, Layout::Tabulated)
}

fn text(state: &AppState, params: &Params, layout: Layout) -> Result<Response, ApiError> {
    let view = state.view();
    let cluster = view.cluster_by_hint(&params.hint())?;
    let moment = view.at(state.clock.now());
    let members = view.members(cluster);
    let lines: Vec<Line<'_>> = members.map(|entry| moment.line(entry)).collect();
    let message = format!("Topology of cluster {}", cluster.name);
    Ok(envelope::ok(&message, &draw(&lines, layout)))
}

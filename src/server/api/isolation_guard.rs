//! What the guard of a cut-off data centre does.

use axum::extract::State;
use axum::response::Response;
use orchestrator_core::ports::GuardReport;

use super::dto::IsolationGuardDto;
use super::{AppState, envelope};

/// `v2/isolation-guard`, of this node.
pub async fn report(State(state): State<AppState>) -> Response {
    let guarding = state.guarding.as_ref();
    let report = guarding.map_or_else(|| GuardReport::default().into(), |it| it.report());
    envelope::bare(&IsolationGuardDto::new(&report))
}

//! Instances: one, all, those below another, those with problems.

use axum::extract::State;
use axum::response::Response;

use super::change::instance_argument;
use super::dto::{InstanceDto, InstanceList, Source};
use super::input::Params;
use super::json::Rendered;
use super::view::LookupError;
use super::{ApiError, AppState, envelope};

/// `instance/{host}/{port}`.
pub async fn instance(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let view = state.view();
    let key = instance_argument(&state, &view, &params).await?;
    let entry = view
        .entry(&key)
        .ok_or(LookupError::UnknownInstance { key })?;
    let moment = view.at(state.clock.now());
    Ok(envelope::rendered(Rendered::of(&InstanceDto::new(
        moment,
        entry,
        Source::Known,
    ))))
}

/// `all-instances`.
pub async fn all_instances(State(state): State<AppState>) -> Response {
    let view = state.view();
    let moment = view.at(state.clock.now());
    envelope::rendered(InstanceList::new(moment, view.by_depth()).render())
}

/// `instance-replicas/{host}/{port}`.
pub async fn instance_replicas(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    let view = state.view();
    let key = instance_argument(&state, &view, &params).await?;
    let moment = view.at(state.clock.now());
    let replicas = view.replicas_of(&key).collect();
    Ok(envelope::rendered(
        InstanceList::new(moment, replicas).render(),
    ))
}

/// `problems` and `problems/{clusterName}`; the name is compared literally.
pub async fn problems(State(state): State<AppState>, params: Params) -> Response {
    let view = state.view();
    let moment = view.at(state.clock.now());
    let entries = moment.with_problems(params.find("clusterName"));
    envelope::rendered(InstanceList::new(moment, entries).render_or_null())
}

//! Clusters: names, summaries, members, primaries, control replicas.

use axum::extract::State;
use axum::response::Response;
use orchestrator_core::topology::Cluster;

use super::change::instance_argument;
use super::dto::{ClusterInfoDto, InstanceDto, InstanceList, NullWhenEmpty, Source};
use super::input::Params;
use super::json::Rendered;
use super::view::View;
use super::{ApiError, AppState, envelope};

/// `clusters`.
pub async fn clusters(State(state): State<AppState>) -> Response {
    let view = state.view();
    let names = view.clusters().map(|cluster| &*cluster.name).collect();
    envelope::bare(&NullWhenEmpty::<&str>(names))
}

/// `clusters-info`.
pub async fn clusters_info(State(state): State<AppState>) -> Response {
    let view = state.view();
    let config = state.config();
    let all = view.clusters();
    let all = all.map(|cluster| ClusterInfoDto::of(&view, cluster, &config));
    envelope::bare(&all.collect::<Vec<_>>())
}

/// `cluster/{hint}`.
pub async fn cluster(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let view = state.view();
    let cluster = view.cluster_by_hint(&params.hint())?;
    Ok(members(&state, &view, cluster))
}

/// `cluster/alias/{alias}`.
pub async fn cluster_by_alias(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    let view = state.view();
    let cluster = view.cluster_by_alias(params.get("alias"))?;
    Ok(members(&state, &view, cluster))
}

/// `cluster/instance/{host}/{port}`.
pub async fn cluster_by_instance(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    let view = state.view();
    let key = instance_argument(&state, &view, &params).await?;
    let cluster = view.cluster_by_instance(&key)?;
    Ok(members(&state, &view, cluster))
}

fn members(state: &AppState, view: &View, cluster: &Cluster) -> Response {
    let moment = view.at(state.clock.now());
    envelope::rendered(InstanceList::new(moment, view.members(cluster).collect()).render())
}

/// `cluster-info/{hint}`.
pub async fn cluster_info(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    let view = state.view();
    let cluster = view.cluster_by_hint(&params.hint())?;
    let info = ClusterInfoDto::of(&view, cluster, &state.config());
    Ok(envelope::bare(&info))
}

/// `cluster-info/alias/{alias}`.
pub async fn cluster_info_by_alias(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    let view = state.view();
    let cluster = view.cluster_by_alias(params.get("alias"))?;
    let info = ClusterInfoDto::of(&view, cluster, &state.config());
    Ok(envelope::bare(&info))
}

/// `masters`.
pub async fn primaries(State(state): State<AppState>) -> Response {
    let view = state.view();
    let moment = view.at(state.clock.now());
    envelope::rendered(InstanceList::new(moment, view.writable_primaries()).render_or_null())
}

/// `master/{hint}`.
pub async fn primary(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let view = state.view();
    let cluster = view.cluster_by_hint(&params.hint())?;
    let moment = view.at(state.clock.now());
    let primary = view.primary(cluster)?;
    Ok(envelope::rendered(Rendered::of(&InstanceDto::new(
        moment,
        primary,
        Source::Known,
    ))))
}

/// `cluster-osc-replicas/{hint}`.
pub async fn control_replicas(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    let view = state.view();
    let cluster = view.cluster_by_hint(&params.hint())?;
    let moment = view.at(state.clock.now());
    let replicas = view.control_replicas(cluster);
    Ok(envelope::rendered(
        InstanceList::new(moment, replicas).render(),
    ))
}

//! What is wrong now, and what is done about it.

use axum::extract::State;
use axum::response::Response;

use super::change::instance_argument;
use super::doing::{Doing, Doings};
use super::dto::{AnalysisDto, ChangelogDto, Findings, NullWhenEmpty, Process};
use super::input::Params;
use super::view::{Examined, Found};
use super::{ApiConfig, ApiError, AppState, V2Error, envelope};

/// `replication-analysis`.
pub async fn all(State(state): State<AppState>) -> Response {
    analysis(&state, &state.examined(), |_| true)
}

/// `replication-analysis/{hint}`.
pub async fn of_cluster(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    let examined = state.examined();
    let cluster = examined.view.cluster_by_hint(&params.hint())?.name.clone();
    Ok(analysis(&state, &examined, |found| {
        found.facts.cluster == cluster
    }))
}

/// `replication-analysis/instance/{host}/{port}`.
pub async fn of_instance(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    let key = instance_argument(&state, &state.view(), &params).await?;
    Ok(analysis(&state, &state.examined(), |found| {
        found.facts.key == key
    }))
}

/// `replication-analysis-changelog`.
pub async fn changelog(State(state): State<AppState>) -> Response {
    let all = state.recoveries.as_ref().map(|loops| loops.code_changes());
    let all = all.unwrap_or_default();
    envelope::bare(&NullWhenEmpty(all.iter().map(ChangelogDto::from).collect()))
}

fn analysis(state: &AppState, examined: &Examined, is_meant: impl Fn(&Found) -> bool) -> Response {
    let config = state.config();
    let token = state.health.report().token;
    let process = process_of(&config, &token);
    let doings = doings(state, examined, is_meant);
    let entries = doings
        .iter()
        .map(|(found, doing)| AnalysisDto::of(examined, found, doing, &config, process));
    envelope::ok("Analysis", &entries.collect::<Vec<_>>())
}

/// This process, as entries name it.
pub(super) fn process_of<'a>(config: &'a ApiConfig, token: &'a str) -> Process<'a> {
    Process {
        host: &config.node_name,
        token,
    }
}

/// What is wrong, each with what is done about it.
pub(super) fn doings<'a>(
    state: &AppState,
    examined: &'a Examined,
    is_meant: impl Fn(&Found) -> bool,
) -> Vec<(&'a Found, Doing)> {
    let doings = Doings::of(state, examined);
    let found = examined.found.iter().filter(|found| is_meant(found));
    found
        .filter_map(|found| Some((found, doings.about(found.foremost()?))))
        .collect()
}

/// `v2/why-not`: everything that is wrong, and why nothing is done about it.
pub async fn why_not(State(state): State<AppState>) -> Response {
    findings(&state, &state.examined(), None)
}

/// `v2/why-not/{hint}`: the same of one cluster.
pub async fn why_not_in(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, V2Error> {
    let examined = state.examined();
    let cluster = examined.view.cluster_by_hint(&params.hint())?.name.clone();
    Ok(findings(&state, &examined, Some(&cluster)))
}

fn findings(state: &AppState, examined: &Examined, cluster: Option<&str>) -> Response {
    let is_meant = |found: &Found| cluster.is_none_or(|cluster| *found.facts.cluster == *cluster);
    let doings = doings(state, examined, is_meant);
    envelope::bare(&Findings::new(examined, &doings, cluster))
}

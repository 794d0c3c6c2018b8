//! How probing goes, as this node does it: what is under way, what fails and why. New with us, so it uses statuses.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::ProbeState;

use super::dto::ProbeDto;
use super::input::Params;
use super::view::LookupError;
use super::{AppState, V2Error, envelope};

/// `v2/probes`: all instances, by host and port.
pub async fn all(State(state): State<AppState>) -> Response {
    let view = state.view();
    let probing = probing(&state);
    let now = state.clock.now();
    let probes = view.entries().iter();
    let probes = probes.map(|entry| ProbeDto::of(&entry.record, probing.get(entry.key()), now));
    envelope::bare(&probes.collect::<Vec<_>>())
}

/// `v2/probes/{host}/{port}`: one instance, under its exact name.
pub async fn one(State(state): State<AppState>, params: Params) -> Result<Response, V2Error> {
    let key = params.instance()?;
    let view = state.view();
    let entry = view
        .entry(&key)
        .ok_or_else(|| LookupError::UnknownInstance { key: key.clone() })?;
    let probing = probing(&state);
    let probe = ProbeDto::of(&entry.record, probing.get(&key), state.clock.now());
    Ok(envelope::bare(&probe))
}

fn probing(state: &AppState) -> BTreeMap<InstanceKey, ProbeState> {
    let states = state.discovery.probe_states().into_iter();
    states
        .map(|probing| (probing.key.clone(), probing))
        .collect()
}

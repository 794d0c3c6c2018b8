//! Making instances known, and forgetting them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use orchestrator_core::decided::Command;
use orchestrator_core::domain::{InstanceKey, InstanceRecord, Observation, Picture};

use super::change::{commit, instance_argument, new_instance_argument, probe, was_done};
use super::dto::{InstanceDto, KeyDto, Source};
use super::input::{Params, Requester};
use super::json::Rendered;
use super::view::{LookupError, View};
use super::{ApiError, AppState, envelope};

/// `discover/{host}/{port}`: probes here, then tells every node.
pub async fn discover(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
) -> Result<Response, ApiError> {
    let asked = new_instance_argument(&state, &params).await?;
    let seen = probe(&state, &asked).await?;
    let key = seen.key.clone();
    let command = Command::Discover { key: key.clone() };
    commit(&state, &requester, "discover", command).await?;
    Ok(discovered(&state, &key, seen))
}

fn discovered(state: &AppState, key: &InstanceKey, seen: Arc<Observation>) -> Response {
    let view = state.view();
    // It may have been forgotten since: then it stands for itself.
    let alone;
    let shown = match view.entry(key) {
        Some(_) => &*view,
        None => {
            alone = alone_in_the_picture(state, seen);
            &alone
        }
    };
    let message = format!("Discovered {key}");
    let moment = shown.at(state.clock.now());
    let instance = shown.entry(key).map_or_else(Rendered::null, |entry| {
        Rendered::of(&InstanceDto::new(moment, entry, Source::Probe))
    });
    envelope::ok_rendered(&message, instance)
}

fn alone_in_the_picture(state: &AppState, seen: Arc<Observation>) -> View {
    let at = seen.observed_at;
    let record = InstanceRecord {
        last_checked_at: Some(at),
        last_seen_at: Some(at),
        ..InstanceRecord::heard_of(seen.key.clone(), at)
    };
    let record = InstanceRecord {
        observation: Some(seen),
        ..record
    };
    let picture: Picture = std::iter::once(record).collect();
    View::build(
        None,
        Arc::new(picture),
        state.decisions.decided(),
        state.config(),
    )
}

/// `async-discover/{host}/{port}`: the same in the background.
pub async fn discover_soon(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
) -> Result<Response, ApiError> {
    let key = new_instance_argument(&state, &params).await?;
    let queued = state.discovery.discover_soon(key.clone());
    queued.map_err(|source| ApiError::Discover {
        key: key.clone(),
        source,
    })?;
    let message = format!("{key} will be discovered");
    commit(&state, &requester, "discover", Command::Discover { key }).await?;
    Ok(envelope::ok(&message, &()))
}

/// `refresh/{host}/{port}`: probes now.
pub async fn refresh(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let key = instance_argument(&state, &state.view(), &params).await?;
    let seen = probe(&state, &key).await?;
    let message = format!("Refreshed {}", seen.key);
    Ok(envelope::ok(&message, &KeyDto::from(&seen.key)))
}

/// `forget/{host}/{port}`. The host is not resolved: it may be forgotten because its name is wrong.
pub async fn forget(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
) -> Result<Response, ApiError> {
    let written = params.instance()?;
    let view = state.view();
    let key = match view.figure(&written) {
        Some(entry) => entry.key().clone(),
        // Asked again, perhaps of another node than before: it is not known any more, because it was forgotten.
        None if was_done(&state, &requester, "forget") => written,
        None => return Err(LookupError::UnknownInstance { key: written }.into()),
    };
    let command = Command::Forget { key: key.clone() };
    commit(&state, &requester, "forget", command).await?;
    Ok(envelope::ok(&format!("Forgot {key}"), &KeyDto::from(&key)))
}

/// Names the proposal with which `forget-cluster` is complete.
const LAST_OF_CLUSTER: &str = "last";

/// `forget-cluster/{hint}`: forgets each member, the head last, so that the hint goes on naming the cluster until then.
/// When it ends early it says how far it came; asking again goes on.
pub async fn forget_cluster(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
) -> Result<Response, ApiError> {
    let view = state.view();
    if was_done(&state, &requester, LAST_OF_CLUSTER) {
        let message = format!("Forgot the cluster {}", params.hint());
        return Ok(envelope::ok(&message, &()));
    }
    let cluster = view.cluster_by_hint(&params.hint())?;
    let mut members: Vec<&InstanceKey> = cluster.members.iter().collect();
    members.sort_by_key(|key| **key == cluster.head);
    let total = members.len();
    for (done, key) in members.into_iter().enumerate() {
        let part = match done + 1 == total {
            true => LAST_OF_CLUSTER.to_owned(),
            false => key.to_string(),
        };
        let command = Command::Forget { key: key.clone() };
        match commit(&state, &requester, &part, command).await {
            Err(ApiError::Propose(source)) if done > 0 => {
                return Err(ApiError::PartlyForgotten {
                    done,
                    total,
                    source,
                });
            }
            outcome => outcome?,
        }
    }
    let message = format!("Forgot the {total} instances of cluster {}", cluster.name);
    Ok(envelope::ok(&message, &()))
}

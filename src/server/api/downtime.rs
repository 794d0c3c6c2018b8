//! Downtimes: agreed times during which nothing is done about an instance.

use axum::extract::State;
use axum::response::Response;
use orchestrator_core::decided::Command;
use orchestrator_core::domain::InstanceKey;

use super::change::{commit, instance_argument};
use super::dto::{InstanceList, KeyDto, Rfc3339};
use super::input::{Params, Requester, downtime_length, owner, reason};
use super::{ApiError, AppState, envelope};

/// `begin-downtime/{host}/{port}/{owner}/{reason}[/{duration}]`; without a duration for the configured time.
pub async fn begin(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
) -> Result<Response, ApiError> {
    let key = instance_argument(&state, &state.view(), &params).await?;
    let details = KeyDto::from(&key);
    Ok(match begin_for(&state, &requester, &params, &key).await {
        Ok(message) => envelope::ok(&message, &details),
        Err(error) => error.with_details(&details),
    })
}

async fn begin_for(
    state: &AppState,
    requester: &Requester,
    params: &Params,
    key: &InstanceKey,
) -> Result<String, ApiError> {
    let length = match params.find("duration") {
        Some(text) => downtime_length(text)?,
        None => state.config().default_downtime,
    };
    let ends_at = state.clock.now().plus(length);
    let command = Command::BeginDowntime {
        key: key.clone(),
        owner: owner(params.get("owner"))?,
        reason: reason(params.get("reason"))?,
        ends_at,
    };
    commit(state, requester, "begin-downtime", command).await?;
    // Of a request that was made before, the end that was decided then.
    let decided = state.decisions.decided();
    let ends_at = decided
        .downtimes
        .get(key)
        .map_or(ends_at, |downtime| downtime.ends_at);
    Ok(format!("{key} is downtimed until {}", Rfc3339(ends_at)))
}

/// `end-downtime/{host}/{port}`; fine also when there is none.
pub async fn end(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
) -> Result<Response, ApiError> {
    let key = instance_argument(&state, &state.view(), &params).await?;
    let command = Command::EndDowntime { key: key.clone() };
    commit(&state, &requester, "end-downtime", command).await?;
    Ok(envelope::ok(
        &format!("{key} is not downtimed"),
        &KeyDto::from(&key),
    ))
}

/// `downtimed` and `downtimed/{hint}`.
pub async fn downtimed(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    let view = state.view();
    let cluster = match params.find("hint") {
        Some(hint) => Some(view.cluster_by_hint(hint)?),
        None => None,
    };
    let moment = view.at(state.clock.now());
    let entries = moment.downtimed(cluster);
    Ok(envelope::rendered(
        InstanceList::new(moment, entries).render(),
    ))
}

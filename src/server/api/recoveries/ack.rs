use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use orchestrator_core::decided::{Acknowledged, Command};
use serde::Serialize;

use super::Name;
use crate::api::change::{commit, instance_argument};
use crate::api::dto::KeyDto;
use crate::api::input::{Params, Requester, comment, query_value};
use crate::api::{ApiError, AppState, envelope};

/// The cluster whose recoveries are meant; one without a name of its own has no alias.
struct Which {
    name: String,
    alias: String,
}

/// `ack-recovery/cluster/{hint}`.
///
/// # Errors
/// When no cluster and no recovery is known by that hint, there is no comment, or it could not be decided.
pub async fn ack_cluster(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
    uri: Uri,
) -> Result<Response, ApiError> {
    let hint = params.hint();
    let view = state.view();
    let which = match view.cluster_by_hint(&hint) {
        Ok(cluster) => Which {
            name: cluster.name.to_string(),
            alias: view.alias_of(cluster).to_owned(),
        },
        // A cluster of the past: a failover changes names, and servers are forgotten.
        Err(unknown) => former(&state, &hint).ok_or(unknown)?,
    };
    ack_of_cluster(&state, &requester, &uri, which).await
}

/// `ack-recovery/cluster/alias/{clusterAlias}`.
///
/// # Errors
/// When no cluster and no recovery has that alias, there is no comment, or it could not be decided.
pub async fn ack_cluster_by_alias(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
    uri: Uri,
) -> Result<Response, ApiError> {
    let alias = params.get("clusterAlias");
    let view = state.view();
    let which = match view.cluster_by_alias(alias) {
        Ok(cluster) => Which {
            name: cluster.name.to_string(),
            alias: alias.to_owned(),
        },
        Err(unknown) => former(&state, alias).ok_or(unknown)?,
    };
    ack_of_cluster(&state, &requester, &uri, which).await
}

/// The cluster of the latest recovery that had this name or alias for it.
fn former(state: &AppState, text: &str) -> Option<Which> {
    let decided = state.decisions.decided();
    let all = decided.recoveries.values();
    let of_it =
        all.filter(|one| !text.is_empty() && (one.cluster == text || one.cluster_alias == text));
    let latest = of_it.max_by_key(|one| one.number)?;
    Some(Which {
        name: latest.cluster.clone(),
        alias: if latest.cluster_alias == text {
            text.to_owned()
        } else {
            String::new()
        },
    })
}

async fn ack_of_cluster(
    state: &AppState,
    requester: &Requester,
    uri: &Uri,
    Which { name, alias }: Which,
) -> Result<Response, ApiError> {
    let details = name.clone();
    let which = Acknowledged::Cluster { name, alias };
    let what = "cluster recoveries";
    acknowledge(state, requester, uri, which, what, &details).await
}

/// `ack-recovery/instance/{host}/{port}`: those of a failed instance.
///
/// # Errors
/// When it is no instance, there is no comment, or it could not be decided.
pub async fn ack_instance(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
    uri: Uri,
) -> Result<Response, ApiError> {
    let key = instance_argument(&state, &state.view(), &params).await?;
    let details = KeyDto::from(&key);
    let which = Acknowledged::Instance(key.clone());
    let what = "instance recoveries";
    acknowledge(&state, &requester, &uri, which, what, &details).await
}

/// `ack-recovery/{recoveryId}`.
///
/// # Errors
/// When there is no such recovery, there is no comment, or it could not be decided.
pub async fn ack_number(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
    uri: Uri,
) -> Result<Response, ApiError> {
    ack_one(&state, &requester, params.get("recoveryId"), &uri).await
}

/// `ack-recovery/uid/{uid}`.
///
/// # Errors
/// When there is no such recovery, there is no comment, or it could not be decided.
pub async fn ack_uid(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
    uri: Uri,
) -> Result<Response, ApiError> {
    ack_one(&state, &requester, params.get("uid"), &uri).await
}

async fn ack_one(
    state: &AppState,
    requester: &Requester,
    text: &str,
    uri: &Uri,
) -> Result<Response, ApiError> {
    let name = Name::parse(text)?;
    if name.find(&state.decisions.decided()).is_none() {
        return Err(ApiError::NoRecovery {
            name: text.to_owned(),
        });
    }
    let which = match name {
        Name::Number(number) => Acknowledged::Number(number),
        Name::Uid(id) => Acknowledged::Id(id),
    };
    acknowledge(state, requester, uri, which, "recovery", text).await
}

/// `ack-all-recoveries`.
///
/// # Errors
/// When there is no comment, or it could not be decided.
pub async fn ack_all(
    State(state): State<AppState>,
    requester: Requester,
    uri: Uri,
) -> Result<Response, ApiError> {
    let text = comment(&query_value(&uri, "comment")?.unwrap_or_default())?;
    let what = "all recoveries";
    acknowledge(&state, &requester, &uri, Acknowledged::All, what, &text).await
}

async fn acknowledge<T: Serialize + ?Sized>(
    state: &AppState,
    requester: &Requester,
    uri: &Uri,
    which: Acknowledged,
    what: &str,
    details: &T,
) -> Result<Response, ApiError> {
    let command = Command::AcknowledgeRecoveries {
        which,
        by: requester.caller.origin(&state.config().node_name).who,
        comment: comment(&query_value(uri, "comment")?.unwrap_or_default())?,
    };
    commit(state, requester, "acknowledge", command).await?;
    Ok(envelope::ok(&format!("Acknowledged {what}"), details))
}

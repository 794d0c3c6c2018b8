//! Aliases of clusters that operators set.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use orchestrator_core::decided::Command;
use orchestrator_core::domain::InstanceKey;

use super::change::{commit, was_done};
use super::input::{InputError, Params, Requester, alias, query_value};
use super::view::{LookupError, View};
use super::{ApiError, AppState, envelope};

/// Names the one command of the request.
const PART: &str = "set-cluster-alias";

/// `set-cluster-alias/{clusterName}?alias=…`.
///
/// # Errors
/// When the query has no alias, the name is no cluster's and none that a cluster could have, or another cluster has the alias.
pub async fn set(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
    uri: Uri,
) -> Result<Response, ApiError> {
    let alias = query_value(&uri, "alias")?.ok_or(InputError::Empty { what: "alias" })?;
    let alias = self::alias(&alias)?;
    let named = params.get("clusterName");
    let cluster = match name_of(&state.view(), named) {
        Ok(name) => name,
        // By the alias that it had until then.
        Err(_) if was_done(&state, &requester, PART) => named.to_owned(),
        Err(why) => return Err(why.into()),
    };
    let origin = requester.caller.origin(&state.config().node_name);
    let command = Command::SetClusterAlias {
        cluster: cluster.clone(),
        alias: alias.clone(),
        by: origin.who,
    };
    commit(&state, &requester, PART, command).await?;
    let message = match alias.as_str() {
        "" => format!("The cluster {cluster} has no alias that was set"),
        alias => format!("The cluster {cluster} has the alias '{alias}' now"),
    };
    Ok(envelope::ok(&message, &()))
}

/// Name of the cluster that is meant. One that is not there may be written out as `host:port`, to name it before it is found; parts of
/// hosts are never completed here, or a cluster that is not there yet would name another one.
fn name_of(view: &View, text: &str) -> Result<String, LookupError> {
    if let Some(cluster) = view.cluster_called(text) {
        return Ok(cluster.name.to_string());
    }
    let port = view.config().default_instance_port;
    let written_out = InstanceKey::parse(text, port).map(|key| key.to_string());
    match written_out {
        Ok(name) if name == text => Ok(name),
        _ => Err(LookupError::UnknownCluster {
            hint: text.to_owned(),
        }),
    }
}

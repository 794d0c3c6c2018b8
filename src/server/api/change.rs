//! The way from a handler to the command log, and from a name in a request to an instance.

use std::sync::Arc;

use orchestrator_core::decided::{Command, Proposal, Reply, new_request};
use orchestrator_core::domain::{InstanceKey, Observation};

use super::input::{Params, Requester};
use super::view::View;
use super::{ApiError, AppState};

/// Proposes one command for a request and waits until it is applied. `part` tells the commands of one request apart.
///
/// # Errors
/// [`ApiError::Propose`] when it was not decided or nobody knows, [`ApiError::Refused`] when it was decided with a no.
pub async fn commit(
    state: &AppState,
    requester: &Requester,
    part: &str,
    command: Command,
) -> Result<(), ApiError> {
    let now = state.clock.now();
    let proposal = Proposal {
        request: requester.request_id(part, || new_request(now, state.ids.unique())),
        proposed_at: now,
        origin: requester.caller.origin(&state.config().node_name),
        command,
    };
    match state.proposer.propose(proposal).await?.reply {
        Reply::Done | Reply::Unchanged | Reply::Acknowledged(_) | Reply::Imported { .. } => Ok(()),
        Reply::Refused(why) => Err(why.into()),
    }
}

/// Whether an earlier try of the same request, as its idempotency key names it, carried this part out.
pub fn was_done(state: &AppState, requester: &Requester, part: &str) -> bool {
    let id = requester.lasting_id(part);
    let earlier = id.and_then(|id| state.proposer.earlier(id));
    earlier.is_some_and(|earlier| matches!(earlier.reply, Reply::Done | Reply::Unchanged))
}

/// Probes an instance now and waits for the outcome.
///
/// # Errors
/// [`ApiError::Discover`] naming the instance.
pub async fn probe(state: &AppState, key: &InstanceKey) -> Result<Arc<Observation>, ApiError> {
    let probed = state.discovery.discover(key.clone()).await;
    probed.map_err(|source| ApiError::Discover {
        key: key.clone(),
        source,
    })
}

/// The instance that `{host}/{port}` names. One that is known by exactly this name is taken as it is; else the host is
/// resolved, and then completed when it is part of one known host only.
///
/// # Errors
/// [`ApiError::Key`] for a text that is no instance; [`ApiError::Resolve`] when nothing known fits and the name could not
/// be resolved.
pub async fn instance_argument(
    state: &AppState,
    view: &View,
    params: &Params,
) -> Result<InstanceKey, ApiError> {
    instance_written(state, view, params.instance()?).await
}

/// The same for an instance that is written elsewhere.
///
/// # Errors
/// [`ApiError::Resolve`] when nothing known fits and the name could not be resolved.
pub async fn instance_written(
    state: &AppState,
    view: &View,
    written: InstanceKey,
) -> Result<InstanceKey, ApiError> {
    if view.entry(&written).is_some() {
        return Ok(written);
    }
    match state.resolver.resolve(written.host().clone()).await {
        Ok(host) => {
            let resolved = written.with_host(host);
            Ok(completed(view, &resolved).unwrap_or(resolved))
        }
        // A name service that is down must not hide what is known.
        Err(error) => completed(view, &written).ok_or(error.into()),
    }
}

/// The instance that `{host}/{port}` names for discovering it: resolved, and never completed from known hosts, because a
/// new `db1` is not the `db10` that is known.
///
/// # Errors
/// [`ApiError::Key`] and [`ApiError::Resolve`].
pub async fn new_instance_argument(
    state: &AppState,
    params: &Params,
) -> Result<InstanceKey, ApiError> {
    let written = params.instance()?;
    let host = state.resolver.resolve(written.host().clone()).await?;
    Ok(written.with_host(host))
}

/// The one known instance that a key names.
pub fn completed(view: &View, key: &InstanceKey) -> Option<InstanceKey> {
    view.figure(key).map(|entry| entry.key().clone())
}

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use orchestrator_core::domain::{InstanceKey, Recovery, RecoveryOutcome};
use orchestrator_core::ports::{Insistence, RecoverError, RecoveryAnswer, RecoveryRequest};
use orchestrator_core::topology::Cluster;

use crate::api::analysis::process_of;
use crate::api::change::{instance_argument, instance_written};
use crate::api::doing::Doings;
use crate::api::dto::{AnalysisDto, CoordinatesDto, KeyDto, RecoveryDto};
use crate::api::error::ErrorKind;
use crate::api::input::{InputError, Params, Requester, query_value};
use crate::api::view::{LookupError, View};
use crate::api::{ApiError, AppState, envelope};

/// `recover/{host}/{port}`, also `/{candidateHost}/{candidatePort}`: recovers from the failure of an instance.
///
/// # Errors
/// When an argument cannot be understood. What came of the recovery is in the answer.
pub async fn recover(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
    uri: Uri,
) -> Result<Response, ApiError> {
    let skips_hooks = query_value(&uri, "skipProcesses")?.as_deref() == Some("true");
    recovered(&state, &requester, &params, skips_hooks).await
}

/// `recover-lite/…`: the same without hooks.
///
/// # Errors
/// When an argument cannot be understood. What came of the recovery is in the answer.
pub async fn recover_lite(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
) -> Result<Response, ApiError> {
    recovered(&state, &requester, &params, true).await
}

async fn recovered(
    state: &AppState,
    requester: &Requester,
    params: &Params,
    skips_hooks: bool,
) -> Result<Response, ApiError> {
    let view = state.view();
    let failed = instance_argument(state, &view, params).await?;
    let details = KeyDto::from(&failed);
    let candidate = match params.other_instance("candidateHost", "candidatePort") {
        Ok(None) => None,
        Ok(Some(written)) => match instance_written(state, &view, written).await {
            Ok(key) => Some(key),
            Err(error) => return Ok(error.with_details(&details)),
        },
        Err(error) => return Ok(ApiError::from(error).with_details(&details)),
    };
    let wanted = Wanted {
        failed: failed.clone(),
        candidate,
        insistence: Insistence::Asks,
        skips_hooks,
    };
    Ok(match ask(state, requester, wanted).await {
        Err(error) => envelope::error(kind_of(&error), &not_attempted(&error), &details),
        Ok(answer) => match &answer.successor {
            Some(promoted) if is_success(&answer) => envelope::ok(
                &format!("Recovery executed on {failed}"),
                &KeyDto::from(promoted),
            ),
            _ => {
                let message = format!(
                    "Recovery attempted but no instance promoted: {}",
                    why_failed(&answer)
                );
                envelope::error(kind_of_failure(&answer), &message, &details)
            }
        },
    })
}

/// `force-master-failover/{hint}` and `/{host}/{port}`: takes the primary of a cluster as dead and fails over.
///
/// # Errors
/// When no single primary can be made out.
pub async fn force_failover(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
) -> Result<Response, ApiError> {
    let view = state.view();
    let cluster = view.cluster_by_hint(&params.hint())?;
    let failed = primary_of(&view, cluster, |_| true)?;
    forced(&state, &requester, failed, None).await
}

/// `force-master-takeover/{hint}/{designatedHost}/{designatedPort}` and `/{host}/{port}/…`: the same, and promotes that
/// replica or nobody.
///
/// # Errors
/// When no single primary can be made out, or that server is no direct replica of it.
pub async fn force_takeover(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
) -> Result<Response, ApiError> {
    let view = state.view();
    let cluster = view.cluster_by_hint(&params.hint())?;
    let designated = params.other_instance("designatedHost", "designatedPort")?;
    let designated = designated.ok_or(InputError::Empty {
        what: "designated replica",
    })?;
    let designated = instance_written(&state, &view, designated).await?;
    if view.entry(&designated).is_none() {
        return Err(LookupError::UnknownInstance { key: designated }.into());
    }
    let failed = primary_of(&view, cluster, |is_read_only| !is_read_only)?;
    if !view
        .replicas_of(&failed)
        .any(|one| *one.key() == designated)
    {
        return Err(ApiError::NotADirectReplica {
            primary: failed,
            designated,
        });
    }
    forced(&state, &requester, failed, Some(designated)).await
}

/// The one primary of a cluster. Of a pair of co-primaries none is: somebody has to say which.
fn primary_of(
    view: &View,
    cluster: &Cluster,
    is_meant: impl Fn(bool) -> bool,
) -> Result<InstanceKey, ApiError> {
    let heads = view.heads(cluster);
    let heads: Vec<&InstanceKey> = heads
        .filter(|entry| is_meant(entry.seen.read_only))
        .map(|entry| entry.key())
        .collect();
    match heads[..] {
        [one] => Ok(one.clone()),
        _ => Err(ApiError::NoSinglePrimary {
            cluster: cluster.name.to_string(),
            found: heads.len(),
        }),
    }
}

async fn forced(
    state: &AppState,
    requester: &Requester,
    failed: InstanceKey,
    candidate: Option<InstanceKey>,
) -> Result<Response, ApiError> {
    // What is known of it before: afterwards it is another picture.
    let before = state.examined();
    let wanted = Wanted {
        failed: failed.clone(),
        candidate,
        insistence: Insistence::Orders,
        skips_hooks: false,
    };
    let answer = match ask(state, requester, wanted).await {
        Ok(answer) => answer,
        Err(error) => {
            return Ok(envelope::error(
                kind_of(&error),
                &not_attempted(&error),
                &(),
            ));
        }
    };
    let decided = state.decisions.decided();
    let Some(recovery) = decided.recoveries.get(&answer.id) else {
        return Err(ApiError::NoRecovery {
            name: answer.id.to_string(),
        });
    };
    let doings = Doings::of(state, &before);
    let found = before.of(&failed);
    let doing = found.and_then(|found| Some((found, doings.about(found.foremost()?))));
    let (config, token) = (state.config(), state.health.report().token);
    let process = process_of(&config, &token);
    let entry = doing
        .as_ref()
        .map(|(found, doing)| AnalysisDto::of(&before, found, doing, &config, process));
    Ok(told(state, &answer, recovery, entry))
}

/// The answer to who ordered a recovery.
fn told(
    state: &AppState,
    answer: &RecoveryAnswer,
    recovery: &Recovery,
    entry: Option<AnalysisDto<'_>>,
) -> Response {
    let (view, config) = (state.view(), state.config());
    let promoted = answer.successor.as_ref().and_then(|key| view.entry(key));
    let coordinates =
        promoted.map(|entry| CoordinatesDto::binary(entry.seen.binlog.position.as_ref()));
    let details = RecoveryDto::live(answer.id, recovery, entry, coordinates, &config);
    if is_success(answer) {
        return envelope::ok("Master failed over", &details);
    }
    let message = format!("Master not failed over: {}", why_failed(answer));
    envelope::error(kind_of_failure(answer), &message, &details)
}

struct Wanted {
    failed: InstanceKey,
    candidate: Option<InstanceKey>,
    insistence: Insistence,
    skips_hooks: bool,
}

async fn ask(
    state: &AppState,
    requester: &Requester,
    wanted: Wanted,
) -> Result<RecoveryAnswer, RecoverError> {
    let Some(recoveries) = &state.recoveries else {
        return Err(RecoverError::Refused {
            reason: "this node carries out no recoveries".to_owned(),
        });
    };
    let origin = requester.caller.origin(&state.config().node_name);
    let request = RecoveryRequest {
        failed: wanted.failed,
        candidate: wanted.candidate,
        insistence: wanted.insistence,
        skips_hooks: wanted.skips_hooks,
        who: origin.who,
        whence: origin.whence,
    };
    recoveries.recover(request).await
}

fn is_success(answer: &RecoveryAnswer) -> bool {
    answer.outcome == RecoveryOutcome::Succeeded && answer.successor.is_some()
}

fn why_failed(answer: &RecoveryAnswer) -> String {
    match (answer.errors.is_empty(), answer.outcome) {
        (false, _) => answer.errors.join("; "),
        (true, RecoveryOutcome::CalledOff) => {
            "called off, because the old primary answered before any server was touched".to_owned()
        }
        (true, _) => format!("recovery {} says more", answer.id),
    }
}

fn not_attempted(error: &RecoverError) -> String {
    match error {
        RecoverError::Unfinished { .. } => error.to_string(),
        _ => format!("Recovery not attempted: {error}"),
    }
}

fn kind_of(error: &RecoverError) -> ErrorKind {
    match error {
        RecoverError::NotLeader => ErrorKind::NotLeader,
        RecoverError::Refused { .. } => ErrorKind::Refused,
        RecoverError::Busy => ErrorKind::Busy,
        RecoverError::Unfinished { .. } => ErrorKind::UnknownOutcome,
        RecoverError::Stopping => ErrorKind::Unavailable,
    }
}

/// One that was called off touched nobody; one that failed may have.
fn kind_of_failure(answer: &RecoveryAnswer) -> ErrorKind {
    match answer.outcome {
        RecoveryOutcome::CalledOff => ErrorKind::Refused,
        RecoveryOutcome::Failed | RecoveryOutcome::Succeeded => ErrorKind::Partial,
    }
}

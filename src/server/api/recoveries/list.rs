use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use orchestrator_core::decided::Decided;
use orchestrator_core::domain::{Recovery, RecoveryId};
use orchestrator_core::legacy::codes::finding_code;

use super::Name;
use crate::api::analysis::doings;
use crate::api::change::instance_argument;
use crate::api::dto::{BlockedDto, KeyDto, NoteDto, RecoveryDto, Rfc3339, WholeRecoveryDto};
use crate::api::input::{Params, query_value};
use crate::api::{ApiError, AppState, V2Error, envelope};

/// Entries of a page.
const PAGE: usize = 20;

/// A recovery that ended within this time is "recently active".
const RECENTLY: Duration = Duration::from_secs(5 * 60);

/// `audit-failure-detection`, also `/{page}` and those of `/alias/{clusterAlias}`: newest first.
pub async fn detections(State(state): State<AppState>, params: Params) -> Response {
    let decided = state.decisions.decided();
    let alias = params.find("clusterAlias");
    let all = decided.detections.iter().rev();
    let meant = all.filter(|(_, known)| alias.is_none_or(|alias| known.cluster_alias == alias));
    let page = meant.skip(skipped(&params)).take(PAGE);
    let numbers: Vec<u64> = page.map(|(number, _)| *number).collect();
    detected(&state, &decided, &numbers)
}

/// `audit-failure-detection/id/{id}`.
///
/// # Errors
/// When it is no number.
pub async fn detection(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    let decided = state.decisions.decided();
    let number = match Name::parse(params.get("id"))? {
        Name::Number(number) => Some(number),
        Name::Uid(id) => {
            let mut all = decided.detections.iter();
            all.find(|(_, known)| known.recovery == id)
                .map(|(number, _)| *number)
        }
    };
    Ok(detected(&state, &decided, number.as_slice()))
}

fn detected(state: &AppState, decided: &Decided, numbers: &[u64]) -> Response {
    let (config, now) = (state.config(), state.clock.now());
    let mut answered: BTreeMap<u64, u64> = BTreeMap::new();
    for recovery in decided.recoveries.values() {
        let latest = answered.entry(recovery.detection).or_default();
        *latest = recovery.number.max(*latest);
    }
    let entries = numbers.iter().filter_map(|number| {
        let known = decided.detections.get(number)?;
        let recovery = answered.get(number).copied().unwrap_or(0);
        Some(RecoveryDto::detected(
            *number, known, recovery, &config, now,
        ))
    });
    envelope::bare(&entries.collect::<Vec<_>>())
}

/// `audit-recovery`, also `/{page}`, those of `/cluster/{clusterName}` and of `/alias/{clusterAlias}`: newest first. Names are
/// compared literally.
///
/// # Errors
/// When the query cannot be read.
pub async fn recoveries(
    State(state): State<AppState>,
    params: Params,
    uri: Uri,
) -> Result<Response, ApiError> {
    let open_only = query_value(&uri, "unacknowledged")?.as_deref() == Some("true");
    let (name, alias) = (params.find("clusterName"), params.find("clusterAlias"));
    let decided = state.decisions.decided();
    let meant = newest_first(&decided, |one| {
        name.is_none_or(|name| one.cluster == name)
            && alias.is_none_or(|alias| one.cluster_alias == alias)
            && !(open_only && one.acknowledgement.is_some())
    });
    let page = meant.into_iter().skip(skipped(&params)).take(PAGE);
    Ok(listed(&state, page))
}

/// `audit-recovery/id/{id}`: the one with this number, in a list.
///
/// # Errors
/// When it is neither a number nor a UID.
pub async fn recovery(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    named(&state, params.get("id"))
}

/// `audit-recovery/uid/{uid}`: the one with this UID, in a list.
///
/// # Errors
/// When it is neither a number nor a UID.
pub async fn recovery_by_uid(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    named(&state, params.get("uid"))
}

fn named(state: &AppState, text: &str) -> Result<Response, ApiError> {
    let decided = state.decisions.decided();
    let found = Name::parse(text)?.find(&decided);
    Ok(listed(state, found.into_iter()))
}

/// `active-cluster-recovery/{clusterName}`: those under way, by the exact name of their cluster.
pub async fn active(State(state): State<AppState>, params: Params) -> Response {
    let name = params.get("clusterName");
    let decided = state.decisions.decided();
    let found = newest_first(&decided, |one| one.cluster == name && one.end.is_none());
    listed(&state, found.into_iter())
}

/// `recently-active-cluster-recovery/{clusterName}`: those that ended a short while ago.
pub async fn recently_active(State(state): State<AppState>, params: Params) -> Response {
    let name = params.get("clusterName");
    let decided = state.decisions.decided();
    let found = newest_first(&decided, |one| {
        one.cluster == name && ended_recently(&state, one)
    });
    listed(&state, found.into_iter())
}

/// `recently-active-instance-recovery/{host}/{port}`: those that ended a short while ago and promoted that instance.
///
/// # Errors
/// When it is no instance.
pub async fn recently_active_instance(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    let key = instance_argument(&state, &state.view(), &params).await?;
    let decided = state.decisions.decided();
    let promoted = |one: &Recovery| {
        let end = one.end.as_ref();
        end.is_some_and(|end| end.successor.as_ref() == Some(&key))
    };
    let found = newest_first(&decided, |one| promoted(one) && ended_recently(&state, one));
    Ok(listed(&state, found.into_iter()))
}

fn ended_recently(state: &AppState, recovery: &Recovery) -> bool {
    let end = recovery.end.as_ref();
    end.is_some_and(|end| state.clock.now().since(end.at) <= RECENTLY)
}

fn newest_first(
    decided: &Decided,
    is_meant: impl Fn(&Recovery) -> bool,
) -> Vec<(RecoveryId, &Recovery)> {
    let all = decided.recoveries.iter();
    let meant = all.filter(|(_, recovery)| is_meant(recovery));
    let mut found: Vec<_> = meant.map(|(id, recovery)| (*id, &**recovery)).collect();
    found.sort_by_key(|(_, recovery)| std::cmp::Reverse(recovery.number));
    found
}

fn listed<'a>(
    state: &AppState,
    recoveries: impl Iterator<Item = (RecoveryId, &'a Recovery)>,
) -> Response {
    let (config, now) = (state.config(), state.clock.now());
    let entries = recoveries.map(|(id, recovery)| RecoveryDto::listed(id, recovery, &config, now));
    envelope::bare(&entries.collect::<Vec<_>>())
}

/// How many entries are before the page asked for. A page that is none is the first.
fn skipped(params: &Params) -> usize {
    let page = params.find("page").and_then(|page| page.parse().ok());
    page.unwrap_or(0_usize).saturating_mul(PAGE)
}

/// `audit-recovery-steps/{uid}`: the record of a recovery, oldest first.
///
/// # Errors
/// When it is neither a number nor a UID.
pub async fn notes(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let decided = state.decisions.decided();
    let name = Name::parse(params.get("uid"))?;
    // A detection has a record before there is a recovery.
    let id = match name {
        Name::Uid(id) => Some(id),
        Name::Number(_) => name.find(&decided).map(|(id, _)| id),
    };
    let all = id.into_iter().flat_map(|id| {
        let notes = decided.notes_of(id);
        notes.map(move |note| NoteDto::new(id, note))
    });
    Ok(envelope::bare(&all.collect::<Vec<_>>()))
}

/// `blocked-recoveries` and `blocked-recoveries/cluster/{clusterName}`: findings that another recovery holds back now.
pub async fn blocked(State(state): State<AppState>, params: Params) -> Response {
    let name = params.find("clusterName");
    let examined = state.examined();
    let decided = examined.view.decided();
    let found = doings(&state, &examined, |found| {
        name.is_none_or(|name| *found.facts.cluster == *name)
    });
    let blocked = found.iter().filter_map(|(found, doing)| {
        let reason = doing.reason()?;
        let holder = reason.blocked_by?;
        let finding = found.main.as_ref()?;
        let recovery = decided.recoveries.get(&holder);
        Some(BlockedDto {
            failed_instance_key: KeyDto::from(&finding.subject),
            cluster_name: &finding.cluster,
            analysis: finding_code(finding.code),
            last_blocked_timestamp: Rfc3339(examined.at).to_string(),
            blocking_recovery_id: recovery.map_or(0, |recovery| recovery.number),
            blocking_recovery_uid: holder.to_string(),
            reason: &reason.text,
        })
    });
    envelope::bare(&blocked.collect::<Vec<_>>())
}

/// `v2/recoveries/{id}`: all that is decided about one, by number or UID.
///
/// # Errors
/// When it is neither, or there is none.
pub async fn whole(State(state): State<AppState>, params: Params) -> Result<Response, V2Error> {
    let decided = state.decisions.decided();
    let text = params.get("id");
    let found = Name::parse(text)?.find(&decided);
    let (id, recovery) = found.ok_or_else(|| ApiError::NoRecovery {
        name: text.to_owned(),
    })?;
    let block_period = state.config().recovery.block_period;
    Ok(envelope::bare(&WholeRecoveryDto::new(
        &decided,
        id,
        recovery,
        block_period,
    )))
}

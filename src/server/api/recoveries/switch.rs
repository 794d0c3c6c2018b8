use axum::extract::State;
use axum::response::Response;
use orchestrator_core::decided::Command;
use serde::Serialize;

use crate::api::change::commit;
use crate::api::input::Requester;
use crate::api::{ApiError, AppState, envelope};

/// Keys in the order in which the predecessor writes a map.
#[derive(Serialize)]
struct Filters<'a> {
    #[serde(rename = "RecoverIntermediateMasterClusterFilters")]
    intermediate: &'a [String],
    #[serde(rename = "RecoverMasterClusterFilters")]
    primary: &'a [String],
    #[serde(rename = "RecoveryIgnoreHostnameFilters")]
    ignored: &'a [String],
}

/// `automated-recovery-filters`.
pub async fn filters(State(state): State<AppState>) -> Response {
    let config = state.config();
    let filters = Filters {
        intermediate: &config.recover_intermediate_filters,
        primary: &config.recover_primary_filters,
        ignored: &config.recovery_ignored_hosts,
    };
    envelope::ok("Automated recovery configuration details", &filters)
}

/// `disable-global-recoveries`.
///
/// # Errors
/// When it could not be decided.
pub async fn disable(
    State(state): State<AppState>,
    requester: Requester,
) -> Result<Response, ApiError> {
    let by = requester.caller.origin(&state.config().node_name).who;
    let command = Command::DisableRecoveries { by };
    commit(&state, &requester, "disable-recoveries", command).await?;
    Ok(envelope::ok("Globally disabled recoveries", "disabled"))
}

/// `enable-global-recoveries`.
///
/// # Errors
/// When it could not be decided.
pub async fn enable(
    State(state): State<AppState>,
    requester: Requester,
) -> Result<Response, ApiError> {
    let command = Command::EnableRecoveries;
    commit(&state, &requester, "enable-recoveries", command).await?;
    Ok(envelope::ok("Globally enabled recoveries", "enabled"))
}

/// `check-global-recoveries`.
pub async fn check(State(state): State<AppState>) -> Response {
    match state.decisions.decided().recoveries_disabled {
        Some(_) => envelope::ok("Global recoveries disabled", "disabled"),
        None => envelope::ok("Global recoveries enabled", "enabled"),
    }
}

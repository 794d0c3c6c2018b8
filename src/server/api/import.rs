//! Taking over what the predecessor decided.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use orchestrator_core::ports::{ImportOrder, OldPlace};

use super::dto::ImportDto;
use super::input::{InputError, Requester, query_value};
use super::{ApiError, AppState, V2Error, envelope};

/// `v2/import-predecessor?from=…&dryRun=…&force=…`.
///
/// # Errors
/// When the tables cannot be read, are not there, or their owner runs; when it could not be decided.
pub async fn import(
    State(state): State<AppState>,
    requester: Requester,
    uri: Uri,
) -> Result<Response, V2Error> {
    let origin = requester.caller.origin(&state.config().node_name);
    let order = ImportOrder {
        from: place(&uri)?,
        is_dry_run: is_said(&uri, "dryRun")?,
        is_forced: is_said(&uri, "force")?,
        who: origin.who,
        whence: origin.whence,
    };
    let importing = state.importing.as_ref().ok_or(ApiError::NoImport)?;
    let is_dry_run = order.is_dry_run;
    let report = importing.import(order).await?;
    let answer = ImportDto::new(&report, is_dry_run);
    Ok(envelope::bare_with(StatusCode::OK, &answer))
}

fn place(uri: &Uri) -> Result<OldPlace, InputError> {
    match query_value(uri, "from")?.unwrap_or_default().as_str() {
        "" | "store" => Ok(OldPlace::Own),
        "sqlite" => Ok(OldPlace::File),
        "mysql" => Ok(OldPlace::Database),
        _ => Err(InputError::NotOneOf {
            what: "from",
            words: "store, sqlite or mysql",
        }),
    }
}

fn is_said(uri: &Uri, what: &'static str) -> Result<bool, InputError> {
    match query_value(uri, what)?.unwrap_or_default().as_str() {
        "" | "false" => Ok(false),
        "true" => Ok(true),
        _ => Err(InputError::NotOneOf {
            what,
            words: "true or false",
        }),
    }
}

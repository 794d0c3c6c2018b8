//! Reading configuration again.

use std::path::PathBuf;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use super::input::query_value;
use super::{ApiError, AppState, envelope};

/// `reload-configuration[?config=FILE]`.
pub async fn reload(State(state): State<AppState>, uri: Uri) -> Result<Response, ApiError> {
    let extra = query_value(&uri, "config")?.filter(|path| !path.is_empty());
    let path = extra.as_ref().map(PathBuf::from);
    let remarks = state.reload.reload(path).await.map_err(ApiError::Reload)?;
    let message = match remarks.is_empty() {
        true => "Configuration reloaded".to_owned(),
        false => format!("Configuration reloaded; {}", remarks.join("; ")),
    };
    Ok(envelope::ok(&message, extra.as_deref().unwrap_or_default()))
}

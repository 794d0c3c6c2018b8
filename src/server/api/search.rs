//! Search over all instances.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use super::dto::InstanceList;
use super::input::{Params, query_value};
use super::{ApiError, AppState, envelope};

/// `search/{text}` and `search?s=text`.
pub async fn search(
    State(state): State<AppState>,
    params: Params,
    uri: Uri,
) -> Result<Response, ApiError> {
    let text = match params.find("text") {
        Some(text) => text.to_owned(),
        None => query_value(&uri, "s")?.unwrap_or_default(),
    };
    let view = state.view();
    let moment = view.at(state.clock.now());
    let found = view.search(text.trim());
    Ok(envelope::rendered(
        InstanceList::new(moment, found).render(),
    ))
}

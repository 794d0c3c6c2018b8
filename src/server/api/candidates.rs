//! Promotion rules that operators register.

use axum::extract::State;
use axum::response::Response;
use orchestrator_core::decided::{Command, Refusal};
use orchestrator_core::domain::PromotionRule;

use super::change::{commit, instance_argument};
use super::dto::KeyDto;
use super::input::{InputError, Params, Requester};
use super::{ApiError, AppState, envelope};

/// `register-candidate/{host}/{port}/{promotionRule}`.
pub async fn register(
    State(state): State<AppState>,
    requester: Requester,
    params: Params,
) -> Result<Response, ApiError> {
    let key = instance_argument(&state, &state.view(), &params).await?;
    let rule: PromotionRule = params
        .get("promotionRule")
        .parse()
        .map_err(InputError::PromotionRule)?;
    if rule == PromotionRule::Must {
        return Err(Refusal::MustIsNotRegistrable.into());
    }
    let expires_at = state.clock.now().plus(state.config().candidate_lifetime);
    let command = Command::RegisterCandidate {
        key: key.clone(),
        rule,
        expires_at,
    };
    commit(&state, &requester, "register-candidate", command).await?;
    let message = format!("{key} has the promotion rule {rule}");
    Ok(envelope::ok(&message, &KeyDto::from(&key)))
}

use orchestrator_core::domain::{PublicToken, Timestamp};
use serde::Serialize;

use super::Fractional;

/// A token that was made: what its owner needs to claim it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessTokenDto {
    public_token: String,
    claim_by: Fractional,
}

impl AccessTokenDto {
    /// The token with this public half, to be claimed before `claim_by`.
    pub fn new(public: PublicToken, claim_by: Timestamp) -> Self {
        Self {
            public_token: public.to_string(),
            claim_by: Fractional(claim_by),
        }
    }
}

use std::sync::Arc;

use orchestrator_core::domain::PublicToken;
use orchestrator_core::ports::{Clock, DecisionReader};

use crate::api::access::{TokenLookup, same_as_digest};

/// Tokens as they were decided.
pub(super) struct DecidedTokens {
    pub decisions: Arc<dyn DecisionReader>,
    pub clock: Arc<dyn Clock>,
}

impl TokenLookup for DecidedTokens {
    fn owner(&self, public: &str, secret: &str) -> Option<String> {
        let public = PublicToken::parse(public).ok()?;
        let decided = self.decisions.decided();
        let (token, claim) = decided.claimed_token_at(&public, self.clock.now())?;
        same_as_digest(&claim.secret_digest, secret).then(|| token.owner.clone())
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;

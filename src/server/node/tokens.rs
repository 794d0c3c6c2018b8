use std::sync::Arc;

use orchestrator_core::ports::{Clock, DecisionReader};

use crate::api::access::TokenLookup;

/// Tokens as they were decided.
pub(super) struct DecidedTokens {
    pub decisions: Arc<dyn DecisionReader>,
    pub clock: Arc<dyn Clock>,
}

impl TokenLookup for DecidedTokens {
    fn owner(&self, _public: &str, _secret: &str) -> Option<String> {
        None
    }
}

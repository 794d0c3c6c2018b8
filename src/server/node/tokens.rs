use crate::api::access::TokenLookup;

/// No token has been handed out.
pub(super) struct NoTokens;

impl TokenLookup for NoTokens {
    fn owner(&self, _public: &str, _secret: &str) -> Option<String> {
        None
    }
}

//! What commands about access tokens do.

use super::apply::{Decision, done, refused};
use super::{Decided, Refusal, RowChange};
use crate::domain::{AccessToken, PublicToken, SecretDigest, Timestamp, TokenClaim};

/// Most tokens that wait to be claimed at one time: far more than people log in within the minute that a token waits,
/// and few enough that a script gone wrong does not fill the store.
pub(super) const UNCLAIMED_MAX: usize = 1_000;

/// Most tokens that are worth something at one time, claimed ones included: each is a row that every node keeps for a
/// day, or for as long as the configuration says.
pub(super) const TOKENS_MAX: usize = 10_000;

pub(super) fn create(
    state: &Decided,
    public: PublicToken,
    owner: &str,
    claim_by: Timestamp,
    now: Timestamp,
) -> Decision {
    if claim_by <= now {
        return refused(Refusal::AlreadyOver);
    }
    if state.access_tokens.contains_key(&public) {
        return refused(Refusal::TokenExists);
    }
    let standing = || {
        let tokens = state.access_tokens.values();
        tokens.filter(|token| !token.is_over_at(now))
    };
    if standing().filter(|token| token.claim.is_none()).count() >= UNCLAIMED_MAX {
        return refused(Refusal::TooManyUnclaimedTokens);
    }
    if standing().count() >= TOKENS_MAX {
        return refused(Refusal::TooManyTokens);
    }
    let row = AccessToken {
        owner: owner.to_owned(),
        created_at: now,
        claim_by,
        claim: None,
    };
    done(RowChange::PutAccessToken(public, row))
}

pub(super) fn claim(
    state: &Decided,
    public: PublicToken,
    secret_digest: SecretDigest,
    expires_at: Timestamp,
    now: Timestamp,
) -> Decision {
    let token = match claimable(state, &public, now) {
        Ok(token) => token,
        Err(why) => return refused(why),
    };
    if expires_at <= now {
        return refused(Refusal::AlreadyOver);
    }
    let row = AccessToken {
        claim: Some(TokenClaim {
            secret_digest,
            claimed_at: now,
            expires_at,
        }),
        ..token.clone()
    };
    done(RowChange::PutAccessToken(public, row))
}

/// The token, when it can be claimed at `now`.
fn claimable<'a>(
    state: &'a Decided,
    public: &PublicToken,
    now: Timestamp,
) -> Result<&'a AccessToken, Refusal> {
    match state.access_tokens.get(public) {
        None => Err(Refusal::UnknownToken),
        Some(token) if token.claim.is_some() => Err(Refusal::TokenIsClaimed),
        Some(token) if token.is_over_at(now) => Err(Refusal::TokenClaimTooLate),
        Some(token) => Ok(token),
    }
}

impl Decided {
    /// Whether the token can be claimed at `now`; what a command that claims it would be told. Asked before one is
    /// proposed, so that guesses of strangers never come into the log.
    ///
    /// # Errors
    /// The [`Refusal`].
    pub fn check_claim(&self, public: &PublicToken, now: Timestamp) -> Result<(), Refusal> {
        claimable(self, public, self.decided_at.max(now)).map(|_| ())
    }

    /// The token and how it was claimed, when it was, and is worth something at `now`. Time of decided state counts too:
    /// a clock that is set back does not revive a token.
    pub fn claimed_token_at(
        &self,
        public: &PublicToken,
        now: Timestamp,
    ) -> Option<(&AccessToken, &TokenClaim)> {
        let token = self.access_tokens.get(public)?;
        let claim = token.claim.as_ref()?;
        let now = self.decided_at.max(now);
        (!token.is_over_at(now)).then_some((token, claim))
    }
}

#[cfg(test)]
#[path = "access_tokens_tests.rs"]
mod tests;

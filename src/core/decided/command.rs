use serde::{Deserialize, Serialize};

use crate::domain::{InstanceKey, PromotionRule, PublicToken, SecretDigest, Timestamp};

/// Who asked for a change, and from where; kept with it for the audit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// User name, or the node's name for what it does by itself.
    pub who: String,
    /// Address of the caller; empty for the node itself.
    pub whence: String,
}

/// A change of decided state. Variants are only ever appended, and their fields never change: their encoding is in logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Every node shall probe this instance and keep it known; ends a mark of forgetting.
    Discover {
        /// The instance.
        key: InstanceKey,
    },
    /// Every node shall drop what it knows of this instance.
    Forget {
        /// The instance.
        key: InstanceKey,
    },
    /// Nothing shall be done about an instance for a time; replaces an earlier downtime.
    BeginDowntime {
        /// The instance.
        key: InstanceKey,
        /// Who takes it.
        owner: String,
        /// Why.
        reason: String,
        /// When it ends by itself.
        ends_at: Timestamp,
    },
    /// Ends a downtime.
    EndDowntime {
        /// The instance.
        key: InstanceKey,
    },
    /// Registers a promotion rule, or renews it.
    RegisterCandidate {
        /// The instance.
        key: InstanceKey,
        /// The rule.
        rule: PromotionRule,
        /// When it expires unless registered again.
        expires_at: Timestamp,
    },
    /// Drops everything whose time is over at the proposal's time: downtimes, candidates, old marks of forgetting, access
    /// tokens.
    Expire,
    /// Makes an access token that may be claimed once.
    CreateAccessToken {
        /// Its public half, drawn by the proposer.
        public: PublicToken,
        /// Who it is for.
        owner: String,
        /// Until when it may be claimed.
        claim_by: Timestamp,
    },
    /// Claims an access token. Its secret half stays with the proposer, who hands it to the caller.
    ClaimAccessToken {
        /// Which one.
        public: PublicToken,
        /// SHA-256 of the secret half.
        secret_digest: SecretDigest,
        /// Until when it is worth something.
        expires_at: Timestamp,
    },
}

/// A command on its way to being committed, with all that apply may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Names this request, so that a retry takes effect once; random.
    pub request: u128,
    /// The proposer's clock.
    pub proposed_at: Timestamp,
    /// Who and whence.
    pub origin: Origin,
    /// What.
    pub command: Command,
}

/// What apply says to the proposer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// It took effect.
    Done,
    /// Nothing had to change.
    Unchanged,
    /// It is refused, with the reason; nothing changed.
    Refused(Refusal),
}

/// Why a committed command changed nothing although it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// A downtime or registration that is over before it begins.
    #[error("it would have ended before it was decided; give a longer duration")]
    AlreadyOver,
    /// The rule `must` cannot be registered.
    #[error(
        "the promotion rule 'must' cannot be registered; use prefer, neutral, prefer_not or must_not"
    )]
    MustIsNotRegistrable,
    /// No token has this public half.
    #[error("there is no such token, or it is over; make another one")]
    UnknownToken,
    /// Somebody claimed the token before.
    #[error(
        "the token was claimed already; if it was not you, somebody else has it: make another one and say so to whoever runs this service"
    )]
    TokenIsClaimed,
    /// Nobody claimed the token in time.
    #[error("the time for claiming the token is over; make another one and claim it sooner")]
    TokenClaimTooLate,
    /// The public half is that of another token.
    #[error("there is a token with this public half already; make another one")]
    TokenExists,
    /// As many tokens wait to be claimed as may.
    #[error("too many tokens wait to be claimed; claim them, or wait until their time is over")]
    TooManyUnclaimedTokens,
    /// As many tokens are in use as may be.
    #[error("too many tokens are in use; wait until some of them expire")]
    TooManyTokens,
}

/// Which nodes perform an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EffectScope {
    /// The leader only.
    LeaderOnly,
    /// Every node, for itself.
    EveryNode,
}

/// Work owed after a commit. Performed at least once, outside of apply, and derivable again from the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Probe the instance now and keep it known.
    Discover(InstanceKey),
    /// Drop the instance from the picture.
    Forget(InstanceKey),
}

impl Effect {
    /// Who performs it.
    pub fn scope(&self) -> EffectScope {
        match self {
            Self::Discover(_) | Self::Forget(_) => EffectScope::EveryNode,
        }
    }
}

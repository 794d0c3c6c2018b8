use serde::{Deserialize, Serialize};

use crate::domain::{InstanceKey, PromotionRule, Timestamp};

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
    /// Drops everything whose time is over at the proposal's time: downtimes, candidates, old marks of forgetting.
    Expire,
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

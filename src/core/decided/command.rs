use serde::{Deserialize, Serialize};

use super::{
    Acknowledged, EndRecovery, ImportPortion, RecoveryStepCommand, RegisterDetection,
    RegisterRecovery,
};
use crate::domain::{
    Fence, InstanceKey, Phase, PromotionRule, PublicToken, RecoveryId, SecretDigest, Timestamp,
};

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
    /// tokens, old recoveries and detections.
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
    /// Writes down that something was found, unless the same is written down already.
    RegisterDetection(Box<RegisterDetection>),
    /// Registers a recovery, unless another works on one of its servers, or did a short while ago.
    RegisterRecovery(Box<RegisterRecovery>),
    /// A recovery goes on.
    RecoveryStep {
        /// Which.
        id: RecoveryId,
        /// How.
        step: Box<RecoveryStepCommand>,
    },
    /// Ends a recovery.
    EndRecovery(Box<EndRecovery>),
    /// Takes note of recoveries, so that they hold nobody back any more.
    AcknowledgeRecoveries {
        /// Which.
        which: Acknowledged,
        /// Who.
        by: String,
        /// Why.
        comment: String,
    },
    /// Switches all automatic recoveries off.
    DisableRecoveries {
        /// Who does it.
        by: String,
    },
    /// Switches them on again.
    EnableRecoveries,
    /// The group shall have these nodes; members follow, one change at a time.
    SetGroupNodes {
        /// Those it was to have when this was proposed.
        old: Vec<String>,
        /// Those it is to have, as entries of `RaftNodes`, normalised.
        new: Vec<String>,
        /// `RaftNodes` as nodes have it now, by name, of those about whom that is new.
        reported: Vec<(String, Vec<String>)>,
    },
    /// Gives a cluster an alias by hand, which wins over what servers and configuration say.
    SetClusterAlias {
        /// Name of the cluster.
        cluster: String,
        /// The alias; an empty one takes away what was decided.
        alias: String,
        /// Who does it.
        by: String,
    },
    /// Takes over rows of the predecessor, each once, and none over what was decided here.
    Import(Box<ImportPortion>),
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
    /// It took effect: of so many recoveries note was taken.
    Acknowledged(u32),
    /// It took effect: so many rows of the predecessor were dealt with.
    Imported {
        /// Taken over.
        taken: u32,
        /// Passed over, because the same was decided here already, or the row is over.
        kept: u32,
    },
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
    /// Another recovery works on one of the servers.
    #[error(
        "recovery {number} of {subject} is under way and may touch {server} too; wait for its end"
    )]
    RecoveryUnderWay {
        /// Its number.
        number: u64,
        /// What it is about.
        subject: InstanceKey,
        /// The server that both may touch.
        server: InstanceKey,
    },
    /// A recovery of the same kind ended a short while ago.
    #[error(
        "recovery {number} of {subject} touched {server} too and ended a short while ago; acknowledge it (ack-recovery) to let another begin before its block period is over"
    )]
    InBlockPeriod {
        /// Its number.
        number: u64,
        /// What it was about.
        subject: InstanceKey,
        /// The server that both may touch.
        server: InstanceKey,
        /// When the block period ends.
        until: Timestamp,
    },
    /// Automatic recoveries are switched off.
    #[error("{by} has disabled all recoveries; enable-global-recoveries enables them")]
    RecoveriesDisabled {
        /// Who did it.
        by: String,
    },
    /// There is a recovery with this id already.
    #[error("there is a recovery with this id already")]
    RecoveryExists,
    /// There is no recovery with this id.
    #[error("there is no recovery with this id; it may have been long ago")]
    UnknownRecovery,
    /// The recovery is over.
    #[error("the recovery has ended, and nothing more is done for it")]
    RecoveryHasEnded,
    /// The recovery is not over yet.
    #[error("the recovery has not ended yet")]
    RecoveryHasNotEnded,
    /// Another leadership works on the recovery.
    #[error("the recovery is carried out under the leadership {current}")]
    OtherFence {
        /// Its fence.
        current: Fence,
    },
    /// Phases follow one another; this one is not the next.
    #[error("the recovery is in another phase ({current:?}), and phases are not skipped")]
    PhaseOutOfOrder {
        /// The phase it is in.
        current: Phase,
    },
    /// More lines than a command may have.
    #[error("the command has too many lines; use several")]
    TooLong,
    /// The nodes of the group were changed meanwhile.
    #[error("the nodes of the group were changed a moment ago; look at raft-status, and ask again")]
    OtherGroupNodes,
    /// There would be no nodes, or too many, or one with an impossible name.
    #[error("a group has between one and 64 nodes, each with a host and a port")]
    BadGroupNodes,
    /// Another cluster has this alias by hand.
    #[error(
        "the cluster {cluster} has this alias already; give that one another first, or an empty one to take it away"
    )]
    AliasIsTaken {
        /// Name of that cluster.
        cluster: String,
    },
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

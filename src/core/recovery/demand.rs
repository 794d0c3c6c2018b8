//! Who wants a recovery, and what that lifts.
//!
//! | asked for | lifted at the gate | lifted in ranking and plan |
//! |---|---|---|
//! | by nobody ([`DemandLevel::Automatic`]) | nothing | nothing |
//! | by hand (`recover`, `recover-lite`) | cluster filters, downtime of the dead primary, global switch, block periods, bound on parallel recoveries | nothing |
//! | by force (`force-master-failover`, `force-master-takeover`) | the same | what only says "not now": see below |
//!
//! **Force** lifts, where otherwise there would be no plan, or the named candidate would be refused:
//! `FailMasterPromotionOnLagMinutes`, `FailMasterPromotionIfSQLThreadNotUpToDate`, an applier that stopped with an error, and
//! a durability policy that refuses. And always: relay logs that the promoted server has not applied within
//! `PromotionApplyTimeoutSeconds` are given up, whatever `DelayMasterPromotionIfSQLThreadNotUpToDate` says, and named in the
//! statement about data loss; an old primary that answers is closed, and the recovery is not called off.
//!
//! **Nothing lifts**: `must_not` and `PromotionIgnoreHostnameFilters`; downtime of a contender; no binary log, delay, errant
//! transactions, GTIDs that cannot be read, a server that cannot be probed; `PreventCrossDataCenterMasterFailover` and
//! `PreventCrossRegionMasterFailover`, which say where a primary may be; two histories; replicas without GTIDs that could not
//! follow; another recovery on one of the servers. Relay logs of any other server than the promoted one are never discarded.
//! An operator who has decided otherwise says so first: ends a downtime, changes a rule or key, or puts the server that stands
//! in the way in downtime, upon which what it has does not count.
//!
//! **A named candidate** is promoted, or the recovery is refused with the reason ([`CandidateRefused`]); nobody else is
//! promoted in its place. (In the predecessor it was a hint.)
//!
//! [`CandidateRefused`]: super::ranking::CandidateRefused

use serde::{Deserialize, Serialize};

use super::{Durability, RecoveryPolicy, UnappliedRelayLog};
use crate::domain::InstanceKey;

/// How much a recovery is wanted.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum DemandLevel {
    /// Analysis asks for it, and nobody else.
    #[default]
    Automatic,
    /// An operator asks for it.
    ByHand,
    /// An operator insists on it.
    Forced,
}

/// Who wants a recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// How much.
    pub level: DemandLevel,
    /// The server that is to be promoted, and no other.
    pub candidate: Option<InstanceKey>,
    /// No hooks are run (`recover-lite`).
    pub skips_hooks: bool,
}

impl Demand {
    /// By an operator.
    pub fn by_hand(candidate: Option<InstanceKey>) -> Self {
        Self {
            level: DemandLevel::ByHand,
            candidate,
            skips_hooks: false,
        }
    }

    /// By an operator who insists.
    pub fn forced(candidate: Option<InstanceKey>) -> Self {
        Self {
            level: DemandLevel::Forced,
            candidate,
            skips_hooks: false,
        }
    }

    /// Whether an operator insists on it.
    pub fn is_forced(&self) -> bool {
        self.level == DemandLevel::Forced
    }
}

/// The policy without what force lifts.
pub(super) fn lifted(policy: &RecoveryPolicy) -> RecoveryPolicy {
    RecoveryPolicy {
        lag_max: None,
        unapplied: UnappliedRelayLog::GiveUp,
        durability: Durability::NameTheLoss,
        ..policy.clone()
    }
}

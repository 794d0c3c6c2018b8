use serde::{Deserialize, Serialize};

use super::{PromotionRule, Timestamp};

/// An agreed time during which nothing is done about an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downtime {
    /// Who asked for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// When it was asked for, by the proposer's clock.
    pub begins_at: Timestamp,
    /// When it stops by itself; it ends earlier when asked to.
    pub ends_at: Timestamp,
}

impl Downtime {
    /// Whether it holds at `now`.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        now < self.ends_at
    }
}

/// A registered promotion rule; it expires unless registered again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The rule.
    pub rule: PromotionRule,
    /// When it was last registered, by the proposer's clock.
    pub registered_at: Timestamp,
    /// When it stops counting.
    pub expires_at: Timestamp,
}

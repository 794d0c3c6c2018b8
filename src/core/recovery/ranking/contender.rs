use std::sync::Arc;

use super::Veto;
use crate::domain::{InstanceKey, Observation, PromotionRule};
use crate::recovery::Holdings;

/// How a contender compares with the dead primary and with the other replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// In the data centre of the dead primary.
    pub is_in_data_center: bool,
    /// In its physical environment.
    pub is_in_environment: bool,
    /// Its version line is the one that most replicas run, or an older one: they can replicate from it.
    pub fits_version: bool,
    /// Its binary log format is the one that most replicas have, or a weaker one.
    pub fits_format: bool,
    /// How many other replicas could replicate from it.
    pub followers: usize,
}

/// A direct replica of the dead primary.
#[derive(Clone, Debug)]
pub struct Contender {
    /// Which.
    pub key: InstanceKey,
    /// What was last seen of it; `None` when never.
    pub seen: Option<Arc<Observation>>,
    /// Its last probe was good.
    pub is_reachable: bool,
    /// The promotion rule that counts now: the registered one, else the one that it says itself.
    pub rule: PromotionRule,
    /// What it has; `None` when that cannot be read.
    pub holdings: Option<Holdings>,
    /// How it compares.
    pub traits: Traits,
    /// Why it is not promoted; empty when it may be.
    pub vetoes: Vec<Veto>,
}

impl Contender {
    /// Whether others can get from it what they lack, although it may not be promoted itself: nothing speaks against it but
    /// that it is not wanted as the primary. That it can be read, applies, and logs is said by vetoes of other kinds.
    pub fn can_feed(&self) -> bool {
        self.vetoes.iter().all(Veto::is_about_promotion_only)
    }

    /// Whether what it has received counts: it answers, nobody has taken it out, and it has nothing of its own.
    pub fn counts(&self) -> bool {
        !self.vetoes.iter().any(Veto::is_outside)
    }
}

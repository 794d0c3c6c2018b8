use orchestrator_core::domain::{Downtime, PromotionRule, Timestamp};
use orchestrator_core::topology::{Condition, Limits, Line};

use super::{Entry, View};
use crate::api::dto::problems;

/// A view at one moment: what also depends on the time of day.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// The view.
    pub view: &'a View,
    /// The moment, by this node's clock.
    pub now: Timestamp,
    limits: Limits,
}

impl View {
    /// This view at `now`.
    pub fn at(&self, now: Timestamp) -> Moment<'_> {
        Moment {
            view: self,
            now,
            limits: Limits {
                poll_interval: self.config.poll_interval,
                reasonable_lag: self.config.reasonable_lag,
                maintenance_lag: self.config.maintenance_lag,
            },
        }
    }
}

impl<'a> Moment<'a> {
    /// How an instance is.
    pub fn condition(&self, entry: &Entry) -> Condition {
        Condition::of(&entry.record, &self.limits, self.now)
    }

    /// The downtime of an instance that holds.
    pub fn downtime(&self, entry: &Entry) -> Option<&'a Downtime> {
        self.view.decided.downtime_at(entry.key(), self.now)
    }

    /// The promotion rule of an instance: what the server says of itself at every probe stands above what was registered
    /// once, as it is registered again and again.
    pub fn promotion_rule(&self, entry: &Entry) -> PromotionRule {
        let registered = || {
            let candidate = self.view.decided.candidate_at(entry.key(), self.now);
            candidate.map(|candidate| candidate.rule)
        };
        entry
            .seen
            .promotion_rule
            .or_else(registered)
            .unwrap_or_default()
    }

    /// What is wrong with an instance, in the API's words.
    pub fn problems(&self, entry: &Entry) -> Vec<&'static str> {
        problems(
            &self.condition(entry),
            !entry.errant.is_empty(),
            entry.seen.group.as_ref(),
        )
    }

    /// An instance as a line of the topology text.
    pub fn line(&self, entry: &'a Entry) -> Line<'a> {
        Line {
            key: entry.key(),
            seen: &entry.seen,
            condition: self.condition(entry),
            is_co_primary: entry.place.is_co_primary,
            has_errant: !entry.errant.is_empty(),
            is_downtimed: self.downtime(entry).is_some(),
        }
    }
}

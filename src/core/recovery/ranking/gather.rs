//! Contenders from a scene: what each has, how it compares, and, by a table of checks, what speaks against it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::vetoes::Check;
use super::{Contender, Traits};
use crate::analysis::Scene;
use crate::domain::{
    InstanceKey, InstanceRecord, Observation, Placement, PromotionRule, ServerVersion,
};
use crate::recovery::{Ground, Holdings, RecoveryPolicy};
use crate::topology::{Obstacle, may_replicate};

/// What all contenders are measured by.
pub(super) struct Measure<'a> {
    pub scene: &'a Scene<'a>,
    pub policy: &'a RecoveryPolicy,
    pub dead: &'a InstanceKey,
    pub dead_seen: Option<&'a Observation>,
    pub ground: Ground,
    /// Replicas that a promoted server would have to carry: seen, reachable, not in downtime.
    followers: Vec<Arc<Observation>>,
    majority_line: Option<(u16, u16)>,
    majority_format: Option<usize>,
}

/// All direct replicas of `dead`, by address, each with the vetoes that `checks` find, and the ground on which they are
/// compared.
pub(super) fn contenders(
    scene: &Scene<'_>,
    dead: &InstanceKey,
    policy: &RecoveryPolicy,
    checks: &[Check],
) -> (Ground, Vec<Contender>) {
    let records: Vec<&Arc<InstanceRecord>> = scene
        .topology
        .replicas_of(dead)
        .iter()
        .filter_map(|key| scene.picture.get(key))
        .collect();
    let followers: Vec<Arc<Observation>> = records
        .iter()
        .filter(|record| is_reachable(record, scene, policy))
        .filter(|record| scene.decided.downtime_at(&record.key, scene.now).is_none())
        .filter_map(|record| record.observation.clone())
        .collect();
    let measure = Measure {
        scene,
        policy,
        dead,
        dead_seen: scene.picture.observation(dead).map(Arc::as_ref),
        ground: Ground::common(followers.iter().map(Arc::as_ref)),
        majority_line: majority(followers.iter().filter_map(|seen| line(seen))),
        majority_format: majority(followers.iter().filter_map(|seen| format_rank(seen))),
        followers,
    };
    let all = records
        .iter()
        .map(|record| measure.contender(record, checks));
    (measure.ground, all.collect())
}

impl Measure<'_> {
    fn contender(&self, record: &InstanceRecord, checks: &[Check]) -> Contender {
        let seen = record.observation.clone();
        let mut contender = Contender {
            key: record.key.clone(),
            is_reachable: is_reachable(record, self.scene, self.policy),
            rule: self.rule(&record.key, seen.as_deref()),
            holdings: seen
                .as_deref()
                .and_then(|seen| Holdings::read(seen, self.ground)),
            traits: seen
                .as_deref()
                .map(|seen| self.traits(seen))
                .unwrap_or_default(),
            vetoes: Vec::new(),
            seen,
        };
        contender.vetoes = checks
            .iter()
            .filter_map(|check| check(self, &contender))
            .collect();
        contender
    }

    fn rule(&self, key: &InstanceKey, seen: Option<&Observation>) -> PromotionRule {
        let registered = self.scene.decided.candidate_at(key, self.scene.now);
        registered
            .map(|candidate| candidate.rule)
            .or_else(|| seen.and_then(|seen| seen.promotion_rule))
            .unwrap_or_default()
    }

    fn traits(&self, seen: &Observation) -> Traits {
        let dead = self.dead_place();
        Traits {
            is_in_data_center: seen.placement.data_center == dead.data_center,
            is_in_environment: seen.placement.physical_environment == dead.physical_environment,
            fits_version: line(seen).is_some() && line(seen) <= self.majority_line,
            fits_format: format_rank(seen).is_some() && format_rank(seen) <= self.majority_format,
            followers: self.others(seen).count() - self.cannot_follow(seen).len(),
        }
    }

    /// Where the dead primary stood; of one that was never seen nothing is known, as of a server without a place.
    pub fn dead_place(&self) -> Placement {
        self.dead_seen
            .map(|seen| seen.placement.clone())
            .unwrap_or_default()
    }

    pub fn others(&self, seen: &Observation) -> impl Iterator<Item = &Arc<Observation>> {
        let own = seen.key.clone();
        self.followers.iter().filter(move |other| other.key != own)
    }

    /// The other replicas that could not replicate from it, each with the first reason that would stay. What its binary
    /// log lacks, and its delay, are vetoes of their own.
    pub fn cannot_follow(&self, seen: &Observation) -> Vec<(InstanceKey, String)> {
        self.others(seen)
            .filter_map(|other| {
                let answer = may_replicate(other, seen, self.policy.replication);
                let why = answer.obstacles.iter().find(|why| {
                    !matches!(
                        why,
                        Obstacle::NoBinaryLog { .. }
                            | Obstacle::NoReplicaUpdates { .. }
                            | Obstacle::LongerDelay { .. }
                    )
                })?;
                Some((other.key.clone(), why.to_string()))
            })
            .collect()
    }
}

fn is_reachable(record: &InstanceRecord, scene: &Scene<'_>, policy: &RecoveryPolicy) -> bool {
    let is_fresh = record
        .age(scene.now)
        .is_some_and(|age| age <= policy.check_validity);
    record.is_last_check_valid() && (record.probing_since.is_none() || is_fresh)
}

fn line(seen: &Observation) -> Option<(u16, u16)> {
    let identity = &seen.identity;
    ServerVersion::parse(&identity.version, &identity.version_comment)
        .ok()
        .map(|version| version.release().line())
}

fn format_rank(seen: &Observation) -> Option<usize> {
    ["STATEMENT", "MIXED", "ROW"]
        .iter()
        .position(|known| *known == seen.binlog.format)
}

/// The most frequent one; of several, the smallest.
fn majority<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    // Reversed, because the last of equal ones is taken.
    let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
    most.map(|(value, _)| value)
}

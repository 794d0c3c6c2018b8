//! Contenders from a scene: what each has, how it compares, and what speaks against it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Contender, Traits, Veto};
use crate::analysis::Scene;
use crate::domain::gtid::MariadbPosition;
use crate::domain::{
    Flavor, InstanceKey, InstanceRecord, Observation, Placement, PromotionRule, ReplicationLink,
    ServerVersion,
};
use crate::recovery::holdings::loses_relay_logs_when_started;
use crate::recovery::{Ground, Holdings, RecoveryPolicy, Unapplied, UnappliedRelayLog};
use crate::topology::{Obstacle, errant, may_replicate};

/// What all contenders are measured by.
struct Measure<'a> {
    scene: &'a Scene<'a>,
    policy: &'a RecoveryPolicy,
    dead: &'a InstanceKey,
    dead_seen: Option<&'a Observation>,
    ground: Ground,
    /// Replicas that a promoted server would have to carry: seen, reachable, not in downtime.
    followers: Vec<Arc<Observation>>,
    majority_line: Option<(u16, u16)>,
    majority_format: Option<usize>,
}

/// All direct replicas of `dead`, by address, and the ground on which they are compared.
pub(super) fn contenders(
    scene: &Scene<'_>,
    dead: &InstanceKey,
    policy: &RecoveryPolicy,
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
    let all = records.iter().map(|record| measure.contender(record));
    (measure.ground, all.collect())
}

impl Measure<'_> {
    fn contender(&self, record: &InstanceRecord) -> Contender {
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
        contender.vetoes = self.vetoes(&contender);
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
    fn dead_place(&self) -> Placement {
        self.dead_seen
            .map(|seen| seen.placement.clone())
            .unwrap_or_default()
    }

    fn others(&self, seen: &Observation) -> impl Iterator<Item = &Arc<Observation>> {
        let own = seen.key.clone();
        self.followers.iter().filter(move |other| other.key != own)
    }

    /// The other replicas that could not replicate from it, each with the first reason that would stay. What its binary
    /// log lacks, and its delay, are vetoes of their own.
    fn cannot_follow(&self, seen: &Observation) -> Vec<(InstanceKey, String)> {
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

    fn vetoes(&self, contender: &Contender) -> Vec<Veto> {
        let mut found = Vec::new();
        if let Some(downtime) = self
            .scene
            .decided
            .downtime_at(&contender.key, self.scene.now)
        {
            found.push(Veto::Downtime {
                owner: downtime.owner.clone(),
                reason: downtime.reason.clone(),
            });
        }
        if contender.rule == PromotionRule::MustNot {
            found.push(Veto::MustNot);
        }
        if self.policy.never_promoted.matches(&contender.key) {
            found.push(Veto::Ignored);
        }
        let Some(seen) = contender.seen.as_deref() else {
            found.push(Veto::NeverSeen);
            return found;
        };
        if !contender.is_reachable {
            found.push(Veto::Unreachable);
        }
        self.of_the_place(seen, &mut found);
        self.of_the_product(seen, &mut found);
        self.of_the_binary_log(seen, &mut found);
        if let Some(link) = &seen.replication {
            self.of_the_link(seen, link, contender.holdings.as_ref(), &mut found);
        }
        found
    }

    fn of_the_place(&self, seen: &Observation, found: &mut Vec<Veto>) {
        let (own, dead) = (&seen.placement, self.dead_place());
        if self.policy.stays_in_data_center && own.data_center != dead.data_center {
            found.push(Veto::OtherDataCenter {
                own: own.data_center.clone(),
                dead: dead.data_center,
            });
        }
        if self.policy.stays_in_region && own.region != dead.region {
            found.push(Veto::OtherRegion {
                own: own.region.clone(),
                dead: dead.region,
            });
        }
    }

    fn of_the_product(&self, seen: &Observation, found: &mut Vec<Veto>) {
        if seen.identity.flavor == Flavor::MaxScale {
            found.push(Veto::BinlogServer);
        }
        if let Some(group) = &seen.group {
            found.push(Veto::GroupMember {
                group: group.group_name.clone(),
            });
        }
    }

    fn of_the_binary_log(&self, seen: &Observation, found: &mut Vec<Veto>) {
        let others = self.others(seen).count();
        if !seen.binlog.enabled {
            found.push(Veto::NoBinaryLog);
        } else if !seen.binlog.logs_replica_updates && others > 0 {
            found.push(Veto::NoReplicaUpdates { others });
        }
        let cannot = self.cannot_follow(seen);
        if let Some((_, why)) = cannot.first()
            && cannot.len() > others - cannot.len()
        {
            let why = why.clone();
            let cannot = cannot.into_iter().map(|(key, _)| key).collect();
            found.push(Veto::OthersCannotFollow { cannot, why });
        }
    }

    fn of_the_link(
        &self,
        seen: &Observation,
        link: &ReplicationLink,
        holdings: Option<&Holdings>,
        found: &mut Vec<Veto>,
    ) {
        if !link.delay.is_zero() {
            found.push(Veto::Delayed(link.delay));
        }
        if let (Some(max), Some(lag)) = (self.policy.lag_max, seen.lag_seconds)
            && Duration::from_secs(lag) >= max
        {
            let lag = Duration::from_secs(lag);
            found.push(Veto::Lag { lag, max });
        }
        let set = self.errant(seen);
        if !set.is_empty() {
            found.push(Veto::Errant { set });
        }
        match holdings.map(Holdings::unapplied) {
            None => found.push(Veto::Illegible),
            Some(Unapplied::Nothing) => {}
            Some(_) if self.policy.unapplied == UnappliedRelayLog::GiveUp => {}
            Some(unapplied) if link.applier_errno != 0 && !link.applier.is_running() => {
                let errno = link.applier_errno;
                found.push(Veto::CannotApply { errno, unapplied });
            }
            Some(unapplied) if loses_relay_logs_when_started(seen) => {
                found.push(Veto::Stranded(unapplied));
            }
            Some(unapplied) if self.policy.unapplied == UnappliedRelayLog::Refuse => {
                found.push(Veto::NotApplied(unapplied));
            }
            Some(_) => {}
        }
    }

    /// Transactions that the dead primary never had, as far as it was seen.
    fn errant(&self, seen: &Observation) -> String {
        let Some(dead) = self.dead_seen else {
            return String::new();
        };
        let is_co_primary = self.scene.topology.co_primary_of(self.dead) == Some(&seen.key);
        if self.ground != Ground::Oracle {
            return match is_co_primary {
                true => String::new(),
                false => errant_of_mariadb(seen, dead),
            };
        }
        let above: Vec<&str> = std::iter::once(self.dead)
            .chain(&self.scene.topology.sources_above(self.dead))
            .filter_map(|key| self.scene.picture.observation(key))
            .map(|seen| seen.identity.server_uuid.as_str())
            .collect();
        errant(seen, Some(dead), &above, is_co_primary)
    }
}

/// A domain of MariaDB that ends with a transaction which the replica wrote itself and which its source, when last seen,
/// was not past: it cannot come from there.
fn errant_of_mariadb(seen: &Observation, dead: &Observation) -> String {
    let read = |text: &str| MariadbPosition::parse(text).ok();
    let (Some(own), Some(had)) = (
        read(&seen.gtid.mariadb_current),
        read(&dead.gtid.mariadb_current),
    ) else {
        return String::new();
    };
    let gaps = own.missing_in(&had);
    let wrote = gaps
        .iter()
        .filter(|gap| gap.to.server_id == seen.identity.server_id);
    wrote
        .map(|gap| gap.to.to_string())
        .collect::<Vec<_>>()
        .join(",")
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

//! What speaks against promoting a replica: one question for each [`Veto`]. A new veto is one row of [`ALL`], and one drawing
//! in the tests that nothing but this row decides.

use std::time::Duration;

use super::gather::Measure;
use super::{Contender, Veto};
use crate::domain::gtid::MariadbPosition;
use crate::domain::{Flavor, Observation, PromotionRule, ReplicationLink};
use crate::recovery::holdings::loses_relay_logs_when_started;
use crate::recovery::{Ground, Unapplied, UnappliedRelayLog};
use crate::topology::errant as errant_of_mysql;

/// One question; the veto where the answer speaks against a promotion.
pub(super) type Check = fn(&Measure<'_>, &Contender) -> Option<Veto>;

/// All of them, in the order in which an operator reads the answers. Of a server that was never seen only the first four can
/// say something.
pub(super) const ALL: [Check; 19] = [
    downtime,
    must_not,
    ignored,
    never_seen,
    unreachable,
    other_data_center,
    other_region,
    binlog_server,
    group_member,
    no_binary_log,
    no_replica_updates,
    others_cannot_follow,
    delayed,
    lag,
    errant,
    illegible,
    cannot_apply,
    stranded,
    not_applied,
];

fn downtime(measure: &Measure<'_>, one: &Contender) -> Option<Veto> {
    let scene = measure.scene;
    let downtime = scene.decided.downtime_at(&one.key, scene.now)?;
    Some(Veto::Downtime {
        owner: downtime.owner.clone(),
        reason: downtime.reason.clone(),
    })
}

fn must_not(_: &Measure<'_>, one: &Contender) -> Option<Veto> {
    (one.rule == PromotionRule::MustNot).then_some(Veto::MustNot)
}

fn ignored(measure: &Measure<'_>, one: &Contender) -> Option<Veto> {
    let is_named = measure.policy.never_promoted.matches(&one.key);
    is_named.then_some(Veto::Ignored)
}

fn never_seen(_: &Measure<'_>, one: &Contender) -> Option<Veto> {
    one.seen.is_none().then_some(Veto::NeverSeen)
}

fn unreachable(_: &Measure<'_>, one: &Contender) -> Option<Veto> {
    (one.seen.is_some() && !one.is_reachable).then_some(Veto::Unreachable)
}

fn other_data_center(measure: &Measure<'_>, one: &Contender) -> Option<Veto> {
    let own = one.seen.as_ref()?.placement.data_center.clone();
    let dead = measure.dead_place().data_center;
    (measure.policy.stays_in_data_center && own != dead)
        .then_some(Veto::OtherDataCenter { own, dead })
}

fn other_region(measure: &Measure<'_>, one: &Contender) -> Option<Veto> {
    let own = one.seen.as_ref()?.placement.region.clone();
    let dead = measure.dead_place().region;
    (measure.policy.stays_in_region && own != dead).then_some(Veto::OtherRegion { own, dead })
}

fn binlog_server(_: &Measure<'_>, one: &Contender) -> Option<Veto> {
    let flavor = one.seen.as_ref()?.identity.flavor;
    (flavor == Flavor::MaxScale).then_some(Veto::BinlogServer)
}

fn group_member(_: &Measure<'_>, one: &Contender) -> Option<Veto> {
    let group = one.seen.as_ref()?.group.as_ref()?.group_name.clone();
    Some(Veto::GroupMember { group })
}

fn no_binary_log(_: &Measure<'_>, one: &Contender) -> Option<Veto> {
    (!one.seen.as_ref()?.binlog.enabled).then_some(Veto::NoBinaryLog)
}

fn no_replica_updates(measure: &Measure<'_>, one: &Contender) -> Option<Veto> {
    let seen = one.seen.as_deref()?;
    let others = measure.others(seen).count();
    (seen.binlog.enabled && !seen.binlog.logs_replica_updates && others > 0)
        .then_some(Veto::NoReplicaUpdates { others })
}

fn others_cannot_follow(measure: &Measure<'_>, one: &Contender) -> Option<Veto> {
    let seen = one.seen.as_deref()?;
    let others = measure.others(seen).count();
    let cannot = measure.cannot_follow(seen);
    let why = cannot.first()?.1.clone();
    let are_most = cannot.len() > others - cannot.len();
    let cannot = cannot.into_iter().map(|(key, _)| key).collect();
    are_most.then_some(Veto::OthersCannotFollow { cannot, why })
}

/// What was seen of a contender that replicates by a link of its own; secondaries of a group do not.
fn linked(one: &Contender) -> Option<(&Observation, &ReplicationLink)> {
    let seen = one.seen.as_deref()?;
    Some((seen, seen.replication.as_ref()?))
}

fn delayed(_: &Measure<'_>, one: &Contender) -> Option<Veto> {
    let (_, link) = linked(one)?;
    (!link.delay.is_zero()).then_some(Veto::Delayed(link.delay))
}

fn lag(measure: &Measure<'_>, one: &Contender) -> Option<Veto> {
    let (seen, _) = linked(one)?;
    let lag = Duration::from_secs(seen.lag_seconds?);
    let max = measure.policy.lag_max?;
    (lag >= max).then_some(Veto::Lag { lag, max })
}

/// Transactions that the dead primary never had, as far as it was seen.
fn errant(measure: &Measure<'_>, one: &Contender) -> Option<Veto> {
    let (seen, _) = linked(one)?;
    let dead = measure.dead_seen?;
    let topology = measure.scene.topology;
    let is_co_primary = topology.co_primary_of(measure.dead) == Some(&one.key);
    let set = match measure.ground {
        Ground::Oracle => {
            let above: Vec<&str> = std::iter::once(measure.dead)
                .chain(&topology.sources_above(measure.dead))
                .filter_map(|key| measure.scene.picture.observation(key))
                .map(|seen| seen.identity.server_uuid.as_str())
                .collect();
            errant_of_mysql(seen, Some(dead), &above, is_co_primary)
        }
        Ground::Mariadb | Ground::Positions if is_co_primary => String::new(),
        Ground::Mariadb | Ground::Positions => errant_of_mariadb(seen, dead),
    };
    (!set.is_empty()).then_some(Veto::Errant { set })
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

fn illegible(_: &Measure<'_>, one: &Contender) -> Option<Veto> {
    linked(one)?;
    one.holdings.is_none().then_some(Veto::Illegible)
}

/// How it would come to apply what it has received.
enum Applier {
    /// An error stopped it.
    Broken { errno: u32 },
    /// To start it would discard what is to be applied.
    Stranded,
    /// It runs, or has only to be started.
    Able,
}

/// What it has received and not applied, and how its applier is; `None` where there is nothing, or what there is may be given
/// up.
fn to_apply(measure: &Measure<'_>, one: &Contender) -> Option<(Unapplied, Applier)> {
    let (seen, link) = linked(one)?;
    let unapplied = one.holdings.as_ref()?.unapplied();
    if unapplied == Unapplied::Nothing || measure.policy.unapplied == UnappliedRelayLog::GiveUp {
        return None;
    }
    let errno = link.applier_errno;
    let applier = if errno != 0 && !link.applier.is_running() {
        Applier::Broken { errno }
    } else if loses_relay_logs_when_started(seen) {
        Applier::Stranded
    } else {
        Applier::Able
    };
    Some((unapplied, applier))
}

fn cannot_apply(measure: &Measure<'_>, one: &Contender) -> Option<Veto> {
    match to_apply(measure, one)? {
        (unapplied, Applier::Broken { errno }) => Some(Veto::CannotApply { errno, unapplied }),
        _ => None,
    }
}

fn stranded(measure: &Measure<'_>, one: &Contender) -> Option<Veto> {
    match to_apply(measure, one)? {
        (unapplied, Applier::Stranded) => Some(Veto::Stranded(unapplied)),
        _ => None,
    }
}

fn not_applied(measure: &Measure<'_>, one: &Contender) -> Option<Veto> {
    let is_refused = measure.policy.unapplied == UnappliedRelayLog::Refuse;
    match to_apply(measure, one)? {
        (unapplied, Applier::Able) if is_refused => Some(Veto::NotApplied(unapplied)),
        _ => None,
    }
}

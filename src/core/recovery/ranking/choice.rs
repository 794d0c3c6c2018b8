use serde::{Deserialize, Serialize};

use super::{Contender, Ranking, Veto};
use crate::domain::{InstanceKey, PromotionRule};
use crate::recovery::{Holdings, RecoveryPolicy};
use crate::topology::may_replicate;

/// Why a server is the one to be promoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Preference {
    /// It is preferred, and stands where the dead primary stood.
    PreferredInPlace,
    /// It is the most advanced one, and preferred.
    AdvancedAndPreferred,
    /// It is preferred, and stands where the most advanced one stands.
    PreferredBesideHead,
    /// It is preferred.
    Preferred,
    /// Nobody is preferred, and the most advanced one is rather not to be it; this one stands where the dead primary stood.
    NeutralInPlace,
    /// The same, and this one stands where the most advanced one stands.
    NeutralBesideHead,
    /// The same, wherever this one stands.
    Neutral,
    /// It is the most advanced one, and nobody is wanted more.
    MostAdvanced,
    /// An operator has named it.
    Named,
}

/// Who is to be promoted, and from whom it gets what it lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The most advanced server. Never writable, unless it is the promoted one.
    pub head: InstanceKey,
    /// The server to be promoted. Where it is not the head, it catches up from the head first: two steps.
    pub promoted: InstanceKey,
    /// Why it.
    pub preference: Preference,
}

/// Why the server that an operator has named is not promoted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CandidateRefused {
    /// It is not among those that could be.
    #[error("{candidate} is not to be promoted: it is no direct replica of {dead}")]
    NoReplica {
        /// The server.
        candidate: InstanceKey,
        /// The dead primary.
        dead: InstanceKey,
    },
    /// Something speaks against it.
    #[error("{candidate} is not to be promoted: {}", listed(vetoes))]
    Vetoed {
        /// The server.
        candidate: InstanceKey,
        /// What; not empty.
        vetoes: Vec<Veto>,
    },
    /// Another one has what it lacks, and cannot give it.
    #[error(
        "{candidate} is not to be promoted: it lacks what {head} has received, and cannot get it from there; put {head} in downtime to do without that"
    )]
    CannotCatchUp {
        /// The server.
        candidate: InstanceKey,
        /// The most advanced one.
        head: InstanceKey,
    },
}

fn listed(vetoes: &[Veto]) -> String {
    let all: Vec<String> = vetoes.iter().map(ToString::to_string).collect();
    all.join(", ")
}

/// Chooses the server that an operator has named, and from whom it gets what it lacks.
///
/// # Errors
/// [`CandidateRefused`]: why it is not promoted. Nobody else is, then.
pub fn choose_named(
    ranking: &Ranking,
    candidate: &InstanceKey,
    policy: &RecoveryPolicy,
) -> Result<Choice, CandidateRefused> {
    let named = candidate.clone();
    let Some(one) = ranking.find(candidate) else {
        let dead = ranking.dead.clone();
        return Err(CandidateRefused::NoReplica {
            candidate: named,
            dead,
        });
    };
    if !one.vetoes.is_empty() {
        let vetoes = one.vetoes.clone();
        return Err(CandidateRefused::Vetoed {
            candidate: named,
            vetoes,
        });
    }
    let best = ranking.order.first().unwrap_or(one);
    // Either nothing speaks against it, or it can feed others.
    let head = ahead_of(best, ranking, policy).unwrap_or(best);
    if is_level(one, head) {
        return Ok(Choice {
            head: named.clone(),
            promoted: named,
            preference: Preference::Named,
        });
    }
    let by_gtid = one.holdings.as_ref().is_some_and(Holdings::is_by_gtid);
    let head_key = head.key.clone();
    match by_gtid && follows(one, head, policy) {
        true => Ok(Choice {
            head: head_key,
            promoted: named,
            preference: Preference::Named,
        }),
        false => Err(CandidateRefused::CannotCatchUp {
            candidate: named,
            head: head_key,
        }),
    }
}

/// Whether `one` has received all that `other` has.
fn is_level(one: &Contender, other: &Contender) -> bool {
    match (&one.holdings, &other.holdings) {
        (Some(own), Some(most)) => own.covers(most),
        _ => false,
    }
}

/// Chooses from a ranking; `None` when nobody may be promoted.
///
/// The best of the order is promoted unless somebody is wanted more. Whoever it is must have, or get, everything that a
/// server which counts has received: a vetoed server that is ahead gives it what it lacks, where it can.
pub fn choose(ranking: &Ranking, policy: &RecoveryPolicy) -> Option<Choice> {
    let best = ranking.order.first()?;
    let head = ahead_of(best, ranking, policy).unwrap_or(best);
    let wanted = ranking
        .order
        .iter()
        .filter(|one| can_take_over(one, head, policy))
        .filter_map(|one| Some((preference(one, best, head)?, one)))
        .min_by_key(|(preference, _)| *preference);
    let (preference, promoted) = wanted.unwrap_or((Preference::MostAdvanced, best));
    let head = if is_level(promoted, head) {
        promoted
    } else {
        head
    };
    Some(Choice {
        head: head.key.clone(),
        promoted: promoted.key.clone(),
        preference,
    })
}

/// The most advanced server that is ahead of `best`, may not be promoted, and can feed it.
fn ahead_of<'a>(
    best: &Contender,
    ranking: &'a Ranking,
    policy: &RecoveryPolicy,
) -> Option<&'a Contender> {
    let own = best.holdings.as_ref().filter(|own| own.is_by_gtid())?;
    let feeders = ranking.vetoed.iter().filter(|one| one.can_feed());
    let able = feeders.filter(|one| follows(best, one, policy));
    let ahead = able.filter(|one| one.holdings.as_ref().is_some_and(|it| !own.covers(it)));
    ahead.reduce(|most, one| match (&most.holdings, &one.holdings) {
        (Some(a), Some(b)) if !a.covers(b) => one,
        _ => most,
    })
}

/// Whether `one` can get everything from `head`, and `head` follow it then. A head that may not be promoted need not: what it
/// has counts more than where it stands afterwards.
fn can_take_over(one: &Contender, head: &Contender, policy: &RecoveryPolicy) -> bool {
    if one.key == head.key {
        return true;
    }
    let by_gtid = one.holdings.as_ref().is_some_and(Holdings::is_by_gtid);
    (is_level(one, head) || (by_gtid && follows(one, head, policy)))
        && (!head.vetoes.is_empty() || follows(head, one, policy))
}

fn follows(replica: &Contender, source: &Contender, policy: &RecoveryPolicy) -> bool {
    match (replica.seen.as_deref(), source.seen.as_deref()) {
        (Some(replica), Some(source)) => {
            may_replicate(replica, source, policy.replication).is_possible()
        }
        _ => false,
    }
}

/// How much `one` is wanted; `None` when not more than the best of the order.
fn preference(one: &Contender, best: &Contender, head: &Contender) -> Option<Preference> {
    let is_best = one.key == best.key;
    let is_in_place = one.traits.is_in_data_center && one.traits.is_in_environment;
    let is_beside = is_beside(one, head);
    match one.rule {
        PromotionRule::Must | PromotionRule::Prefer => Some(match (is_in_place, is_best) {
            (true, _) => Preference::PreferredInPlace,
            (false, true) => Preference::AdvancedAndPreferred,
            (false, false) if is_beside => Preference::PreferredBesideHead,
            (false, false) => Preference::Preferred,
        }),
        PromotionRule::Neutral if best.rule == PromotionRule::PreferNot => {
            Some(match (is_in_place, is_beside) {
                (true, _) => Preference::NeutralInPlace,
                (false, true) => Preference::NeutralBesideHead,
                (false, false) => Preference::Neutral,
            })
        }
        PromotionRule::Neutral | PromotionRule::PreferNot | PromotionRule::MustNot => None,
    }
}

fn is_beside(one: &Contender, other: &Contender) -> bool {
    match (&one.seen, &other.seen) {
        (Some(one), Some(other)) => {
            one.placement.data_center == other.placement.data_center
                && one.placement.physical_environment == other.placement.physical_environment
        }
        _ => false,
    }
}

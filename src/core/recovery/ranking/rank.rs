use super::vetoes::{self, Check};
use super::{Comparison, Contender, compare, gather};
use crate::analysis::Scene;
use crate::domain::InstanceKey;
use crate::recovery::{Ground, RecoveryPolicy};

/// The direct replicas of a dead primary, in order.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// The dead primary.
    pub dead: InstanceKey,
    /// By what they are compared.
    pub ground: Ground,
    /// Who may be promoted, best first.
    pub order: Vec<Contender>,
    /// Why each stands before the next.
    pub comparisons: Vec<Comparison>,
    /// Who may not, by address, each with at least one veto.
    pub vetoed: Vec<Contender>,
}

/// Why there is no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RankingRefused {
    /// Two replicas have received different transactions.
    #[error(
        "{one} and {other} have two histories: only {one} has {only_one}, and only {other} has {only_other}; decide which one is right, put the other in downtime or detach it, and recover again"
    )]
    TwoHistories {
        /// One of them.
        one: InstanceKey,
        /// The other.
        other: InstanceKey,
        /// What only the one has.
        only_one: String,
        /// What only the other has.
        only_other: String,
    },
}

impl Ranking {
    /// Everybody: contenders in order, then the vetoed.
    pub fn all(&self) -> impl Iterator<Item = &Contender> {
        self.order.iter().chain(&self.vetoed)
    }

    /// One of them.
    pub fn find(&self, key: &InstanceKey) -> Option<&Contender> {
        self.all().find(|contender| contender.key == *key)
    }
}

/// Ranks the direct replicas of `dead`.
///
/// # Errors
/// [`RankingRefused`] when two of them have received what the other has not.
pub fn rank(
    scene: &Scene<'_>,
    dead: &InstanceKey,
    policy: &RecoveryPolicy,
) -> Result<Ranking, RankingRefused> {
    rank_by(&vetoes::ALL, scene, dead, policy)
}

/// The same by any checks, so that a test can leave one out.
pub(super) fn rank_by(
    checks: &[Check],
    scene: &Scene<'_>,
    dead: &InstanceKey,
    policy: &RecoveryPolicy,
) -> Result<Ranking, RankingRefused> {
    let (ground, contenders) = gather::contenders(scene, dead, policy, checks);
    refuse_two_histories(&contenders)?;
    let (mut order, vetoed): (Vec<_>, Vec<_>) = contenders
        .into_iter()
        .partition(|contender| contender.vetoes.is_empty());
    order.sort_by(|a, b| compare(a, b).0);
    let comparisons = order
        .array_windows()
        .map(|[better, worse]| Comparison::of(better, worse))
        .collect();
    Ok(Ranking {
        dead: dead.clone(),
        ground,
        order,
        comparisons,
        vetoed,
    })
}

/// One binary log makes one history, so of any two replicas one has all that the other has.
fn refuse_two_histories(contenders: &[Contender]) -> Result<(), RankingRefused> {
    let counting: Vec<_> = contenders.iter().filter(|one| one.counts()).collect();
    for (i, one) in counting.iter().enumerate() {
        for other in &counting[i + 1..] {
            let (Some(a), Some(b)) = (&one.holdings, &other.holdings) else {
                continue;
            };
            if a.compare_received(b).is_none() {
                return Err(RankingRefused::TwoHistories {
                    one: one.key.clone(),
                    other: other.key.clone(),
                    only_one: a.missing_in(b),
                    only_other: b.missing_in(a),
                });
            }
        }
    }
    Ok(())
}

use super::{Action, Fate, Left, Plan, Progress, StepState};
use crate::domain::{DataLoss, InstanceKey, Observation, Timestamp};
use crate::recovery::Holdings;
use crate::recovery::ranking::Ranking;

/// Semi-sync replicas among those ranked that cannot be asked what they have.
pub(super) fn unreachable_semi_sync(ranking: &Ranking) -> usize {
    let unreachable = ranking.all().filter(|one| !one.is_reachable);
    // One that was never seen may have been a semi-sync replica.
    let may_acknowledge = unreachable.filter(|one| {
        one.seen
            .as_ref()
            .is_none_or(|seen| seen.semi_sync.replica_enabled)
    });
    may_acknowledge.count()
}

/// What is known when a plan has been carried out, as far as `progress` says, and the old primary cannot be read.
///
/// `ranking` is how the replicas stood; without it nothing is known of those that could not be asked, and nothing is proven.
/// `dead` is what was last seen of the old primary. What is proven is proven as of `now`.
pub fn data_loss(
    ranking: Option<&Ranking>,
    plan: &Plan,
    progress: &Progress,
    dead: Option<&Observation>,
    now: Timestamp,
) -> DataLoss {
    let given_up = given_up(plan, progress);
    let is_proven = given_up.is_none()
        && ranking.zip(dead).is_some_and(|(ranking, dead)| {
            is_covered(dead, ranking) && has_waited_since(dead, now) && has_the_union(ranking, plan)
        });
    if is_proven {
        return DataLoss::NoneProven;
    }
    let at_least = plan.fates.iter().filter_map(|(key, fate)| match fate {
        Fate::Left(Left::HasMore { set }) => Some((key.clone(), set.clone())),
        _ => None,
    });
    DataLoss::Unknown {
        at_most_since: dead.map(|dead| dead.observed_at),
        at_least: at_least.chain(given_up).collect(),
    }
}

/// What the promoted server had received and was not given the time to apply.
fn given_up(plan: &Plan, progress: &Progress) -> Option<(InstanceKey, String)> {
    let unapplied = progress.steps.iter().find_map(|(number, state)| {
        let step = plan.steps.get(*number)?;
        match state {
            StepState::GivenUp { unapplied, .. } if step.action == Action::AwaitApplied => {
                Some(unapplied)
            }
            _ => None,
        }
    })?;
    let amount = unapplied.map_or_else(
        || "an unknown number of transactions".to_owned(),
        |amount| amount.to_string(),
    );
    let told = format!("received and not applied {amount}, which was given up");
    Some((plan.choice.promoted.clone(), told))
}

/// What is known once the old primary, or its binary log, was read.
pub fn data_loss_when_read(old: &Holdings, promoted: &Holdings) -> DataLoss {
    match promoted.has_applied_all_of(old) {
        true => DataLoss::NoneProven,
        false => DataLoss::Exactly {
            set: old.missing_in(promoted),
        },
    }
}

/// Semi-sync was on when last seen, and fewer semi-sync replicas are out of reach than it waited for: of those that
/// acknowledged, one at least can be asked.
fn is_covered(dead: &Observation, ranking: &Ranking) -> bool {
    let semi_sync = &dead.semi_sync;
    let waits_for = semi_sync.wait_for_replica_count;
    semi_sync.source_enabled
        && semi_sync.source_status
        && u32::try_from(unreachable_semi_sync(ranking)).is_ok_and(|count| count < waits_for)
}

/// Until `now` it cannot have told a client that something is committed which no replica has acknowledged.
///
/// It commits after the acknowledgement, and waits for replicas that are gone as well. Nothing waited when it was last seen, so
/// the first wait that ends without an acknowledgement ends later than its timeout after that.
fn has_waited_since(dead: &Observation, now: Timestamp) -> bool {
    let semi_sync = &dead.semi_sync;
    // A probe ends later than it has asked.
    let seen = dead.observed_at.minus(dead.latency);
    semi_sync.waits_after_sync == Some(true)
        && semi_sync.waits_for_absent == Some(true)
        && semi_sync.waiting_commits == Some(0)
        && now.since(seen) < semi_sync.source_timeout
}

/// The promoted server has everything that a reachable replica has received, whoever that is.
fn has_the_union(ranking: &Ranking, plan: &Plan) -> bool {
    let Some(most) = plan.holdings.get(&plan.choice.head) else {
        return false;
    };
    let reachable = ranking.all().filter(|one| one.is_reachable);
    reachable
        .into_iter()
        .all(|one| one.holdings.as_ref().is_some_and(|own| most.covers(own)))
}

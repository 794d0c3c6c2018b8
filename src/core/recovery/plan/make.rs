use std::collections::BTreeMap;
use std::time::Duration;

use super::loss::unreachable_semi_sync;
use super::{Action, Fate, Left, Phase, Plan, Step, StepNumber, Unsound, check};
use crate::analysis::Scene;
use crate::domain::InstanceKey;
use crate::planted::{Bug, is_planted};
use crate::recovery::demand::lifted;
use crate::recovery::ranking::{
    CandidateRefused, Choice, Contender, Ranking, RankingRefused, Veto, choose, choose_named, rank,
};
use crate::recovery::{Demand, Durability, Holdings, RecoveryPolicy, Unapplied, UnappliedRelayLog};
use crate::topology::may_replicate;

/// How long a statement that changes one setting or thread may take: as long as any changing statement of a recovery.
const STATEMENT_TIME: Duration = Duration::from_secs(10);

/// How long making a server writable may take, with all attempts. It has forgotten its source by then, and to end there leaves
/// a server that nobody follows and that has what others lack; so it ends only where the server is lost as well.
const PROMOTION_TIME: Duration = Duration::from_secs(60);

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlan {
    /// There is no order among the replicas.
    #[error(transparent)]
    NoOrder(#[from] RankingRefused),
    /// The server that an operator has named is not promoted.
    #[error(transparent)]
    Candidate(#[from] CandidateRefused),
    /// No replica may be promoted.
    #[error("no replica may be promoted{}", told(.0))]
    NobodyToPromote(Vec<(InstanceKey, Vec<Veto>)>),
    /// Replicas without GTIDs would have to be moved.
    #[error("{} other replicas could not be moved below {promoted}, because not all use GTIDs", others.len())]
    OthersCannotFollow {
        /// Who would have been promoted.
        promoted: InstanceKey,
        /// The others.
        others: Vec<InstanceKey>,
    },
    /// Somebody may have acknowledged what no reachable replica has, and policy refuses that.
    #[error(
        "{unreachable} semi-sync replicas cannot be asked, and {waits_for} acknowledgements were enough: one of them may have what no other has, and the durability policy refuses that"
    )]
    Uncovered {
        /// How many cannot be asked.
        unreachable: usize,
        /// How many acknowledgements the dead primary waited for.
        waits_for: u32,
    },
    /// The plan that was made is not sound: a fault of this program.
    #[error("the plan that was made is not sound, and nothing is done: {0}")]
    Unsound(#[from] Unsound),
}

fn told(vetoed: &[(InstanceKey, Vec<Veto>)]) -> String {
    if vetoed.is_empty() {
        return ": it has none".to_owned();
    }
    let one = |(key, vetoes): &(InstanceKey, Vec<Veto>)| {
        let reasons: Vec<String> = vetoes.iter().map(ToString::to_string).collect();
        format!("; {key}: {}", reasons.join(", "))
    };
    vetoed.iter().map(one).collect()
}

/// Makes a plan for replacing the dead primary `dead`, which nobody has asked for.
///
/// # Errors
/// [`NoPlan`]: why none is made.
pub fn plan(
    scene: &Scene<'_>,
    dead: &InstanceKey,
    policy: &RecoveryPolicy,
) -> Result<Plan, NoPlan> {
    plan_for(scene, dead, policy, &Demand::default())
}

/// Makes a plan for replacing the dead primary `dead`, as somebody wants it. Force is used only where there would be no
/// plan without: whom strict rules would promote is promoted.
///
/// # Errors
/// [`NoPlan`]: why none is made.
pub fn plan_for(
    scene: &Scene<'_>,
    dead: &InstanceKey,
    policy: &RecoveryPolicy,
    demand: &Demand,
) -> Result<Plan, NoPlan> {
    let strict = plan_by(scene, dead, policy, demand);
    match strict {
        Err(_) if demand.is_forced() => plan_by(scene, dead, &lifted(policy), demand),
        answer => answer,
    }
}

fn chosen(ranking: &Ranking, policy: &RecoveryPolicy, demand: &Demand) -> Result<Choice, NoPlan> {
    if let Some(candidate) = &demand.candidate {
        return Ok(choose_named(ranking, candidate, policy)?);
    }
    choose(ranking, policy).ok_or_else(|| {
        let all = ranking.vetoed.iter();
        let vetoed = all.map(|one| (one.key.clone(), one.vetoes.clone()));
        NoPlan::NobodyToPromote(vetoed.collect())
    })
}

fn plan_by(
    scene: &Scene<'_>,
    dead: &InstanceKey,
    policy: &RecoveryPolicy,
    demand: &Demand,
) -> Result<Plan, NoPlan> {
    let ranking = rank(scene, dead, policy)?;
    let choice = chosen(&ranking, policy, demand)?;
    refuse_uncovered(scene, &ranking, policy)?;
    let fates: BTreeMap<InstanceKey, Fate> = ranking
        .all()
        .map(|one| (one.key.clone(), fate(one, &ranking, &choice, policy)))
        .collect();
    refuse_without_gtids(&ranking, &choice, &fates)?;
    let holdings = ranking
        .all()
        .filter(|one| one.key == choice.head || !matches!(fates.get(&one.key), Some(Fate::Left(_))))
        .filter_map(|one| Some((one.key.clone(), one.holdings.clone()?)))
        .collect();
    let semi_sync = switches_semi_sync(scene, &ranking, &choice);
    let steps = Steps::of(&ranking, &choice, &fates, policy, demand, semi_sync);
    let plan = Plan {
        dead: dead.clone(),
        demand: demand.clone(),
        made_at: scene.now,
        ground: ranking.ground,
        choice,
        comparisons: ranking.comparisons,
        fates,
        holdings,
        steps,
        steps_at_once: policy.steps_at_once.max(1),
    };
    check(&plan)?;
    Ok(plan)
}

/// Whether the promoted server waits for acknowledgements from now on: the dead primary did, as far as it was seen, and it
/// can.
fn switches_semi_sync(scene: &Scene<'_>, ranking: &Ranking, choice: &Choice) -> bool {
    let dead = scene.picture.observation(&ranking.dead);
    let promoted = ranking.find(&choice.promoted);
    dead.is_some_and(|dead| dead.semi_sync.source_enabled)
        && promoted
            .and_then(|one| one.seen.as_ref())
            .is_some_and(|seen| seen.semi_sync.available)
}

fn refuse_uncovered(
    scene: &Scene<'_>,
    ranking: &Ranking,
    policy: &RecoveryPolicy,
) -> Result<(), NoPlan> {
    let Some(dead) = scene.picture.observation(&ranking.dead) else {
        return Ok(());
    };
    let (semi_sync, unreachable) = (&dead.semi_sync, unreachable_semi_sync(ranking));
    let waits_for = semi_sync.wait_for_replica_count;
    let is_on = semi_sync.source_enabled && semi_sync.source_status && waits_for > 0;
    let is_covered = u32::try_from(unreachable).is_ok_and(|count| count < waits_for);
    match policy.durability == Durability::Refuse && is_on && !is_covered {
        true => Err(NoPlan::Uncovered {
            unreachable,
            waits_for,
        }),
        false => Ok(()),
    }
}

/// A lone replica needs no GTIDs. Others that would have to follow do.
fn refuse_without_gtids(
    ranking: &Ranking,
    choice: &Choice,
    fates: &BTreeMap<InstanceKey, Fate>,
) -> Result<(), NoPlan> {
    let is_by_gtid = |one: &Contender| one.holdings.as_ref().is_some_and(Holdings::is_by_gtid);
    let all_can = ranking.find(&choice.promoted).is_some_and(is_by_gtid);
    let is_moved = |(_, fate): &(&InstanceKey, &Fate)| **fate == Fate::Moved;
    let others: Vec<InstanceKey> = fates
        .iter()
        .filter(is_moved)
        .map(|(key, _)| key.clone())
        .collect();
    match all_can || others.is_empty() {
        true => Ok(()),
        false => Err(NoPlan::OthersCannotFollow {
            promoted: choice.promoted.clone(),
            others,
        }),
    }
}

fn fate(one: &Contender, ranking: &Ranking, choice: &Choice, policy: &RecoveryPolicy) -> Fate {
    if one.key == choice.promoted {
        return Fate::Promoted;
    }
    match left(one, ranking, choice, policy) {
        Some(left) => Fate::Left(left),
        None => Fate::Moved,
    }
}

/// Why a replica is not moved; `None` when it is.
fn left(
    one: &Contender,
    ranking: &Ranking,
    choice: &Choice,
    policy: &RecoveryPolicy,
) -> Option<Left> {
    let has = |is: fn(&Veto) -> bool| one.vetoes.iter().any(is);
    if has(|veto| matches!(veto, Veto::Downtime { .. })) {
        return Some(Left::Downtime);
    }
    let (Some(seen), true) = (one.seen.as_deref(), one.is_reachable) else {
        return Some(Left::Unreachable);
    };
    let errant = one.vetoes.iter().find_map(|veto| match veto {
        Veto::Errant { set } => Some(set.clone()),
        _ => None,
    });
    if let Some(set) = errant {
        return Some(Left::HasMore { set });
    }
    let head = ranking.find(&choice.head)?;
    let (Some(own), Some(most)) = (&one.holdings, &head.holdings) else {
        return Some(Left::Illegible);
    };
    if !most.covers(own) {
        let set = own.missing_in(most);
        return Some(Left::HasMore { set });
    }
    let promoted = ranking.find(&choice.promoted)?.seen.as_deref()?;
    // It will replicate from a server that is no replica any more.
    let mut promoted = promoted.clone();
    promoted.replication = None;
    let answer = may_replicate(seen, &promoted, policy.replication);
    if let Some(why) = answer.obstacles.first() {
        let why = why.to_string();
        return Some(Left::CannotFollow { why });
    }
    let unapplied = own.unapplied();
    let cannot_in_time = has(|veto| matches!(veto, Veto::CannotApply { .. } | Veto::Stranded(_)))
        || seen
            .replication
            .as_ref()
            .is_some_and(|link| link.delay > policy.apply_timeout);
    (cannot_in_time && unapplied != Unapplied::Nothing).then_some(Left::AppliesLater { unapplied })
}

/// Builds the steps of a plan.
struct Steps<'a> {
    steps: Vec<Step>,
    /// The last step of each server so far.
    last: BTreeMap<InstanceKey, StepNumber>,
    policy: &'a RecoveryPolicy,
    choice: &'a Choice,
    demand: &'a Demand,
    /// The dead primary waited for acknowledgements, and the promoted server can.
    switches_semi_sync: bool,
}

impl<'a> Steps<'a> {
    fn of(
        ranking: &Ranking,
        choice: &'a Choice,
        fates: &BTreeMap<InstanceKey, Fate>,
        policy: &'a RecoveryPolicy,
        demand: &'a Demand,
        switches_semi_sync: bool,
    ) -> Vec<Step> {
        let mut made = Self {
            steps: Vec::new(),
            last: BTreeMap::new(),
            policy,
            choice,
            demand,
            switches_semi_sync,
        };
        let is_left = |key: &InstanceKey| matches!(fates.get(key), Some(Fate::Left(_)));
        // The head gives what it has also where it cannot be moved afterwards.
        let mut kept: Vec<&InstanceKey> = fates
            .keys()
            .filter(|key| **key == choice.head || !is_left(key))
            .collect();
        // What decides about being writable again goes first.
        kept.sort_by_key(|key| (**key != choice.promoted, **key != choice.head));
        for key in &kept {
            let mut actions = [Action::StartApplier, Action::StopReceiver];
            if is_planted(Bug::ReceiverStoppedFirst) {
                actions.reverse();
            }
            for action in actions {
                made.add(Phase::Registered, key, action);
            }
        }
        made.promotion();
        let mut moved: Vec<&InstanceKey> = kept
            .into_iter()
            .filter(|key| **key != choice.promoted && !is_left(key))
            .collect();
        // A stable sort: who is late by configuration comes last.
        moved.sort_by_key(|key| {
            ranking
                .find(key)
                .is_some_and(|one| is_postponed(one, policy))
        });
        for key in moved {
            let source = choice.promoted.clone();
            made.drained(Phase::Published, key);
            made.add(Phase::Published, key, Action::Repoint { source });
            made.add(Phase::Published, key, Action::StartReplication);
        }
        if policy.detaches_promoted && !policy.makes_writable {
            made.add(Phase::Published, &choice.promoted, Action::Detach);
        }
        if policy.detaches_lost {
            let lost = ranking.all().filter(|one| is_to_be_detached(one, fates));
            for one in lost {
                made.add(Phase::Published, &one.key, Action::StopReceiver);
                made.drained(Phase::Published, &one.key);
                made.add(Phase::Published, &one.key, Action::Detach);
            }
        }
        made.steps
    }

    fn promotion(&mut self) {
        const PHASE: Phase = Phase::ReceiversStopped;
        let (head, promoted) = (&self.choice.head, &self.choice.promoted);
        if head != promoted {
            let all_applied = self.add(PHASE, head, Action::AwaitApplied);
            self.drained(PHASE, promoted);
            let source = head.clone();
            let repoint = self.add(PHASE, promoted, Action::Repoint { source });
            self.steps[repoint].after.push(all_applied);
            self.add(PHASE, promoted, Action::StartReplication);
            let other = head.clone();
            self.add(PHASE, promoted, Action::AwaitAllOf { other });
            self.add(PHASE, promoted, Action::StopReceiver);
        }
        self.drained(PHASE, promoted);
        if self.policy.makes_writable {
            self.add(PHASE, promoted, Action::ForgetSource);
            if self.switches_semi_sync {
                // Before the first write, which is to be acknowledged as it was on the dead primary.
                self.add(PHASE, promoted, Action::SemiSyncReplica(false));
                self.add(PHASE, promoted, Action::SemiSyncSource(true));
            }
            self.add(PHASE, promoted, Action::MakeWritable);
        }
    }

    /// All applied, and the applier stopped.
    fn drained(&mut self, phase: Phase, on: &InstanceKey) {
        self.add(phase, on, Action::AwaitApplied);
        self.add(phase, on, Action::StopApplier);
    }

    fn add(&mut self, phase: Phase, on: &InstanceKey, action: Action) -> StepNumber {
        let number = self.steps.len();
        let is_promoted = *on == self.choice.promoted;
        let deadline = match &action {
            Action::AwaitApplied if is_promoted && !self.demand.is_forced() => {
                let waits = self.policy.unapplied == UnappliedRelayLog::Wait;
                (!waits).then_some(self.policy.apply_timeout)
            }
            Action::AwaitApplied | Action::AwaitAllOf { .. } => Some(self.policy.apply_timeout),
            Action::MakeWritable | Action::SemiSyncSource(_) | Action::SemiSyncReplica(_) => {
                Some(PROMOTION_TIME)
            }
            _ => Some(STATEMENT_TIME),
        };
        let is_before_promotion = phase < Phase::Promoted;
        self.steps.push(Step {
            phase,
            on: on.clone(),
            action,
            after: self.last.insert(on.clone(), number).into_iter().collect(),
            deadline,
            is_required: is_before_promotion && (is_promoted || *on == self.choice.head),
        });
        number
    }
}

/// Whether a replica is delayed by more than configuration waits for. Its lag does not count.
fn is_postponed(one: &Contender, policy: &RecoveryPolicy) -> bool {
    let link = one
        .seen
        .as_deref()
        .and_then(|seen| seen.replication.as_ref());
    let from = policy.postpones_from;
    from.zip(link).is_some_and(|(from, link)| link.delay > from)
}

/// A lost replica is detached where that discards nothing: what it has is what an operator may want to look at.
fn is_to_be_detached(one: &Contender, fates: &BTreeMap<InstanceKey, Fate>) -> bool {
    let is_lost = matches!(fates.get(&one.key), Some(Fate::Left(left)) if left.is_lost());
    let is_drained = one
        .holdings
        .as_ref()
        .is_some_and(|own| own.unapplied() == Unapplied::Nothing);
    is_lost && is_drained && one.is_reachable
}

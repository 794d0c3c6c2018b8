use std::time::Duration;

use super::{Command, Decided, Effect, Proposal, Refusal, Reply, RowChange};
use crate::domain::{Candidate, Downtime, InstanceKey, PromotionRule, Timestamp};

/// How long a mark of forgetting is kept: longer than any node is away and still comes back with an old picture that is
/// worth anything.
const FORGOTTEN_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// What came of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Answer to the proposer.
    pub reply: Reply,
    /// Rows to write, in order.
    pub changes: Vec<RowChange>,
    /// Work owed, in order.
    pub effects: Vec<Effect>,
    /// Time of decided state after it.
    pub decided_at: Timestamp,
}

/// Applies one proposal. Reads no clock, environment or randomness; never fails: "no" is a [`Reply::Refused`].
pub fn apply(state: &Decided, proposal: &Proposal) -> Applied {
    // Time never goes back, also when leadership moves to a node whose clock is behind.
    let now = state.decided_at.max(proposal.proposed_at);
    let (reply, changes, effects) = decide(state, &proposal.command, now);
    Applied {
        reply,
        changes,
        effects,
        decided_at: now,
    }
}

type Decision = (Reply, Vec<RowChange>, Vec<Effect>);

fn decide(state: &Decided, command: &Command, now: Timestamp) -> Decision {
    match command {
        Command::Discover { key } => discover(state, key),
        Command::Forget { key } => (
            Reply::Done,
            vec![RowChange::PutForgotten(key.clone(), now)],
            vec![Effect::Forget(key.clone())],
        ),
        Command::BeginDowntime {
            key,
            owner,
            reason,
            ends_at,
        } => {
            let row = Downtime {
                owner: owner.clone(),
                reason: reason.clone(),
                begins_at: now,
                ends_at: *ends_at,
            };
            if *ends_at <= now {
                refused(Refusal::AlreadyOver)
            } else {
                done(RowChange::PutDowntime(key.clone(), row))
            }
        }
        Command::EndDowntime { key } => match state.downtimes.contains_key(key) {
            true => done(RowChange::DeleteDowntime(key.clone())),
            false => (Reply::Unchanged, vec![], vec![]),
        },
        Command::RegisterCandidate {
            rule: PromotionRule::Must,
            ..
        } => refused(Refusal::MustIsNotRegistrable),
        Command::RegisterCandidate {
            key,
            rule,
            expires_at,
        } => {
            let row = Candidate {
                rule: *rule,
                registered_at: now,
                expires_at: *expires_at,
            };
            if *expires_at <= now {
                refused(Refusal::AlreadyOver)
            } else {
                done(RowChange::PutCandidate(key.clone(), row))
            }
        }
        Command::Expire => expire(state, now),
    }
}

fn done(change: RowChange) -> Decision {
    (Reply::Done, vec![change], vec![])
}

fn refused(why: Refusal) -> Decision {
    (Reply::Refused(why), vec![], vec![])
}

fn discover(state: &Decided, key: &InstanceKey) -> Decision {
    let unmark = state
        .forgotten
        .contains_key(key)
        .then(|| RowChange::DeleteForgotten(key.clone()));
    (
        Reply::Done,
        unmark.into_iter().collect(),
        vec![Effect::Discover(key.clone())],
    )
}

fn expire(state: &Decided, now: Timestamp) -> Decision {
    let downtimes = state
        .downtimes
        .iter()
        .filter(|(_, row)| !row.holds_at(now))
        .map(|(key, _)| RowChange::DeleteDowntime(key.clone()));
    let candidates = state
        .candidates
        .iter()
        .filter(|(_, row)| row.expires_at <= now)
        .map(|(key, _)| RowChange::DeleteCandidate(key.clone()));
    let forgotten = state
        .forgotten
        .iter()
        .filter(|(_, at)| now.since(**at) >= FORGOTTEN_KEPT)
        .map(|(key, _)| RowChange::DeleteForgotten(key.clone()));
    let changes: Vec<RowChange> = downtimes.chain(candidates).chain(forgotten).collect();
    let reply = if changes.is_empty() {
        Reply::Unchanged
    } else {
        Reply::Done
    };
    (reply, changes, vec![])
}

//! A request takes effect once, however often it is committed.
//!
//! Whoever does not hear the answer to a request proposes it again with the same id, perhaps at another leader. The
//! answers to the latest requests are therefore decided state themselves: every node remembers and drops the same ones
//! at the same entry, and a snapshot carries them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Applied, Decided, Proposal, Reply, RowChange, apply};
use crate::domain::Timestamp;

/// How long an answer is remembered, in the time of decided state: longer than any client retries.
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// How many answers are remembered at most. All ten minutes of a busy group would be millions, which every node would hold
/// in memory, digest each second and send with each snapshot. So many are some 20 MB, and at the twelve thousand changes
/// a second that a group reaches, they last for eight seconds: longer than it takes to follow a dead leader, which is what
/// makes clients ask again. Up to 160 changes a second they last for the ten minutes.
const REMEMBERED_MAX: usize = 100_000;

/// Answers that one entry drops at most, so that the first entry after a quiet night is no stall. Each entry adds one, so
/// more than one suffices to keep the bound.
const DROPPED_MAX: usize = 16;

/// What was answered to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Index of the entry that took effect.
    pub index: u64,
    /// What apply answered.
    pub reply: Reply,
    /// Time of decided state then.
    pub at: Timestamp,
}

/// What came of one entry, with the answer its proposer gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedOnce {
    /// Index of the entry that took effect: this one, or that of the same request earlier.
    pub index: u64,
    /// Changes, effects and the answer.
    pub applied: Applied,
}

/// The ids of all proposals of one request that its caller gave a key. The key is in front, so that all answers to one key
/// stand together in decided state, and a second request with the same key is noticed by every node.
///
/// From the front: 64 bits of key and caller, 16 of what is asked for, 48 of the step. Two requests with one key that have
/// the same 16 bits (one pair of 65,536) are not noticed, and are two requests all the same, by their steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyedRequest {
    front: u64,
    request: u16,
}

impl KeyedRequest {
    /// From digests of key and caller, and of what is asked for.
    pub const fn new(key: u64, request: u16) -> Self {
        Self {
            front: key,
            request,
        }
    }

    /// Id of one proposal; `step` is a digest of step and request, of which 48 bits count.
    pub fn step(self, step: u64) -> u128 {
        const STEP_BITS: u32 = 48;
        let step = step & ((1 << STEP_BITS) - 1);
        u128::from(self.front) << 64 | u128::from(self.request) << STEP_BITS | u128::from(step)
    }

    /// Whether this is the id of one of its proposals.
    fn has(self, id: u128) -> bool {
        id >> 48 == self.step(0) >> 48
    }
}

/// The id of a request to which its caller gave none: the time in front, in milliseconds, and behind it 80 bits of `drawn`.
///
/// Answers are kept by the ids of their requests, so what was asked one after another then stands together, in memory and in stores. With
/// ids that are drawn altogether each answer that comes, and each one that goes, changes another page of a hundred thousand.
pub fn new_request(at: Timestamp, drawn: u128) -> u128 {
    const DRAWN_BITS: u32 = 80;
    let millis = at.as_micros().max(0).cast_unsigned() / 1_000;
    u128::from(millis) << DRAWN_BITS | drawn & ((1 << DRAWN_BITS) - 1)
}

/// Applies the proposal of entry `index`, unless its request was answered within ten minutes of decided time and 100,000
/// requests: then nothing changes and the answer is the earlier one. As pure as [`apply`].
pub fn apply_once(state: &Decided, index: u64, proposal: &Proposal) -> AppliedOnce {
    let now = state.decided_at.max(proposal.proposed_at);
    if let Some(earlier) = state.answer_to(proposal.request, now) {
        return AppliedOnce {
            index: earlier.index,
            applied: Applied {
                reply: earlier.reply.clone(),
                changes: Vec::new(),
                effects: Vec::new(),
                decided_at: now,
            },
        };
    }
    let mut applied = apply(state, proposal);
    applied.changes.extend(dropped(state, now));
    let answer = Answer {
        index,
        reply: applied.reply.clone(),
        at: now,
    };
    applied
        .changes
        .push(RowChange::PutAnswer(proposal.request, answer));
    AppliedOnce { index, applied }
}

impl Decided {
    /// The answer to an earlier request, as far as it is remembered at `now`, in the time of decided state.
    pub fn answer_to(&self, request: u128, now: Timestamp) -> Option<&Answer> {
        self.answers
            .get(&request)
            .filter(|answer| now.since(answer.at) <= REMEMBERED_FOR)
    }

    /// Whether the key of this request belongs to another one, as far as that is remembered at `now`.
    pub fn is_key_of_another(&self, request: KeyedRequest, now: Timestamp) -> bool {
        let first = u128::from(request.front) << 64;
        let with_key = self.answers.range(first..=first | u128::from(u64::MAX));
        let fresh = with_key.filter(|(_, answer)| now.since(answer.at) <= REMEMBERED_FOR);
        fresh.map(|(id, _)| *id).any(|id| !request.has(id))
    }
}

/// The oldest answers that are over, or one too many.
fn dropped(state: &Decided, now: Timestamp) -> impl Iterator<Item = RowChange> + '_ {
    let excess = (state.answers.len() + 1).saturating_sub(REMEMBERED_MAX);
    let oldest = state.answered.iter().enumerate();
    oldest
        .take(DROPPED_MAX)
        .take_while(move |(position, (_, request))| {
            let is_over = state
                .answers
                .get(*request)
                .is_none_or(|answer| now.since(answer.at) > REMEMBERED_FOR);
            *position < excess || is_over
        })
        .map(|(_, (_, request))| RowChange::DeleteAnswer(*request))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decided::{Command, Origin};
    use crate::domain::InstanceKey;

    const NOON: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn proposal(request: u128, at: Timestamp, command: Command) -> Proposal {
        Proposal {
            request,
            proposed_at: at,
            origin: Origin::default(),
            command,
        }
    }

    fn forget() -> Command {
        Command::Forget {
            key: InstanceKey::parse("a", 3306).unwrap(),
        }
    }

    fn take(state: &mut Decided, request: u128, at: Timestamp, command: Command) -> AppliedOnce {
        let index = state.applied_index + 1;
        let once = apply_once(state, index, &proposal(request, at, command));
        state.absorb(index, once.applied.decided_at, &once.applied.changes);
        once
    }

    #[test]
    fn a_request_that_comes_again_changes_nothing_and_gets_the_first_answer() {
        let mut state = Decided::default();
        let first = take(&mut state, 7, NOON, forget());
        let marked = state.forgotten.clone();
        let again = take(&mut state, 7, NOON.plus(Duration::from_secs(60)), forget());
        assert_eq!((first.index, again.index), (1, 1));
        assert_eq!(again.applied.reply, Reply::Done);
        assert!(again.applied.changes.is_empty() && again.applied.effects.is_empty());
        assert_eq!(state.forgotten, marked);
        assert_eq!(state.applied_index, 2);
    }

    #[test]
    fn requests_without_an_id_of_their_own_get_one_that_follows_time() {
        let ids = [
            new_request(NOON, u128::MAX),
            new_request(NOON.plus(Duration::from_millis(1)), 0),
            new_request(NOON.plus(Duration::from_millis(1)), 1),
            new_request(NOON.plus(Duration::from_millis(2)), 0),
        ];
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:x?}");
        assert_eq!(new_request(Timestamp::from_micros(-1), 7), 7);
    }

    #[test]
    fn a_refusal_is_an_answer_too() {
        let mut state = Decided::default();
        let late = Command::BeginDowntime {
            key: InstanceKey::parse("a", 3306).unwrap(),
            owner: String::new(),
            reason: String::new(),
            ends_at: NOON,
        };
        let first = take(&mut state, 7, NOON, late.clone());
        assert!(matches!(first.applied.reply, Reply::Refused(_)));
        let again = take(&mut state, 7, NOON, late);
        assert_eq!(again.applied.reply, first.applied.reply);
        assert_eq!(again.index, 1);
    }

    #[test]
    fn after_ten_minutes_the_same_id_is_another_request() {
        let mut state = Decided::default();
        take(&mut state, 7, NOON, forget());
        let later = NOON.plus(Duration::from_secs(601));
        let again = take(&mut state, 7, later, forget());
        assert_eq!(again.index, 2);
        assert_eq!(state.answers.len(), 1);
        assert_eq!(state.answered.len(), 1);
    }

    #[test]
    fn no_more_than_the_bound_are_kept_and_old_ones_go_a_few_at_a_time() {
        let mut state = Decided::default();
        for request in 0..REMEMBERED_MAX as u128 + 50 {
            take(&mut state, request, NOON, Command::Expire);
        }
        assert_eq!(state.answers.len(), REMEMBERED_MAX);
        assert!(!state.answers.contains_key(&49) && state.answers.contains_key(&50));
        let later = NOON.plus(Duration::from_secs(601));
        take(&mut state, u128::MAX, later, Command::Expire);
        assert_eq!(state.answers.len(), REMEMBERED_MAX - DROPPED_MAX + 1);
        assert_eq!(state.answered.len(), state.answers.len());
    }

    #[test]
    fn a_key_that_belongs_to_another_request_is_known_for_ten_minutes() {
        let mut state = Decided::default();
        let (first, other) = (KeyedRequest::new(7, 1), KeyedRequest::new(7, 2));
        assert!(!state.is_key_of_another(first, NOON));
        take(&mut state, first.step(u64::MAX), NOON, forget());
        take(&mut state, first.step(0), NOON, forget());
        assert!(!state.is_key_of_another(first, NOON));
        assert!(state.is_key_of_another(other, NOON));
        for key in [6, 8, u64::MAX] {
            assert!(!state.is_key_of_another(KeyedRequest::new(key, 2), NOON));
        }
        let later = NOON.plus(Duration::from_secs(601));
        assert!(!state.is_key_of_another(other, later));
    }

    #[test]
    fn what_is_remembered_comes_back_from_rows() {
        let mut state = Decided::default();
        for request in 0..20 {
            take(&mut state, request, NOON, forget());
        }
        let rows: Vec<RowChange> = state.rows().collect();
        let back = Decided::from_rows(state.applied_index, state.decided_at, &rows);
        assert_eq!(back, state);
        let mut back = back;
        assert_eq!(take(&mut back, 3, NOON, forget()).index, 4);
    }
}

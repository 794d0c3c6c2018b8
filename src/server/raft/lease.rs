//! When a majority last acknowledged this leader: what `leader-check` answers from.
//!
//! An acknowledgement counts from the moment in which the acknowledged round was sent, and for the shortest silence after
//! which the node that gave it would help another one to lead, which it says with it. That node, having heard this leader,
//! neither asks to be elected nor gives its vote before that silence is over, and a restarted one waits as long. So while
//! a majority of such times runs, no other leader can have been elected by then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::types::NodeId;

/// Part of the silence that is given up for clocks that run at different speeds: a hundredth, a hundred times what
/// crystals differ.
const DRIFT: u32 = 100;

/// An acknowledgement.
#[derive(Clone, Copy, Debug)]
struct Ack {
    term: u64,
    sent_at: Duration,
    silence: Duration,
}

/// Acknowledgements by node, and when each node was last heard at all. Times are of the monotonic clock.
#[derive(Default)]
pub struct Acks {
    acks: Mutex<BTreeMap<NodeId, Ack>>,
    heard: Mutex<BTreeMap<NodeId, Duration>>,
}

impl Acks {
    /// A node acknowledged the leader of `term` in answer to a round sent at `sent_at`.
    pub fn acknowledged(&self, node: NodeId, term: u64, sent_at: Duration, silence: Duration) {
        let mut acks = lock(&self.acks);
        let ack = Ack {
            term,
            sent_at,
            silence,
        };
        let newer = acks
            .get(&node)
            .is_none_or(|old| (old.term, old.sent_at) <= (term, sent_at));
        if newer {
            acks.insert(node, ack);
        }
    }

    /// Something came from a node.
    pub fn heard(&self, node: NodeId, at: Duration) {
        let mut heard = lock(&self.heard);
        let last = heard.entry(node).or_insert(at);
        *last = (*last).max(at);
    }

    /// When something last came from a node.
    pub fn heard_at(&self, node: NodeId) -> Option<Duration> {
        lock(&self.heard).get(&node).copied()
    }

    /// Until when the leadership of `me` in `term` is beyond doubt; `None` when it is not. `voters` are one set, or two
    /// while one takes the place of the other: a majority of each is needed.
    pub fn holds_until(
        &self,
        voters: &[BTreeSet<NodeId>],
        me: NodeId,
        term: u64,
    ) -> Option<Duration> {
        let acks = lock(&self.acks);
        let until = |node: &NodeId| {
            if *node == me {
                return Some(Duration::MAX);
            }
            let ack = acks.get(node).filter(|ack| ack.term == term)?;
            Some(ack.sent_at + (ack.silence - ack.silence / DRIFT))
        };
        let of_set = |set: &BTreeSet<NodeId>| {
            let mut ends: Vec<Option<Duration>> = set.iter().map(until).collect();
            ends.sort_unstable_by(|a, b| b.cmp(a));
            ends.get(set.len() / 2).copied().flatten()
        };
        voters
            .iter()
            .map(of_set)
            .min()
            .flatten()
            .filter(|_| voters.iter().any(|set| set.contains(&me)))
    }

    /// When a majority, this leader included, was last heard; how old its knowledge is follows from it.
    pub fn majority_heard_at(
        &self,
        voters: &[BTreeSet<NodeId>],
        me: NodeId,
        now: Duration,
    ) -> Option<Duration> {
        let heard = lock(&self.heard);
        let at = |node: &NodeId| match *node == me {
            true => Some(now),
            false => heard.get(node).copied(),
        };
        let of_set = |set: &BTreeSet<NodeId>| {
            let mut times: Vec<Option<Duration>> = set.iter().map(at).collect();
            times.sort_unstable_by(|a, b| b.cmp(a));
            times.get(set.len() / 2).copied().flatten()
        };
        voters.iter().map(of_set).min().flatten()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn voters(ids: &[NodeId]) -> BTreeSet<NodeId> {
        ids.iter().copied().collect()
    }

    #[test]
    fn a_majority_of_three_is_one_acknowledgement_and_counts_from_its_sending() {
        let acks = Acks::default();
        let three = [voters(&[1, 2, 3])];
        assert_eq!(acks.holds_until(&three, 1, 5), None);
        acks.acknowledged(2, 5, ms(1_000), ms(200));
        assert_eq!(acks.holds_until(&three, 1, 5), Some(ms(1_198)));
        acks.acknowledged(3, 5, ms(1_050), ms(200));
        assert_eq!(acks.holds_until(&three, 1, 5), Some(ms(1_248)));
        // A late answer to an earlier round takes nothing back.
        acks.acknowledged(3, 5, ms(900), ms(200));
        assert_eq!(acks.holds_until(&three, 1, 5), Some(ms(1_248)));
    }

    #[test]
    fn a_majority_of_five_needs_two_and_the_older_of_them_counts() {
        let acks = Acks::default();
        let five = [voters(&[1, 2, 3, 4, 5])];
        acks.acknowledged(2, 5, ms(1_000), ms(200));
        assert_eq!(acks.holds_until(&five, 1, 5), None);
        acks.acknowledged(3, 5, ms(1_100), ms(200));
        assert_eq!(acks.holds_until(&five, 1, 5), Some(ms(1_198)));
    }

    #[test]
    fn another_term_or_a_learner_counts_for_nothing() {
        let acks = Acks::default();
        let three = [voters(&[1, 2, 3])];
        acks.acknowledged(2, 4, ms(1_000), ms(200));
        acks.acknowledged(9, 5, ms(1_000), ms(200));
        assert_eq!(acks.holds_until(&three, 1, 5), None);
        assert_eq!(acks.holds_until(&[voters(&[2, 3])], 1, 4), None);
    }

    #[test]
    fn while_members_change_both_majorities_are_needed() {
        let acks = Acks::default();
        let both = [voters(&[1, 2, 3]), voters(&[1, 3, 4])];
        acks.acknowledged(2, 5, ms(1_000), ms(200));
        assert_eq!(acks.holds_until(&both, 1, 5), None);
        acks.acknowledged(4, 5, ms(1_000), ms(100));
        assert_eq!(acks.holds_until(&both, 1, 5), Some(ms(1_099)));
    }

    #[test]
    fn a_single_voter_needs_nobody() {
        let acks = Acks::default();
        assert!(acks.holds_until(&[voters(&[1])], 1, 1).is_some());
        assert_eq!(acks.holds_until(&[], 1, 1), None);
    }

    #[test]
    fn an_age_is_that_of_the_majority() {
        let acks = Acks::default();
        let three = [voters(&[1, 2, 3])];
        assert_eq!(acks.majority_heard_at(&three, 1, ms(9)), None);
        acks.heard(2, ms(4));
        acks.heard(2, ms(3));
        assert_eq!(acks.majority_heard_at(&three, 1, ms(9)), Some(ms(4)));
    }
}

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orchestrator_core::decided::{Decided, Digest};

/// Of such indices a busy node makes a digest of one each second, so that it has some in common with the others.
const CHECKPOINT: u64 = 4_096;

/// Digests that are remembered: of the last seconds, and of quiet moments.
const REMEMBERED: usize = 16;

/// Digests of decided state at some indices: nodes at the same index must have the same one.
#[derive(Default)]
pub struct Digests {
    made: Mutex<VecDeque<(u64, [u8; 32])>>,
    /// States at checkpoints of which the digest is yet to be made.
    waiting: Mutex<Vec<Arc<Decided>>>,
    /// Where the state was when digests were made the last time.
    before: AtomicU64,
}

impl Digests {
    /// Called after each entry: keeps the state (which is cheap) when a digest is due. The digest is made later.
    pub fn at_checkpoint(&self, state: &Decided) {
        if state.applied_index.is_multiple_of(CHECKPOINT) {
            let mut waiting = lock(&self.waiting);
            if waiting.len() < REMEMBERED {
                waiting.push(Arc::new(state.clone()));
            }
        }
    }

    /// Makes the digest of a checkpoint that waits, and of `now` when nothing was applied since the last call: else no other
    /// node is likely to have one of the same entry. Computes for a while: call it where that is allowed.
    pub fn make(&self, now: &Arc<Decided>) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        // Of several one is enough, and all nodes choose in the same way.
        let checkpoint = waiting
            .into_iter()
            .max_by_key(|state| (state.applied_index.trailing_zeros(), state.applied_index));
        let is_quiet = self.before.swap(now.applied_index, Ordering::Relaxed) == now.applied_index;
        let quiet = is_quiet.then(|| Arc::clone(now));
        for state in checkpoint.into_iter().chain(quiet) {
            let index = state.applied_index;
            if index == 0 || lock(&self.made).iter().any(|(known, _)| *known == index) {
                continue;
            }
            let digest = *Digest::of(&state).as_bytes();
            let mut made = lock(&self.made);
            made.push_back((index, digest));
            if made.len() > REMEMBERED {
                made.pop_front();
            }
        }
    }

    /// Those that are remembered.
    pub fn all(&self) -> Vec<(u64, [u8; 32])> {
        lock(&self.made).iter().copied().collect()
    }

    /// The first index at which `others` have another digest.
    pub fn first_difference(&self, others: &[(u64, [u8; 32])]) -> Option<u64> {
        let made = lock(&self.made);
        let differs = |(index, digest): &&(u64, [u8; 32])| {
            made.iter()
                .any(|(known, ours)| known == index && ours != digest)
        };
        others.iter().filter(differs).map(|(index, _)| *index).min()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(index: u64) -> Arc<Decided> {
        Arc::new(Decided {
            applied_index: index,
            ..Decided::default()
        })
    }

    #[test]
    fn digests_are_made_at_checkpoints_and_at_quiet_moments() {
        let digests = Digests::default();
        for index in CHECKPOINT - 1..CHECKPOINT + 3 {
            digests.at_checkpoint(&state(index));
        }
        digests.make(&state(CHECKPOINT + 2));
        digests.make(&state(CHECKPOINT + 3));
        digests.make(&state(CHECKPOINT + 3));
        let indices: Vec<u64> = digests.all().iter().map(|(index, _)| *index).collect();
        assert_eq!(indices, [CHECKPOINT, CHECKPOINT + 3]);
        digests.make(&state(CHECKPOINT + 3));
        assert_eq!(digests.all().len(), 2);
    }

    #[test]
    fn of_several_checkpoints_all_nodes_choose_the_same() {
        for first in 1..4 {
            let digests = Digests::default();
            for number in first..=first + 4 {
                digests.at_checkpoint(&state(number * CHECKPOINT));
            }
            digests.make(&state(9 * CHECKPOINT));
            let indices: Vec<u64> = digests.all().iter().map(|(index, _)| *index).collect();
            assert_eq!(indices, [4 * CHECKPOINT]);
        }
    }

    #[test]
    fn a_difference_is_found_at_its_first_index_and_other_indices_say_nothing() {
        let digests = Digests::default();
        for index in [7, 7, 9, 9] {
            digests.make(&state(index));
        }
        assert_eq!(digests.first_difference(&digests.all()), None);
        assert_eq!(digests.first_difference(&[(8, [1; 32])]), None);
        let others = [(9, [1; 32]), (7, [1; 32])];
        assert_eq!(digests.first_difference(&others), Some(7));
    }
}

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orchestrator_core::decided::{Decided, Digest};

/// A digest is made at every such index, so that busy nodes have some in common. At ten thousand entries a second that is
/// a few each second.
const CHECKPOINT: u64 = 4_096;

/// Digests that are remembered: checkpoints of the last seconds, and those of quiet moments.
const REMEMBERED: usize = 16;

/// Digests of decided state at some indices: nodes at the same index must have the same one.
#[derive(Default)]
pub struct Digests {
    made: Mutex<VecDeque<(u64, [u8; 32])>>,
    /// States at checkpoints of which the digest is yet to be made.
    waiting: Mutex<Vec<Arc<Decided>>>,
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

    /// Makes what waits, and the digest of `now`. Computes for a while: call it where that is allowed.
    pub fn make(&self, now: &Arc<Decided>) {
        let mut states = std::mem::take(&mut *lock(&self.waiting));
        states.push(Arc::clone(now));
        for state in states {
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
        digests.make(&state(CHECKPOINT + 3));
        let indices: Vec<u64> = digests.all().iter().map(|(index, _)| *index).collect();
        assert_eq!(indices, [CHECKPOINT, CHECKPOINT + 3]);
        digests.make(&state(CHECKPOINT + 3));
        assert_eq!(digests.all().len(), 2);
    }

    #[test]
    fn a_difference_is_found_at_its_first_index_and_other_indices_say_nothing() {
        let digests = Digests::default();
        digests.make(&state(7));
        digests.make(&state(9));
        assert_eq!(digests.first_difference(&digests.all()), None);
        assert_eq!(digests.first_difference(&[(8, [1; 32])]), None);
        let others = [(9, [1; 32]), (7, [1; 32])];
        assert_eq!(digests.first_difference(&others), Some(7));
    }
}

//! How long a batch waits for the requests that will come next.
//!
//! Whoever was answered asks again, a moment later. Without a wait two halves of the clients would take turns: while the changes of one
//! are written, the other's gather, and each commit is for half of them. What is written while the others wait costs them little, so a
//! short wait for those that were answered last makes one commit of two.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use orchestrator_core::ports::Clock;

/// A commit that takes less is not worth a wait: a thread wakes up as late as 0.1 ms.
const SHORTEST_COMMIT: Duration = Duration::from_micros(400);

/// The part of a usual commit that a wait takes at most: what it costs when nobody comes.
const WAIT_PART: u32 = 4;

/// So many requests are worth a commit of their own: what each adds is more than what they share, and the next ones are prepared while these
/// are written.
const ENOUGH: usize = 16;

/// Most commits that go without a wait after waits in vain: requests that come by their own time, not after an answer, are held up by
/// less than a hundredth of a commit.
const PASSED_MAX: u32 = 64;

/// Decides whether a batch waits, and waits.
pub(super) struct Gathering {
    clock: Arc<dyn Clock>,
    /// Longest wait, whatever the last commit took.
    longest: Duration,
    /// Requests that may come together: those that were answered last, and those that waited meanwhile.
    expected: usize,
    /// How long a commit takes, roughly: it follows the last ones by an eighth each, so that a single slow one does not count.
    usual: Duration,
    /// Commits that go without a wait after the next wait in vain.
    penalty: u32,
    /// Commits that go without a wait now.
    passed: u32,
}

impl Gathering {
    pub fn new(clock: Arc<dyn Clock>, longest: Duration) -> Self {
        Self {
            clock,
            longest,
            expected: 0,
            usual: Duration::ZERO,
            penalty: 1,
            passed: 0,
        }
    }

    /// Time since an arbitrary start.
    pub fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// After a commit that began at `began`: so many requests were answered, while so many waited.
    pub fn committed(&mut self, began: Duration, answered: usize, waiting: usize) {
        let took = self.now().saturating_sub(began);
        let step = self.usual / 8;
        self.usual = match self.usual.is_zero() {
            true => took,
            false => took.clamp(self.usual - step, self.usual + step),
        };
        self.expected = answered + waiting;
    }

    /// After one that failed: nobody knows what comes next.
    pub fn failed(&mut self) {
        self.expected = 0;
    }

    /// Adds to `requests`, at most up to `max`, those that come within the time of this wait, until as many are there as are expected.
    pub fn gather<T>(&mut self, queue: &Receiver<T>, requests: &mut Vec<T>, max: usize) {
        let (had, wanted) = (requests.len(), self.expected.min(max));
        if had >= wanted.min(ENOUGH) || self.usual < SHORTEST_COMMIT {
            return;
        }
        if self.passed > 0 {
            self.passed -= 1;
            return;
        }
        let limit = (self.usual / WAIT_PART).min(self.longest);
        let began = self.now();
        while requests.len() < wanted {
            let left = limit.saturating_sub(self.now().saturating_sub(began));
            match queue.recv_timeout(left) {
                Ok(request) => requests.push(request),
                Err(_) => break,
            }
        }
        // Half of them came: it was worth it.
        if (requests.len() - had) * 2 >= wanted - had {
            self.penalty = 1;
        } else {
            self.passed = self.penalty;
            self.penalty = (self.penalty * 2).min(PASSED_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::effects::fakes::FakeClock;

    const LONG: Duration = Duration::from_secs(3600);

    /// One that answered `answered` and has `waiting`, after a commit of a second.
    fn after(longest: Duration, answered: usize, waiting: usize) -> Gathering {
        let clock = FakeClock::new();
        let mut gathering = Gathering::new(clock.clone(), longest);
        clock.advance(1);
        gathering.committed(Duration::ZERO, answered, waiting);
        gathering
    }

    #[test]
    fn those_that_were_answered_are_waited_for() {
        let mut gathering = after(LONG, 2, 1);
        let (sender, queue) = sync_channel(8);
        let coming = std::thread::spawn(move || [2, 3, 4].map(|n| sender.send(n).unwrap()));
        let mut requests = vec![1];
        gathering.gather(&queue, &mut requests, 256);
        assert_eq!(requests, [1, 2, 3], "not for one more");
        coming.join().unwrap();
    }

    #[test]
    fn nobody_waits_for_itself_nor_beyond_a_batch_nor_after_a_quick_or_failed_commit() {
        let (_sender, queue) = sync_channel::<u8>(8);
        let mut requests = vec![1];
        after(LONG, 1, 0).gather(&queue, &mut requests, 256);
        after(LONG, 5, 5).gather(&queue, &mut requests, 1);
        let mut quick = Gathering::new(FakeClock::new(), LONG);
        quick.committed(Duration::ZERO, 5, 5);
        quick.gather(&queue, &mut requests, 256);
        let mut failed = after(LONG, 5, 5);
        failed.failed();
        failed.gather(&queue, &mut requests, 256);
        assert_eq!(requests, [1]);
    }

    #[test]
    fn a_single_slow_commit_among_quick_ones_does_not_count() {
        let clock = FakeClock::new();
        let mut gathering = Gathering::new(clock.clone(), LONG);
        gathering.usual = Duration::from_micros(300);
        clock.advance(1);
        gathering.committed(Duration::ZERO, 5, 5);
        assert!(gathering.usual < SHORTEST_COMMIT);
        for _ in 0..3 {
            gathering.committed(Duration::ZERO, 5, 5);
        }
        assert!(gathering.usual > SHORTEST_COMMIT);
    }

    #[test]
    fn who_waits_in_vain_does_so_ever_more_rarely() {
        let (_sender, queue) = sync_channel::<u8>(8);
        let mut gathering = after(Duration::from_micros(1), 2, 0);
        let mut waits = Vec::new();
        for commit in 0..40 {
            let passed = gathering.passed;
            gathering.gather(&queue, &mut vec![1], 256);
            if passed == 0 {
                waits.push(commit);
            }
        }
        assert_eq!(waits, [0, 2, 5, 10, 19, 36]);
    }
}

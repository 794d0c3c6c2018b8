use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use orchestrator_core::domain::Timestamp;
use orchestrator_core::ports::Committed;

/// How long an answer is remembered, in the time of decided state: longer than any client retries.
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// How many answers are remembered at most: as many as the log keeps, so that a restart remembers the same.
const REMEMBERED_MAX: usize = 10_000;

/// Answers to the latest requests, so that a retried request takes effect once.
#[derive(Debug, Default)]
pub(super) struct RecentRequests {
    answers: HashMap<u128, Committed>,
    order: VecDeque<(Timestamp, u128)>,
}

impl RecentRequests {
    /// The answer to an earlier request of this id.
    pub fn get(&self, request: u128) -> Option<&Committed> {
        self.answers.get(&request)
    }

    /// Remembers an answer that was decided at `at`. Times come in order.
    pub fn remember(&mut self, request: u128, at: Timestamp, answer: Committed) {
        if self.answers.insert(request, answer).is_none() {
            self.order.push_back((at, request));
        }
        while self.order.len() > REMEMBERED_MAX
            || self
                .order
                .front()
                .is_some_and(|(oldest, _)| at.since(*oldest) > REMEMBERED_FOR)
        {
            if let Some((_, request)) = self.order.pop_front() {
                self.answers.remove(&request);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_core::decided::Reply;

    use super::*;

    fn answer(index: u64) -> Committed {
        Committed {
            index,
            reply: Reply::Done,
        }
    }

    #[test]
    fn an_answer_is_remembered_for_ten_minutes() {
        let mut recent = RecentRequests::default();
        recent.remember(7, Timestamp::from_seconds(1_000), answer(1));
        recent.remember(8, Timestamp::from_seconds(1_600), answer(2));
        assert_eq!(recent.get(7), Some(&answer(1)));
        recent.remember(9, Timestamp::from_seconds(1_601), answer(3));
        assert_eq!(recent.get(7), None);
        assert_eq!(recent.get(8), Some(&answer(2)));
    }

    #[test]
    fn at_most_ten_thousand_answers_are_remembered() {
        let mut recent = RecentRequests::default();
        for request in 0..10_001 {
            recent.remember(request, Timestamp::from_seconds(1), answer(1));
        }
        assert_eq!(recent.get(0), None);
        assert!(recent.get(1).is_some() && recent.get(10_000).is_some());
        assert_eq!(recent.answers.len(), 10_000);
    }
}

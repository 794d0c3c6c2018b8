use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Writes that a disk was asked for and has not answered, and since when (monotonic): one that hangs says nothing.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<Asked>);

#[derive(Default)]
struct Asked {
    count: u64,
    since: BTreeMap<u64, Duration>,
}

impl UnderWay {
    /// Another one is asked for; returns its number.
    pub fn begin(&self, now: Duration) -> u64 {
        let mut asked = self.lock();
        asked.count += 1;
        let number = asked.count;
        asked.since.insert(number, now);
        number
    }

    /// That one was answered, or nobody waits for it any more.
    pub fn end(&self, number: u64) {
        self.lock().since.remove(&number);
    }

    /// Since when the first of them waits.
    pub fn oldest(&self) -> Option<Duration> {
        let asked = self.lock();
        asked.since.first_key_value().map(|(_, since)| *since)
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

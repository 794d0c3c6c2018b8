use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::{Error, ErrorKind};
use super::connection::BUSY_TIMEOUT;

/// How long a write is tried that the disk does not take: it may be full for a moment, or another program may hold the file.
const TRIED_FOR: Duration = Duration::from_secs(30);

/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// Tries writes again that a disk does not take now, and says meanwhile why. When that was in vain once, nothing is tried again.
#[derive(Default)]
pub(super) struct Patience {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    trouble: Option<Error>,
    is_over: bool,
}

impl Patience {
    /// Tries until it is done, until it fails in a way that no trying mends, for 30 s, or until [`Patience::end`]. Blocks.
    pub fn try_until_done(
        &self,
        mut attempt: impl FnMut() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut tried_for = Duration::ZERO;
        loop {
            let error = match attempt() {
                Err(error) if may_mend(&error) && tried_for < TRIED_FOR => error,
                outcome => {
                    if tried_for >= TRIED_FOR && outcome.is_err() {
                        // What waits behind it fails at once: each would be tried as long again.
                        self.end();
                    }
                    self.tell(None);
                    return outcome;
                }
            };
            // Whoever found it held has waited for the holder already.
            if matches!(error, Error::Busy { .. }) {
                tried_for += BUSY_TIMEOUT;
            }
            tried_for += PAUSE;
            self.tell(Some(error));
            if self.pause() {
                tried_for = TRIED_FOR;
            }
        }
    }

    /// What a write fails with now.
    pub fn trouble(&self) -> Option<Error> {
        self.lock().trouble.clone()
    }

    /// Nothing is waited for any more.
    pub fn end(&self) {
        self.lock().is_over = true;
        self.ended.notify_all();
    }

    fn tell(&self, trouble: Option<Error>) {
        let mut state = self.lock();
        match (&state.trouble, &trouble) {
            (None, Some(error)) => {
                tracing::error!(%error, "the disk does not take what was written; trying again for 30 s");
            }
            (Some(_), None) => tracing::info!("the disk takes what is written, or it was given up"),
            _ => {}
        }
        state.trouble = trouble;
    }

    /// Whether it is over.
    fn pause(&self) -> bool {
        let waited = self
            .ended
            .wait_timeout_while(self.lock(), PAUSE, |state| !state.is_over);
        waited.map_or(true, |(state, _)| state.is_over)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Also a file that may not be written any more: its file system was made read-only, or its mode was changed.
fn may_mend(error: &Error) -> bool {
    error.kind() == ErrorKind::Retryable || matches!(error, Error::CannotOpen { .. })
}

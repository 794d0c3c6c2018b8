//! Beats that another node of the group asks for: it leads, does not hear a primary, and wants to know whether we do.
//!
//! They go over a connection of their own: this node's own beats may be in the middle of a doubt, and are not to be disturbed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator_core::beats::BeatPolicy;
use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::{Answered, BeatLine, Beater, Clock, NoLine};

/// Connections that are kept for the next request: as many primaries as may be in doubt at once. More are opened anew each time.
const KEPT_MAX: usize = 128;

/// For how long. Who asks does so a few times within some seconds.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// A connection that was answered over, and when.
struct Kept {
    line: Box<dyn BeatLine>,
    at: Duration,
}

/// Sends them.
pub(super) struct OnRequest {
    beater: Arc<dyn Beater>,
    clock: Arc<dyn Clock>,
    kept: Mutex<BTreeMap<InstanceKey, Kept>>,
}

impl OnRequest {
    pub(super) fn new(beater: Arc<dyn Beater>, clock: Arc<dyn Clock>) -> Self {
        Self {
            beater,
            clock,
            kept: Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<InstanceKey, Kept>> {
        // It is changed in whole steps.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes what nobody has asked for lately.
    pub(super) fn tidy(&self) {
        let now = self.clock.monotonic();
        let is_fresh = |kept: &mut Kept| now.saturating_sub(kept.at) < KEPT_FOR;
        self.kept().retain(|_, kept| is_fresh(kept));
    }

    /// Sends one.
    ///
    /// # Errors
    /// Why none could be sent.
    pub(super) async fn beat(&self, key: &InstanceKey) -> Result<Answered, String> {
        // Whoever asks at the same time finds none, and opens another.
        let kept = self.kept().remove(key);
        if let Some(Kept { mut line, .. }) = kept {
            line.ask().await;
            tokio::select! {
                biased;
                heard = line.hear() => if heard.is_ok() {
                    self.keep(key, line);
                    return Ok(Answered::Yes);
                },
                () = self.clock.sleep(BeatPolicy::ANSWER_WITHIN) => return Ok(Answered::No),
            }
            // It was closed, which a server that is up may do.
        }
        let opened = self.beater.connect(key, BeatPolicy::ANSWER_WITHIN).await;
        match opened {
            Ok(line) => {
                self.keep(key, line);
                Ok(Answered::Yes)
            }
            Err(NoLine::Answered { .. }) => Ok(Answered::Yes),
            Err(NoLine::Refused | NoLine::Silent) => Ok(Answered::No),
            Err(NoLine::NotTried { why }) => Err(why),
        }
    }

    fn keep(&self, key: &InstanceKey, line: Box<dyn BeatLine>) {
        let at = self.clock.monotonic();
        let mut kept = self.kept();
        if kept.len() < KEPT_MAX || kept.contains_key(key) {
            kept.insert(key.clone(), Kept { line, at });
        }
    }
}

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::ports::Clock;

use super::error::Distrust;

/// The same refusal of the same address is logged this often.
const REPEATED: Duration = Duration::from_secs(60);
/// Lines in one [`REPEATED`], whoever calls: a stranger with many addresses must not fill the log.
const LINES: usize = 20;
/// Addresses with a reason that are remembered; more than the lines there can be.
const REMEMBERED: usize = 64;

/// Tells of refused connections: every one in the metrics, few in the log.
pub(super) struct Refusals {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    total: u64,
    unsaid: u64,
    last: Option<String>,
    window_began: Duration,
    lines: usize,
    said: HashMap<(IpAddr, &'static str), Duration>,
}

impl Refusals {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    /// A connection from this address was refused. True when a line was written.
    pub(super) fn note(&self, from: IpAddr, distrust: &Distrust) -> bool {
        let word = distrust.word();
        metrics::counter!("orchestrator_raft_peer_refused_total", "reason" => word).increment(1);
        let sentence = format!("a connection from {from} to the peer port was refused: {distrust}");
        let Some(unsaid) = self.count(from, word, &sentence) else {
            return false;
        };
        tracing::warn!(address = %from, reason = word, unsaid, "{sentence}");
        true
    }

    /// How many there were since the start, and the sentence of the last.
    pub(super) fn seen(&self) -> (u64, Option<String>) {
        let state = self.state.lock().expect("no holder of this lock panics");
        (state.total, state.last.clone())
    }

    /// Counts it; how many went unsaid before it when it is to be said.
    fn count(&self, from: IpAddr, word: &'static str, sentence: &str) -> Option<u64> {
        let now = self.clock.monotonic();
        let mut state = self.state.lock().expect("no holder of this lock panics");
        state.total += 1;
        if now.saturating_sub(state.window_began) >= REPEATED {
            state.window_began = now;
            state.lines = 0;
        }
        let key = (from, word);
        let is_known = state
            .said
            .get(&key)
            .is_some_and(|at| now.saturating_sub(*at) < REPEATED);
        if is_known || state.lines >= LINES {
            state.unsaid += 1;
            return None;
        }
        if state.said.len() >= REMEMBERED {
            state
                .said
                .retain(|_, at| now.saturating_sub(*at) < REPEATED);
        }
        state.said.insert(key, now);
        state.lines += 1;
        state.last = Some(sentence.to_owned());
        Some(std::mem::take(&mut state.unsaid))
    }
}

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use orchestrator_core::ports::Clock;

use super::error::Distrust;
use super::message::Reason;

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
        if matches!(distrust, Distrust::WeRefuse(Reason::Itself)) {
            // A node looks once in a while who answers at its address, and finds itself.
            return false;
        }
        let word = distrust.word();
        metrics::counter!("orchestrator_raft_peer_refused_total", "reason" => word).increment(1);
        let sentence = format!("a connection from {from} to the peer port was refused: {distrust}");
        if matches!(distrust, Distrust::Closed(_)) {
            self.lock().total += 1;
            // Whoever looks whether the port is open does that, every few seconds perhaps; nobody was kept out.
            tracing::debug!(address = %from, "{sentence}");
            return false;
        }
        let Some(unsaid) = self.count(from, word, &sentence) else {
            return false;
        };
        tracing::warn!(address = %from, reason = word, unsaid, "{sentence}");
        true
    }

    /// How many there were since the start, and the sentence of the last.
    pub(super) fn seen(&self) -> (u64, Option<String>) {
        let state = self.lock();
        (state.total, state.last.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// Counts it; how many went unsaid before it when it is to be said.
    fn count(&self, from: IpAddr, word: &'static str, sentence: &str) -> Option<u64> {
        let now = self.clock.monotonic();
        let mut state = self.lock();
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

/// Texts of the metrics of this module.
pub fn describe_metrics() {
    metrics::describe_counter!(
        "orchestrator_raft_peer_refused_total",
        "connections to the peer port that were not taken for a member's, by reason"
    );
    metrics::describe_counter!(
        "orchestrator_raft_peer_accepted_total",
        "connections to the peer port that were taken for a member's"
    );
    metrics::describe_counter!(
        "orchestrator_raft_peer_dials_total",
        "dials of members by outcome"
    );
    metrics::describe_gauge!(
        "orchestrator_raft_certificate_expires_in_seconds",
        "time until the certificate of the peer port expires; negative when it has"
    );
    metrics::describe_gauge!(
        "orchestrator_raft_peer_certificate_expires_in_seconds",
        "the same of the certificate that a member showed last, by member"
    );
}

#[cfg(test)]
mod tests {
    use super::super::tests::TestClock;
    use super::*;

    fn wrong() -> Distrust {
        Distrust::WeRefuse(Reason::WrongProof)
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_does_not_fill_the_log_and_nothing_is_lost_from_the_count() {
        let refusals = Refusals::new(TestClock::start());
        let ip: IpAddr = "192.0.2.1".parse().unwrap();
        let lines = (0..1_000).filter(|_| refusals.note(ip, &wrong())).count();
        assert_eq!(lines, 1);
        assert!(
            refusals.note(ip, &Distrust::Crowded),
            "another reason is news"
        );
        tokio::time::advance(REPEATED).await;
        assert!(refusals.note(ip, &wrong()), "it still goes on");
        let (total, last) = refusals.seen();
        assert_eq!(total, 1_002);
        assert_eq!(
            last.as_deref(),
            Some(
                "a connection from 192.0.2.1 to the peer port was refused: RaftSharedSecret is not the same on both"
            )
        );
    }

    #[tokio::test(start_paused = true)]
    async fn many_addresses_get_no_more_lines_than_the_bound() {
        let refusals = Refusals::new(TestClock::start());
        let mut lines = 0;
        for minute in 0..3 {
            let each = (0..5_000_u32).map(|n| IpAddr::from((0x0a00_0000 + n).to_be_bytes()));
            lines += each.filter(|ip| refusals.note(*ip, &wrong())).count();
            assert_eq!(lines, LINES * (minute + 1));
            assert!(refusals.state.lock().unwrap().said.len() <= REMEMBERED);
            tokio::time::advance(REPEATED).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_whether_the_port_is_open_is_no_news() {
        let refusals = Refusals::new(TestClock::start());
        let looked = Distrust::Closed("early eof".into());
        assert!(!refusals.note("192.0.2.1".parse().unwrap(), &looked));
        assert_eq!(refusals.seen().0, 1, "it is counted");
    }
}

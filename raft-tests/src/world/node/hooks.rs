use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::{BoxFuture, Clock, HookOutcome, HookReport, HookRun, HookRunner};

use crate::world::mysql::SharedFleet;
use crate::world::{Gate, NodeClock, SeededIds, Trace};

/// A hook that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookStart {
    /// When.
    pub at: Duration,
    /// By which node.
    pub node: usize,
    /// Its line.
    pub line: String,
    /// The recovery's id, as the hook sees it.
    pub recovery: String,
    /// The successor, as the hook sees it; empty where there is none.
    pub successor: String,
}

/// Hooks that were started, by all nodes.
pub type HookLog = Arc<Mutex<Vec<HookStart>>>;

/// Runs hooks of one node. Those after a failover tell the clients where to write.
#[derive(Clone)]
pub struct SimHooks {
    /// The node.
    pub node: usize,
    /// Where starts are written down.
    pub log: HookLog,
    /// Servers and clients.
    pub fleet: SharedFleet,
    /// Time.
    pub clock: Arc<NodeClock>,
    /// Where the node stands still.
    pub gate: Gate,
    /// How long each takes.
    pub draws: Arc<SeededIds>,
    /// The longest that one takes.
    pub takes_max: Duration,
    /// What happened.
    pub trace: Trace,
}

impl SimHooks {
    async fn start(&self, hook: HookRun) -> HookReport {
        self.gate.passed().await;
        let value = |name: &str| {
            let named = hook.environment.iter().find(|(known, _)| known == name);
            named.map_or_else(String::new, |(_, value)| value.clone())
        };
        let now = self.clock.monotonic();
        let start = HookStart {
            at: now,
            node: self.node,
            line: hook.line.clone(),
            recovery: value("ORC_RECOVERY_UID"),
            successor: value("ORC_SUCCESSOR_HOST"),
        };
        self.trace.line(
            now,
            &format!("node{} hook {} {}", self.node, hook.line, start.successor),
        );
        if hook.line.starts_with("publish") {
            self.publish(&start.successor);
        }
        self.log.lock().expect("no test panics with it").push(start);
        let micros = u64::try_from(self.takes_max.as_micros()).unwrap_or(0);
        let takes = Duration::from_micros(self.draws.below(micros + 1));
        let bound = hook.timeout.unwrap_or(Duration::MAX);
        self.clock.sleep(takes.min(bound)).await;
        HookReport {
            command: hook.line,
            outcome: match takes > bound {
                true => HookOutcome::TimedOut,
                false => HookOutcome::Succeeded,
            },
            output: String::new(),
            took: takes.min(bound),
        }
    }

    fn publish(&self, successor: &str) {
        let mut fleet = self.fleet.lock().expect("no test panics with the fleet");
        let found = InstanceKey::parse(successor, 3306)
            .ok()
            .and_then(|key| fleet.find(&key));
        if let Some(id) = found {
            fleet.published = id;
        }
    }
}

impl HookRunner for SimHooks {
    fn run(&self, hook: HookRun) -> BoxFuture<'_, HookReport> {
        Box::pin(self.start(hook))
    }
}

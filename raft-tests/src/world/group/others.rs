//! The other nodes of a simulated group, as one of them asks whether they hear a primary.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::beats::BeatPolicy;
use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::{Answered, Beater as _, BoxFuture, Clock as _, NoLine, OtherNodes};

use super::SharedGroup;
use crate::world::NodeClock;
use crate::world::mysql::{Network, Place, SharedFleet, SimBeater};

/// The least time in which an answer may come, and what a beat takes beside the way to the other node: as in the service.
const WITHIN_MIN: Duration = Duration::from_millis(150);
const BEAT_TAKES: Duration = Duration::from_millis(50);

/// How long an answer may take in this network.
fn answer_within(network: &Network) -> Duration {
    WITHIN_MIN.max(network.delay * 2 + BEAT_TAKES)
}

/// Whether the way to another node and from there to a server can be gone in that time.
pub fn is_near(network: &Network) -> bool {
    network.delay * 4 < answer_within(network)
}

/// All but one.
#[derive(Clone)]
pub struct SimOthers {
    group: SharedGroup,
    /// Locked after the group, never before.
    fleet: SharedFleet,
    node: usize,
    clock: Arc<NodeClock>,
}

impl SimOthers {
    /// As `node` asks them.
    pub fn new(group: SharedGroup, fleet: SharedFleet, node: usize, clock: Arc<NodeClock>) -> Self {
        Self {
            group,
            fleet,
            node,
            clock,
        }
    }

    /// The beats of another node, where it can be asked.
    fn beats_of(&self, other: usize) -> Option<SimBeater> {
        let group = self.group.lock().expect("no test panics with the group");
        let member = group.members.get(other).filter(|member| member.is_well())?;
        let fleet = self.fleet.lock().expect("no test panics with the fleet");
        let talks = (fleet.network).talks(Place::Node(self.node), Place::Node(other));
        let (clock, gate) = (Arc::clone(&self.clock), member.gate.clone());
        talks.then(|| SimBeater::new(self.fleet.clone(), other, clock, gate))
    }

    async fn asked(&self, other: usize, primary: &InstanceKey) -> Option<Answered> {
        let trip = {
            let fleet = self.fleet.lock().expect("no test panics with the fleet");
            fleet.network.delay * 2
        };
        self.clock.sleep(trip).await;
        let beats = self.beats_of(other)?;
        match beats.connect(primary, BeatPolicy::ANSWER_WITHIN).await {
            Ok(_) | Err(NoLine::Answered { .. }) => Some(Answered::Yes),
            Err(NoLine::Refused | NoLine::Silent) => Some(Answered::No),
            Err(NoLine::NotTried { .. }) => None,
        }
    }
}

impl OtherNodes for SimOthers {
    fn to_ask(&self) -> Vec<String> {
        let group = self.group.lock().expect("no test panics with the group");
        let all = 0..group.members.len();
        all.filter(|other| *other != self.node)
            .map(|other| other.to_string())
            .collect()
    }

    fn answer_within(&self) -> Duration {
        let fleet = self.fleet.lock().expect("no test panics with the fleet");
        answer_within(&fleet.network)
    }

    fn ask(
        &self,
        node: &str,
        primary: &InstanceKey,
        _: Duration,
    ) -> BoxFuture<'static, Option<Answered>> {
        let (own, primary) = (self.clone(), primary.clone());
        let other = node.parse().expect("names are numbers");
        Box::pin(async move { own.asked(other, &primary).await })
    }

    /// Whose turn it is to lead is drawn by the seed, as elections are.
    fn let_lead(&self, node: &str) -> BoxFuture<'static, Result<(), String>> {
        let why = format!("{node} is not let lead here");
        Box::pin(std::future::ready(Err(why)))
    }
}

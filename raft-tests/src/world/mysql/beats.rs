//! The simulated servers behind the port of beats.

use std::sync::Arc;
use std::time::Duration;

use orchestrator::beats::Changing;
use orchestrator_core::beats::{Farewell, VigilEnd};
use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::{BeatLine, Beater, BoxFuture, Clock, NoLine, Vigil};

use super::{Place, Power, ServerId, SharedFleet};
use crate::world::{Gate, NodeClock};

/// The servers as the beats of one node reach them.
#[derive(Clone)]
pub struct SimBeater {
    fleet: SharedFleet,
    node: usize,
    clock: Arc<NodeClock>,
    gate: Gate,
}

/// Changes of who reaches whom, and how many were seen.
struct Changes {
    count: Changing<u64>,
    seen: u64,
}

/// What a server says to this node.
enum Says {
    /// It answers; how often it was started says whether it is the process of before.
    Something(u32),
    /// Its host does: the process is gone.
    NobodyIsThere,
    Nothing,
}

impl SimBeater {
    /// As `node` reaches them.
    pub fn new(fleet: SharedFleet, node: usize, clock: Arc<NodeClock>, gate: Gate) -> Self {
        Self {
            fleet,
            node,
            clock,
            gate,
        }
    }

    fn says(&self, id: ServerId) -> Says {
        let fleet = self.fleet.lock().expect("no test panics with the fleet");
        let talks = (fleet.network).talks(Place::Node(self.node), Place::Server(id));
        let server = &fleet.servers[id];
        match server.power {
            Power::Up if talks => Says::Something(server.starts),
            Power::Down { .. } if talks => Says::NobodyIsThere,
            _ => Says::Nothing,
        }
    }

    /// To be taken before looking, so that no change is missed.
    fn changes(&self) -> Changes {
        let fleet = self.fleet.lock().expect("no test panics with the fleet");
        let count = fleet.reach_changes();
        Changes {
            seen: count.get(),
            count,
        }
    }

    async fn change(&self, changes: &mut Changes) {
        let Changes { count, seen } = changes;
        count.wait_for(|now| now != seen).await;
        *seen = count.get();
        self.gate.passed().await;
    }

    async fn knock(&self, key: &InstanceKey, within: Duration) -> Result<Line, NoLine> {
        self.gate.passed().await;
        let (found, trip) = {
            let fleet = self.fleet.lock().expect("no test panics with the fleet");
            (fleet.find(key), fleet.network.delay * 2)
        };
        let id = found.ok_or(NoLine::Refused)?;
        let began = self.clock.monotonic();
        self.clock.sleep(trip).await;
        let mut changes = self.changes();
        loop {
            match self.says(id) {
                Says::Something(starts) => {
                    return Ok(Line {
                        to: self.clone(),
                        id,
                        starts,
                        is_asked: false,
                    });
                }
                Says::NobodyIsThere => return Err(NoLine::Refused),
                Says::Nothing => {
                    let passed = self.clock.monotonic() - began;
                    tokio::select! {
                        biased;
                        () = self.change(&mut changes) => {}
                        () = self.clock.sleep(within.saturating_sub(passed)) => return Err(NoLine::Silent),
                    }
                }
            }
        }
    }
}

impl Beater for SimBeater {
    fn connect<'a>(
        &'a self,
        key: &'a InstanceKey,
        within: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn BeatLine>, NoLine>> {
        Box::pin(async move {
            let line = self.knock(key, within).await?;
            Ok(Box::new(line) as Box<dyn BeatLine>)
        })
    }

    fn vigil<'a>(
        &'a self,
        key: &'a InstanceKey,
        within: Duration,
    ) -> BoxFuture<'a, Result<Vigil, NoLine>> {
        Box::pin(async move {
            let line = self.knock(key, within).await?;
            // Servers of a simulation crash, and do not go down in order.
            Ok(Box::pin(async move {
                let mut changes = line.to.changes();
                while !line.has_ended() {
                    line.to.change(&mut changes).await;
                }
                VigilEnd::Cut
            }) as Vigil)
        })
    }
}

/// A connection to one process of a server.
struct Line {
    to: SimBeater,
    id: ServerId,
    starts: u32,
    is_asked: bool,
}

impl Line {
    /// Whether the end of the connection has come here.
    fn has_ended(&self) -> bool {
        match self.to.says(self.id) {
            Says::Something(starts) => starts != self.starts,
            Says::NobodyIsThere => true,
            Says::Nothing => false,
        }
    }

    async fn hear(&mut self) -> Result<Option<u16>, Farewell> {
        let mut changes = self.to.changes();
        loop {
            if self.has_ended() {
                return Err(Farewell::None);
            }
            if self.is_asked && matches!(self.to.says(self.id), Says::Something(_)) {
                self.is_asked = false;
                return Ok(None);
            }
            self.to.change(&mut changes).await;
        }
    }
}

impl BeatLine for Line {
    fn ask(&mut self) -> BoxFuture<'_, ()> {
        self.is_asked = true;
        Box::pin(std::future::ready(()))
    }

    fn hear(&mut self) -> BoxFuture<'_, Result<Option<u16>, Farewell>> {
        Box::pin(self.hear())
    }
}

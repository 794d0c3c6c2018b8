//! The simulated servers behind the ports that change and probe real ones.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use orchestrator_core::domain::{
    InstanceKey, Observation, ProbeFailure, ProbeFailureKind, ThreadState, Timestamp,
};
use orchestrator_core::ports::{
    Beyond, BoxFuture, Change, ChangeError, Clock, Histories, OnBehalfOf, ServerSession, Servers,
};
use tokio::time::{sleep, timeout};

use super::flight::WITHHELD;
use super::statements::NOT_BOTH_RUN;
use super::{Fleet, Place, Power, ServerId, SessionOwner, SharedFleet};
use crate::world::{Gate, NodeClock};

/// How long a probe waits for a server that says nothing.
const PROBE_TIME: Duration = Duration::from_secs(1);
/// How long ending a session from a second connection may take.
const KILL_TIME: Duration = Duration::from_secs(1);
/// How often a call that hangs looks again whether it still has to.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The servers as one orchestrator node reaches them.
#[derive(Clone)]
pub struct SimServers {
    fleet: SharedFleet,
    node: usize,
    clock: Arc<NodeClock>,
    gate: Gate,
}

/// Why there was no answer.
enum NoAnswer {
    Refused,
    Silent,
}

impl SimServers {
    /// As `node` reaches them.
    pub fn new(fleet: SharedFleet, node: usize, clock: Arc<NodeClock>, gate: Gate) -> Self {
        Self {
            fleet,
            node,
            clock,
            gate,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().expect("no test panics with the fleet")
    }

    /// Asks a server everything.
    ///
    /// # Errors
    /// [`ProbeFailure`] as the adapter for real servers says it.
    pub async fn probe(&self, server: &InstanceKey) -> Result<Observation, ProbeFailure> {
        self.gate.passed().await;
        let answer = self.ask(server, PROBE_TIME, |fleet, id| fleet.observe(id));
        let answer = answer.await;
        self.gate.passed().await;
        let failed = |kind, message: &str| ProbeFailure {
            kind,
            code: 0,
            message: message.to_owned(),
            is_partial: false,
        };
        match answer {
            Ok(mut seen) => {
                seen.observed_at = self.now();
                Ok(seen)
            }
            Err(NoAnswer::Refused) => Err(failed(ProbeFailureKind::Refused, "refused")),
            Err(NoAnswer::Silent) => Err(failed(ProbeFailureKind::Timeout, "no answer in time")),
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Goes to a server, does something there, and comes back.
    async fn ask<T>(
        &self,
        server: &InstanceKey,
        within: Duration,
        what: impl FnOnce(&mut Fleet, ServerId) -> T,
    ) -> Result<T, NoAnswer> {
        match timeout(within, self.ask_without_end(server, what)).await {
            Ok(answer) => answer,
            Err(_) => Err(NoAnswer::Silent),
        }
    }

    async fn ask_without_end<T>(
        &self,
        server: &InstanceKey,
        what: impl FnOnce(&mut Fleet, ServerId) -> T,
    ) -> Result<T, NoAnswer> {
        let (id, there, back) = {
            let fleet = self.lock();
            let Some(id) = fleet.find(server) else {
                return Err(NoAnswer::Refused);
            };
            (
                id,
                fleet.network.delay + fleet.statement_time(),
                fleet.network.delay,
            )
        };
        sleep(there).await;
        let (own, its) = (Place::Node(self.node), Place::Server(id));
        let answer = loop {
            {
                let mut fleet = self.lock();
                match fleet.servers[id].power {
                    Power::Down { .. } if fleet.network.talks(own, its) => {
                        return Err(NoAnswer::Refused);
                    }
                    Power::Up if fleet.network.passes(own, its) => break what(&mut fleet, id),
                    _ => {}
                }
            }
            sleep(LOOK_AGAIN).await;
        };
        sleep(back).await;
        while !self.lock().network.passes(its, own) {
            sleep(LOOK_AGAIN).await;
        }
        Ok(answer)
    }

    async fn open_session(
        &self,
        server: &InstanceKey,
        on_behalf_of: OnBehalfOf,
        within: Duration,
        is_fleeting: bool,
    ) -> Result<SimSession, ChangeError> {
        self.gate.passed().await;
        let owner = SessionOwner::Recovery {
            node: self.node,
            on_behalf_of,
        };
        let open =
            |fleet: &mut Fleet, id: ServerId| (id, fleet.open_to_change(id, owner, is_fleeting));
        let opened = self.ask(server, within, open).await;
        self.gate.passed().await;
        let (id, connection) = opened.map_err(|why| unreachable(server, &why))?;
        Ok(SimSession {
            servers: self.clone(),
            server: server.clone(),
            id,
            connection,
            on_behalf_of,
            is_lost: false,
        })
    }

    async fn end(
        &self,
        server: &InstanceKey,
        connections: &[u64],
        within: Duration,
    ) -> Result<(), ChangeError> {
        self.gate.passed().await;
        let end_all = async {
            loop {
                let end = |fleet: &mut Fleet, id: ServerId| fleet.end_sessions(id, connections);
                if self.ask_without_end(server, end).await? {
                    return Ok(());
                }
                sleep(LOOK_AGAIN).await;
            }
        };
        let ended = timeout(within, end_all).await;
        let ended = ended.unwrap_or(Err(NoAnswer::Silent));
        self.gate.passed().await;
        ended.map_err(|why| unreachable(server, &why))
    }
}

fn unreachable(server: &InstanceKey, why: &NoAnswer) -> ChangeError {
    ChangeError::Unreachable {
        server: server.clone(),
        reason: match why {
            NoAnswer::Refused => "connection refused".to_owned(),
            NoAnswer::Silent => "no answer in time".to_owned(),
        },
    }
}

impl Servers for SimServers {
    fn open<'a>(
        &'a self,
        server: &'a InstanceKey,
        on_behalf_of: OnBehalfOf,
        within: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn ServerSession>, ChangeError>> {
        Box::pin(async move {
            let session = self.open_session(server, on_behalf_of, within, false);
            Ok(Box::new(session.await?) as Box<dyn ServerSession>)
        })
    }

    fn open_fleeting<'a>(
        &'a self,
        server: &'a InstanceKey,
        on_behalf_of: OnBehalfOf,
        within: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn ServerSession>, ChangeError>> {
        Box::pin(async move {
            let session = self.open_session(server, on_behalf_of, within, true);
            Ok(Box::new(session.await?) as Box<dyn ServerSession>)
        })
    }

    fn end_sessions<'a>(
        &'a self,
        server: &'a InstanceKey,
        connection_ids: &'a [u64],
        within: Duration,
    ) -> BoxFuture<'a, Result<(), ChangeError>> {
        Box::pin(self.end(server, connection_ids, within))
    }
}

impl Histories for SimServers {
    fn executed_beyond<'a>(
        &'a self,
        old: &'a InstanceKey,
        promoted: &'a InstanceKey,
        within: Duration,
    ) -> BoxFuture<'a, Result<Beyond, ChangeError>> {
        Box::pin(async move {
            self.gate.passed().await;
            let had = self.ask(promoted, within, |fleet, id| fleet.servers[id].have);
            let had = had.await.map_err(|why| unreachable(promoted, &why))?;
            let log = self.ask(old, within, |fleet, id| fleet.servers[id].log.clone());
            let log = log.await.map_err(|why| unreachable(old, &why))?;
            self.gate.passed().await;
            let beyond: Vec<String> = (log.iter().filter(|txn| !had.contains(**txn)))
                .map(ToString::to_string)
                .collect();
            Ok(Beyond {
                transactions: beyond.len() as u128,
                set: beyond.join(","),
            })
        })
    }
}

/// A connection to one simulated server. Dropping it does not end it at once there, as with a process that dies.
struct SimSession {
    servers: SimServers,
    server: InstanceKey,
    id: ServerId,
    connection: u64,
    on_behalf_of: OnBehalfOf,
    /// A statement was not answered: nothing more is said over it.
    is_lost: bool,
}

impl SimSession {
    async fn make_change(
        &mut self,
        change: &Change,
        deadline: Duration,
    ) -> Result<(), ChangeError> {
        // Here a process may stand still between its last look at its leadership and the statement.
        self.servers.gate.passed().await;
        let unknown = |server: &InstanceKey, reason: &str| ChangeError::Unknown {
            server: server.clone(),
            reason: reason.to_owned(),
        };
        if self.is_lost {
            return Err(unknown(&self.server, "the connection was lost"));
        }
        let clock = self.servers.clock.clone();
        let answer = {
            let mut fleet = self.servers.lock();
            let from = (self.servers.node, self.on_behalf_of);
            let to = (self.id, self.connection);
            fleet.send(clock.monotonic(), from, to, change, deadline)
        };
        let said = timeout(deadline, answer).await;
        let result = match said {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(WITHHELD))) => Err(ChangeError::Unapplied {
                server: self.server.clone(),
                unapplied: "some transactions".to_owned(),
            }),
            Ok(Ok(Err(NOT_BOTH_RUN))) => Err(ChangeError::Unsupported {
                server: self.server.clone(),
                reason: "not both of its threads run".to_owned(),
            }),
            Ok(Ok(Err(errno))) => Err(ChangeError::Refused {
                server: self.server.clone(),
                errno,
                reason: "refused".to_owned(),
            }),
            Ok(Err(_)) => {
                self.is_lost = true;
                Err(unknown(&self.server, "the connection was lost"))
            }
            Err(_) => {
                // What comes of it is unknown, whether the session could be ended or not.
                let _ = (self.servers)
                    .end(&self.server, &[self.connection], KILL_TIME)
                    .await;
                self.is_lost = true;
                Err(unknown(&self.server, "no answer in time"))
            }
        };
        self.servers.gate.passed().await;
        result
    }

    async fn look(&self) -> Result<Observation, ProbeFailure> {
        let seen = self.servers.probe(&self.server).await?;
        let fleet = self.servers.lock();
        let sessions = &fleet.servers[self.id].sessions;
        match sessions.contains_key(&self.connection) && !self.is_lost {
            true => Ok(seen),
            false => Err(ProbeFailure {
                kind: ProbeFailureKind::Refused,
                code: 2013,
                message: "the connection was lost".to_owned(),
                is_partial: false,
            }),
        }
    }
}

impl ServerSession for SimSession {
    fn connection_id(&self) -> u64 {
        self.connection
    }

    fn observe(&mut self) -> BoxFuture<'_, Result<Observation, ProbeFailure>> {
        Box::pin(self.look())
    }

    fn observe_beside(
        &mut self,
        stopping: u64,
    ) -> BoxFuture<'_, Result<Observation, ProbeFailure>> {
        Box::pin(async move {
            // In this order, as real ones are asked.
            let ends = move |fleet: &mut Fleet, id: ServerId| fleet.tells_of_ending(id, stopping);
            let is_ending = self.servers.ask(&self.server, PROBE_TIME, ends).await;
            let mut seen = self.look().await?;
            if let (Ok(true), Some(link)) = (is_ending, &mut seen.replication)
                && link.receiver == ThreadState::Other
            {
                link.receiver = ThreadState::Stopping;
            }
            Ok(seen)
        })
    }

    fn make<'a>(
        &'a mut self,
        change: &'a Change,
        deadline: Duration,
    ) -> BoxFuture<'a, Result<(), ChangeError>> {
        Box::pin(self.make_change(change, deadline))
    }
}

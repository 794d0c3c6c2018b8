use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, Observation, ProbeFailure, ProbeFailureKind};
use orchestrator_core::ports::{BoxFuture, Clock, ProbeSession, Prober};
use tokio::sync::watch;

use super::server::{Condition, Server, failure};

/// What the adapter for real servers waits for an answer, by default.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A probe that began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeStart {
    /// Which instance.
    pub key: InstanceKey,
    /// When, on the clock of the simulation.
    pub at: Duration,
}

/// Simulated servers, by the name they are reached by. A name that no server has is unknown to the name service.
#[derive(Clone)]
pub struct SimulatedServers {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    fleet: Mutex<Fleet>,
    starts: Mutex<Vec<ProbeStart>>,
    /// Changes with every change of the fleet, so that hanging probes look again.
    changes: watch::Sender<u64>,
    sessions: AtomicUsize,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

#[derive(Default)]
struct Fleet {
    servers: BTreeMap<InstanceKey, Server>,
    /// Which servers replicate from which name.
    pointing: BTreeMap<InstanceKey, BTreeSet<InstanceKey>>,
}

impl SimulatedServers {
    /// No server yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::new(Inner {
                clock,
                fleet: Mutex::default(),
                starts: Mutex::default(),
                changes: watch::Sender::new(0),
                sessions: AtomicUsize::new(0),
                in_flight: AtomicUsize::new(0),
                most_in_flight: AtomicUsize::new(0),
            }),
        }
    }

    /// Adds or replaces a server.
    pub fn put(&self, key: &InstanceKey, server: Server) {
        lock(&self.inner.fleet).put(key, server);
        self.inner.changes.send_modify(|version| *version += 1);
    }

    /// Takes a server away: its name is unknown from now on.
    pub fn remove(&self, key: &InstanceKey) {
        lock(&self.inner.fleet).remove(key);
        self.inner.changes.send_modify(|version| *version += 1);
    }

    /// Changes a server.
    ///
    /// # Panics
    /// When there is none of that name: the test is wrong.
    pub fn change(&self, key: &InstanceKey, change: impl FnOnce(&mut Server)) {
        let mut fleet = lock(&self.inner.fleet);
        let server = fleet.servers.get(key);
        let mut server = server
            .expect("the test names a server that is there")
            .clone();
        change(&mut server);
        fleet.put(key, server);
        drop(fleet);
        self.inner.changes.send_modify(|version| *version += 1);
    }

    /// Puts a server into another condition.
    pub fn set(&self, key: &InstanceKey, condition: Condition) {
        self.change(key, |server| server.condition = condition);
    }

    /// Probes that began so far, in order.
    pub fn starts(&self) -> Vec<ProbeStart> {
        lock(&self.inner.starts).clone()
    }

    /// When probes of `key` began.
    pub fn starts_of(&self, key: &InstanceKey) -> Vec<Duration> {
        let starts = lock(&self.inner.starts);
        let of_key = starts.iter().filter(|start| start.key == *key);
        of_key.map(|start| start.at).collect()
    }

    /// Forgets which probes began.
    pub fn clear_starts(&self) {
        lock(&self.inner.starts).clear();
    }

    /// Sessions that are open now.
    pub fn sessions(&self) -> usize {
        self.inner.sessions.load(Ordering::Relaxed)
    }

    /// The most probes that ever ran at once.
    pub fn most_in_flight(&self) -> usize {
        self.inner.most_in_flight.load(Ordering::Relaxed)
    }
}

impl Prober for SimulatedServers {
    fn session(&self, key: &InstanceKey) -> Box<dyn ProbeSession> {
        self.inner.sessions.fetch_add(1, Ordering::Relaxed);
        Box::new(Session {
            key: key.clone(),
            inner: self.inner.clone(),
        })
    }
}

struct Session {
    key: InstanceKey,
    inner: Arc<Inner>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.inner.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ProbeSession for Session {
    fn probe(&mut self) -> BoxFuture<'_, Result<Observation, ProbeFailure>> {
        Box::pin(self.inner.probe(&self.key))
    }
}

/// Counts a probe while it runs, also when it is given up.
struct InFlight<'a>(&'a Inner);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Inner {
    async fn probe(&self, key: &InstanceKey) -> Result<Observation, ProbeFailure> {
        let at = self.clock.monotonic();
        let start = ProbeStart {
            key: key.clone(),
            at,
        };
        lock(&self.starts).push(start);
        let running = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_in_flight.fetch_max(running, Ordering::Relaxed);
        let _running = InFlight(self);
        tokio::select! {
            answer = self.answer(key) => answer,
            () = self.clock.sleep(READ_TIMEOUT) => {
                Err(failure(ProbeFailureKind::Timeout, 0, "no answer within 10 s"))
            }
        }
    }

    async fn answer(&self, key: &InstanceKey) -> Result<Observation, ProbeFailure> {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let found = lock(&self.fleet).found(key);
            match found {
                Some((Condition::Frozen, _)) => {}
                Some((Condition::Baffling, _)) => panic!("the test wants a panic here"),
                Some((Condition::Up, latency)) => {
                    self.clock.sleep(latency).await;
                    let fleet = lock(&self.fleet);
                    // It may have gone while it was answering.
                    if matches!(fleet.found(key), Some((Condition::Up, _))) {
                        return Ok(fleet.observe(key, &*self.clock));
                    }
                    continue;
                }
                other => return Err(refusal(other.map(|(condition, _)| condition))),
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

fn refusal(condition: Option<Condition>) -> ProbeFailure {
    match condition {
        None => failure(ProbeFailureKind::UnknownHost, 0, "no such host"),
        Some(Condition::Locked) => failure(ProbeFailureKind::AccessDenied, 1045, "access denied"),
        Some(_) => failure(ProbeFailureKind::Refused, 0, "connection refused"),
    }
}

impl Fleet {
    fn put(&mut self, key: &InstanceKey, server: Server) {
        self.remove(key);
        if let Some(source) = &server.source {
            let pointing = self.pointing.entry(source.clone()).or_default();
            pointing.insert(key.clone());
        }
        self.servers.insert(key.clone(), server);
    }

    fn remove(&mut self, key: &InstanceKey) {
        let removed = self.servers.remove(key);
        if let Some(source) = removed.and_then(|server| server.source)
            && let Some(pointing) = self.pointing.get_mut(&source)
        {
            pointing.remove(key);
        }
    }

    fn found(&self, key: &InstanceKey) -> Option<(Condition, Duration)> {
        let server = self.servers.get(key)?;
        Some((server.condition, server.latency))
    }

    fn is_up(&self, key: &InstanceKey) -> bool {
        matches!(self.found(key), Some((Condition::Up, _)))
    }

    fn observe(&self, key: &InstanceKey, clock: &dyn Clock) -> Observation {
        let server = &self.servers[key];
        let is_source_up = server.source.as_ref().is_some_and(|key| self.is_up(key));
        let pointing = self.pointing.get(key).into_iter().flatten();
        let connected = pointing.filter(|replica| {
            let receiver = self.servers[*replica].receiver;
            self.is_up(replica) && receiver == super::Receiver::Started
        });
        server.observe(key, connected.cloned().collect(), is_source_up, clock.now())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no simulated server panics")
}

//! Servers that do what they are told, and write down who told them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use orchestrator_core::domain::gtid::OracleGtidSet;
use orchestrator_core::domain::{
    InstanceKey, Observation, ProbeFailure, ProbeFailureKind, SourceAddress, ThreadState,
};
use orchestrator_core::ports::{
    Beyond, BoxFuture, Change, ChangeError, Clock, Histories, OnBehalfOf, ServerSession, Servers,
};
use orchestrator_core::recovery::{Ground, Holdings};

use super::clock::PausedClock;

/// How long a change takes: longer than it takes until an old primary is tried again.
const CHANGE_TIME: Duration = Duration::from_millis(120);

/// How long a slow server needs to end a receiver.
pub const SLOW_STOP: Duration = Duration::from_secs(2);

/// Between two tries of a statement that waits for another.
const LOCK_LOOK: Duration = Duration::from_millis(10);

/// How a server is to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    Up,
    /// Connections are refused.
    Down,
    /// Nothing is answered.
    Silent,
    /// Nothing is answered to us; replicas can connect.
    Deaf,
    /// Nothing is answered to us, and replicas are refused with this error.
    Unfriendly(u32),
}

/// What becomes of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Done,
    Refused,
    /// As where what it needs is not so.
    Unsupported,
    /// As where somebody holds a lock.
    RefusedForNow,
    /// It is made, and nobody is told.
    MadeUnheard,
    /// It is not made, and nobody is told.
    NotMadeUnheard,
    /// It is not made before its deadline.
    Hangs,
}

/// One change that a server was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub server: String,
    pub change: Change,
    pub by: OnBehalfOf,
}

type Judge = Box<dyn FnMut(&str, &Change) -> Verdict + Send>;
type JudgeOfEnds = Box<dyn FnMut(&str) -> bool + Send>;

struct Server {
    seen: Observation,
    power: Power,
    connections: u64,
    /// Connections that are open.
    open: Vec<u64>,
}

#[derive(Default)]
struct State {
    servers: BTreeMap<InstanceKey, Server>,
    log: Vec<Entry>,
    /// Connections that were ended, each with the number of changes asked for before.
    ended: Vec<(String, u64, usize)>,
    judge: Option<Judge>,
    judge_of_ends: Option<JudgeOfEnds>,
    /// A server whose applier runs and gets nowhere.
    busy: Option<InstanceKey>,
    /// Servers that need [`SLOW_STOP`] to end a receiver that is connecting.
    slow_to_stop: BTreeSet<InstanceKey>,
}

/// All servers.
pub struct Fleet {
    state: Mutex<State>,
    clock: Arc<PausedClock>,
}

pub fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).unwrap()
}

impl Fleet {
    pub fn new(servers: Vec<Observation>, clock: Arc<PausedClock>) -> Arc<Self> {
        let servers = servers.into_iter().map(|seen| {
            let server = Server {
                power: Power::Up,
                connections: 100,
                open: vec![],
                seen,
            };
            (server.seen.key.clone(), server)
        });
        let state = State {
            servers: servers.collect(),
            ..State::default()
        };
        Arc::new(Self {
            state: Mutex::new(state),
            clock,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn judge(&self, judge: impl FnMut(&str, &Change) -> Verdict + Send + 'static) {
        self.lock().judge = Some(Box::new(judge));
    }

    /// Says each time whether connections on a server can be ended.
    pub fn judge_ends(&self, judge: impl FnMut(&str) -> bool + Send + 'static) {
        self.lock().judge_of_ends = Some(Box::new(judge));
    }

    /// Keeps the applier of one server, or of none, from getting anywhere.
    pub fn keep_busy(&self, name: Option<&str>) {
        self.lock().busy = name.map(key);
    }

    /// Lets a server be slow to end a receiver that is connecting; statements about its threads wait for that.
    pub fn stops_slowly(&self, name: &str) {
        self.lock().slow_to_stop.insert(key(name));
    }

    pub fn set_power(&self, name: &str, power: Power) {
        let mut state = self.lock();
        let server = state.servers.get_mut(&key(name)).unwrap();
        server.power = power;
        server.open.clear();
    }

    /// A server that comes back as it is started: with this in its option file.
    pub fn restart(&self, name: &str, read_only: bool) {
        self.set_power(name, Power::Up);
        self.change(name, |seen| set_read_only(seen, read_only));
    }

    pub fn change(&self, name: &str, change: impl FnOnce(&mut Observation)) {
        change(&mut self.lock().servers.get_mut(&key(name)).unwrap().seen);
    }

    pub fn seen(&self, name: &str) -> Observation {
        self.lock().servers[&key(name)].seen.clone()
    }

    /// How many connections were opened to it for changes.
    pub fn connections(&self, name: &str) -> u64 {
        self.lock().servers[&key(name)].connections
    }

    pub fn log(&self) -> Vec<Entry> {
        self.lock().log.clone()
    }

    pub fn changes_of(&self, name: &str) -> Vec<Change> {
        let log = self.log().into_iter();
        log.filter(|entry| entry.server == name)
            .map(|entry| entry.change)
            .collect()
    }

    pub fn ended(&self) -> Vec<(String, u64)> {
        let state = self.lock();
        let all = state.ended.iter();
        all.map(|(name, id, _)| (name.clone(), *id)).collect()
    }

    /// How many changes were asked for before a connection was ended; `None` where it was not.
    pub fn ended_after(&self, name: &str, id: u64) -> Option<usize> {
        let state = self.lock();
        let mut all = state.ended.iter();
        all.find(|(on, ended, _)| on == name && *ended == id)
            .map(|(_, _, changes)| *changes)
    }

    /// Names of servers that take writes and are up.
    pub fn writable(&self) -> Vec<String> {
        let state = self.lock();
        let up = state
            .servers
            .iter()
            .filter(|(_, one)| one.power == Power::Up);
        up.filter(|(_, one)| !one.seen.read_only)
            .map(|(key, _)| key.host().to_string())
            .collect()
    }

    /// What a probe sees.
    pub async fn probe(&self, server: &InstanceKey) -> Result<Observation, ProbeFailure> {
        self.clock.sleep(Duration::from_millis(1)).await;
        let power = self.lock().servers[server].power;
        let failed = |kind| ProbeFailure {
            kind,
            code: 0,
            message: "no answer".to_owned(),
            is_partial: false,
        };
        match power {
            Power::Up => Ok(self.observe(server)),
            Power::Down => Err(failed(ProbeFailureKind::Refused)),
            Power::Silent | Power::Deaf | Power::Unfriendly(_) => {
                self.clock.sleep(Duration::from_secs(1)).await;
                Err(failed(ProbeFailureKind::Timeout))
            }
        }
    }

    fn receiver(&self, server: &InstanceKey) -> Option<ThreadState> {
        let state = self.lock();
        let link = state.servers[server].seen.replication.as_ref();
        link.map(|link| link.receiver)
    }

    fn set_receiver(&self, server: &InstanceKey, receiver: ThreadState) {
        self.change(&server.host().to_string(), |seen| {
            seen.replication.as_mut().unwrap().receiver = receiver;
        });
    }

    /// Ends a receiver slowly, where the server does so, whatever becomes of who told it.
    async fn end_receiver(self: &Arc<Self>, server: &InstanceKey) {
        let is_slow = self.lock().slow_to_stop.contains(server);
        if is_slow && self.receiver(server) == Some(ThreadState::Other) {
            self.set_receiver(server, ThreadState::Stopping);
            let (fleet, key) = (Arc::clone(self), server.clone());
            tokio::spawn(async move {
                fleet.clock.sleep(SLOW_STOP).await;
                fleet.set_receiver(&key, ThreadState::Stopped);
            });
            self.lock_threads(server, &Change::StopReceiver).await;
        }
    }

    /// Waits until a statement about threads may go on.
    async fn lock_threads(&self, server: &InstanceKey, change: &Change) {
        while change.is_about_replication() && self.receiver(server) == Some(ThreadState::Stopping)
        {
            self.clock.sleep(LOCK_LOOK).await;
        }
    }

    fn observe(&self, server: &InstanceKey) -> Observation {
        let mut state = self.lock();
        let is_busy = state.busy.as_ref() == Some(server);
        let seen = &mut state.servers.get_mut(server).unwrap().seen;
        let link = seen.replication.as_ref();
        let applies = !is_busy && link.is_some_and(|link| link.applier.is_running());
        if let (true, Some(Holdings::Oracle { received, .. })) =
            (applies, Holdings::read(seen, Ground::Oracle))
        {
            seen.gtid.executed = received.to_string();
        }
        seen.observed_at = self.clock.now();
        seen.clone()
    }

    async fn made(
        self: &Arc<Self>,
        server: &InstanceKey,
        by: OnBehalfOf,
        change: &Change,
        deadline: Duration,
    ) -> Result<(), ChangeError> {
        self.clock.sleep(CHANGE_TIME / 2).await;
        self.lock_threads(server, change).await;
        if *change == Change::StopReceiver {
            self.end_receiver(server).await;
        }
        let verdict = {
            let mut state = self.lock();
            let name = server.host().to_string();
            let verdict = match &mut state.judge {
                Some(judge) => judge(&name, change),
                None => Verdict::Done,
            };
            state.log.push(Entry {
                server: name,
                change: change.clone(),
                by,
            });
            if matches!(verdict, Verdict::Done | Verdict::MadeUnheard) {
                act(&mut state.servers, server, change);
            }
            verdict
        };
        self.clock.sleep(CHANGE_TIME / 2).await;
        let server = server.clone();
        let unknown = ChangeError::Unknown {
            server: server.clone(),
            reason: "no answer".to_owned(),
        };
        match verdict {
            Verdict::Done => Ok(()),
            Verdict::Refused | Verdict::RefusedForNow => Err(ChangeError::Refused {
                server,
                errno: match verdict {
                    Verdict::RefusedForNow => 1205,
                    _ => 1227,
                },
                reason: "access denied".to_owned(),
            }),
            Verdict::Unsupported => Err(ChangeError::Unsupported {
                server,
                reason: "not both of its threads run".to_owned(),
            }),
            Verdict::MadeUnheard | Verdict::NotMadeUnheard => {
                let mut state = self.lock();
                state.servers.get_mut(&server).unwrap().open.clear();
                Err(unknown)
            }
            Verdict::Hangs => {
                self.clock.sleep(deadline).await;
                Err(unknown)
            }
        }
    }
}

fn set_read_only(seen: &mut Observation, read_only: bool) {
    seen.read_only = read_only;
    seen.super_read_only = seen.super_read_only.map(|_| read_only);
}

fn act(servers: &mut BTreeMap<InstanceKey, Server>, server: &InstanceKey, change: &Change) {
    let source = |servers: &BTreeMap<InstanceKey, Server>, key: &InstanceKey| {
        let lets_in = |one: &&Server| matches!(one.power, Power::Up | Power::Deaf);
        let source = servers.get(key).filter(lets_in);
        source.map(|source| source.seen.gtid.executed.clone())
    };
    let from = match &servers[server].seen.replication {
        Some(link) => link.source.attached().and_then(|key| source(servers, key)),
        None => None,
    };
    let link = servers[server].seen.replication.as_ref();
    let refusal = match link
        .and_then(|link| link.source.attached())
        .and_then(|key| servers.get(key))
        .map(|one| one.power)
    {
        Some(Power::Unfriendly(errno)) => errno,
        _ => 0,
    };
    let seen = &mut servers.get_mut(server).unwrap().seen;
    match change {
        Change::MakeWritable => set_read_only(seen, false),
        Change::Close => set_read_only(seen, true),
        Change::ForgetSource => {
            if seen.replication.is_none() {
                return;
            }
            let unapplied = Holdings::read(seen, Ground::of(seen)).map(|own| own.unapplied());
            assert_eq!(
                unapplied,
                Some(orchestrator_core::recovery::Unapplied::Nothing),
                "{server} forgets what it has not applied"
            );
            seen.replication = None;
        }
        Change::SemiSyncSource(on) => seen.semi_sync.source_enabled = *on,
        Change::SemiSyncReplica(on) => seen.semi_sync.replica_enabled = *on,
        Change::StartApplier
        | Change::StopReceiver
        | Change::RestartReceiver
        | Change::StopApplier
        | Change::Repoint { .. }
        | Change::StartReplication
        | Change::Detach => {
            let Some(link) = &mut seen.replication else {
                panic!("{server} has no link: {change:?}");
            };
            match change {
                Change::StartApplier => link.applier = ThreadState::Running,
                Change::StopReceiver => link.receiver = ThreadState::Stopped,
                Change::StopApplier => link.applier = ThreadState::Stopped,
                Change::Repoint { source, .. } => {
                    link.source = SourceAddress::Attached(source.clone());
                    link.retrieved.clear();
                }
                Change::Detach => {
                    let source = link.source.attached().unwrap().clone();
                    link.source = SourceAddress::Detached(source);
                }
                _ => {
                    link.applier = ThreadState::Running;
                    link.receiver_errno = refusal;
                    link.receiver = match &from {
                        Some(executed) => {
                            link.retrieved.clone_from(executed);
                            ThreadState::Running
                        }
                        None => ThreadState::Other,
                    };
                }
            }
        }
    }
}

/// The fleet behind the ports.
#[derive(Clone)]
pub struct FleetServers(pub Arc<Fleet>);

struct Session {
    fleet: Arc<Fleet>,
    server: InstanceKey,
    by: OnBehalfOf,
    id: u64,
}

impl Session {
    fn is_open(&self) -> bool {
        let state = self.fleet.lock();
        let server = &state.servers[&self.server];
        server.power == Power::Up && server.open.contains(&self.id)
    }
}

impl ServerSession for Session {
    fn connection_id(&self) -> u64 {
        self.id
    }

    fn observe(&mut self) -> BoxFuture<'_, Result<Observation, ProbeFailure>> {
        Box::pin(async move {
            let mut seen = self.observe_beside(0).await?;
            if let Some(link) = &mut seen.replication
                && link.receiver == ThreadState::Stopping
            {
                link.receiver = ThreadState::Other;
            }
            Ok(seen)
        })
    }

    fn observe_beside(&mut self, _: u64) -> BoxFuture<'_, Result<Observation, ProbeFailure>> {
        Box::pin(async move {
            let seen = self.fleet.probe(&self.server).await?;
            match self.is_open() {
                true => Ok(seen),
                false => Err(ProbeFailure {
                    kind: ProbeFailureKind::Refused,
                    code: 2013,
                    message: "the connection was lost".to_owned(),
                    is_partial: false,
                }),
            }
        })
    }

    fn make<'a>(
        &'a mut self,
        change: &'a Change,
        deadline: Duration,
    ) -> BoxFuture<'a, Result<(), ChangeError>> {
        Box::pin(async move {
            if !self.is_open() {
                return Err(ChangeError::Unknown {
                    server: self.server.clone(),
                    reason: "the connection was lost".to_owned(),
                });
            }
            self.fleet
                .made(&self.server, self.by, change, deadline)
                .await
        })
    }
}

impl Servers for FleetServers {
    fn open<'a>(
        &'a self,
        server: &'a InstanceKey,
        on_behalf_of: OnBehalfOf,
        within: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn ServerSession>, ChangeError>> {
        Box::pin(async move {
            self.0.clock.sleep(Duration::from_millis(1)).await;
            let unreachable = |reason: &str| ChangeError::Unreachable {
                server: server.clone(),
                reason: reason.to_owned(),
            };
            let power = self.0.lock().servers[server].power;
            match power {
                Power::Down => return Err(unreachable("connection refused")),
                Power::Silent | Power::Deaf | Power::Unfriendly(_) => {
                    self.0.clock.sleep(within).await;
                    return Err(unreachable("no answer in time"));
                }
                Power::Up => {}
            }
            let mut state = self.0.lock();
            let own = state.servers.get_mut(server).unwrap();
            own.connections += 1;
            own.open.push(own.connections);
            let session = Session {
                fleet: Arc::clone(&self.0),
                server: server.clone(),
                by: on_behalf_of,
                id: own.connections,
            };
            Ok(Box::new(session) as Box<dyn ServerSession>)
        })
    }

    fn open_fleeting<'a>(
        &'a self,
        server: &'a InstanceKey,
        on_behalf_of: OnBehalfOf,
        within: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn ServerSession>, ChangeError>> {
        self.open(server, on_behalf_of, within)
    }

    fn end_sessions<'a>(
        &'a self,
        server: &'a InstanceKey,
        connection_ids: &'a [u64],
        within: Duration,
    ) -> BoxFuture<'a, Result<(), ChangeError>> {
        Box::pin(async move {
            self.0.clock.sleep(Duration::from_millis(1)).await;
            // A session is not gone before its statement is over.
            let ended = self.0.lock_threads(server, &Change::StopReceiver);
            let is_over = tokio::time::timeout(within, ended).await.is_ok();
            let is_able = is_over
                && match &mut self.0.lock().judge_of_ends {
                    Some(judge) => judge(&server.host().to_string()),
                    None => true,
                };
            if !is_able || self.0.lock().servers[server].power != Power::Up {
                self.0.clock.sleep(within).await;
                return Err(ChangeError::Unreachable {
                    server: server.clone(),
                    reason: "no answer in time".to_owned(),
                });
            }
            let mut state = self.0.lock();
            let own = state.servers.get_mut(server).unwrap();
            own.open.retain(|id| !connection_ids.contains(id));
            let name = server.host().to_string();
            let changes = state.log.len();
            let ended = connection_ids.iter().map(|id| (name.clone(), *id, changes));
            state.ended.extend(ended);
            Ok(())
        })
    }
}

impl Histories for FleetServers {
    fn executed_beyond<'a>(
        &'a self,
        old: &'a InstanceKey,
        promoted: &'a InstanceKey,
        _within: Duration,
    ) -> BoxFuture<'a, Result<Beyond, ChangeError>> {
        let set = |key: &InstanceKey| {
            OracleGtidSet::parse(&self.0.lock().servers[key].seen.gtid.executed).unwrap()
        };
        let beyond = set(old).subtract(&set(promoted));
        Box::pin(async move {
            Ok(Beyond {
                set: beyond.to_string(),
                transactions: beyond.count(),
            })
        })
    }
}

//! Nodes in this process, joined by a transport that can be cut.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::decided::{Command, CommandFormats, Digest, GroupId, Origin, Proposal};
use orchestrator_core::domain::{InstanceKey, Timestamp};
use orchestrator_core::ports::{
    BoxFuture, Clock, Committed, DecisionReader as _, Group as _, GroupRole, GroupStatus, Ids,
    ProposeError, Proposer as _,
};

use super::super::transport::{Answer, Call, CallError, CallHandler, Callee, Transport};
use super::super::{Condition, GroupConfig, GroupDeps, KnownInstances, OpenError, RaftGroup};
use crate::store::{Error, GroupLog, Place, SqliteOptions, SqliteStore};

/// The runtime's clock.
pub struct TestClock(tokio::time::Instant);

impl TestClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the Clock of these tests"
    )]
    pub fn start() -> Arc<Self> {
        Arc::new(Self(tokio::time::Instant::now()))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000).plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(length))
    }
}

/// Ids that no other node draws.
pub struct TestIds(AtomicU64);

static NEXT_ID: AtomicU64 = AtomicU64::new(1_000);

impl TestIds {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(0)))
    }
}

impl Ids for TestIds {
    fn unique(&self) -> u128 {
        u128::from(NEXT_ID.fetch_add(1, Ordering::SeqCst)) * 7_919
    }

    fn fraction(&self) -> f64 {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        (number % 10) as f64 / 10.0
    }
}

/// Joins nodes of one process; what is cut does not answer, what does not run refuses.
#[derive(Default)]
pub struct Hub {
    running: Mutex<BTreeMap<String, Arc<dyn CallHandler>>>,
    cut: Mutex<BTreeSet<(String, String)>>,
}

impl Hub {
    pub fn run(&self, name: &str, handler: Arc<dyn CallHandler>) {
        self.running
            .lock()
            .unwrap()
            .insert(name.to_owned(), handler);
    }

    pub fn cut(&self, a: &str, b: &str) {
        let mut cut = self.cut.lock().unwrap();
        cut.insert((a.to_owned(), b.to_owned()));
        cut.insert((b.to_owned(), a.to_owned()));
    }

    pub fn heal(&self) {
        self.cut.lock().unwrap().clear();
    }

    /// Cuts every node of `some` from every other of `all`.
    pub fn part(&self, some: &[&str], all: &[String]) {
        for a in some {
            for b in all.iter().filter(|b| !some.contains(&b.as_str())) {
                self.cut(a, b);
            }
        }
    }

    pub fn is_cut(&self, from: &str, to: &str) -> bool {
        let cut = self.cut.lock().unwrap();
        cut.contains(&(from.to_owned(), to.to_owned()))
    }
}

/// One node's end of the hub.
pub struct HubEnd {
    pub hub: Arc<Hub>,
    pub from: String,
}

impl Transport for HubEnd {
    fn call(&self, to: Callee, call: Call) -> BoxFuture<'static, Result<Answer, CallError>> {
        let (hub, from) = (Arc::clone(&self.hub), self.from.clone());
        Box::pin(async move {
            if hub.is_cut(&from, &to.name) {
                return std::future::pending().await;
            }
            let handler = hub.running.lock().unwrap().get(&to.name).cloned();
            let Some(handler) = handler else {
                return Err(CallError::Absent(format!(
                    "{} refuses connections",
                    to.name
                )));
            };
            let answer = handler.handle(call).await.map_err(CallError::Refused);
            if hub.is_cut(&from, &to.name) {
                return std::future::pending().await;
            }
            answer
        })
    }
}

/// Instances of a node.
#[derive(Default)]
pub struct Instances(pub Mutex<BTreeSet<InstanceKey>>);

impl KnownInstances for Instances {
    fn known(&self) -> Vec<InstanceKey> {
        self.0.lock().unwrap().iter().cloned().collect()
    }

    fn learn(&self, keys: &[InstanceKey]) {
        self.0.lock().unwrap().extend(keys.iter().cloned());
    }
}

/// A node that is well.
#[derive(Default)]
pub struct Well(pub Mutex<Option<String>>);

impl Condition for Well {
    fn store_error(&self) -> Option<String> {
        self.0.lock().unwrap().clone()
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    fn members_changed(&self, _: &[String]) {}

    fn group_known(&self, _: GroupId) {}
}

/// A node that runs.
pub struct Running {
    pub group: RaftGroup,
    pub instances: Arc<Instances>,
    pub condition: Arc<Well>,
}

/// A group in this process.
pub struct World {
    pub hub: Arc<Hub>,
    pub names: Vec<String>,
    pub running: BTreeMap<String, Running>,
    pub snapshot_every: u64,
    pub starts_without_silent: bool,
    /// Releases of nodes that have another one.
    pub releases: BTreeMap<String, (&'static str, CommandFormats)>,
    dir: tempfile::TempDir,
    clock: Arc<TestClock>,
    ids: Arc<TestIds>,
    requests: u128,
}

/// How long anything may take: many elections on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, poll)
        .await
        .unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

pub fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).unwrap()
}

impl World {
    pub fn new(names: &[&str]) -> Self {
        Self {
            hub: Arc::default(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            running: BTreeMap::new(),
            snapshot_every: 5_000,
            starts_without_silent: false,
            releases: BTreeMap::new(),
            dir: tempfile::tempdir().unwrap(),
            clock: TestClock::start(),
            ids: TestIds::new(),
            requests: 0,
        }
    }

    pub fn directory(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn config(&self, name: &str) -> GroupConfig {
        let ours = ("test", CommandFormats::of_this_release());
        let (version, formats) = self.releases.get(name).copied().unwrap_or(ours);
        GroupConfig {
            directory: self.directory(name),
            name: name.to_owned(),
            nodes: self.names.clone(),
            http: format!("http://{name}:3000"),
            version: version.to_owned(),
            formats,
            heartbeat: None,
            election: None,
            snapshot_every: self.snapshot_every,
            entries_kept: 10,
            default_port: 0,
            starts_without_silent: self.starts_without_silent,
        }
    }

    pub fn open(&self, config: GroupConfig) -> Result<Running, OpenError> {
        let instances = Arc::new(Instances::default());
        let condition = Arc::new(Well::default());
        let store = open_store(&config.directory, self.ids.as_ref());
        let deps = GroupDeps {
            store,
            transport: Arc::new(HubEnd {
                hub: Arc::clone(&self.hub),
                from: config.name.clone(),
            }),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            known: instances.clone(),
            condition: condition.clone(),
        };
        Ok(Running {
            group: RaftGroup::open(config, deps)?,
            instances,
            condition,
        })
    }

    /// Starts a node on what its directory holds.
    pub fn start(&mut self, name: &str) {
        let running = self.open(self.config(name)).unwrap();
        let handler = running.group.call_handler();
        self.hub.run(name, handler);
        running.group.start();
        self.running.insert(name.to_owned(), running);
    }

    pub fn start_all(&mut self) {
        for name in self.names.clone() {
            self.start(&name);
        }
    }

    /// Ends a node as a kill would: nothing is handed over. Completes when nothing of it holds its files: the library does not wait
    /// for the task that applies.
    pub async fn kill(&mut self, name: &str) {
        self.end(name).await;
        let directory = self.directory(name);
        until("nothing of the node holds its files", || {
            let is_held = |error: Error| matches!(error, Error::InUse { .. });
            let log = GroupLog::open(&directory, Timestamp::from_seconds(1));
            let store = try_open_store(&directory, self.ids.as_ref());
            !log.err().is_some_and(is_held) && !store.err().is_some_and(is_held)
        })
        .await;
    }

    async fn end(&mut self, name: &str) {
        self.hub.running.lock().unwrap().remove(name);
        if let Some(running) = self.running.remove(name) {
            running.group.stop().await;
        }
    }

    /// Ends all nodes. A test may hold some of them still.
    pub async fn stop(mut self) {
        for name in self.names.clone() {
            self.end(&name).await;
        }
    }

    /// Takes everything from a node that does not run.
    pub fn wipe(&self, name: &str) {
        assert!(!self.running.contains_key(name));
        std::fs::remove_dir_all(self.directory(name)).unwrap();
    }

    pub fn node(&self, name: &str) -> &RaftGroup {
        &self.running[name].group
    }

    pub fn status(&self, name: &str) -> Arc<GroupStatus> {
        self.node(name).status()
    }

    /// Those that say that they lead, beyond doubt.
    pub fn leaders(&self) -> Vec<String> {
        let all = self.running.iter();
        all.filter(|(_, running)| running.group.is_serving_leader())
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Waits until somebody leads and all that run follow it with a vote.
    pub async fn settled(&self) -> String {
        let leader = self.leader().await;
        until("all follow with a vote", || {
            self.running.values().all(|running| {
                let role = running.group.status().role;
                matches!(role, GroupRole::Leader | GroupRole::Follower)
            })
        })
        .await;
        leader
    }

    /// Waits for a leader.
    pub async fn leader(&self) -> String {
        until("somebody leads", || !self.leaders().is_empty()).await;
        let leaders = self.leaders();
        assert!(leaders.len() <= 1, "{leaders:?} lead");
        match leaders.into_iter().next() {
            Some(leader) => leader,
            None => Box::pin(self.leader()).await,
        }
    }

    pub fn proposal(&mut self, command: Command) -> Proposal {
        self.requests += 1;
        Proposal {
            request: self.requests,
            proposed_at: self.clock.now(),
            origin: Origin::default(),
            command,
        }
    }

    pub fn forget(&mut self, instance: &str) -> Proposal {
        self.proposal(Command::Forget { key: key(instance) })
    }

    /// Proposes where somebody leads, again with the same request until it is answered.
    pub async fn write(&mut self, instance: &str) -> Committed {
        let proposal = self.forget(instance);
        self.decide(&proposal).await
    }

    /// The same with any proposal.
    pub async fn decide(&self, proposal: &Proposal) -> Committed {
        let write = async {
            loop {
                let leader = self.leader().await;
                match self.node(&leader).propose(proposal.clone()).await {
                    Ok(committed) => return committed,
                    Err(ProposeError::Store { reason }) => panic!("{reason}"),
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, write).await.unwrap()
    }

    /// Waits until all running nodes applied this entry, and checks that they agree.
    pub async fn converge(&self, index: u64) {
        for name in self.running.keys() {
            until(&format!("{name} applied {index}"), || {
                self.node(name).decided().applied_index >= index
            })
            .await;
        }
        until("all are at the same entry and agree", || {
            let states: BTreeSet<(u64, String)> = self
                .running
                .values()
                .map(|running| {
                    let state = running.group.decided();
                    (state.applied_index, Digest::of(&state).to_string())
                })
                .collect();
            states.len() == 1
        })
        .await;
    }
}

fn try_open_store(directory: &Path, ids: &dyn Ids) -> Result<SqliteStore, Error> {
    let mut options = SqliteOptions::new(Place::File(directory.join("orchestrator.sqlite3")));
    options.is_derived = true;
    SqliteStore::open(&options, ids, Timestamp::from_seconds(1))
}

pub fn open_store(directory: &Path, ids: &dyn Ids) -> Arc<SqliteStore> {
    Arc::new(try_open_store(directory, ids).unwrap())
}

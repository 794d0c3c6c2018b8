//! One simulated node: the real group over a simulated disk and network, with a store in a real file.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use orchestrator::raft::{Condition, GroupConfig, GroupDeps, KnownInstances, RaftGroup};
use orchestrator::store::{Place, SqliteOptions, SqliteStore};
use orchestrator_core::decided::{Command, CommandFormats, GroupId};
use orchestrator_core::domain::{InstanceKey, Timestamp};
use orchestrator_core::ports::{BoxFuture, Clock, Ids};

use tokio::task::JoinHandle;

use super::disk::Disk;
use super::network::Net;
use super::scenario::Tuning;
use super::store::{Mood, NodeStore, Switch};
use crate::world::SteppedClock;

/// Longest that the tasks of a crashed node may take to end; longer means that one hangs.
const END_WITHIN: Duration = Duration::from_secs(150);

/// Time between two looks whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How far the wall clock of a node is ahead. Clones share it.
#[derive(Clone, Default)]
struct Ahead(Arc<AtomicU64>);

impl Ahead {
    fn set(&self, ahead: Duration) {
        let micros = u64::try_from(ahead.as_micros()).expect("a clock is off by less than ages");
        self.0.store(micros, Ordering::SeqCst);
    }
}

/// The clock of one node: its wall clock is off.
struct OffClock {
    clock: SteppedClock,
    ahead: Ahead,
}

impl Clock for OffClock {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead.0.load(Ordering::SeqCst);
        self.clock.now().plus(Duration::from_micros(ahead))
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(length)
    }
}

/// A node without instances.
pub struct NoInstances;

impl KnownInstances for NoInstances {
    fn known(&self) -> Vec<InstanceKey> {
        Vec::new()
    }

    fn learn(&self, _: &[InstanceKey]) {}
}

/// A node that is well beside its group.
pub struct Well;

impl Condition for Well {
    fn store_error(&self) -> Option<String> {
        None
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    fn members_changed(&self, _: &[String]) {}

    fn group_known(&self, _: GroupId) {}
}

/// A start of a node.
#[derive(Clone)]
pub struct Running {
    /// The real thing.
    pub group: RaftGroup,
    /// Which start of its node it is, from 1.
    pub start: u64,
}

/// A node, running or not.
pub struct Node {
    /// Its entry of `RaftNodes`.
    pub name: String,
    /// Under its log.
    pub disk: Disk,
    /// While it runs.
    pub running: Option<Running>,
    directory: PathBuf,
    starts: u64,
    ending: Option<JoinHandle<()>>,
    /// Held by whatever is left of the last start.
    store: Weak<NodeStore>,
    switch: Switch,
    loss: Option<Loss>,
    ahead: Ahead,
    /// How many of its starts are of the older release.
    old_starts: u64,
}

/// The older release of a simulated group, and the newer one: it has a command that the older one does not know.
const OLDER: CommandFormats = CommandFormats::of_release(1, |_| 1);
const NEWER: CommandFormats = CommandFormats::of_release(2, |command| match command {
    Command::RegisterCandidate { .. } => 2,
    _ => 1,
});

impl Node {
    /// A node that was never started, and has the older release for so many starts.
    pub fn new(name: &str, directory: &Path, old_starts: u64) -> Self {
        Self {
            name: name.to_owned(),
            disk: Disk::default(),
            running: None,
            directory: directory.join(name.split(':').next().unwrap_or(name)),
            starts: 0,
            ending: None,
            store: Weak::new(),
            switch: Switch::default(),
            loss: None,
            ahead: Ahead::default(),
            old_starts,
        }
    }

    /// Whether it runs the older release.
    pub fn is_old(&self) -> bool {
        self.starts <= self.old_starts
    }

    /// It has the newer release from its next start on.
    pub fn renew(&mut self) {
        self.old_starts = 0;
    }

    /// Its wall clock is so far ahead from now on.
    pub fn set_clock(&self, ahead: Duration) {
        self.ahead.set(ahead);
    }

    /// What its store does with writes from now on, until it is started again.
    pub fn set_store(&self, mood: Mood) {
        self.switch.set(mood);
    }

    /// Starts it on what its disk and directory hold.
    ///
    /// # Errors
    /// What the start says to its operator.
    pub fn start(
        &mut self,
        number: usize,
        nodes: &[String],
        tuning: &Tuning,
        world: &World,
    ) -> Result<(), String> {
        self.carry_out_loss().map_err(|error| error.to_string())?;
        self.starts += 1;
        let mut options =
            SqliteOptions::new(Place::File(self.directory.join("orchestrator.sqlite3")));
        options.is_derived = true;
        let store = SqliteStore::open(&options, world.ids.as_ref(), Timestamp::from_seconds(1));
        let store = store.map_err(|error| error.to_string())?;
        self.switch = Switch::default();
        let store = Arc::new(NodeStore::new(store, self.switch.clone()));
        self.store = Arc::downgrade(&store);
        let deps = GroupDeps {
            store,
            transport: Arc::new(world.net.end(number, self.starts)),
            clock: Arc::new(OffClock {
                clock: world.clock,
                ahead: self.ahead.clone(),
            }),
            ids: world.ids.clone(),
            known: Arc::new(NoInstances),
            condition: Arc::new(Well),
        };
        let config = GroupConfig {
            directory: self.directory.clone(),
            name: self.name.clone(),
            nodes: nodes.to_vec(),
            http: format!("http://{}", self.name),
            version: "simulated".to_owned(),
            formats: match self.is_old() {
                true => OLDER,
                false => NEWER,
            },
            heartbeat: tuning.heartbeat,
            election: None,
            snapshot_every: tuning.snapshot_every,
            entries_kept: tuning.entries_kept,
            default_port: 0,
            starts_without_silent: false,
        };
        let group = RaftGroup::open_on(config, deps, Arc::new(self.disk.mount()))
            .map_err(|error| error.to_string())?;
        world.net.run(number, self.starts, group.call_handler());
        group.start();
        self.running = Some(Running {
            group,
            start: self.starts,
        });
        Ok(())
    }

    /// Ends it as a power cut does: from this moment on nothing of it reaches a disk or another node. Returns how many
    /// writes were lost. What is left of its tasks ends behind its back; it can be started when [`Node::is_ended`].
    pub fn crash(&mut self, number: usize, kept: u64, net: &Net) -> usize {
        let Some(running) = self.running.take() else {
            return 0;
        };
        net.crash(number);
        self.switch.set(Mood::Crashed);
        let lost = self.disk.crash(kept);
        self.ending = Some(tokio::spawn(async move { running.group.stop().await }));
        lost
    }

    /// Whether nothing is left of its last start, so that the file of its store is free.
    pub fn is_ended(&self) -> bool {
        let is_over = self.ending.as_ref().is_none_or(JoinHandle::is_finished);
        self.running.is_none() && is_over && self.store.strong_count() == 0
    }

    /// Waits for that.
    ///
    /// # Errors
    /// When its tasks do not end: they hang.
    pub async fn ended(&self) -> Result<(), String> {
        let is_over = async {
            while !self.is_ended() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(END_WITHIN, is_over)
            .await
            .map_err(|_| format!("the tasks of {} did not end", self.name))
    }

    /// What its next start finds gone.
    pub fn lose(&mut self, what: Loss) {
        self.loss = Some(what);
    }

    fn carry_out_loss(&mut self) -> std::io::Result<()> {
        match self.loss.take() {
            None => Ok(()),
            Some(Loss::Everything) => {
                self.disk.wipe();
                std::fs::remove_dir_all(&self.directory)
            }
            Some(Loss::Store) => {
                for file in std::fs::read_dir(&self.directory)? {
                    let path = file?.path();
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    if name.starts_with("orchestrator.sqlite3") {
                        std::fs::remove_file(&path)?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// What a node may lose with a crash, beside writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its store, which is not synced; its log has what is in it.
    Store,
    /// Its whole directory.
    Everything,
}

/// What all nodes share.
pub struct World {
    /// The network.
    pub net: Net,
    /// Time.
    pub clock: SteppedClock,
    /// Ids and jitter.
    pub ids: Arc<dyn Ids>,
}

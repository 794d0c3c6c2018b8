//! The store of a simulated node: the real one, in a file, with a switch in front of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use orchestrator::store::{
    AppliedEntry, DecisionStore, Error, Identity, InstallMode, LoggedEntry, SqliteStore,
};
use orchestrator_core::decided::{Decided, Snapshot};
use orchestrator_core::domain::{InstanceKey, Timestamp};

/// What a store does with writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It takes them.
    Well,
    /// It refuses them for now, as a full disk does.
    Full,
    /// Its node crashed: whatever is left of its tasks writes nothing any more.
    Crashed,
}

/// Decides for one start of a node what its store does. Clones share it.
#[derive(Clone, Default)]
pub struct Switch(Arc<AtomicU8>);

const WELL: u8 = 0;
const FULL: u8 = 1;
const CRASHED: u8 = 2;

impl Switch {
    /// From now on. After a crash nothing else counts any more.
    pub fn set(&self, mood: Mood) {
        let now = match mood {
            Mood::Well => WELL,
            Mood::Full => FULL,
            Mood::Crashed => CRASHED,
        };
        let changed = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |before| {
                (before != CRASHED).then_some(now)
            });
        // A crashed one stays so.
        let _ = changed.ok();
    }

    fn check(&self) -> Result<(), Error> {
        let store = "the simulated store".to_owned();
        match self.0.load(Ordering::SeqCst) {
            WELL => Ok(()),
            FULL => Err(Error::Full { store }),
            _ => Err(Error::Damaged {
                store,
                detail: "its node crashed".to_owned(),
            }),
        }
    }
}

/// A store behind a [`Switch`].
pub struct NodeStore {
    store: SqliteStore,
    switch: Switch,
}

impl NodeStore {
    /// Puts a switch in front of a store.
    pub fn new(store: SqliteStore, switch: Switch) -> Self {
        Self { store, switch }
    }
}

impl DecisionStore for NodeStore {
    fn place(&self) -> String {
        DecisionStore::place(&self.store)
    }

    fn identity(&self) -> Result<Identity, Error> {
        self.store.identity()
    }

    fn load(&self) -> Result<Decided, Error> {
        self.store.load()
    }

    fn applied_index(&self) -> Result<u64, Error> {
        self.store.applied_index()
    }

    fn commit(&self, batch: Vec<AppliedEntry>) -> Result<(), Error> {
        self.switch.check()?;
        self.store.commit(batch)
    }

    fn log_tail(&self, max: usize) -> Result<Vec<LoggedEntry>, Error> {
        self.store.log_tail(max)
    }

    fn owed_after(&self, index: u64, max: usize) -> Result<Vec<LoggedEntry>, Error> {
        self.store.owed_after(index, max)
    }

    fn performed_index(&self) -> Result<u64, Error> {
        self.store.performed_index()
    }

    fn set_performed_index(&self, index: u64) -> Result<(), Error> {
        self.switch.check()?;
        self.store.set_performed_index(index)
    }

    fn export(&self, known: Vec<InstanceKey>) -> Result<Snapshot, Error> {
        self.store.export(known)
    }

    fn install(&self, snapshot: &Snapshot, mode: InstallMode) -> Result<(), Error> {
        self.switch.check()?;
        self.store.install(snapshot, mode)
    }

    fn beat(&self, at: Timestamp) -> Result<(), Error> {
        self.switch.check()?;
        self.store.beat(at)
    }
}

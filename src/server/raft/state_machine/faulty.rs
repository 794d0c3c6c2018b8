//! A store that fails on demand, for tests of what writes to it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use orchestrator_core::decided::{Decided, Reply, Snapshot};
use orchestrator_core::domain::{InstanceKey, Timestamp};

use crate::effects::fakes::{FakeClock, until};
use crate::raft::tests::support::TestIds;
use crate::store::{
    AppliedEntry, DecisionStore, Error, Identity, InstallMode, LoggedEntry, Place, SqliteOptions,
    SqliteStore,
};

/// What the next commit comes to, once each; then the store is well, or refuses for ever.
pub enum Next {
    Refuses(Error),
    /// It is written, and nobody knows.
    Unknown,
}

pub struct Faulty {
    pub store: SqliteStore,
    next: Mutex<VecDeque<Next>>,
    refuses: bool,
    tried: AtomicUsize,
}

impl Faulty {
    pub fn open(next: Vec<Next>, refuses: bool) -> Arc<Self> {
        let options = SqliteOptions::new(Place::Memory);
        let at = Timestamp::from_seconds(1);
        let store = SqliteStore::open(&options, TestIds::new().as_ref(), at).unwrap();
        Arc::new(Self {
            store,
            next: Mutex::new(next.into()),
            refuses,
            tried: AtomicUsize::new(0),
        })
    }

    pub fn tried(&self) -> usize {
        self.tried.load(Ordering::SeqCst)
    }

    /// Waits until it was asked so many times, and the writer pauses after the last.
    pub async fn refused(&self, times: usize, clock: &FakeClock) {
        until("it is tried", || self.tried() >= times).await;
        clock.until_somebody_sleeps().await;
    }
}

pub fn full() -> Error {
    Error::Full {
        store: "here".to_owned(),
    }
}

pub fn unknown() -> Error {
    Error::OutcomeUnknown {
        store: "here".to_owned(),
        detail: "no answer".to_owned(),
    }
}

impl DecisionStore for Faulty {
    fn commit(&self, batch: Vec<AppliedEntry>) -> Result<(), Error> {
        self.tried.fetch_add(1, Ordering::SeqCst);
        match self.next.lock().unwrap().pop_front() {
            Some(Next::Refuses(error)) => Err(error),
            Some(Next::Unknown) => {
                self.store.commit(batch)?;
                Err(unknown())
            }
            None if self.refuses => Err(full()),
            None => self.store.commit(batch),
        }
    }

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
        self.store.set_performed_index(index)
    }

    fn export(&self, known: Vec<InstanceKey>) -> Result<Snapshot, Error> {
        self.store.export(known)
    }

    fn install(&self, snapshot: &Snapshot, mode: InstallMode) -> Result<(), Error> {
        self.store.install(snapshot, mode)
    }

    fn beat(&self, at: Timestamp) -> Result<(), Error> {
        self.store.beat(at)
    }
}

pub fn entry(index: u64) -> AppliedEntry {
    AppliedEntry {
        index,
        envelope: vec![1],
        reply: Reply::Unchanged,
        changes: Vec::new(),
        effects: Vec::new(),
        decided_at: Timestamp::from_seconds(1),
    }
}

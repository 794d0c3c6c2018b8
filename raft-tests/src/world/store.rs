use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, InstanceRecord};
use orchestrator_core::ports::{BoxFuture, Clock, ObservationStore, ObservationWrite, StoreError};

/// A store in memory that fails or hangs when told to.
pub struct ScriptedStore {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    records: BTreeMap<InstanceKey, InstanceRecord>,
    failure: Option<StoreError>,
    hangs: bool,
    batches: Vec<usize>,
    attempts: usize,
}

impl ScriptedStore {
    /// An empty store that works.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            inner: Mutex::default(),
        }
    }

    /// Every write fails from now on.
    pub fn fail(&self, is_retryable: bool) {
        self.lock().failure = Some(StoreError {
            operation: "writing to memory".to_owned(),
            reason: "told to fail".to_owned(),
            is_retryable,
        });
    }

    /// Every write that begins from now on never ends.
    pub fn hang(&self) {
        self.lock().hangs = true;
    }

    /// It works again.
    pub fn mend(&self) {
        let mut inner = self.lock();
        inner.failure = None;
        inner.hangs = false;
    }

    /// What it holds of `key`.
    pub fn record(&self, key: &InstanceKey) -> Option<InstanceRecord> {
        self.lock().records.get(key).cloned()
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.lock().records.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sizes of the batches stored so far.
    pub fn batches(&self) -> Vec<usize> {
        self.lock().batches.clone()
    }

    /// Writes tried so far.
    pub fn attempts(&self) -> usize {
        self.lock().attempts
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("no simulated store panics")
    }

    fn take(&self, batch: Vec<ObservationWrite>) -> Result<(), StoreError> {
        let mut inner = self.lock();
        inner.attempts += 1;
        if let Some(failure) = &inner.failure {
            return Err(failure.clone());
        }
        inner.batches.push(batch.len());
        for write in batch {
            match write {
                ObservationWrite::Put(record) => {
                    inner.records.insert(record.key.clone(), *record);
                }
                ObservationWrite::Remove(key) => {
                    inner.records.remove(&key);
                }
            }
        }
        Ok(())
    }
}

impl ObservationStore for ScriptedStore {
    fn load(&self) -> BoxFuture<'_, Result<Vec<InstanceRecord>, StoreError>> {
        Box::pin(async { Ok(self.lock().records.values().cloned().collect()) })
    }

    fn write(&self, batch: Vec<ObservationWrite>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async {
            self.clock.sleep(Duration::from_millis(1)).await;
            if self.lock().hangs {
                std::future::pending::<()>().await;
            }
            self.take(batch)
        })
    }
}

use std::sync::Arc;

use orchestrator_core::ports::{BoxFuture, EffectLog, OwedEffects, StoreError};

use super::{DecisionStore, Error};

/// The effects owed by the log of a decision store.
pub struct StoreEffectLog(Arc<dyn DecisionStore>);

impl StoreEffectLog {
    /// Over this store.
    pub fn new(store: Arc<dyn DecisionStore>) -> Self {
        Self(store)
    }

    fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&dyn DecisionStore) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        let store = Arc::clone(&self.0);
        Box::pin(async move {
            let place = store.place();
            // Stores block.
            tokio::task::spawn_blocking(move || work(store.as_ref()))
                .await
                .unwrap_or(Err(Error::Closed { store: place }))
                .map_err(|error| error.into_port(operation))
        })
    }
}

impl EffectLog for StoreEffectLog {
    fn owed_after(
        &self,
        index: u64,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<OwedEffects>, StoreError>> {
        self.call("reading owed effects", move |store| {
            let entries = store.owed_after(index, max)?;
            let owed = entries.into_iter().map(|entry| OwedEffects {
                index: entry.index,
                effects: entry.effects,
            });
            Ok(owed.collect())
        })
    }

    fn performed_index(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.call("reading how far effects are", |store| {
            store.performed_index()
        })
    }

    fn set_performed_index(&self, index: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        self.call("noting how far effects are", move |store| {
            store.set_performed_index(index)
        })
    }
}

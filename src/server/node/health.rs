use std::sync::{Arc, OnceLock};
use std::time::Duration;

use orchestrator_core::domain::Timestamp;
use orchestrator_core::ports::{Clock, Group, Ids};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::api::serve::TlsMaterial;
use crate::api::{Health, HealthReport};
use crate::store::StoreHealth;

/// How often the store is asked for a sign of life.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// How this node is: as its store is. A single node always leads, a member of a group when the group says so.
pub(super) struct NodeHealth {
    store: StoreHealth,
    clock: Arc<dyn Clock>,
    token: String,
    active_since: Timestamp,
    failed: CancellationToken,
    group: OnceLock<Arc<dyn Group>>,
    /// Certificates of the HTTP service.
    tls: OnceLock<watch::Receiver<TlsMaterial>>,
}

impl NodeHealth {
    /// `failed` is cancelled when only a restart can help.
    pub(super) fn new(
        store: StoreHealth,
        clock: Arc<dyn Clock>,
        ids: &dyn Ids,
        failed: CancellationToken,
    ) -> Arc<Self> {
        let token = format!("{:032x}{:032x}", ids.unique(), ids.unique());
        let active_since = clock.now();
        Arc::new(Self {
            store,
            clock,
            token,
            active_since,
            failed,
            group: OnceLock::new(),
            tls: OnceLock::new(),
        })
    }

    /// This node is a member of a group.
    pub(super) fn lead_as(&self, group: Arc<dyn Group>) {
        if self.group.set(group).is_err() {
            tracing::error!("a second group was not taken");
        }
    }

    /// The HTTP service shows these certificates.
    pub(super) fn serve_with(&self, tls: watch::Receiver<TlsMaterial>) {
        if self.tls.set(tls).is_err() {
            tracing::error!("a second certificate of the HTTP service was not taken");
        }
    }

    /// What an operator must know of the HTTP service, one sentence each.
    pub(super) fn warnings(&self) -> Vec<String> {
        let tls = self.tls.get();
        tls.and_then(|tls| tls.borrow().warning(self.clock.now()))
            .into_iter()
            .collect()
    }

    /// What keeps the store from taking writes.
    pub(super) fn store_error(&self) -> Option<String> {
        let latest = self.store.latest();
        latest.error.clone().filter(|_| !latest.is_healthy)
    }

    /// Asks once, so that the first answer is a true one.
    pub(super) async fn check(&self) {
        let now = self.store.check().await;
        if now.is_fatal {
            // Nothing was lost that was acknowledged; what started this process starts it again.
            tracing::error!(
                reason = now.error.as_deref().unwrap_or_default(),
                "the store cannot be used any more; this process ends"
            );
            self.failed.cancel();
        }
    }

    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep(CHECK_EVERY) => self.check().await,
            }
        }
    }
}

impl Health for NodeHealth {
    fn report(&self) -> HealthReport {
        let latest = self.store.latest();
        // The store may be well where the log of the group is not.
        let ails = self.group.get().and_then(|group| group.ails());
        HealthReport {
            is_healthy: latest.is_healthy && ails.is_none(),
            // It says more: a store that hangs is found to be held in the end.
            error: ails.or_else(|| latest.error.clone()),
            warnings: match self.group.get() {
                Some(group) => group.status().warnings.clone(),
                None => self.warnings(),
            },
            is_leader: self
                .group
                .get()
                .is_none_or(|group| group.is_serving_leader()),
            token: self.token.clone(),
            active_since: self.active_since,
            checked_at: latest.checked_at,
        }
    }
}

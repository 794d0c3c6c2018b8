use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator_core::domain::HostName;
use orchestrator_core::ports::{BoxFuture, Clock, ResolveError, Resolver};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::cache::Cache;
use super::{Config, Lookup, Method};

/// Longest wait for one lookup. A name service that needs longer is treated as failing; the system's own resolver gives up
/// after 5 s at the earliest.
const LOOKUP_LIMIT: Duration = Duration::from_secs(2);

/// A failed lookup is not repeated for this long (as in the predecessor).
const FAILURE_PAUSE: Duration = Duration::from_secs(60);

/// Lookups at once; the rest wait for their turn, and mostly find the answer in the cache then.
const PARALLEL_LOOKUPS: usize = 16;

/// The shortest life of a result: the configuration counts in minutes and cannot say less.
const SHORTEST_EXPIRY: Duration = Duration::from_secs(60);

/// Resolves names by the configured method, through a cache.
///
/// Addresses, and everything while the method leaves names alone, come back as they are. A failed lookup is an error the
/// first time; for a minute after it the name stands for itself. A name that was resolved before keeps its result while
/// the name service fails, so that servers do not change their names with its moods.
pub struct CachedResolver {
    config: watch::Receiver<Arc<Config>>,
    lookup: Arc<dyn Lookup>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    permits: Semaphore,
    limit: Duration,
}

#[derive(Default)]
struct State {
    cache: Cache,
    method: Method,
}

impl CachedResolver {
    /// A resolver that follows `config` and asks `lookup`.
    pub fn new(
        config: watch::Receiver<Arc<Config>>,
        lookup: Arc<dyn Lookup>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            config,
            lookup,
            clock,
            state: Mutex::default(),
            permits: Semaphore::new(PARALLEL_LOOKUPS),
            limit: LOOKUP_LIMIT,
        }
    }

    async fn resolve_host(&self, host: HostName) -> Result<HostName, ResolveError> {
        let config = self.config.borrow().clone();
        if config.method == Method::None || host.as_ip().is_some() {
            return Ok(host);
        }
        if let Some(known) = self.known(&host, &config) {
            return Ok(known);
        }
        let asked = timeout(self.limit, async {
            let _permit = self.permits.acquire().await;
            // Somebody may have asked the same while this one waited.
            match self.known(&host, &config) {
                Some(known) => Ok(known),
                None => self.ask(&host, config.method).await,
            }
        });
        let found = match asked.await {
            Ok(found) => found,
            Err(_) => Err(format!("no answer within {:?}", self.limit)),
        };
        self.keep(host, found, &config)
    }

    fn known(&self, host: &HostName, config: &Config) -> Option<HostName> {
        let mut state = self.state();
        if state.method != config.method {
            state.cache.clear();
            state.method = config.method;
        }
        state.cache.fresh(host, self.clock.monotonic())
    }

    async fn ask(&self, host: &HostName, method: Method) -> Result<HostName, String> {
        let text = match method {
            Method::None => host.as_str().to_owned(),
            Method::Cname => self
                .lookup
                .canonical_name(host.as_str())
                .await
                .map_err(|e| e.to_string())?,
            Method::Ip => {
                let found = self
                    .lookup
                    .addresses(host.as_str())
                    .await
                    .map_err(|e| e.to_string())?;
                found
                    .iter()
                    .find(|address| address.is_ipv4())
                    .or(found.first())
                    .ok_or("the name has no address")?
                    .to_string()
            }
        };
        // The answer of a name service is not trusted to be a host name.
        HostName::parse(&text).map_err(|e| format!("the answer is no host: {e}"))
    }

    fn keep(
        &self,
        host: HostName,
        found: Result<HostName, String>,
        config: &Config,
    ) -> Result<HostName, ResolveError> {
        let now = self.clock.monotonic();
        match found {
            Ok(resolved) => {
                let is_rejected = config
                    .reject
                    .as_ref()
                    .is_some_and(|pattern| pattern.is_match(resolved.as_str()));
                let resolved = if is_rejected { host.clone() } else { resolved };
                let life = config.expiry.max(SHORTEST_EXPIRY);
                self.state().cache.put(&host, resolved.clone(), now, life);
                Ok(resolved)
            }
            Err(reason) => self
                .state()
                .cache
                .put_failure(&host, now, FAILURE_PAUSE)
                .ok_or_else(|| ResolveError {
                    host: host.as_str().to_owned(),
                    reason,
                }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the cache is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolver for CachedResolver {
    fn resolve(&self, host: HostName) -> BoxFuture<'_, Result<HostName, ResolveError>> {
        Box::pin(self.resolve_host(host))
    }
}

#[cfg(test)]
#[path = "resolver_tests.rs"]
mod tests;

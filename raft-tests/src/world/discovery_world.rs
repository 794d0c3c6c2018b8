use std::sync::Arc;
use std::time::Duration;

use orchestrator::discovery::{Config, Deps, DiscoveryLoop, PictureKeeper};
use orchestrator_core::domain::{InstanceKey, InstanceRecord, Picture};
use orchestrator_core::ports::{Clock, ObservationStore, PictureReader};
use tokio::sync::watch;

use super::{ScriptedStore, SeededIds, SimulatedServers, SteppedClock};

/// Simulated servers, a store and a running discovery.
pub struct DiscoveryWorld {
    /// Time.
    pub clock: Arc<SteppedClock>,
    /// Servers.
    pub servers: SimulatedServers,
    /// Store.
    pub store: Arc<ScriptedStore>,
    /// Keeper of the picture.
    pub keeper: Arc<PictureKeeper>,
    /// The loop under test.
    pub discovery: Arc<DiscoveryLoop>,
    config: watch::Sender<Arc<Config>>,
}

impl DiscoveryWorld {
    /// A world whose servers `fill` puts there before discovery starts.
    pub fn start(config: Config, fill: impl FnOnce(&SimulatedServers)) -> Self {
        let clock = Arc::new(SteppedClock::start());
        let servers = SimulatedServers::new(clock.clone());
        fill(&servers);
        let store = Arc::new(ScriptedStore::new(clock.clone()));
        Self::run(config, clock, servers, store, Vec::new())
    }

    /// The same servers and store after a restart of the service, which first is stopped.
    pub async fn restart(self) -> Self {
        self.discovery.stop().await;
        let records = self.store.load().await.expect("the store loads");
        let config = Config::clone(&self.config.borrow());
        Self::run(config, self.clock, self.servers, self.store, records)
    }

    fn run(
        config: Config,
        clock: Arc<SteppedClock>,
        servers: SimulatedServers,
        store: Arc<ScriptedStore>,
        records: Vec<InstanceRecord>,
    ) -> Self {
        let keeper = Arc::new(PictureKeeper::new(&config));
        let decided = orchestrator_core::decided::Decided::default();
        keeper.restore(records, &decided.forgotten);
        let (config, receiver) = watch::channel(Arc::new(config));
        let deps = Deps {
            prober: Arc::new(servers.clone()),
            store: store.clone(),
            clock: clock.clone(),
            ids: Arc::new(SeededIds::new(7)),
            picture: keeper.clone(),
        };
        let discovery = DiscoveryLoop::start(deps, receiver);
        Self {
            clock,
            servers,
            store,
            keeper,
            discovery,
            config,
        }
    }

    /// Puts a changed configuration in force.
    pub fn reload(&self, change: impl FnOnce(&mut Config)) {
        let mut config = Config::clone(&self.config.borrow());
        change(&mut config);
        self.config.send_replace(Arc::new(config));
    }

    /// Lets time pass.
    pub async fn pass(&self, length: Duration) {
        self.clock.sleep(length).await;
    }

    /// Lets `seconds` pass.
    pub async fn seconds(&self, seconds: u64) {
        self.pass(Duration::from_secs(seconds)).await;
    }

    /// The picture now.
    pub fn picture(&self) -> Arc<Picture> {
        self.keeper.picture()
    }

    /// The record of `key`.
    ///
    /// # Panics
    /// When the picture has none.
    pub fn record(&self, key: &InstanceKey) -> Arc<InstanceRecord> {
        let picture = self.picture();
        let record = picture.get(key);
        record
            .unwrap_or_else(|| panic!("{key} is not in the picture"))
            .clone()
    }

    /// Names of the hosts in the picture, in order.
    pub fn hosts(&self) -> Vec<String> {
        let picture = self.picture();
        picture
            .records()
            .map(|r| r.key.host().to_string())
            .collect()
    }

    /// Lets time pass until the picture is as wanted; returns how long it took.
    ///
    /// # Panics
    /// When it is not within `bound`.
    pub async fn until(
        &self,
        bound: Duration,
        what: &str,
        is_so: impl Fn(&Picture) -> bool,
    ) -> Duration {
        let began = self.clock.monotonic();
        while !is_so(&self.picture()) {
            let waited = self.clock.monotonic() - began;
            assert!(waited <= bound, "not within {bound:?}: {what}");
            self.pass(Duration::from_millis(10)).await;
        }
        self.clock.monotonic() - began
    }
}

use std::sync::Arc;

use orchestrator_core::domain::{InstanceKey, Observation};
use orchestrator_core::ports::{
    BoxFuture, Clock, DiscoverError, Discovery, PictureReader as _, ProbeState,
};

use super::SimPicture;
use crate::world::NodeClock;
use crate::world::mysql::SimServers;

/// Probes on request, into the picture of one node.
#[derive(Clone)]
pub struct SimDiscovery {
    /// The servers, as this node reaches one.
    pub to: Arc<dyn Fn(&InstanceKey) -> SimServers + Send + Sync>,
    /// The picture.
    pub picture: Arc<SimPicture>,
    /// Time.
    pub clock: Arc<NodeClock>,
}

impl Discovery for SimDiscovery {
    fn discover(&self, key: InstanceKey) -> BoxFuture<'_, Result<Arc<Observation>, DiscoverError>> {
        Box::pin(async move {
            let ended = (self.to)(&key).probe(&key).await;
            self.picture.settle(&key, self.clock.now(), ended.clone());
            ended.map(Arc::new).map_err(DiscoverError::Probe)
        })
    }

    fn discover_soon(&self, key: InstanceKey) -> Result<(), DiscoverError> {
        let this = self.clone();
        // Whether it can be probed is what the picture then shows.
        tokio::spawn(async move { drop(this.discover(key).await) });
        Ok(())
    }

    fn forget(&self, key: &InstanceKey) -> bool {
        self.picture.picture().get(key).is_some()
    }

    fn probe_states(&self) -> Vec<ProbeState> {
        Vec::new()
    }
}

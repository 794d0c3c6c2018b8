use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::domain::{
    InstanceKey, InstanceRecord, Observation, Picture, ProbeFailure, Timestamp,
};
use orchestrator_core::ports::{Clock, PictureReader};

use crate::world::NodeClock;
use crate::world::mysql::SimServers;

/// The picture of one node. Its observations age: servers are asked once a poll.
#[derive(Debug, Default)]
pub struct SimPicture(Mutex<Arc<Picture>>);

impl SimPicture {
    /// A picture of servers that were only heard of.
    pub fn of(keys: &[InstanceKey], now: Timestamp) -> Self {
        let records = keys
            .iter()
            .map(|key| InstanceRecord::heard_of(key.clone(), now));
        Self(Mutex::new(Arc::new(records.collect())))
    }

    /// Writes down how a probe ended.
    pub fn settle(
        &self,
        key: &InstanceKey,
        now: Timestamp,
        ended: Result<Observation, ProbeFailure>,
    ) {
        let mut picture = self.0.lock().expect("no test panics with a picture");
        let known = picture.get(key);
        let mut record = known.map_or_else(
            || InstanceRecord::heard_of(key.clone(), now),
            |record| InstanceRecord::clone(record),
        );
        match ended {
            Ok(seen) => {
                record.last_checked_at = Some(seen.observed_at);
                record.last_seen_at = Some(seen.observed_at);
                record.observation = Some(Arc::new(seen));
                record.failure = None;
                record.failures_in_a_row = 0;
            }
            Err(failure) => {
                record.last_checked_at = Some(now);
                record.failure = Some(failure);
                record.failures_in_a_row += 1;
            }
        }
        Arc::make_mut(&mut picture).put(record);
    }

    /// Asks one server over and over, until it is dropped.
    pub async fn keep(
        self: Arc<Self>,
        servers: SimServers,
        clock: Arc<NodeClock>,
        key: InstanceKey,
        first: Duration,
        poll: Duration,
    ) {
        clock.sleep(first).await;
        loop {
            let ended = servers.probe(&key).await;
            self.settle(&key, clock.now(), ended);
            clock.sleep(poll).await;
        }
    }
}

impl PictureReader for SimPicture {
    fn picture(&self) -> Arc<Picture> {
        self.0.lock().expect("as above").clone()
    }
}

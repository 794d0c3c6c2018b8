use std::time::Duration;

use orchestrator_core::domain::{HostFilters, InstanceKey};

/// Shortest poll interval: an interval of zero in a configuration file must not become a busy loop.
const SHORTEST_POLL: Duration = Duration::from_millis(100);

/// Shortest flush interval, for the same reason.
const SHORTEST_FLUSH: Duration = Duration::from_millis(10);

/// What discovery needs of the configuration. A new value takes effect at once, but for the two fields that say so.
#[derive(Clone, Debug)]
pub struct Config {
    /// `InstancePollSeconds`: how often each instance is asked. Default 5 s.
    pub poll_interval: Duration,
    /// `ReasonableInstanceCheckSeconds`: a probe that takes longer is shown as under way. Default 1 s.
    pub reasonable_check: Duration,
    /// `DiscoveryMaxConcurrency`: probes at once of servers that answer. Default 300. Read at start only.
    pub max_concurrency: usize,
    /// `DiscoveryQueueCapacity`: how many instances are asked at all. Default 100,000. Read at start only.
    pub queue_capacity: usize,
    /// `DiscoveryIgnoreHostnameFilters`: never asked, never shown.
    pub ignore: HostFilters,
    /// `DiscoveryIgnoreMasterHostnameFilters`: not followed as the source of a replica.
    pub ignore_sources: HostFilters,
    /// `DiscoveryIgnoreReplicaHostnameFilters`: not followed as a replica or a member of a group.
    pub ignore_replicas: HostFilters,
    /// `DiscoverySeeds`: asked from the start. Seeds that a reload adds are asked too.
    pub seeds: Vec<InstanceKey>,
    /// `UnseenInstanceForgetHours`: an instance that did not answer for this long is forgotten; zero: never. Default
    /// 240 h.
    pub forget_unseen_after: Duration,
    /// `InstanceFlushIntervalMilliseconds`: how long changes are gathered before they are stored. Default 100 ms.
    pub flush_interval: Duration,
    /// `InstanceWriteBufferSize`: how many changes are stored in one transaction; as many waiting end the gathering.
    /// Default 100.
    pub write_buffer_size: usize,
}

impl Config {
    /// The poll interval, never zero.
    pub(super) fn poll(&self) -> Duration {
        self.poll_interval.max(SHORTEST_POLL)
    }

    /// The flush interval, never zero.
    pub(super) fn flush(&self) -> Duration {
        self.flush_interval.max(SHORTEST_FLUSH)
    }

    /// The batch size, never zero.
    pub(super) fn batch(&self) -> usize {
        self.write_buffer_size.max(1)
    }

    /// The bound on instances, never zero.
    pub(super) fn capacity(&self) -> usize {
        self.queue_capacity.max(1)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(5),
            reasonable_check: Duration::from_secs(1),
            max_concurrency: 300,
            queue_capacity: 100_000,
            ignore: HostFilters::default(),
            ignore_sources: HostFilters::default(),
            ignore_replicas: HostFilters::default(),
            seeds: Vec::new(),
            forget_unseen_after: Duration::from_secs(240 * 3600),
            flush_interval: Duration::from_millis(100),
            write_buffer_size: 100,
        }
    }
}

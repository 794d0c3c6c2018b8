use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "Discovery and probing",
    about: "Which servers are looked at, and how often.",
    keys: &[
        Key::integer("InstancePollSeconds", 5, 1..=86_400, "seconds", "Time from one probe of a server to the next."),
        Key::integer(
            "ReasonableInstanceCheckSeconds",
            1,
            0..=86_400,
            "seconds",
            "Time a probe may take, on top of InstancePollSeconds, before what it last saw no longer counts as valid.",
        ),
        Key::texts("DiscoverySeeds", "Servers to know from the start, host or host:port."),
        Key::boolean(
            "DiscoverByShowSlaveHosts",
            false,
            "Find replicas with SHOW SLAVE HOSTS (SHOW REPLICAS) first, with the process list as fallback. Needs report_host on the replicas.",
        ),
        Key::boolean("SkipMaxScaleCheck", true, "Do not ask whether a server is a MaxScale binlog server."),
        Key::host_filters("DiscoveryIgnoreHostnameFilters", "Never probe these: patterns over host:port, or IP addresses."),
        Key::host_filters("DiscoveryIgnoreReplicaHostnameFilters", "Do not follow these as replicas: patterns over host:port, or IP addresses."),
        Key::host_filters("DiscoveryIgnoreMasterHostnameFilters", "Do not follow these as sources: patterns over host:port, or IP addresses."),
        Key::integer(
            "UnseenInstanceForgetHours",
            240,
            1..=876_000,
            "hours",
            "Forget a server that was not seen for so long.",
        ),
        Key::integer("DiscoveryMaxConcurrency", 300, 1..=10_000, "probes", "Probes at the same time.").restart(),
        Key::integer("DiscoveryQueueCapacity", 100_000, 1..=10_000_000, "servers", "Servers that may wait for their probe.").restart(),
        Key::integer(
            "InstanceWriteBufferSize",
            100,
            -1..=100_000,
            "observations",
            "Observations written to the store together, at most. 0 or less writes each by itself.",
        ),
        Key::integer(
            "InstanceFlushIntervalMilliseconds",
            100,
            1..=60_000,
            "milliseconds",
            "Longest time an observation waits to be written to the store.",
        ),
        Key::boolean("BufferInstanceWrites", false, "Collect writes of observations.")
            .not_carried_over("Observations are always collected and written behind; readers see them before they are written."),
        Key::integer("SnapshotTopologiesIntervalHours", 0, 0..=876_000, "hours", "Keep a copy of all topologies so often; 0 never.")
            .restart()
            .not_yet(),
        Key::integer("DiscoveryQueueMaxStatisticsSize", 120, 0..=1_000_000, "samples", "Samples of the queue kept, one a second.").not_yet(),
        Key::integer("DiscoveryCollectionRetentionSeconds", 120, 0..=86_400, "seconds", "How long figures about single probes are kept.")
            .not_yet(),
    ],
};

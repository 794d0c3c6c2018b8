use std::time::Duration;

use orchestrator_core::domain::HostFilters;

use super::filters::host_filters;
use crate::config::problem::WarningKind;
use crate::config::report::Report;
use crate::config::values::Values;

/// What is probed, and when.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// Port of a server named without one, never 0 (`DefaultInstancePort`).
    pub default_port: u16,
    /// Servers to know from the start, each host or host:port (`DiscoverySeeds`).
    pub seeds: Vec<String>,
    /// Time from one probe to the next, at least a second (`InstancePollSeconds`).
    pub poll_interval: Duration,
    /// Time a probe may take beyond that before the server no longer counts as checked
    /// (`ReasonableInstanceCheckSeconds`).
    pub check_allowance: Duration,
    /// Ask servers for their replicas before reading their process list (`DiscoverByShowSlaveHosts`).
    pub asks_for_replicas: bool,
    /// Ask whether a server is a MaxScale binlog server (the opposite of `SkipMaxScaleCheck`).
    pub checks_for_max_scale: bool,
    /// How long an unseen server is kept (`UnseenInstanceForgetHours`).
    pub forget_after: Duration,
    /// Never probed (`DiscoveryIgnoreHostnameFilters`).
    pub ignore: HostFilters,
    /// Not followed as replicas (`DiscoveryIgnoreReplicaHostnameFilters`).
    pub ignore_replicas: HostFilters,
    /// Not followed as sources (`DiscoveryIgnoreMasterHostnameFilters`).
    pub ignore_sources: HostFilters,
    /// Longest time an observation waits to be written (`InstanceFlushIntervalMilliseconds`).
    pub flush_interval: Duration,
    /// Observations written together, at least 1 (`InstanceWriteBufferSize`).
    pub flush_batch_max: usize,
}

/// How much is probed at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// Probes at the same time, at least 1 (`DiscoveryMaxConcurrency`).
    pub probes_max: usize,
    /// Servers that may wait, at least 1 (`DiscoveryQueueCapacity`).
    pub queue_max: usize,
}

impl Discovery {
    pub(super) fn resolve(values: &Values, report: &mut Report) -> Self {
        Self {
            default_port: u16::try_from(values.integer("DefaultInstancePort"))
                .expect("the table bounds it to a port"),
            seeds: seeds(values, report),
            poll_interval: values.seconds("InstancePollSeconds"),
            check_allowance: values.seconds("ReasonableInstanceCheckSeconds"),
            asks_for_replicas: values.boolean("DiscoverByShowSlaveHosts"),
            checks_for_max_scale: !values.boolean("SkipMaxScaleCheck"),
            forget_after: values.hours("UnseenInstanceForgetHours"),
            ignore: host_filters(values, "DiscoveryIgnoreHostnameFilters"),
            ignore_replicas: host_filters(values, "DiscoveryIgnoreReplicaHostnameFilters"),
            ignore_sources: host_filters(values, "DiscoveryIgnoreMasterHostnameFilters"),
            flush_interval: values.milliseconds("InstanceFlushIntervalMilliseconds"),
            flush_batch_max: values.size("InstanceWriteBufferSize").max(1),
        }
    }
}

impl Workers {
    pub(super) fn resolve(values: &Values) -> Self {
        Self {
            probes_max: values.size("DiscoveryMaxConcurrency"),
            queue_max: values.size("DiscoveryQueueCapacity"),
        }
    }
}

/// The seeds that can be servers; a wrong one is left out with a warning, as in the predecessor, because the others are
/// still worth discovering.
fn seeds(values: &Values, report: &mut Report) -> Vec<String> {
    let mut seeds = Vec::new();
    for (index, text) in values.texts("DiscoverySeeds").into_iter().enumerate() {
        if is_server(text.trim()) {
            seeds.push(text.trim().to_owned());
        } else {
            let file = values.file("DiscoverySeeds");
            report.warning(
                file,
                format!("DiscoverySeeds[{index}]"),
                WarningKind::BadSeed { found: text },
            );
        }
    }
    seeds
}

fn is_server(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').unwrap_or("none"))),
        None if text.matches(':').count() == 1 => text
            .split_once(':')
            .map_or((text, None), |(host, port)| (host, Some(port))),
        None => (text, None),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_host =
        !host.is_empty() && host.chars().all(is_name) || host.parse::<std::net::Ipv6Addr>().is_ok();
    is_host && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_hosts_with_or_without_port() {
        for text in [
            "db1",
            "db1:3307",
            "10.0.0.1:3306",
            "::1",
            "[::1]",
            "[::1]:3306",
            "a_b.c-d",
        ] {
            assert!(is_server(text), "{text}");
        }
        for text in [
            "", ":3306", "db1:", "db1:0", "db1:x", "a,b", "a b", "[::1]x", "[x", "a:1:2", "//db1",
        ] {
            assert!(!is_server(text), "{text}");
        }
    }
}

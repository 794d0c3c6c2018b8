use std::time::Duration;

use regex::Regex;

/// What configuration says about analysis. The default is the predecessor's.
#[derive(Clone, Debug)]
pub struct AnalysisPolicy {
    /// `InstancePollSeconds`: how often an instance is probed.
    pub instance_poll: Duration,
    /// `ReasonableInstanceCheckSeconds`: time allowed for a probe.
    pub reasonable_check: Duration,
    /// `ReasonableReplicationLagSeconds`: more than this is lag.
    pub reasonable_lag: Duration,
    /// `ReasonableLockedSemiSyncMasterSeconds`, or the reasonable lag where that is 0: how long a blocked binary log must
    /// not move before its server counts as locked.
    pub locked_semi_sync_after: Duration,
    /// `EnforceExactSemiSyncReplicas`: more semi-sync replicas than waited for is a finding.
    pub enforces_exact_semi_sync: bool,
    /// `RecoverNonWriteableMaster`: a read-only primary is a finding to act on.
    pub recovers_read_only_primary: bool,
    /// `RecoveryIgnoreHostnameFilters`: hosts whose findings are left out.
    pub ignored_hosts: Vec<Regex>,
}

impl Default for AnalysisPolicy {
    fn default() -> Self {
        Self {
            instance_poll: Duration::from_secs(5),
            reasonable_check: Duration::from_secs(1),
            reasonable_lag: Duration::from_secs(10),
            locked_semi_sync_after: Duration::from_secs(10),
            enforces_exact_semi_sync: false,
            recovers_read_only_primary: false,
            ignored_hosts: Vec::new(),
        }
    }
}

impl AnalysisPolicy {
    /// How old the last good probe may be while a slow one is under way.
    pub fn validity(&self) -> Duration {
        self.instance_poll.saturating_add(self.reasonable_check)
    }

    /// The first filter that leaves `host` out.
    pub fn ignores(&self, host: &str) -> Option<&Regex> {
        self.ignored_hosts
            .iter()
            .find(|filter| filter.is_match(host))
    }
}

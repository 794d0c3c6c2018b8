use std::time::Duration;

use orchestrator_core::analysis::AnalysisPolicy;
use orchestrator_core::legacy::hooks::HookList;
use orchestrator_core::recovery::{Durability, RecoveryPolicy};
use regex::Regex;

use super::look::is_named;

/// What configuration says about recovering.
#[derive(Clone, Debug)]
pub struct Config {
    /// How often it is looked whether there is something to do.
    pub look_every: Duration,
    /// About findings.
    pub analysis: AnalysisPolicy,
    /// About recoveries.
    pub recovery: RecoveryPolicy,
    /// `RefusePossibleLossClusterFilters`, as written: clusters in which [`Durability::Refuse`] holds.
    pub refuses_loss_of: Vec<String>,
    /// `RecoverIntermediateMasterClusterFilters`, as written: what hooks are told.
    pub intermediate_clusters: Vec<String>,
    /// Hooks.
    pub hooks: HookLists,
    /// `FailureDetectionPeriodBlockMinutes`: for so long the same is not written down again.
    pub detection_block_period: Duration,
    /// `AuditPurgeDays`: for how long ended recoveries and detections are kept.
    pub kept_for: Duration,
    /// `UnseenInstanceForgetHours`: for how long it is remembered that a finding became another.
    pub changes_kept_for: Duration,
    /// `MaintenanceOwner`: in whose name lost servers are put in downtime.
    pub downtime_owner: String,
    /// `-noop`: nothing is begun, carried on, closed or written down, and no hook is run.
    pub changes_nothing: bool,
    /// `ClusterNameToAlias`: patterns of cluster names, with the alias; the first that matches counts.
    pub cluster_aliases: Vec<(Regex, String)>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            look_every: Duration::from_secs(1),
            analysis: AnalysisPolicy::default(),
            recovery: RecoveryPolicy::default(),
            refuses_loss_of: Vec::new(),
            intermediate_clusters: Vec::new(),
            hooks: HookLists::default(),
            detection_block_period: Duration::from_secs(3600),
            kept_for: Duration::from_secs(7 * 24 * 3600),
            changes_kept_for: Duration::from_secs(240 * 3600),
            downtime_owner: "orchestrator".to_owned(),
            changes_nothing: false,
            cluster_aliases: Vec::new(),
        }
    }
}

impl Config {
    /// What recoveries of one cluster go by.
    pub fn recovery_of(&self, cluster: &str, alias: &str) -> RecoveryPolicy {
        let refuses = is_named(&self.refuses_loss_of, cluster, alias);
        RecoveryPolicy {
            durability: match refuses {
                true => Durability::Refuse,
                false => self.recovery.durability,
            },
            ..self.recovery.clone()
        }
    }
}

/// Lines of hooks.
#[derive(Clone, Debug, Default)]
pub struct HookLists {
    /// Each list with its lines, as configured.
    pub lines: Vec<(HookList, Vec<String>)>,
    /// How long one hook may take; `None` without bound.
    pub timeout: Option<Duration>,
}

impl HookLists {
    /// The lines of a list.
    pub fn of(&self, list: HookList) -> &[String] {
        let found = self.lines.iter().find(|(own, _)| *own == list);
        found.map_or(&[], |(_, lines)| lines)
    }
}

use std::time::Duration;

use orchestrator_core::domain::HostFilters;
use orchestrator_core::legacy::hooks::HookList;
use regex::Regex;

use super::ClusterFilters;
use super::filters::host_filters;
use super::filters::patterns;
use crate::config::values::Values;

/// Recoveries: which, when, and how.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Clusters whose primary is replaced (`RecoverMasterClusterFilters`).
    pub primary_of: ClusterFilters,
    /// Clusters whose intermediate sources are replaced (`RecoverIntermediateMasterClusterFilters`).
    pub intermediate_of: ClusterFilters,
    /// Clusters whose primary is not replaced where acknowledged transactions may be lost (`RefusePossibleLossClusterFilters`).
    pub refuses_loss_of: ClusterFilters,
    /// How many recoveries may be under way when another begins by itself, at least 20 (`MaxConcurrentRecoveries`).
    pub recoveries_max: usize,
    /// Hosts left out of the analysis (`RecoveryIgnoreHostnameFilters`).
    pub ignore: Vec<Regex>,
    /// Never promoted (`PromotionIgnoreHostnameFilters`).
    pub never_promote: HostFilters,
    /// No other recovery of the same cluster for so long (`RecoveryPeriodBlockSeconds`, or `…Minutes` when that is 0).
    pub block_period: Duration,
    /// No new detection of the same failure for so long (`FailureDetectionPeriodBlockMinutes`).
    pub detection_block_period: Duration,
    /// For how long recoveries that have ended, and detections, are kept (`AuditPurgeDays`).
    pub kept_for: Duration,
    /// `PrimarySilenceSeconds`.
    pub primary_silence: Duration,
    /// `PrimaryRestartGraceSeconds`.
    pub restart_grace: Duration,
    /// `PrimarySilenceSecondsByCluster`, in the order written: filters as they are written, with the time.
    pub primary_silence_of: Vec<(String, Duration)>,
    /// `PrimaryRestartGraceSecondsByCluster`, likewise.
    pub restart_grace_of: Vec<(String, Duration)>,
    /// `PromotionApplyTimeoutSeconds`.
    pub apply_timeout: Duration,
    /// `RecoverNonWriteableMaster`.
    pub recovers_read_only_primary: bool,
    /// `CoMasterRecoveryMustPromoteOtherCoMaster`.
    pub promotes_other_co_primary_only: bool,
    /// `ApplyMySQLPromotionAfterMasterFailover`.
    pub makes_promoted_writable: bool,
    /// `DetachLostReplicasAfterMasterFailover`, or its old name, which is true by default.
    pub detaches_lost_replicas: bool,
    /// `MasterFailoverDetachReplicaMasterHost`, or its old name.
    pub detaches_promoted: bool,
    /// Downtime of lost servers; none until they are healthy (`MasterFailoverLostInstancesDowntimeMinutes`).
    pub lost_downtime: Option<Duration>,
    /// `PreventCrossDataCenterMasterFailover`.
    pub stays_in_data_center: bool,
    /// `PreventCrossRegionMasterFailover`.
    pub stays_in_region: bool,
    /// The guard of a cut-off data centre; `None` while it is off (`IsolationGuard`).
    pub isolation_guard: Option<IsolationGuard>,
    /// Lag at which a promotion is refused (`FailMasterPromotionOnLagMinutes`).
    pub fail_on_lag: Option<Duration>,
    /// What is done about a replica that has received more than it applied.
    pub unapplied: UnappliedRelayLog,
    /// Replicas delayed by more than this are moved last (`PostponeReplicaRecoveryOnLagMinutes`).
    pub postpone_on_delay: Option<Duration>,
    /// `UseSuperReadOnly`.
    pub uses_super_read_only: bool,
    /// `VerifyReplicationFilters`.
    pub verifies_filters: bool,
    /// `ReasonableMaintenanceReplicationLagSeconds`.
    pub maintenance_lag_max: Duration,
    /// `MaxConcurrentReplicaOperations`, at least 1.
    pub moves_max: usize,
    /// `InstanceBulkOperationsWaitTimeoutSeconds`.
    pub bulk_wait: Duration,
    /// `EnforceExactSemiSyncReplicas`.
    pub enforces_semi_sync_count: bool,
    /// `RecoverLockedSemiSyncMaster`.
    pub recovers_locked_semi_sync: bool,
    /// `ReasonableLockedSemiSyncMasterSeconds`, or the reasonable lag when that is 0.
    pub locked_semi_sync_after: Duration,
}

/// What is done about a contender that has received more than it applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnappliedRelayLog {
    /// Wait, for as long as `apply_timeout` says.
    Bounded,
    /// Refuse at once (`FailMasterPromotionIfSQLThreadNotUpToDate`).
    Fail,
    /// Wait without bound (`DelayMasterPromotionIfSQLThreadNotUpToDate`).
    Wait,
}

/// Commands at moments of recoveries.
#[derive(Clone, Debug)]
pub struct Hooks {
    /// Shell that runs them (`ProcessesShellCommand`).
    pub shell: String,
    /// How long a command may take; none without bound (`ProcessesTimeoutSeconds`).
    pub timeout: Option<Duration>,
    /// Variables of ours that they get (`ProcessesEnvironmentVariables`).
    pub environment: Vec<String>,
    /// `OnFailureDetectionProcesses`.
    pub on_detection: Vec<String>,
    /// `PreGracefulTakeoverProcesses`.
    pub before_takeover: Vec<String>,
    /// `PreFailoverProcesses`.
    pub before_failover: Vec<String>,
    /// `PostFailoverProcesses`.
    pub after_failover: Vec<String>,
    /// `PostUnsuccessfulFailoverProcesses`.
    pub after_failed_failover: Vec<String>,
    /// `PostMasterFailoverProcesses`.
    pub after_primary_failover: Vec<String>,
    /// `PostIntermediateMasterFailoverProcesses`.
    pub after_intermediate_failover: Vec<String>,
    /// `PostGracefulTakeoverProcesses`.
    pub after_takeover: Vec<String>,
    /// `PostTakeMasterProcesses`.
    pub after_taking_source: Vec<String>,
}

/// The guard of a cut-off data centre.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsolationGuard {
    /// This node's own data centre (`IsolationGuardDataCenter`).
    pub data_center: String,
    /// For how long nothing outside must have answered (`IsolationGuardAfterSeconds`).
    pub after: Duration,
    /// How many primaries are closed at most (`IsolationGuardMaxPrimaries`).
    pub primaries_max: usize,
}

impl IsolationGuard {
    fn resolve(values: &Values) -> Option<Self> {
        values.boolean("IsolationGuard").then(|| Self {
            data_center: values.text("IsolationGuardDataCenter"),
            after: values.seconds("IsolationGuardAfterSeconds"),
            primaries_max: values.size("IsolationGuardMaxPrimaries"),
        })
    }
}

impl Recovery {
    pub(super) fn resolve(values: &Values) -> Self {
        let either = |new, old| values.boolean(new) || values.boolean(old);
        Self {
            primary_of: ClusterFilters::resolve(values, "RecoverMasterClusterFilters"),
            intermediate_of: ClusterFilters::resolve(
                values,
                "RecoverIntermediateMasterClusterFilters",
            ),
            refuses_loss_of: ClusterFilters::resolve(values, "RefusePossibleLossClusterFilters"),
            recoveries_max: values.size("MaxConcurrentRecoveries"),
            ignore: patterns(values, "RecoveryIgnoreHostnameFilters"),
            never_promote: host_filters(values, "PromotionIgnoreHostnameFilters"),
            block_period: first_set(
                values.seconds("RecoveryPeriodBlockSeconds"),
                values.minutes("RecoveryPeriodBlockMinutes"),
            )
            .unwrap_or_default(),
            detection_block_period: values.minutes("FailureDetectionPeriodBlockMinutes"),
            kept_for: values.hours("AuditPurgeDays") * 24,
            primary_silence: values.seconds("PrimarySilenceSeconds"),
            restart_grace: values.seconds("PrimaryRestartGraceSeconds"),
            primary_silence_of: values.seconds_of_clusters("PrimarySilenceSecondsByCluster"),
            restart_grace_of: values.seconds_of_clusters("PrimaryRestartGraceSecondsByCluster"),
            apply_timeout: values.seconds("PromotionApplyTimeoutSeconds"),
            recovers_read_only_primary: values.boolean("RecoverNonWriteableMaster"),
            promotes_other_co_primary_only: values
                .boolean("CoMasterRecoveryMustPromoteOtherCoMaster"),
            makes_promoted_writable: values.boolean("ApplyMySQLPromotionAfterMasterFailover"),
            detaches_lost_replicas: either(
                "DetachLostReplicasAfterMasterFailover",
                "DetachLostSlavesAfterMasterFailover",
            ),
            detaches_promoted: either(
                "MasterFailoverDetachReplicaMasterHost",
                "MasterFailoverDetachSlaveMasterHost",
            ),
            lost_downtime: some_minutes(values, "MasterFailoverLostInstancesDowntimeMinutes"),
            isolation_guard: IsolationGuard::resolve(values),
            stays_in_data_center: values.boolean("PreventCrossDataCenterMasterFailover"),
            stays_in_region: values.boolean("PreventCrossRegionMasterFailover"),
            fail_on_lag: some_minutes(values, "FailMasterPromotionOnLagMinutes"),
            unapplied: UnappliedRelayLog::resolve(values),
            postpone_on_delay: first_set(
                values.minutes("PostponeReplicaRecoveryOnLagMinutes"),
                values.minutes("PostponeSlaveRecoveryOnLagMinutes"),
            ),
            uses_super_read_only: values.boolean("UseSuperReadOnly"),
            verifies_filters: values.boolean("VerifyReplicationFilters"),
            maintenance_lag_max: values.seconds("ReasonableMaintenanceReplicationLagSeconds"),
            moves_max: values.size("MaxConcurrentReplicaOperations"),
            bulk_wait: values.seconds("InstanceBulkOperationsWaitTimeoutSeconds"),
            enforces_semi_sync_count: values.boolean("EnforceExactSemiSyncReplicas"),
            recovers_locked_semi_sync: values.boolean("RecoverLockedSemiSyncMaster"),
            locked_semi_sync_after: first_set(
                values.seconds("ReasonableLockedSemiSyncMasterSeconds"),
                values.seconds("ReasonableReplicationLagSeconds"),
            )
            .unwrap_or_default(),
        }
    }
}

impl UnappliedRelayLog {
    fn resolve(values: &Values) -> Self {
        if values.boolean("FailMasterPromotionIfSQLThreadNotUpToDate") {
            Self::Fail
        } else if values.boolean("DelayMasterPromotionIfSQLThreadNotUpToDate") {
            Self::Wait
        } else {
            Self::Bounded
        }
    }
}

impl Hooks {
    /// The commands of a list, in their order.
    pub fn lines(&self, list: HookList) -> &[String] {
        match list {
            HookList::OnDetection => &self.on_detection,
            HookList::BeforeTakeover => &self.before_takeover,
            HookList::BeforeFailover => &self.before_failover,
            HookList::AfterPrimaryFailover => &self.after_primary_failover,
            HookList::AfterIntermediateFailover => &self.after_intermediate_failover,
            HookList::AfterFailover => &self.after_failover,
            HookList::AfterFailedFailover => &self.after_failed_failover,
            HookList::AfterTakeover => &self.after_takeover,
            HookList::AfterTakingSource => &self.after_taking_source,
        }
    }

    pub(super) fn resolve(values: &Values) -> Self {
        Self {
            shell: values.text("ProcessesShellCommand"),
            timeout: Some(values.seconds("ProcessesTimeoutSeconds"))
                .filter(|timeout| !timeout.is_zero()),
            environment: values.texts("ProcessesEnvironmentVariables"),
            on_detection: values.texts("OnFailureDetectionProcesses"),
            before_takeover: values.texts("PreGracefulTakeoverProcesses"),
            before_failover: values.texts("PreFailoverProcesses"),
            after_failover: values.texts("PostFailoverProcesses"),
            after_failed_failover: values.texts("PostUnsuccessfulFailoverProcesses"),
            after_primary_failover: values.texts("PostMasterFailoverProcesses"),
            after_intermediate_failover: values.texts("PostIntermediateMasterFailoverProcesses"),
            after_takeover: values.texts("PostGracefulTakeoverProcesses"),
            after_taking_source: values.texts("PostTakeMasterProcesses"),
        }
    }
}

/// The first that is not 0.
fn first_set(first: Duration, second: Duration) -> Option<Duration> {
    [first, second]
        .into_iter()
        .find(|duration| !duration.is_zero())
}

fn some_minutes(values: &Values, name: &'static str) -> Option<Duration> {
    Some(values.minutes(name)).filter(|duration| !duration.is_zero())
}

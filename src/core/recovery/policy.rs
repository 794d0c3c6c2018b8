use std::time::Duration;

use crate::domain::HostFilters;
use crate::topology::ReplicationPolicy;

/// What is done about a server to be promoted that has received more than it applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnappliedRelayLog {
    /// It applies for as long as [`RecoveryPolicy::apply_timeout`] says; then the recovery ends.
    #[default]
    Bounded,
    /// It is not promoted (`FailMasterPromotionIfSQLThreadNotUpToDate`).
    Refuse,
    /// It applies for as long as it takes (`DelayMasterPromotionIfSQLThreadNotUpToDate`).
    Wait,
    /// It applies for as long as [`RecoveryPolicy::apply_timeout`] says; what is left then is lost. No configuration says
    /// so, only an operator who insists.
    GiveUp,
}

/// What is done where replicas that may have acknowledged transactions cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The recovery goes on, and its statement about data loss names what may be missing.
    #[default]
    NameTheLoss,
    /// The recovery is refused.
    Refuse,
}

/// What configuration says about recoveries. The default is the predecessor's, without any cluster to recover.
#[derive(Clone, Debug)]
pub struct RecoveryPolicy {
    /// `RecoverMasterClusterFilters`: clusters whose dead primary is replaced without being asked to.
    pub primary_clusters: Vec<String>,
    /// `PromotionIgnoreHostnameFilters`: never promoted.
    pub never_promoted: HostFilters,
    /// `RecoveryPeriodBlockSeconds`: for so long after a recovery no other of its kind on the same servers.
    pub block_period: Duration,
    /// How many recoveries may be unfinished at once. A mass outage is more likely our own fault than that of so many
    /// servers; twenty is the least that may be configured.
    pub recoveries_max: usize,
    /// How old the last good probe may be while another is under way (`InstancePollSeconds` and
    /// `ReasonableInstanceCheckSeconds`).
    pub check_validity: Duration,
    /// `PromotionApplyTimeoutSeconds`: how long a server may apply what it has received.
    pub apply_timeout: Duration,
    /// Instead of that, for the server to be promoted.
    pub unapplied: UnappliedRelayLog,
    /// Semi-sync acknowledgements that no reachable replica covers.
    pub durability: Durability,
    /// `ApplyMySQLPromotionAfterMasterFailover`: the promoted server forgets its source and becomes writable.
    pub makes_writable: bool,
    /// `MasterFailoverDetachReplicaMasterHost`: the promoted server is detached from the old primary, where it does not
    /// forget it anyway.
    pub detaches_promoted: bool,
    /// `PostponeReplicaRecoveryOnLagMinutes`: replicas delayed by more than this are moved last.
    pub postpones_from: Option<Duration>,
    /// `DetachLostReplicasAfterMasterFailover`: lost replicas are detached, where that discards nothing.
    pub detaches_lost: bool,
    /// `MasterFailoverLostInstancesDowntimeMinutes`: downtime of lost servers; `None` until they are healthy.
    pub lost_downtime: Option<Duration>,
    /// `PreventCrossDataCenterMasterFailover`.
    pub stays_in_data_center: bool,
    /// `PreventCrossRegionMasterFailover`.
    pub stays_in_region: bool,
    /// `FailMasterPromotionOnLagMinutes`: from this lag on a replica is not promoted.
    pub lag_max: Option<Duration>,
    /// `VerifyReplicationFilters`, `LowerReplicaVersionAllowed`.
    pub replication: ReplicationPolicy,
    /// `MaxConcurrentReplicaOperations`: steps under way at once.
    pub steps_at_once: usize,
}

impl Default for RecoveryPolicy {
    fn default() -> Self {
        Self {
            primary_clusters: Vec::new(),
            never_promoted: HostFilters::default(),
            block_period: Duration::from_secs(3600),
            recoveries_max: 20,
            check_validity: Duration::from_secs(6),
            apply_timeout: Duration::from_secs(60),
            unapplied: UnappliedRelayLog::Bounded,
            durability: Durability::NameTheLoss,
            makes_writable: true,
            detaches_promoted: false,
            postpones_from: None,
            detaches_lost: true,
            lost_downtime: None,
            stays_in_data_center: false,
            stays_in_region: false,
            lag_max: None,
            replication: ReplicationPolicy::default(),
            steps_at_once: 5,
        }
    }
}

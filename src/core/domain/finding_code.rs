use serde::{Deserialize, Serialize};

/// What can be found about a server. The words that operators, hooks and the API use for these are in `legacy`.
///
/// Variants are only ever appended: findings become part of what is decided about a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FindingCode {
    /// A primary cannot be probed and has no replicas.
    DeadPrimaryWithoutReplicas,
    /// A primary is gone; all its replicas are there and say so.
    DeadPrimary,
    /// A primary and all its replicas cannot be probed.
    DeadPrimaryAndReplicas,
    /// A primary is gone, and so are some of its replicas; the others say so.
    DeadPrimaryAndSomeReplicas,
    /// A primary cannot be probed; replicas replicate, all with too much lag.
    UnreachablePrimaryWithLaggingReplicas,
    /// A primary cannot be probed, and its replicas do not say that it is gone.
    UnreachablePrimary,
    /// A primary waits for semi-sync acknowledgements that do not come.
    LockedSemiSyncPrimary,
    /// The same, not yet for long enough to be sure.
    LockedSemiSyncPrimaryHypothesis,
    /// More semi-sync replicas than the primary waits for, where the count is to be exact.
    PrimaryWithTooManySemiSyncReplicas,
    /// A primary is read-only.
    ReadOnlyPrimary,
    /// The only replica of a primary does not replicate.
    PrimarySingleReplicaNotReplicating,
    /// The only replica of a primary cannot be probed.
    PrimarySingleReplicaDead,
    /// No replica of a primary replicates.
    AllPrimaryReplicasNotReplicating,
    /// No replica of a primary replicates, and some cannot be probed.
    AllPrimaryReplicasNotReplicatingOrDead,
    /// A co-primary is gone; all its replicas are there and say so.
    DeadCoPrimary,
    /// A co-primary is gone, and so are some of its replicas; the others say so.
    DeadCoPrimaryAndSomeReplicas,
    /// A co-primary cannot be probed, and its replicas do not say that it is gone.
    UnreachableCoPrimary,
    /// No replica of a co-primary replicates.
    AllCoPrimaryReplicasNotReplicating,
    /// No replica of a primary logs what it replicates.
    NoLoggingReplicas,
    /// Replicas of a primary have nothing by which one could be put below another.
    NoFailoverSupport,
    /// Some replicas log statements, some mixed.
    StatementAndMixedLoggingReplicas,
    /// Some replicas log statements, some rows.
    StatementAndRowLoggingReplicas,
    /// Some replicas log mixed, some rows.
    MixedAndRowLoggingReplicas,
    /// Replicas that could be promoted run several version lines.
    MultipleMajorVersionsLoggingReplicas,
    /// A server and its replicas differ in `gtid_mode`.
    DifferentGtidModes,
    /// A replica has transactions that its source never had.
    ErrantGtid,
    /// A primary waits for more semi-sync replicas than are connected, and therefore replicates asynchronously.
    NotEnoughValidSemiSyncReplicas,
}

impl FindingCode {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::DeadPrimaryWithoutReplicas,
        Self::DeadPrimary,
        Self::DeadPrimaryAndReplicas,
        Self::DeadPrimaryAndSomeReplicas,
        Self::UnreachablePrimaryWithLaggingReplicas,
        Self::UnreachablePrimary,
        Self::LockedSemiSyncPrimary,
        Self::LockedSemiSyncPrimaryHypothesis,
        Self::PrimaryWithTooManySemiSyncReplicas,
        Self::ReadOnlyPrimary,
        Self::PrimarySingleReplicaNotReplicating,
        Self::PrimarySingleReplicaDead,
        Self::AllPrimaryReplicasNotReplicating,
        Self::AllPrimaryReplicasNotReplicatingOrDead,
        Self::DeadCoPrimary,
        Self::DeadCoPrimaryAndSomeReplicas,
        Self::UnreachableCoPrimary,
        Self::AllCoPrimaryReplicasNotReplicating,
        Self::NoLoggingReplicas,
        Self::NoFailoverSupport,
        Self::StatementAndMixedLoggingReplicas,
        Self::StatementAndRowLoggingReplicas,
        Self::MixedAndRowLoggingReplicas,
        Self::MultipleMajorVersionsLoggingReplicas,
        Self::DifferentGtidModes,
        Self::ErrantGtid,
        Self::NotEnoughValidSemiSyncReplicas,
    ];
}

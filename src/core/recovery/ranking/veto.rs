use std::time::Duration;

use crate::domain::InstanceKey;

/// Why a replica must not be promoted. All are known before a server is touched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Veto {
    /// No probe ever succeeded.
    #[error("it was never probed with success")]
    NeverSeen,
    /// The last probe failed, or one hangs.
    #[error("it cannot be probed")]
    Unreachable,
    /// It is in downtime.
    #[error("{owner} has put it in downtime: {reason}")]
    Downtime {
        /// Who.
        owner: String,
        /// Why.
        reason: String,
    },
    /// Promotion rule `must_not`.
    #[error("its promotion rule is must_not")]
    MustNot,
    /// `PromotionIgnoreHostnameFilters` names it.
    #[error("PromotionIgnoreHostnameFilters names it")]
    Ignored,
    /// It passes on what it gets, and is no database.
    #[error("it is a binlog server")]
    BinlogServer,
    /// A replication group decides itself who is its primary.
    #[error("it is a member of the replication group {group}")]
    GroupMember {
        /// The group.
        group: String,
    },
    /// `log_bin` is off: nobody could ever replicate from it.
    #[error("it has no binary log")]
    NoBinaryLog,
    /// `log_replica_updates` is off, and other replicas would have to follow it.
    #[error(
        "it does not log what it replicates (log_replica_updates is off), so that {others} others could not follow"
    )]
    NoReplicaUpdates {
        /// How many.
        others: usize,
    },
    /// It applies late on purpose.
    #[error("it is delayed by {} s on purpose", .0.as_secs())]
    Delayed(Duration),
    /// It has transactions that its source never had.
    #[error("it has transactions that its source never had: {set}")]
    Errant {
        /// Them.
        set: String,
    },
    /// What it has cannot be read.
    #[error("its GTIDs or positions cannot be read")]
    Illegible,
    /// Its applier stopped with an error and has more to apply.
    #[error(
        "its applier stopped with error {errno}, and it has received {unapplied} that it cannot apply"
    )]
    CannotApply {
        /// `Last_SQL_Errno`.
        errno: u32,
        /// How much.
        unapplied: super::super::Unapplied,
    },
    /// Neither of its threads runs, it has more to apply, and its product begins relay logs anew with the first thread that
    /// starts.
    #[error(
        "neither of its threads runs, and starting one would discard {0} that it has received and not applied"
    )]
    Stranded(super::super::Unapplied),
    /// It has more to apply, and `FailMasterPromotionIfSQLThreadNotUpToDate` is set.
    #[error(
        "it has received {0} that it has not applied, and FailMasterPromotionIfSQLThreadNotUpToDate is set"
    )]
    NotApplied(super::super::Unapplied),
    /// `FailMasterPromotionOnLagMinutes`.
    #[error("it lags by {} s, and FailMasterPromotionOnLagMinutes allows less than {} s", lag.as_secs(), max.as_secs())]
    Lag {
        /// Its lag.
        lag: Duration,
        /// From here on it is refused.
        max: Duration,
    },
    /// `PreventCrossDataCenterMasterFailover`.
    #[error(
        "PreventCrossDataCenterMasterFailover is set: it is in data centre '{own}', the dead primary in '{dead}'"
    )]
    OtherDataCenter {
        /// Its own.
        own: String,
        /// The dead primary's.
        dead: String,
    },
    /// `PreventCrossRegionMasterFailover`.
    #[error(
        "PreventCrossRegionMasterFailover is set: it is in region '{own}', the dead primary in '{dead}'"
    )]
    OtherRegion {
        /// Its own.
        own: String,
        /// The dead primary's.
        dead: String,
    },
    /// More of the other replicas could not replicate from it than could.
    #[error(
        "{} of the other replicas could not replicate from it; the first reason, for {}: {why}",
        cannot.len(),
        cannot.first().map_or_else(String::new, ToString::to_string)
    )]
    OthersCannotFollow {
        /// Which; not empty.
        cannot: Vec<InstanceKey>,
        /// Why the first cannot.
        why: String,
    },
}

impl Veto {
    /// Whether it says nothing about what the server can do, only that it is not wanted as the primary. Such a server can
    /// still give others what they lack.
    pub fn is_about_promotion_only(&self) -> bool {
        matches!(
            self,
            Self::MustNot | Self::Ignored | Self::OtherDataCenter { .. } | Self::OtherRegion { .. }
        )
    }

    /// Whether what the server has received does not count for the others: it does not answer, was taken out by an
    /// operator, or has a history of its own. One that was never seen, or cannot be read, has nothing that could count.
    pub fn is_outside(&self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::Downtime { .. } | Self::Errant { .. }
        )
    }

    /// A short name, for lists and logs; stable.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NeverSeen => "never-seen",
            Self::Unreachable => "unreachable",
            Self::Downtime { .. } => "downtime",
            Self::MustNot => "must-not",
            Self::Ignored => "ignored",
            Self::BinlogServer => "binlog-server",
            Self::GroupMember { .. } => "group-member",
            Self::NoBinaryLog => "no-binary-log",
            Self::NoReplicaUpdates { .. } => "no-replica-updates",
            Self::Delayed(_) => "delayed",
            Self::Errant { .. } => "errant",
            Self::Illegible => "illegible",
            Self::CannotApply { .. } => "cannot-apply",
            Self::Stranded(_) => "stranded",
            Self::NotApplied(_) => "not-applied",
            Self::Lag { .. } => "lag",
            Self::OtherDataCenter { .. } => "other-data-centre",
            Self::OtherRegion { .. } => "other-region",
            Self::OthersCannotFollow { .. } => "others-cannot-follow",
        }
    }
}

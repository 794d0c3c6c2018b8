use super::Section;
use crate::config::key::Key;

const DAY: i64 = 86_400;

pub(super) const SECTION: Section = Section {
    title: "Analysis and recovery",
    about: "When a broken topology is repaired and how. No recovery exists in this release; the keys are read and checked, so that a file is ready for it.",
    keys: &[
        Key::cluster_filters(
            "RecoverMasterClusterFilters",
            "Clusters whose dead primary is replaced: a name, an alias, alias=…, alias~=pattern, * for all, or a pattern over the name.",
        )
        .for_recoveries(),
        Key::cluster_filters("RecoverIntermediateMasterClusterFilters", "Clusters whose dead intermediate sources are replaced; same forms.")
            .for_recoveries(),
        Key::patterns("RecoveryIgnoreHostnameFilters", "Servers left out of the analysis: patterns over the host name.").for_recoveries(),
        Key::host_filters("PromotionIgnoreHostnameFilters", "Never promote these: patterns over host:port, or IP addresses.").for_recoveries(),
        Key::integer("RecoveryPeriodBlockSeconds", 3600, 0..=31_536_000, "seconds", "After a recovery, no other of the same cluster for so long.")
            .for_recoveries(),
        Key::integer(
            "RecoveryPeriodBlockMinutes",
            60,
            0..=525_600,
            "minutes",
            "The same in minutes; counts only when RecoveryPeriodBlockSeconds is 0.",
        )
        .old_name_of("RecoveryPeriodBlockSeconds")
        .for_recoveries(),
        Key::integer("FailureDetectionPeriodBlockMinutes", 60, 0..=525_600, "minutes", "A detected failure is not detected anew for so long.")
            .for_recoveries(),
        Key::integer(
            "PrimarySilenceSeconds",
            2,
            1..=DAY,
            "seconds",
            "How long a primary must be silent, on a connection that is still open, before that is evidence of its death.",
        )
        .ours()
        .for_recoveries(),
        Key::integer(
            "PrimaryRestartGraceSeconds",
            10,
            0..=DAY,
            "seconds",
            "How long a primary that went down in an orderly way may take to come back before it counts as dead.",
        )
        .ours()
        .for_recoveries(),
        Key::integer(
            "PromotionApplyTimeoutSeconds",
            60,
            1..=DAY,
            "seconds",
            "How long a replica may take to apply what it has received before it is promoted.",
        )
        .ours()
        .for_recoveries(),
        Key::boolean("RecoverNonWriteableMaster", false, "Treat a primary that is read-only as failed, and make it writable.").for_recoveries(),
        Key::boolean("CoMasterRecoveryMustPromoteOtherCoMaster", true, "Of co-primaries, promote only the other one.").for_recoveries(),
        Key::boolean("ApplyMySQLPromotionAfterMasterFailover", true, "Clear the replication settings of the promoted server and make it writable.")
            .for_recoveries(),
        Key::boolean("DetachLostReplicasAfterMasterFailover", false, "Stop lost replicas from following the old primary, by an unusable source address.")
            .for_recoveries(),
        Key::boolean("DetachLostSlavesAfterMasterFailover", true, "The same; either of the two being true turns it on.")
            .old_name_of("DetachLostReplicasAfterMasterFailover")
            .for_recoveries(),
        Key::boolean("MasterFailoverDetachReplicaMasterHost", false, "Detach the promoted server from the old primary.").for_recoveries(),
        Key::boolean("MasterFailoverDetachSlaveMasterHost", false, "The same; either of the two being true turns it on.")
            .old_name_of("MasterFailoverDetachReplicaMasterHost")
            .for_recoveries(),
        Key::integer(
            "MasterFailoverLostInstancesDowntimeMinutes",
            0,
            0..=5_256_000,
            "minutes",
            "Downtime of servers lost in a failover; 0 until they are back and healthy. (Without effect in the predecessor.)",
        )
        .for_recoveries(),
        Key::boolean("PreventCrossDataCenterMasterFailover", false, "Do not promote a server in another data centre.").for_recoveries(),
        Key::boolean("PreventCrossRegionMasterFailover", false, "Do not promote a server in another region.").for_recoveries(),
        Key::integer(
            "FailMasterPromotionOnLagMinutes",
            0,
            0..=525_600,
            "minutes",
            "Refuse a promotion when the replica lags so much; 0 never. Needs ReplicationLagQuery.",
        )
        .for_recoveries(),
        Key::boolean(
            "FailMasterPromotionIfSQLThreadNotUpToDate",
            false,
            "Refuse a promotion while the replica has received more than it applied. Not together with the next key.",
        )
        .for_recoveries(),
        Key::boolean("DelayMasterPromotionIfSQLThreadNotUpToDate", false, "Wait, without bound, until the replica has applied all it received.")
            .for_recoveries(),
        Key::integer(
            "PostponeReplicaRecoveryOnLagMinutes",
            0,
            0..=525_600,
            "minutes",
            "Move replicas that are configured to be delayed by more than this last; 0 never.",
        )
        .for_recoveries(),
        Key::integer("PostponeSlaveRecoveryOnLagMinutes", 0, 0..=525_600, "minutes", "The same; if both are set they must agree.")
            .old_name_of("PostponeReplicaRecoveryOnLagMinutes")
            .for_recoveries(),
        Key::boolean("UseSuperReadOnly", false, "Set super_read_only together with read_only.").for_recoveries(),
        Key::boolean("VerifyReplicationFilters", false, "A server with replication filters cannot be the source of one without.").for_recoveries(),
        Key::integer(
            "ReasonableMaintenanceReplicationLagSeconds",
            20,
            0..=31_536_000,
            "seconds",
            "Lag up to which a replica may be moved, and for which a planned takeover waits.",
        )
        .for_recoveries(),
        Key::integer("MaxConcurrentReplicaOperations", 5, 1..=1000, "servers", "Replicas moved at the same time.").for_recoveries(),
        Key::integer("InstanceBulkOperationsWaitTimeoutSeconds", 10, 0..=DAY, "seconds", "Wait for each server when many are stopped.")
            .for_recoveries(),
        Key::boolean("EnforceExactSemiSyncReplicas", false, "Switch semi-sync on and off on replicas so that exactly the wanted number acknowledge.")
            .for_recoveries(),
        Key::boolean("RecoverLockedSemiSyncMaster", false, "Switch semi-sync on for more replicas when a primary waits for acknowledgements.")
            .for_recoveries(),
        Key::integer(
            "ReasonableLockedSemiSyncMasterSeconds",
            0,
            0..=DAY,
            "seconds",
            "How long a primary may wait for acknowledgements before that is a failure; 0 takes ReasonableReplicationLagSeconds.",
        )
        .for_recoveries(),
        Key::boolean("ReduceReplicationAnalysisCount", true, "Analyse only servers with replicas or with trouble.").not_yet(),
        Key::boolean("ExpectFailureAnalysisConcensus", true, "Meant for an agreement of nodes on the analysis.").no_effect(),
    ],
};

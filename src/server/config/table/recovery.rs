use super::Section;
use crate::config::key::Key;

const DAY: i64 = 86_400;

pub(super) const SECTION: Section = Section {
    title: "Analysis and recovery",
    about: "When a broken topology is repaired and how. This release replaces dead primaries.",
    keys: &[
        Key::cluster_filters(
            "RecoverMasterClusterFilters",
            "Clusters whose dead primary is replaced: a name, an alias, alias=…, alias~=pattern, * for all, or a pattern over the name.",
        ),
        Key::cluster_filters("RecoverIntermediateMasterClusterFilters", "Clusters whose dead intermediate sources are replaced; same forms.")
            .not_yet(),
        Key::patterns("RecoveryIgnoreHostnameFilters", "Servers left out of the analysis: patterns over the host name."),
        Key::host_filters("PromotionIgnoreHostnameFilters", "Never promote these: patterns over host:port, or IP addresses."),
        Key::cluster_filters(
            "RefusePossibleLossClusterFilters",
            "Clusters whose dead primary is not replaced, unless somebody insists, where replicas that cannot be asked may be the only ones with acknowledged transactions: semi-sync is on, and as many of its replicas are out of reach as it waits for. Elsewhere the record names the possible loss. Same forms.",
        )
        .ours(),
        Key::integer(
            "MaxConcurrentRecoveries",
            20,
            20..=10_000,
            "recoveries",
            "None begins by itself while so many are under way: as many failures at once are more likely one failure of the network.",
        )
        .ours(),
        Key::integer("RecoveryPeriodBlockSeconds", 3600, 0..=31_536_000, "seconds", "After a recovery, no other of the same cluster for so long."),
        Key::integer(
            "RecoveryPeriodBlockMinutes",
            60,
            0..=525_600,
            "minutes",
            "The same in minutes; counts only when RecoveryPeriodBlockSeconds is 0.",
        )
        .old_name_of("RecoveryPeriodBlockSeconds"),
        Key::integer("FailureDetectionPeriodBlockMinutes", 60, 0..=525_600, "minutes", "A detected failure is not detected anew for so long."),
        Key::integer(
            "PrimarySilenceSeconds",
            2,
            1..=DAY,
            "seconds",
            "How long a primary must say nothing, over two connections of which one is new, before that is evidence of its death; and for how long what came to a replica speaks for one that is silent.",
        )
        .ours(),
        Key::integer(
            "PrimaryRestartGraceSeconds",
            10,
            0..=DAY,
            "seconds",
            "How long a primary that went down in order (shut down, not crashed) may take to come back before it counts as dead; 0 for no such time, and then no connection that tells the two apart.",
        )
        .ours(),
        Key::cluster_numbers(
            "PrimarySilenceSecondsByCluster",
            1..=DAY,
            "seconds",
            "PrimarySilenceSeconds of some clusters, by the forms of RecoverMasterClusterFilters; the first that picks a cluster counts.",
        )
        .ours(),
        Key::cluster_numbers(
            "PrimaryRestartGraceSecondsByCluster",
            0..=DAY,
            "seconds",
            "PrimaryRestartGraceSeconds of some clusters, by the same forms.",
        )
        .ours(),
        Key::integer(
            "PromotionApplyTimeoutSeconds",
            60,
            1..=DAY,
            "seconds",
            "How long a replica may take to apply what it has received before it is promoted.",
        )
        .ours(),
        Key::boolean("RecoverNonWriteableMaster", false, "Treat a primary that is read-only as failed, and make it writable.").not_yet(),
        Key::boolean("CoMasterRecoveryMustPromoteOtherCoMaster", true, "Of co-primaries, promote only the other one.").not_yet(),
        Key::boolean("ApplyMySQLPromotionAfterMasterFailover", true, "Clear the replication settings of the promoted server and make it writable."),
        Key::boolean("DetachLostReplicasAfterMasterFailover", false, "Stop lost replicas from following the old primary, by an unusable source address."),
        Key::boolean("DetachLostSlavesAfterMasterFailover", true, "The same; either of the two being true turns it on.")
            .old_name_of("DetachLostReplicasAfterMasterFailover"),
        Key::boolean("MasterFailoverDetachReplicaMasterHost", false, "Detach the promoted server from the old primary."),
        Key::boolean("MasterFailoverDetachSlaveMasterHost", false, "The same; either of the two being true turns it on.")
            .old_name_of("MasterFailoverDetachReplicaMasterHost"),
        Key::integer(
            "MasterFailoverLostInstancesDowntimeMinutes",
            0,
            0..=5_256_000,
            "minutes",
            "Downtime of servers lost in a failover; 0 until they are back and healthy. (Without effect in the predecessor.)",
        ),
        Key::boolean("PreventCrossDataCenterMasterFailover", false, "Do not promote a server in another data centre."),
        Key::boolean("PreventCrossRegionMasterFailover", false, "Do not promote a server in another region."),
        Key::integer(
            "FailMasterPromotionOnLagMinutes",
            0,
            0..=525_600,
            "minutes",
            "Refuse a promotion when the replica lags so much; 0 never. Needs ReplicationLagQuery.",
        ),
        Key::boolean(
            "FailMasterPromotionIfSQLThreadNotUpToDate",
            false,
            "Refuse a promotion while the replica has received more than it applied. Not together with the next key.",
        ),
        Key::boolean("DelayMasterPromotionIfSQLThreadNotUpToDate", false, "Wait, without bound, until the replica has applied all it received."),
        Key::integer(
            "PostponeReplicaRecoveryOnLagMinutes",
            0,
            0..=525_600,
            "minutes",
            "Move replicas that are configured to be delayed by more than this last; 0 never.",
        ),
        Key::integer("PostponeSlaveRecoveryOnLagMinutes", 0, 0..=525_600, "minutes", "The same; if both are set they must agree.")
            .old_name_of("PostponeReplicaRecoveryOnLagMinutes"),
        Key::boolean("UseSuperReadOnly", false, "Set super_read_only together with read_only.").not_yet(),
        Key::boolean("VerifyReplicationFilters", false, "A server with replication filters cannot be the source of one without."),
        Key::integer(
            "ReasonableMaintenanceReplicationLagSeconds",
            20,
            0..=31_536_000,
            "seconds",
            "Lag up to which a replica may be moved, and for which a planned takeover waits.",
        ),
        Key::integer("MaxConcurrentReplicaOperations", 5, 1..=1000, "servers", "Replicas moved at the same time."),
        Key::integer("InstanceBulkOperationsWaitTimeoutSeconds", 10, 0..=DAY, "seconds", "Wait for each server when many are stopped.")
            .not_yet(),
        Key::boolean("EnforceExactSemiSyncReplicas", false, "Switch semi-sync on and off on replicas so that exactly the wanted number acknowledge.")
            .not_yet(),
        Key::boolean("RecoverLockedSemiSyncMaster", false, "Switch semi-sync on for more replicas when a primary waits for acknowledgements.")
            .not_yet(),
        Key::integer(
            "ReasonableLockedSemiSyncMasterSeconds",
            0,
            0..=DAY,
            "seconds",
            "How long a primary may wait for acknowledgements before that is a failure; 0 takes ReasonableReplicationLagSeconds.",
        ),
        Key::boolean("ReduceReplicationAnalysisCount", true, "Analyse only servers with replicas or with trouble.").not_yet(),
        Key::boolean("ExpectFailureAnalysisConcensus", true, "Meant for an agreement of nodes on the analysis.").no_effect(),
    ],
};

//! Routes of analysis and recoveries.

use crate::api::{Route, analysis, recoveries};

const ENVELOPE_KEY: &str = "envelope; Details: InstanceKey";
const ENTRIES: &str = "envelope; Details: list of ReplicationAnalysis";
const RECOVERIES: &str = "list of TopologyRecovery";
const PROMOTED: &str = "envelope; Details: InstanceKey of the promoted instance";
const LIVE: &str = "envelope; Details: TopologyRecovery";

pub(super) fn analysis_routes() -> Vec<Route> {
    vec![
        Route::reads("/api/replication-analysis", analysis::all)
            .about("what is wrong now, downtimed instances too", ENTRIES),
        Route::reads("/api/replication-analysis/{hint}", analysis::of_cluster)
            .about("the same of one cluster", ENTRIES),
        Route::reads(
            "/api/replication-analysis/instance/{host}/{port}",
            analysis::of_instance,
        )
        .about("the same of one instance", ENTRIES),
        Route::reads("/api/replication-analysis-changelog", analysis::changelog).about(
            "how findings about instances with replicas came and went, while this node led, from its memory",
            "list of ReplicationAnalysisChangelog; null when there was no change",
        ),
        Route::reads("/api/v2/why-not", analysis::why_not).about(
            "what is wrong now, and why nothing is done about it",
            "Findings",
        ),
        Route::reads("/api/v2/why-not/{hint}", analysis::why_not_in)
            .about("the same of one cluster; 404 when unknown", "Findings"),
        Route::reads("/api/blocked-recoveries", recoveries::blocked).about(
            "findings that another recovery holds back now",
            "list of BlockedTopologyRecovery",
        ),
        Route::reads(
            "/api/blocked-recoveries/cluster/{clusterName}",
            recoveries::blocked,
        )
        .about(
            "the same of one cluster, by its exact name",
            "list of BlockedTopologyRecovery",
        ),
        Route::reads("/api/automated-recovery-filters", recoveries::filters).about(
            "which clusters are recovered by themselves, as configured",
            "envelope; Details: three lists of texts",
        ),
    ]
}

pub(super) fn audit_routes() -> Vec<Route> {
    let mut routes = detection_routes();
    routes.extend(past_recovery_routes());
    routes
}

fn detection_routes() -> Vec<Route> {
    let detections = "what was found and written down, newest first, 20 on a page";
    vec![
        Route::reads("/api/audit-failure-detection", recoveries::detections)
            .about(detections, RECOVERIES),
        Route::reads(
            "/api/audit-failure-detection/{page}",
            recoveries::detections,
        )
        .about("the same from another page; the first is 0", RECOVERIES),
        Route::reads(
            "/api/audit-failure-detection/id/{id}",
            recoveries::detection,
        )
        .about("the detection with this number", RECOVERIES),
        Route::reads(
            "/api/audit-failure-detection/alias/{clusterAlias}",
            recoveries::detections,
        )
        .about("those of clusters with exactly this alias then", RECOVERIES),
        Route::reads(
            "/api/audit-failure-detection/alias/{clusterAlias}/{page}",
            recoveries::detections,
        )
        .about("the same from another page", RECOVERIES),
    ]
}

fn past_recovery_routes() -> Vec<Route> {
    let all = "recoveries, newest first, 20 on a page; `?unacknowledged=true` for those that nobody took note of";
    let page = "the same from another page; the first is 0";
    vec![
        Route::reads("/api/audit-recovery", recoveries::recoveries).about(all, RECOVERIES),
        Route::reads("/api/audit-recovery/{page}", recoveries::recoveries).about(page, RECOVERIES),
        Route::reads("/api/audit-recovery/id/{id}", recoveries::recovery)
            .about("the recovery with this number", RECOVERIES),
        Route::reads("/api/audit-recovery/uid/{uid}", recoveries::recovery_by_uid)
            .about("the recovery with this UID", RECOVERIES),
        Route::reads(
            "/api/audit-recovery/cluster/{clusterName}",
            recoveries::recoveries,
        )
        .about("those of clusters with exactly this name then", RECOVERIES),
        Route::reads(
            "/api/audit-recovery/cluster/{clusterName}/{page}",
            recoveries::recoveries,
        )
        .about(page, RECOVERIES),
        Route::reads(
            "/api/audit-recovery/alias/{clusterAlias}",
            recoveries::recoveries,
        )
        .about("those of clusters with exactly this alias then", RECOVERIES),
        Route::reads(
            "/api/audit-recovery/alias/{clusterAlias}/{page}",
            recoveries::recoveries,
        )
        .about(page, RECOVERIES),
        Route::reads("/api/audit-recovery-steps/{uid}", recoveries::notes).about(
            "the record of a recovery, oldest line first",
            "list of TopologyRecoveryStep",
        ),
        Route::reads(
            "/api/active-cluster-recovery/{clusterName}",
            recoveries::active,
        )
        .about(
            "recoveries under way of a cluster, by its exact name",
            RECOVERIES,
        ),
        Route::reads(
            "/api/recently-active-cluster-recovery/{clusterName}",
            recoveries::recently_active,
        )
        .about("those that ended within five minutes", RECOVERIES),
        Route::reads(
            "/api/recently-active-instance-recovery/{host}/{port}",
            recoveries::recently_active_instance,
        )
        .about(
            "those that ended within five minutes and promoted this instance",
            RECOVERIES,
        ),
        Route::reads("/api/v2/recoveries/{id}", recoveries::whole).about(
            "all that is decided about a recovery, by number or UID; 404 when unknown",
            "Recovery",
        ),
    ]
}

pub(super) fn acknowledgement_routes() -> Vec<Route> {
    let text = "envelope; Details: name of the cluster";
    vec![
        Route::changes("/api/ack-recovery/cluster/{hint}", recoveries::ack_cluster).about(
            "take note of the recoveries of a cluster, by its name and its alias, with `?comment=`",
            text,
        ),
        Route::changes(
            "/api/ack-recovery/cluster/alias/{clusterAlias}",
            recoveries::ack_cluster_by_alias,
        )
        .about("the same by alias", text),
        Route::changes(
            "/api/ack-recovery/instance/{host}/{port}",
            recoveries::ack_instance,
        )
        .about("those of a failed instance", ENVELOPE_KEY),
        Route::changes("/api/ack-recovery/{recoveryId}", recoveries::ack_number).about(
            "the one with this number",
            "envelope; Details: the number as text",
        ),
        Route::changes("/api/ack-recovery/uid/{uid}", recoveries::ack_uid)
            .about("the one with this UID", "envelope; Details: the UID"),
        Route::changes("/api/ack-all-recoveries", recoveries::ack_all)
            .about("all", "envelope; Details: the comment"),
    ]
}

pub(super) fn recovery_routes() -> Vec<Route> {
    let mut routes = switch_routes();
    // A recovery is no proposal: whoever lost the answer looks at what became of it.
    let asking = asking_routes().into_iter().map(Route::not_repeated);
    routes.extend(asking.map(Route::lengthy));
    routes
}

fn asking_routes() -> Vec<Route> {
    let by_hand = "recover from the failure of an instance now, whatever filters, downtimes and block periods say; `?skipProcesses=true` runs no hooks";
    let named = "the same, and promote this replica or nobody";
    let force = "take the primary of a cluster as dead, and fail over";
    vec![
        Route::changes("/api/recover/{host}/{port}", recoveries::recover).about(by_hand, PROMOTED),
        Route::changes(
            "/api/recover/{host}/{port}/{candidateHost}/{candidatePort}",
            recoveries::recover,
        )
        .about(named, PROMOTED),
        Route::changes("/api/recover-lite/{host}/{port}", recoveries::recover_lite)
            .about("the same as `recover` without hooks", PROMOTED),
        Route::changes(
            "/api/recover-lite/{host}/{port}/{candidateHost}/{candidatePort}",
            recoveries::recover_lite,
        )
        .about(named, PROMOTED),
        Route::changes(
            "/api/force-master-failover/{hint}",
            recoveries::force_failover,
        )
        .about(force, LIVE),
        Route::changes(
            "/api/force-master-failover/{host}/{port}",
            recoveries::force_failover,
        )
        .about(force, LIVE),
        Route::changes(
            "/api/force-master-takeover/{hint}/{designatedHost}/{designatedPort}",
            recoveries::force_takeover,
        )
        .about(named, LIVE),
        Route::changes(
            "/api/force-master-takeover/{host}/{port}/{designatedHost}/{designatedPort}",
            recoveries::force_takeover,
        )
        .about(named, LIVE),
    ]
}

fn switch_routes() -> Vec<Route> {
    vec![
        Route::changes("/api/disable-global-recoveries", recoveries::disable).about(
            "no recoveries by themselves from now on",
            "envelope; Details: `\"disabled\"`",
        ),
        Route::changes("/api/enable-global-recoveries", recoveries::enable)
            .about("allow recoveries again", "envelope; Details: `\"enabled\"`"),
        Route::reads("/api/check-global-recoveries", recoveries::check).about(
            "whether recoveries are allowed",
            "envelope; Details: `\"enabled\"` or `\"disabled\"`",
        ),
    ]
}

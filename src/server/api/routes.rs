use super::{
    Route, access_tokens, candidates, cluster_alias, clusters, configuration, discovery, downtime,
    health, import, instances, isolation_guard, probes, raft, search, topology,
};
use recovery::{acknowledgement_routes, analysis_routes, audit_routes, recovery_routes};

mod recovery;

/// Where the status route is unless `StatusEndpoint` says another place. Whoever assembles the service moves that one
/// route; the rest of the table stays.
pub const STATUS_PATH: &str = "/api/status";

const ENVELOPE_KEY: &str = "envelope; Details: InstanceKey";
const ENVELOPE_NULL: &str = "envelope; Details: null";
const ENVELOPE_HEALTH: &str = "envelope; Details: HealthStatus, also on failure";
const ENVELOPE_TEXT: &str = "envelope; Details: text of several lines";
const INSTANCE: &str = "Instance";
const INSTANCES: &str = "list of Instance";
const INSTANCES_OR_NULL: &str = "list of Instance; `null` when empty";
const LEADER: &str = "`\"OK\"`; else status 404, or the code asked for, and `\"Not leader\"`";

/// The one table of all routes: where they are, what they do, who answers. A handler that is not here is not served.
pub fn routes() -> Vec<Route> {
    let groups = [
        health_routes(),
        instance_routes(),
        cluster_routes(),
        topology_routes(),
        discovery_routes(),
        agreement_routes(),
        analysis_routes(),
        audit_routes(),
        acknowledgement_routes(),
        recovery_routes(),
        token_routes(),
        group_routes(),
        node_routes(),
    ];
    groups.into_iter().flatten().collect()
}

fn health_routes() -> Vec<Route> {
    let is_leader = "whether this node leads";
    vec![
        Route::health("/api/health", health::health).about("how this node is", ENVELOPE_HEALTH),
        Route::health(STATUS_PATH, health::health).about(
            "the same; `StatusEndpoint` puts it at another place",
            ENVELOPE_HEALTH,
        ),
        Route::health("/api/lb-check", health::lb_check).about("this process answers", "`\"OK\"`"),
        Route::health("/api/_ping", health::lb_check).about("the same", "`\"OK\"`"),
        Route::health("/api/leader-check", health::leader_check).about(is_leader, LEADER),
        Route::health("/api/leader-check/{errorStatusCode}", health::leader_check)
            .about(is_leader, LEADER),
        Route::health("/api/routed-leader-check", health::leader_check)
            .by_the_leader()
            .about("whether a leader is reached through this node", LEADER),
        Route::health(
            "/api/routed-leader-check/{errorStatusCode}",
            health::leader_check,
        )
        .by_the_leader()
        .about("whether a leader is reached through this node", LEADER),
    ]
}

fn instance_routes() -> Vec<Route> {
    vec![
        Route::reads("/api/instance/{host}/{port}", instances::instance)
            .about("one instance", INSTANCE),
        Route::reads("/api/all-instances", instances::all_instances).about(
            "all instances, by depth, number of replicas, cluster, host, port",
            INSTANCES,
        ),
        Route::reads(
            "/api/instance-replicas/{host}/{port}",
            instances::instance_replicas,
        )
        .about("direct replicas of an instance", INSTANCES),
        Route::reads("/api/search/{text}", search::search).about(
            "instances that a text is part of: host and port, cluster, version, comment, alias; or exactly the server id or port",
            INSTANCES,
        ),
        Route::reads("/api/search", search::search)
            .about("the same, with the text in `?s=`", INSTANCES),
        Route::reads("/api/problems", instances::problems).about(
            "instances with a problem that are not downtimed",
            INSTANCES_OR_NULL,
        ),
        Route::reads("/api/problems/{clusterName}", instances::problems).about(
            "the same of one cluster, by its exact name",
            INSTANCES_OR_NULL,
        ),
    ]
}

fn cluster_routes() -> Vec<Route> {
    let control = "replicas to watch while a table is copied: two of each kind";
    vec![
        Route::reads("/api/clusters", clusters::clusters)
            .about("names of all clusters", "list of texts; `null` when empty"),
        Route::reads("/api/clusters-info", clusters::clusters_info)
            .about("summaries of all clusters", "list of ClusterInfo"),
        Route::reads("/api/cluster/{hint}", clusters::cluster)
            .about("members of a cluster, by host and port", INSTANCES),
        Route::reads("/api/cluster/alias/{alias}", clusters::cluster_by_alias)
            .about("members of the cluster with that alias", INSTANCES),
        Route::reads(
            "/api/cluster/instance/{host}/{port}",
            clusters::cluster_by_instance,
        )
        .about("members of the cluster of an instance", INSTANCES),
        Route::reads("/api/cluster-info/{hint}", clusters::cluster_info)
            .about("summary of a cluster", "ClusterInfo"),
        Route::reads(
            "/api/cluster-info/alias/{alias}",
            clusters::cluster_info_by_alias,
        )
        .about("summary of the cluster with that alias", "ClusterInfo"),
        Route::reads("/api/masters", clusters::primaries)
            .about("one writable primary of each cluster", INSTANCES_OR_NULL),
        Route::reads("/api/master/{hint}", clusters::primary).about(
            "the primary of a cluster; of several the writable one",
            INSTANCE,
        ),
        Route::reads(
            "/api/cluster-osc-replicas/{hint}",
            clusters::control_replicas,
        )
        .about(control, INSTANCES),
        Route::reads("/api/cluster-osc-slaves/{hint}", clusters::control_replicas)
            .about("the same, by its old name", INSTANCES),
    ]
}

fn topology_routes() -> Vec<Route> {
    let tree = "a cluster as a tree of lines";
    let table = "the same with columns";
    vec![
        Route::reads("/api/topology/{hint}", topology::bracketed).about(tree, ENVELOPE_TEXT),
        Route::reads("/api/topology/{host}/{port}", topology::bracketed).about(tree, ENVELOPE_TEXT),
        Route::reads("/api/topology-tabulated/{hint}", topology::tabulated)
            .about(table, ENVELOPE_TEXT),
        Route::reads("/api/topology-tabulated/{host}/{port}", topology::tabulated)
            .about(table, ENVELOPE_TEXT),
    ]
}

fn discovery_routes() -> Vec<Route> {
    vec![
        Route::changes("/api/discover/{host}/{port}", discovery::discover).about(
            "probe an instance now, keep it known on every node, follow its source and replicas",
            "envelope; Details: Instance, without FlavorName and Problems",
        ),
        Route::changes(
            "/api/async-discover/{host}/{port}",
            discovery::discover_soon,
        )
        .about("the same in the background", ENVELOPE_NULL),
        Route::changes("/api/refresh/{host}/{port}", discovery::refresh)
            .about("probe an instance now", ENVELOPE_KEY),
        Route::changes("/api/forget/{host}/{port}", discovery::forget).about(
            "drop what is known of an instance; the host is not resolved",
            ENVELOPE_KEY,
        ),
        Route::changes("/api/forget-cluster/{hint}", discovery::forget_cluster)
            .about("drop all members of a cluster", ENVELOPE_NULL),
    ]
}

fn agreement_routes() -> Vec<Route> {
    vec![
        Route::changes(
            "/api/begin-downtime/{host}/{port}/{owner}/{reason}",
            downtime::begin,
        )
        .about(
            "do nothing about an instance for the default time",
            "envelope; Details: InstanceKey, also on failure",
        ),
        Route::changes(
            "/api/begin-downtime/{host}/{port}/{owner}/{reason}/{duration}",
            downtime::begin,
        )
        .about(
            "the same for a time such as `30m` (s, m, h, d, w)",
            "envelope; Details: InstanceKey, also on failure",
        ),
        Route::changes("/api/end-downtime/{host}/{port}", downtime::end)
            .about("end a downtime; fine also when there is none", ENVELOPE_KEY),
        Route::reads("/api/downtimed", downtime::downtimed)
            .about("instances with a downtime that holds", INSTANCES),
        Route::reads("/api/downtimed/{hint}", downtime::downtimed)
            .about("the same of one cluster", INSTANCES),
        Route::changes(
            "/api/register-candidate/{host}/{port}/{promotionRule}",
            candidates::register,
        )
        .about(
            "set the promotion rule: prefer, neutral, prefer_not or must_not",
            ENVELOPE_KEY,
        ),
        Route::changes("/api/set-cluster-alias/{clusterName}", cluster_alias::set).about(
            "give a cluster the alias in `?alias=`, which then wins over queries and patterns; an empty one takes it away",
            ENVELOPE_NULL,
        ),
    ]
}

fn token_routes() -> Vec<Route> {
    vec![
        Route::local_only("/api/v2/access-tokens", access_tokens::create).about(
            "make an access token for `?owner=NAME`, to be claimed soon; see security.md",
            "status 201, `publicToken` and `claimBy`",
        ),
        Route::claims("/web/access-token", access_tokens::claim).about(
            "claim the access token of `?publicToken=`; see security.md",
            "status 302 with a cookie; a refusal is an envelope with status 200",
        ),
    ]
}

fn group_routes() -> Vec<Route> {
    vec![
        Route::reads("/api/raft-state", raft::state)
            .locally()
            .about(
                "what this node is in its group",
                "`\"Leader\"`, `\"Follower\"`, `\"Candidate\"`, `\"Unknown\"` or `\"Shutdown\"`",
            ),
        Route::reads("/api/raft-leader", raft::leader)
            .locally()
            .about(
                "the leader's address on the peer port",
                "text, empty when no leader is heard",
            ),
        Route::reads("/api/raft-peers", raft::peers)
            .locally()
            .about("addresses of all members on the peer port", "list of texts"),
        Route::reads("/api/raft-health", raft::health)
            .locally()
            .about(
                "whether this node leads or hears the leader",
                "`\"healthy\"`",
            ),
        Route::reads("/api/raft-status", raft::status)
            .locally()
            .about("the group as this node sees it", "RaftStatus"),
        Route::changes("/api/raft-snapshot", raft::snapshot)
            .locally()
            .about(
                "write a snapshot of decided state on this node",
                "`\"snapshot created\"`",
            ),
        Route::changes("/api/raft-yield/{node}", raft::give_way_to)
            .locally()
            .not_repeated()
            .about(
                "hand leadership to the member of this name or address; on the leader only",
                ENVELOPE_NULL,
            ),
        Route::changes("/api/raft-yield-hint/{hint}", raft::give_way_by_hint)
            .locally()
            .not_repeated()
            .about(
                "hand leadership to a member with this text in its name; on the leader only",
                "envelope; Details: the hint",
            ),
        Route::changes("/api/raft-add-peer/{addr}", raft::add_peer)
            .about(
                "the group is to have this node too, `host:port` or `host`; it becomes a member when it is started and has caught up",
                "text: the node, normalised",
            ),
        Route::changes("/api/raft-remove-peer/{addr}", raft::remove_peer)
            .about(
                "the group is to do without this node; refused where too few of the rest are reachable",
                "text: the node, normalised",
            ),
        Route::changes("/api/raft-replace-peer/{old}/{new}", raft::replace_peer)
            .about(
                "one node takes the place of another, which goes when the new one has joined",
                "text: the new node, normalised",
            ),
        Route::changes("/api/reelect", raft::reelect)
            .not_repeated()
            .about(
                "the leader hands over to whoever has most of the log",
                ENVELOPE_NULL,
            ),
        Route::reads(
            "/api/raft-follower-health-report/{authenticationToken}/{raftBind}/{raftAdvertise}",
            raft::health_report,
        )
        .locally()
        .about(
            "the predecessor's report of a follower; members report over the peer port here",
            "never: the token is always unknown",
        ),
    ]
}

fn node_routes() -> Vec<Route> {
    vec![
        Route::changes("/api/reload-configuration", configuration::reload)
            .locally()
            .about(
                "read the configuration files again; `?config=FILE` reads one more",
                "envelope; Details: the extra file, or an empty text",
            ),
        Route::changes("/api/v2/import-predecessor", import::import)
            .not_repeated()
            .lengthy()
            .about(
                "take over what the predecessor decided, once ([migration](migration.md)); `?from=store`, `sqlite` or `mysql`, `?dryRun=true`, `?force=true`",
                "Import",
            ),
        Route::reads("/api/v2/isolation-guard", isolation_guard::report)
            .locally()
            .about(
                "what this node's guard of a cut-off data centre does, or why nothing",
                "IsolationGuard",
            ),
        Route::reads("/api/v2/probes", probes::all).locally().about(
            "how this node's probes go: under way, failing and why",
            "list of Probe",
        ),
        Route::reads("/api/v2/probes/{host}/{port}", probes::one)
            .locally()
            .about(
                "the same of one instance, by its exact name; 404 when unknown",
                "Probe",
            ),
    ]
}

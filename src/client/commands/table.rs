//! One row for each command, in the order of the help text. It is one flat table: to bring a command to life, give its
//! row a path and a filter. It is not formatted by rustfmt, which would spread each row over six lines.

use super::Need::{Cluster, Value};
use super::{Action, Need, Row};
use crate::args::Flag;
use crate::filters;

const INSTANCE: Need = Value(Flag::Instance);
const DESTINATION: Need = Value(Flag::Destination);
const REASON: Need = Value(Flag::Reason);
const TAG: Need = Value(Flag::Tag);

const fn row(name: &'static str, needs: &'static [Need], summary: &'static str) -> Row {
    Row::new(name, needs, summary)
}

/// All commands.
#[rustfmt::skip]
pub static ROWS: &[Row] = &[
    // The client itself
    row("help", &[], "list options and commands").does(Action::Help),
    row("which-api", &[], "the endpoint in use: the leader's, where there are several").does(Action::WhichApi),
    row("api", &[Value(Flag::Path)], "call an API path and print the answer").does(Action::RawCall),
    // Instances come and go
    row("async-discover", &[INSTANCE], "probe an instance in the background")
        .changes("async-discover/{instance}", filters::details_key),
    row("discover", &[INSTANCE], "probe an instance now, and the topology around it next")
        .changes("discover/{instance}", filters::details_key),
    row("forget", &[INSTANCE], "forget an instance").changes("forget/{instance}", filters::nothing),
    row("forget-cluster", &[Cluster], "forget all instances of a cluster").changes("forget-cluster/{cluster}", filters::nothing),
    // Topologies as text
    row("topology", &[Cluster], "a cluster's replication tree").reads("topology/{cluster}", filters::details_as_written),
    row("topology-tabulated", &[Cluster], "the same, in columns")
        .reads("topology-tabulated/{cluster}", filters::details_as_written),
    row("topology-tags", &[Cluster], "the same, with tags"),
    row("snapshot-topologies", &[], "record who replicates from whom now"),
    // Looking things up
    row("clusters", &[], "names of all clusters").reads("clusters-info", filters::cluster_names),
    row("clusters-alias", &[], "names and aliases of all clusters").reads("clusters-info", filters::names_and_aliases),
    row("search", &[INSTANCE], "instances that match the text given with -i"),
    row("instance", &[INSTANCE], "an instance under its known name").reads("instance/{instance}", filters::key),
    row("which-instance", &[INSTANCE], "the same as instance").reads("instance/{instance}", filters::key),
    row("which-master", &[INSTANCE], "the source of an instance").reads("instance/{instance}", filters::source_key),
    row("which-replicas", &[INSTANCE], "direct replicas of an instance")
        .was("which-slaves")
        .reads("instance-replicas/{instance}", filters::keys),
    row("which-broken-replicas", &[INSTANCE], "direct replicas that stopped with an error")
        .was("which-broken-slaves")
        .reads("instance-replicas/{instance}", filters::broken_keys),
    row("which-cluster-instances", &[Cluster], "all instances of a cluster").reads("cluster/{cluster}", filters::keys),
    row("which-cluster", &[Cluster], "name of a cluster").reads("cluster-info/{cluster}", filters::cluster_name),
    row("which-cluster-alias", &[Cluster], "alias of a cluster").reads("cluster-info/{cluster}", filters::cluster_alias),
    row("which-cluster-master", &[Cluster], "cluster name of a cluster's primary").reads("master/{cluster}", filters::cluster_name),
    row("all-clusters-masters", &[], "the writable primary of each cluster").reads("masters", filters::keys),
    row("all-instances", &[], "all known instances").reads("all-instances", filters::keys),
    row("which-cluster-osc-replicas", &[Cluster], "replicas to watch during an online schema change")
        .was("which-cluster-osc-slaves")
        .reads("cluster-osc-replicas/{cluster}", filters::keys),
    row("which-cluster-osc-running-replicas", &[Cluster], "the same, only those that replicate")
        .was("which-cluster-osc-running-slaves")
        .reads("cluster-osc-replicas/{cluster}", filters::running_keys),
    row("downtimed", &[], "instances in downtime; -a or -i for one cluster").reads("downtimed/{cluster}", filters::keys),
    row("dominant-dc", &[], "the data centre with most primaries").reads("masters", filters::main_data_centre),
    row("submit-masters-to-kv-stores", &[], "publish primaries in the key-value stores; -a for one cluster"),
    // Moving replicas
    row("relocate", &[INSTANCE, DESTINATION], "move a replica below another instance, in the best way"),
    row("relocate-replicas", &[INSTANCE, DESTINATION], "move all replicas of an instance, in the best way").was("relocate-slaves"),
    row("match", &[INSTANCE, DESTINATION], "move a replica with Pseudo-GTID"),
    row("match-up", &[INSTANCE], "move a replica one level up with Pseudo-GTID"),
    row("match-up-replicas", &[INSTANCE], "move all replicas one level up with Pseudo-GTID").was("match-up-slaves"),
    row("move-up", &[INSTANCE], "move a replica one level up by positions"),
    row("move-below", &[INSTANCE, DESTINATION], "move a replica below its sibling by positions"),
    row("move-equivalent", &[INSTANCE, DESTINATION], "move a replica by positions known to be equivalent"),
    row("move-up-replicas", &[INSTANCE], "move all replicas one level up by positions").was("move-up-slaves"),
    row("make-co-master", &[INSTANCE], "let an instance and its source replicate from each other"),
    row("take-master", &[INSTANCE], "swap an instance with its source"),
    row("move-gtid", &[INSTANCE, DESTINATION], "move a replica with GTID"),
    row("move-replicas-gtid", &[INSTANCE, DESTINATION], "move all replicas of an instance with GTID").was("move-slaves-gtid"),
    row("repoint", &[INSTANCE, DESTINATION], "let a replica follow another host at the same position"),
    row("repoint-replicas", &[INSTANCE], "let all replicas of an instance follow it anew").was("repoint-slaves"),
    row("take-siblings", &[INSTANCE], "move the siblings of a replica below it"),
    // Tags and pools
    row("tags", &[INSTANCE], "tags of an instance"),
    row("tag-value", &[INSTANCE, TAG], "value of one tag"),
    row("tag", &[INSTANCE, TAG], "tag an instance"),
    row("untag", &[INSTANCE, TAG], "remove a tag from an instance"),
    row("untag-all", &[TAG], "remove a tag from all instances"),
    row("tagged", &[TAG], "instances with a tag"),
    row("submit-pool-instances", &[INSTANCE, Value(Flag::Pool)], "set the members of a pool, a comma list in -i"),
    row("which-heuristic-cluster-pool-instances", &[Cluster], "healthy pool members of a cluster; -l for one pool"),
    // Downtime, maintenance, rules, names
    row("begin-downtime", &[INSTANCE, REASON], "put an instance in downtime; -u length, -o owner")
        .changes("begin-downtime/{instance}/{owner}/{reason}/{duration}", filters::details),
    row("end-downtime", &[INSTANCE], "end the downtime of an instance").changes("end-downtime/{instance}", filters::details),
    row("begin-maintenance", &[INSTANCE, REASON], "lock an instance for maintenance; -o owner"),
    row("end-maintenance", &[INSTANCE], "unlock an instance"),
    row("register-candidate", &[INSTANCE, Value(Flag::PromotionRule)], "set the promotion rule of an instance")
        .changes("register-candidate/{instance}/{promotion-rule}", filters::details),
    row("set-cluster-alias", &[INSTANCE, Value(Flag::Alias)], "give the cluster of an instance an alias")
        .changes("set-cluster-alias/{named}?alias={alias}", filters::nothing),
    row("unset-cluster-alias", &[Cluster], "take away an alias that was given; queries and patterns name the cluster again")
        .changes("set-cluster-alias/{cluster}?alias=", filters::nothing),
    row("register-hostname-unresolve", &[INSTANCE, Value(Flag::Hostname)], "give an instance a virtual host name"),
    row("deregister-hostname-unresolve", &[INSTANCE], "take the virtual host name away"),
    // Replication on one server
    row("stop-replica", &[INSTANCE], "stop replication").was("stop-slave"),
    row("stop-replica-nice", &[INSTANCE], "stop replication once all that was received is applied").was("stop-slave-nice"),
    row("start-replica", &[INSTANCE], "start replication").was("start-slave"),
    row("restart-replica", &[INSTANCE], "stop and start replication").was("restart-slave"),
    row("reset-replica", &[INSTANCE], "end replication for good").was("reset-slave"),
    row("detach-replica", &[INSTANCE], "break replication so that it can be undone").was("detach-slave"),
    row("reattach-replica", &[INSTANCE], "undo detach-replica").was("reattach-slave"),
    row("detach-replica-master-host", &[INSTANCE], "the same as detach-replica").was("detach-slave-master-host"),
    row("reattach-replica-master-host", &[INSTANCE], "the same as reattach-replica").was("reattach-slave-master-host"),
    row("skip-query", &[INSTANCE], "skip the statement that replication fails on"),
    row("which-gtid-errant", &[INSTANCE], "transactions that only this replica has").reads("instance/{instance}", filters::errant_gtid),
    row("locate-gtid-errant", &[INSTANCE], "binary logs that hold errant transactions"),
    row("gtid-errant-reset-master", &[INSTANCE], "remove errant transactions by resetting the binary logs"),
    row("gtid-errant-inject-empty", &[INSTANCE], "cover errant transactions with empty ones on the primary"),
    row("enable-semi-sync-master", &[INSTANCE], "semi-synchronous replication on, on a source"),
    row("disable-semi-sync-master", &[INSTANCE], "semi-synchronous replication off, on a source"),
    row("enable-semi-sync-replica", &[INSTANCE], "semi-synchronous replication on, on a replica").was("enable-semi-sync-slave"),
    row("disable-semi-sync-replica", &[INSTANCE], "semi-synchronous replication off, on a replica").was("disable-semi-sync-slave"),
    row("restart-replica-statements", &[INSTANCE, Value(Flag::Query)], "statements that stop and start replication around a query")
        .was("restart-slave-statements"),
    row("delay-replication", &[INSTANCE, Value(Flag::Seconds)], "let a replica lag on purpose"),
    row("can-replicate-from", &[INSTANCE, DESTINATION], "whether one instance may replicate from another"),
    row("can-replicate-from-gtid", &[INSTANCE, DESTINATION], "the same, with GTID"),
    row("is-replicating", &[INSTANCE], "print the instance if both its threads run")
        .reads("instance/{instance}", filters::replicating_key),
    row("is-replication-stopped", &[INSTANCE], "print the instance if both its threads are stopped")
        .reads("instance/{instance}", filters::stopped_key),
    row("set-read-only", &[INSTANCE], "set read_only"),
    row("set-writeable", &[INSTANCE], "unset read_only"),
    row("flush-binary-logs", &[INSTANCE], "flush binary logs"),
    row("purge-binary-logs", &[INSTANCE, Value(Flag::Binlog)], "purge binary logs up to a file"),
    row("last-pseudo-gtid", &[INSTANCE], "the last Pseudo-GTID entry"),
    // Recoveries
    row("recover", &[INSTANCE], "recover from the failure of an instance; -d names who is promoted")
        .changes("recover/{instance}{/destination}", filters::details),
    row("graceful-master-takeover", &[Cluster], "planned change of primary; -d names the new one"),
    row("graceful-master-takeover-auto", &[Cluster], "the same, the new one is chosen; -d is a wish"),
    row("force-master-failover", &[Cluster], "fail over although the primary may be fine")
        .changes("force-master-failover/{cluster}", filters::successor),
    row("force-master-takeover", &[Cluster, DESTINATION], "fail over to a given replica")
        .changes("force-master-takeover/{cluster}/{destination}", filters::successor),
    row("ack-cluster-recoveries", &[Cluster, REASON], "acknowledge the recoveries of a cluster")
        .changes("ack-recovery/cluster/{cluster}?comment={reason}", filters::details_text),
    row("ack-all-recoveries", &[REASON], "acknowledge all recoveries")
        .changes("ack-all-recoveries?comment={reason}", filters::details_text),
    row("disable-global-recoveries", &[], "no recoveries from now on")
        .changes("disable-global-recoveries", filters::details_text),
    row("enable-global-recoveries", &[], "allow recoveries again")
        .changes("enable-global-recoveries", filters::details_text),
    row("check-global-recoveries", &[], "whether recoveries are allowed")
        .reads("check-global-recoveries", filters::details_text),
    row("replication-analysis", &[], "what is wrong now").reads("replication-analysis", filters::analysis),
    // New with us
    row("why-not", &[], "what is wrong, and why nothing is done about it; -a or -i for one cluster")
        .reads("v2/why-not{/cluster}", filters::why_not),
    row("audit-recovery", &[], "the last 20 recoveries").reads("audit-recovery", filters::recoveries),
    row("audit-failure-detection", &[], "the last 20 failures that were found")
        .reads("audit-failure-detection", filters::detections),
    row("audit-recovery-steps", &[Value(Flag::Query)], "the record of a recovery; -q its UID or number")
        .reads("audit-recovery-steps/{query}", filters::steps),
    row("which-recovery", &[Value(Flag::Query)], "all about one recovery; -q its UID or number")
        .reads("v2/recoveries/{query}", filters::whole_recovery),
    row("ack-recovery", &[Value(Flag::Query), REASON], "acknowledge one recovery; -q its UID or number")
        .changes("ack-recovery/{query}?comment={reason}", filters::details_text),
    row("ack-instance-recoveries", &[INSTANCE, REASON], "acknowledge the recoveries of a failed instance")
        .changes("ack-recovery/instance/{instance}?comment={reason}", filters::details),
    // The group
    row("raft-leader", &[], "address of the leader").of_leader("raft-leader", false, filters::text),
    row("raft-health", &[], "whether the group is healthy").reads("raft-health", filters::text),
    row("raft-leader-hostname", &[], "host name of the leader").of_leader("status", false, filters::details_hostname),
    row("raft-elect-leader", &[Value(Flag::Hostname)], "ask for a new leader, with a hint")
        .of_leader("raft-yield-hint/{hostname}", true, filters::details_as_written),
    row("raft-add-peer", &[Value(Flag::Hostname)], "let the group have one more node; -H the node, as in RaftNodes")
        .changes("raft-add-peer/{hostname}", filters::text),
    row("raft-remove-peer", &[Value(Flag::Hostname)], "let the group do without a node; -H the node, as in RaftNodes")
        .changes("raft-remove-peer/{hostname}", filters::text),
    row("raft-replace-peer", &[Value(Flag::Query), Value(Flag::Hostname)], "let one node take the place of another; -q who goes, -H who comes")
        .changes("raft-replace-peer/{query}/{hostname}", filters::text),
];

#[cfg(test)]
mod tests {
    use super::ROWS;
    use crate::commands::{canonical, find};

    #[test]
    fn there_is_one_row_for_each_of_the_known_commands() {
        // 105 of the predecessor, and twelve that are new.
        assert_eq!(ROWS.len(), 117);
        for row in ROWS {
            let same = ROWS.iter().filter(|other| other.name == row.name).count();
            assert_eq!(same, 1, "{}", row.name);
            assert!(!row.summary.is_empty(), "{}", row.name);
        }
    }

    #[test]
    fn old_names_lead_to_their_rows() {
        let old: Vec<&str> = ROWS.iter().filter_map(|row| row.old_name).collect();
        assert_eq!(old.len(), 21);
        for row in ROWS {
            for name in [Some(row.name), row.old_name].into_iter().flatten() {
                let found = find(&canonical(name)).map(|found| found.name);
                assert_eq!(found, Some(row.name), "{name}");
            }
        }
        assert!(find("no-such-command").is_none());
    }
}

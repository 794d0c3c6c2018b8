//! Every command: either what it asks and prints, or that it is not there yet.

use crate::support::{Run, answering, header, paths, requests};

const INSTANCE: &str = r#"{"Key":{"Hostname":"db2","Port":3306},"MasterKey":{"Hostname":"db1","Port":3307},
    "ReplicationSQLThreadState":1,"ReplicationIOThreadState":1,"GtidErrant":"u:1-3,\nv:7","ClusterName":"db1:3307"}"#;
const STOPPED: &str = r#"{"Key":{"Hostname":"db2","Port":3306},
    "ReplicationSQLThreadState":0,"ReplicationIOThreadState":0}"#;
const INSTANCES: &str = r#"[
    {"Key":{"Hostname":"db2","Port":3306},"DataCenter":"dc2","ReplicationSQLThreadRuning":true,
     "ReplicationIOThreadRuning":true,"LastSQLError":"","LastIOError":""},
    {"Key":{"Hostname":"db3","Port":3306},"DataCenter":"dc2","ReplicationSQLThreadRuning":true,
     "ReplicationIOThreadRuning":false,"LastSQLError":"","LastIOError":"\"error 1236\""},
    {"Key":{"Hostname":"db4","Port":3306},"DataCenter":"dc1","ReplicationSQLThreadRuning":false,
     "ReplicationIOThreadRuning":false,"LastSQLError":"","LastIOError":""}]"#;
const CLUSTERS: &str = r#"[{"ClusterName":"db1:3307","ClusterAlias":"main"},
    {"ClusterName":"db9:3306","ClusterAlias":"db9:3306"}]"#;
const CLUSTER: &str = r#"{"ClusterName":"db1:3307","ClusterAlias":"main"}"#;
const PROBED: &str =
    r#"{"Code":"OK","Message":"fine","Details":{"Key":{"Hostname":"db2","Port":3306}}}"#;
const QUEUED: &str = r#"{"Code":"OK","Message":"fine","Details":null}"#;
const KEY: &str = r#"{"Code":"OK","Message":"fine","Details":{"Hostname":"db2","Port":3306}}"#;
const TREE: &str = r#"{"Code":"OK","Message":"Topology","Details":"db1:3307   [0s,ok,8.0.36,rw,ROW,\u003e\u003e]\n+ db2:3306 [0s,ok,8.0.36,ro,ROW,\u003e\u003e]"}"#;
const TREE_TEXT: &str =
    "db1:3307   [0s,ok,8.0.36,rw,ROW,>>]\n+ db2:3306 [0s,ok,8.0.36,ro,ROW,>>]\n";

const KEYS: &str = "db2:3306\ndb3:3306\ndb4:3306\n";

const TEXT: &str = r#"{"Code":"OK","Message":"fine","Details":"db1:3306"}"#;
const OFF: &str = r#"{"Code":"OK","Message":"Global recoveries disabled","Details":"disabled"}"#;
const FAILED_OVER: &str = r#"{"Code":"OK","Message":"Master failed over","Details":
    {"Id":3,"SuccessorKey":{"Hostname":"db2","Port":3306}}}"#;
const ANALYSIS: &str = r#"{"Code":"OK","Message":"Analysis","Details":[
    {"AnalyzedInstanceKey":{"Hostname":"db1","Port":3306},"ClusterDetails":{"ClusterName":"db1:3306"},
     "Analysis":"DeadMaster","StructureAnalysis":null},
    {"AnalyzedInstanceKey":{"Hostname":"db9","Port":3307},"ClusterDetails":{"ClusterName":"db9:3307"},
     "Analysis":"NoProblem","StructureAnalysis":["NoLoggingReplicasStructureWarning","Other"]}]}"#;
const WHY: &str = r#"{"at":"2026-11-21T09:25:42.000Z","recoveries_disabled_by":"ada","findings":[
    {"server":{"hostname":"db1","port":3306},"cluster":"db1:3306","cluster_alias":"main","code":"DeadMaster",
     "description":"The primary is dead.","evidence":["The last probe failed."],"also":["X"],"calls_for_recovery":true,
     "recovery_under_way":null,"why_nothing_is_done":"it is held back","blocked_by":{"number":2,"uid":"c1"},
     "since":"2026-11-21T09:25:40.000Z"},
    {"server":{"hostname":"db9","port":3306},"cluster":"db9:3306","cluster_alias":"shop","code":"DeadMaster",
     "description":"The primary is dead.","evidence":[],"also":[],"calls_for_recovery":true,
     "recovery_under_way":{"number":4,"uid":"d1"},"why_nothing_is_done":null,"blocked_by":null,"since":null}],
    "left_out":[{"server":{"hostname":"db7","port":3306},"filter":"^db7"}]}"#;
const WHY_TEXT: &str = "All recoveries are disabled, by ada.
db1:3306 (cluster main): DeadMaster. The primary is dead.
  The last probe failed.
  Also: X
  Nothing is done: it is held back (since 2026-11-21T09:25:40.000Z)
  Held back by recovery 2 (c1).
db9:3306 (cluster shop): DeadMaster. The primary is dead.
  recovery 4 (d1) is under way.
db7:3306: not looked at, because of '^db7' in RecoveryIgnoreHostnameFilters
";
const PAST: &str = r#"[{"Id":4,"UID":"d1","AnalysisEntry":{"AnalyzedInstanceKey":{"Hostname":"db1","Port":3306},
    "ClusterDetails":{"ClusterAlias":"main"},"Analysis":"DeadMaster"},"SuccessorKey":{"Hostname":"","Port":0},
    "RecoveryStartTimestamp":"2026-11-21T09:25:42Z","Acknowledged":false,"AcknowledgedBy":"","Phase":"promoted","Outcome":"",
    "RelatedRecoveryId":0,"RecoveryUID":"d1"},
    {"Id":2,"UID":"c1","AnalysisEntry":{"AnalyzedInstanceKey":{"Hostname":"db1","Port":3306},
    "ClusterDetails":{"ClusterAlias":"main"},"Analysis":"DeadMaster"},"SuccessorKey":{"Hostname":"db2","Port":3306},
    "RecoveryStartTimestamp":"2026-11-21T09:00:00Z","Acknowledged":true,"AcknowledgedBy":"ada","Phase":"ended",
    "Outcome":"succeeded","RelatedRecoveryId":2,"RecoveryUID":"c1"}]"#;
const PAST_TEXT: &str =
    "4 2026-11-21T09:25:42Z db1:3306 (cluster main): DeadMaster: under way, promoted, not acknowledged, d1
2 2026-11-21T09:00:00Z db1:3306 (cluster main): DeadMaster: succeeded, promoted db2:3306, acknowledged by ada, c1
";
const FOUND_TEXT: &str =
    "4 2026-11-21T09:25:42Z db1:3306 (cluster main): DeadMaster: no recovery, d1
2 2026-11-21T09:00:00Z db1:3306 (cluster main): DeadMaster: recovery 2, c1
";
const STEPS: &str =
    r#"[{"Id":1,"RecoveryUID":"c1","AuditAt":"2026-11-21T09:25:42Z","Message":"db2 is  chosen"}]"#;
const WHOLE: &str = r#"{"number":2,"uid":"c1","kind":"dead-primary","code":"DeadMaster",
    "subject":{"hostname":"db1","port":3306},"cluster":"db1:3306","cluster_alias":"main","requested_by":"ada",
    "phase":"ended","entered":[{"phase":"registered","at":"T1"},{"phase":"ended","at":"T2"}],"node":"orc1","attempt":2,
    "plan":{"text":[],"promotes":"db2:3306","error":null},
    "steps":[{"number":0,"server":"db2:3306","action":"stop the receiver","state":"done","at":"T1","reason":null},
             {"number":1,"server":"db3:3306","action":"stop the receiver","state":"failed","at":"T1","reason":"too slow"}],
    "sessions":0,"stale_sessions":1,"notes":[{"number":9,"at":"T1","text":"db2 is chosen"}],
    "end":{"at":"T2","outcome":"succeeded","successor":{"hostname":"db2","port":3306},"lost":[{"hostname":"db3","port":3306}],
           "errors":["db3 was slow"],"data_loss":{"text":"nothing is lost, proven"},
           "time_split":{"detect_seconds":0.12,"decide_seconds":0.03,"close_seconds":null,"promote_seconds":1,"publish_seconds":2.5}},
    "acknowledgement":{"at":"T3","by":"bob","comment":"seen"},"blocks_until":null}"#;
const WHOLE_TEXT: &str = "Recovery 2 (c1) of db1:3306, cluster db1:3306 (main): DeadMaster
Phase ended, attempt 2, node orc1, 0 sessions in use, 1 of earlier attempts to be ended
Asked for by ada
T1 registered
T2 ended
Step 0 on db2:3306: stop the receiver: done T1
Step 1 on db3:3306: stop the receiver: failed T1: too slow
T1 db2 is chosen
T2 succeeded
Promoted: db2:3306
Lost: db3:3306
Error: db3 was slow
Data loss: nothing is lost, proven
Time: detect 0.120 s, decide 0.030 s, close unknown, promote 1.000 s, publish 2.500 s
Acknowledged by bob: seen
";

/// Words, path asked, answer, output. A path that begins with `!` is a change.
type Case = (&'static str, &'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    ("recover -i db1", "!recover/db1/3306", KEY, "db2:3306\n"),
    (
        "recover -i db1 -d db3",
        "!recover/db1/3306/db3/3306",
        KEY,
        "db2:3306\n",
    ),
    (
        "force-master-failover -a main",
        "!force-master-failover/main",
        FAILED_OVER,
        "db2:3306\n",
    ),
    (
        "force-master-failover -i db1:3306",
        "!force-master-failover/db1:3306",
        FAILED_OVER,
        "db2:3306\n",
    ),
    (
        "force-master-takeover -a main -d db2",
        "!force-master-takeover/main/db2/3306",
        FAILED_OVER,
        "db2:3306\n",
    ),
    (
        "ack-cluster-recoveries -a main -r disk",
        "!ack-recovery/cluster/main?comment=disk",
        TEXT,
        "db1:3306\n",
    ),
    (
        "ack-cluster-recoveries -i db1:3306 -r disk",
        "!ack-recovery/cluster/db1:3306?comment=disk",
        TEXT,
        "db1:3306\n",
    ),
    (
        "ack-all-recoveries -r a&b=c",
        "!ack-all-recoveries?comment=a%26b%3Dc",
        r#"{"Code":"OK","Message":"fine","Details":"a&b=c"}"#,
        "a&b=c\n",
    ),
    (
        "disable-global-recoveries",
        "!disable-global-recoveries",
        OFF,
        "disabled\n",
    ),
    (
        "enable-global-recoveries",
        "!enable-global-recoveries",
        r#"{"Code":"OK","Message":"Globally enabled recoveries","Details":"enabled"}"#,
        "enabled\n",
    ),
    (
        "check-global-recoveries",
        "check-global-recoveries",
        OFF,
        "disabled\n",
    ),
    (
        "replication-analysis",
        "replication-analysis",
        ANALYSIS,
        "db1:3306 (cluster db1:3306): DeadMaster\ndb9:3307 (cluster db9:3307): NoLoggingReplicasStructureWarning\n",
    ),
    (
        "replication-analysis",
        "replication-analysis",
        r#"{"Code":"OK","Message":"Analysis","Details":[]}"#,
        "",
    ),
    ("why-not", "v2/why-not", WHY, WHY_TEXT),
    ("why-not -a main", "v2/why-not/main", WHY, WHY_TEXT),
    ("audit-recovery", "audit-recovery", PAST, PAST_TEXT),
    ("audit-recovery", "audit-recovery", "[]", ""),
    (
        "audit-failure-detection",
        "audit-failure-detection",
        PAST,
        FOUND_TEXT,
    ),
    (
        "audit-recovery-steps -q c1",
        "audit-recovery-steps/c1",
        STEPS,
        "2026-11-21T09:25:42Z db2 is  chosen\n",
    ),
    ("which-recovery -q 2", "v2/recoveries/2", WHOLE, WHOLE_TEXT),
    (
        "ack-recovery -q 2 -r disk",
        "!ack-recovery/2?comment=disk",
        r#"{"Code":"OK","Message":"fine","Details":"2"}"#,
        "2\n",
    ),
    (
        "ack-instance-recoveries -i db2 -r disk",
        "!ack-recovery/instance/db2/3306?comment=disk",
        KEY,
        "db2:3306\n",
    ),
    (
        "api -P clusters?a=b",
        "!clusters?a=b",
        r#"["a","b  c"]"#,
        "[ \"a\", \"b c\" ]\n",
    ),
    (
        "async-discover -i db2",
        "!async-discover/db2/3306",
        QUEUED,
        ":null\n",
    ),
    (
        "discover -i db2",
        "!discover/db2/3306",
        PROBED,
        "db2:3306\n",
    ),
    ("forget-cluster -a main", "!forget-cluster/main", QUEUED, ""),
    ("forget -i db2:3308", "!forget/db2/3308", QUEUED, ""),
    ("topology -i db2:3306", "topology/db2:3306", TREE, TREE_TEXT),
    ("topology -a main", "topology/main", TREE, TREE_TEXT),
    (
        "topology-tabulated -a main",
        "topology-tabulated/main",
        TREE,
        TREE_TEXT,
    ),
    (
        "clusters",
        "clusters-info",
        CLUSTERS,
        "db1:3307\ndb9:3306\n",
    ),
    ("clusters", "clusters-info", "[]", ""),
    (
        "clusters-alias",
        "clusters-info",
        CLUSTERS,
        "db1:3307,main\ndb9:3306,db9:3306\n",
    ),
    (
        "instance -i db2",
        "instance/db2/3306",
        INSTANCE,
        "db2:3306\n",
    ),
    (
        "which-instance -i db2",
        "instance/db2/3306",
        INSTANCE,
        "db2:3306\n",
    ),
    (
        "which-master -i db2",
        "instance/db2/3306",
        INSTANCE,
        "db1:3307\n",
    ),
    (
        "which-replicas -i db1:3307",
        "instance-replicas/db1/3307",
        INSTANCES,
        KEYS,
    ),
    (
        "which-slaves -i db1:3307",
        "instance-replicas/db1/3307",
        "[]",
        "",
    ),
    (
        "which-broken-replicas -i db1",
        "instance-replicas/db1/3306",
        INSTANCES,
        "db3:3306\n",
    ),
    (
        "which-broken-slaves -i db1",
        "instance-replicas/db1/3306",
        INSTANCES,
        "db3:3306\n",
    ),
    (
        "which-cluster-instances -a main",
        "cluster/main",
        INSTANCES,
        KEYS,
    ),
    (
        "which-cluster -i db2",
        "cluster-info/db2",
        CLUSTER,
        "db1:3307\n",
    ),
    (
        "which-cluster-alias -i db2:3306",
        "cluster-info/db2:3306",
        CLUSTER,
        "main\n",
    ),
    (
        "which-cluster-master -a main -i db2",
        "master/main",
        INSTANCE,
        "db1:3307\n",
    ),
    ("all-clusters-masters", "masters", INSTANCES, KEYS),
    ("all-instances", "all-instances", INSTANCES, KEYS),
    (
        "which-cluster-osc-replicas -a main",
        "cluster-osc-replicas/main",
        INSTANCES,
        KEYS,
    ),
    (
        "which-cluster-osc-slaves -a main",
        "cluster-osc-replicas/main",
        INSTANCES,
        KEYS,
    ),
    (
        "which-cluster-osc-running-replicas -a main",
        "cluster-osc-replicas/main",
        INSTANCES,
        "db2:3306\n",
    ),
    (
        "which-cluster-osc-running-slaves -a main",
        "cluster-osc-replicas/main",
        INSTANCES,
        "db2:3306\n",
    ),
    ("downtimed", "downtimed/", INSTANCES, KEYS),
    ("downtimed -a main", "downtimed/main", "[]", ""),
    ("dominant-dc", "masters", INSTANCES, "dc2\n"),
    (
        "begin-downtime -i db2 -r test -o me",
        "!begin-downtime/db2/3306/me/test/10m",
        KEY,
        "db2:3306\n",
    ),
    (
        "begin-downtime -i db2 -r test -o me -u 2h",
        "!begin-downtime/db2/3306/me/test/2h",
        KEY,
        "db2:3306\n",
    ),
    (
        "end-downtime -i db2",
        "!end-downtime/db2/3306",
        KEY,
        "db2:3306\n",
    ),
    (
        "register-candidate -i db2 -R prefer",
        "!register-candidate/db2/3306/prefer",
        KEY,
        "db2:3306\n",
    ),
    (
        "set-cluster-alias -i db2:3307 -a my/shop",
        "!set-cluster-alias/db2:3307?alias=my%2Fshop",
        QUEUED,
        "",
    ),
    (
        "unset-cluster-alias -a main",
        "!set-cluster-alias/main?alias=",
        QUEUED,
        "",
    ),
    (
        "which-gtid-errant -i db2",
        "instance/db2/3306",
        INSTANCE,
        "u:1-3,\nv:7\n",
    ),
    (
        "is-replicating -i db2",
        "instance/db2/3306",
        INSTANCE,
        "db2:3306\n",
    ),
    ("is-replicating -i db2", "instance/db2/3306", STOPPED, ""),
    (
        "is-replication-stopped -i db2",
        "instance/db2/3306",
        STOPPED,
        "db2:3306\n",
    ),
    (
        "is-replication-stopped -i db2",
        "instance/db2/3306",
        INSTANCE,
        "",
    ),
    ("raft-health", "raft-health", "\"healthy\"", "healthy\n"),
    (
        "raft-add-peer -H orc4",
        "!raft-add-peer/orc4",
        "\"orc4:10008\"",
        "orc4:10008\n",
    ),
    (
        "raft-remove-peer -H orc4",
        "!raft-remove-peer/orc4",
        "\"orc4:10008\"",
        "orc4:10008\n",
    ),
    (
        "raft-replace-peer -q orc3 -H orc4",
        "!raft-replace-peer/orc3/orc4",
        "\"orc4:10008\"",
        "orc4:10008\n",
    ),
];

const NOT_YET: &str = "topology-tags snapshot-topologies search \
    submit-masters-to-kv-stores relocate relocate-replicas match match-up match-up-replicas move-up move-below \
    move-equivalent move-up-replicas make-co-master take-master move-gtid move-replicas-gtid repoint repoint-replicas \
    take-siblings tags tag-value tag untag untag-all tagged submit-pool-instances which-heuristic-cluster-pool-instances \
    begin-maintenance end-maintenance register-hostname-unresolve deregister-hostname-unresolve stop-replica \
    stop-replica-nice start-replica restart-replica reset-replica detach-replica reattach-replica \
    detach-replica-master-host reattach-replica-master-host skip-query locate-gtid-errant gtid-errant-reset-master \
    gtid-errant-inject-empty enable-semi-sync-master disable-semi-sync-master enable-semi-sync-replica \
    disable-semi-sync-replica restart-replica-statements delay-replication can-replicate-from can-replicate-from-gtid \
    set-read-only set-writeable flush-binary-logs purge-binary-logs last-pseudo-gtid graceful-master-takeover \
    graceful-master-takeover-auto";

fn command(line: &str) -> Vec<&str> {
    let mut words = vec!["-c"];
    words.extend(line.split(' '));
    words
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_asks_one_path_and_prints_its_part_of_the_answer() {
    for (line, path, answer, stdout) in CASES {
        let server = answering(200, answer).await;
        let ended = Run::new(&command(line)).api(&server.uri()).ends().await;
        ended.printed(stdout);
        let expected = format!("/api/{}", path.trim_start_matches('!'));
        assert_eq!(paths(&server).await, [expected], "{line}");
        let key = header(&requests(&server).await[0], "Idempotency-Key");
        assert_eq!(key.is_some(), path.starts_with('!'), "{line}: {key:?}");
        assert!(key.is_none_or(|key| key.len() == 36), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_are_not_there_yet_say_so_and_ask_nothing() {
    let server = answering(200, "[]").await;
    let old_names = ["relocate-slaves", "stop-slave", "restart-slave-statements"];
    for name in NOT_YET.split_whitespace().chain(old_names) {
        let ended = Run::new(&["-c", name]).api(&server.uri()).ends().await;
        let name = name.replace("slave", "replica");
        let sentence = format!(
            "The command {name} is known but not there yet: this release cannot carry it out"
        );
        ended.refused(1, &sentence);
    }
    assert!(paths(&server).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cases_here_are_all_commands_there_are() {
    let help = Run::new(&["-c", "help"]).ends().await;
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    let (_, listed) = help
        .stdout
        .split_once("\nCommands:\n")
        .expect("a list of commands");
    let mut listed: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let mut tested: Vec<&str> = CASES
        .iter()
        .filter_map(|(line, ..)| line.split(' ').next())
        .filter(|name| !name.contains("slave"))
        .chain(NOT_YET.split_whitespace())
        .chain(["help", "which-api"])
        .chain(super::group::OF_LEADER)
        .collect();
    listed.sort_unstable();
    tested.sort_unstable();
    tested.dedup();
    assert_eq!(listed, tested);
    assert_eq!(listed.len(), 117);
}

#[tokio::test(flavor = "multi_thread")]
async fn help_is_printed_without_any_server() {
    for words in [
        &["-h"][..],
        &["--help"],
        &["-help"],
        &["-h", "x"],
        &["-c", "help"],
    ] {
        let ended = Run::new(words)
            .api("http://127.0.0.1:1 http://127.0.0.1:2")
            .ends()
            .await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(
            ended
                .stdout
                .starts_with("Usage: orchestrator-client -c <command>"),
            "{ended:?}"
        );
        assert_eq!(ended.stderr, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manual_has_every_option_and_command_and_marks_what_is_not_there() {
    let manual = include_str!("../../../../docs/client.md");
    let help = Run::new(&["-c", "help"]).ends().await.stdout;
    let (options, commands) = help.split_once("\nCommands:\n").expect("two lists");
    for line in commands.lines() {
        let name = line.split_whitespace().next().expect("a name");
        let row = format!("| `{name}` |");
        let rows: Vec<&str> = manual
            .lines()
            .filter(|line| line.starts_with(&row))
            .collect();
        assert_eq!(rows.len(), 1, "{name}");
        assert_eq!(
            rows[0].contains("not there yet"),
            line.contains("(not there yet)"),
            "{name}"
        );
    }
    let letters = options.lines().filter_map(|line| line.strip_prefix("  -"));
    let mut counted = 0;
    for letter in letters.filter_map(|line| line.chars().next()) {
        assert!(manual.contains(&format!("\n| `-{letter}`")), "-{letter}");
        counted += 1;
    }
    assert_eq!(counted, 20);
}

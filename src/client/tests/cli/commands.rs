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

/// Words, path asked, answer, output. A path that begins with `!` is a change.
type Case = (&'static str, &'static str, &'static str, &'static str);

const CASES: &[Case] = &[
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
    set-read-only set-writeable flush-binary-logs purge-binary-logs last-pseudo-gtid recover graceful-master-takeover \
    graceful-master-takeover-auto force-master-failover force-master-takeover ack-cluster-recoveries ack-all-recoveries \
    disable-global-recoveries enable-global-recoveries check-global-recoveries replication-analysis";

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
    assert_eq!(listed.len(), 105);
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

//! What hooks of a dead primary are told, by the service, about real servers: `recovery-hooks` of the predecessor, row by row.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Flavour, Node, NodePlan, Server, wait_until};
use serde_json::Value;

use crate::record::recovery_of;
use crate::world::{SOME_ROWS, SOON, TREE, World, recovering};

/// Lists that come up when a dead primary is replaced, in their order.
const LISTS: [&str; 5] = [
    "OnFailureDetectionProcesses",
    "PreFailoverProcesses",
    "PostTakeMasterProcesses",
    "PostMasterFailoverProcesses",
    "PostFailoverProcesses",
];

/// Those of a recovery that needs no second server's rows.
const RUN_BY_HAND: [&str; 3] = [
    "PreFailoverProcesses",
    "PostMasterFailoverProcesses",
    "PostFailoverProcesses",
];

/// Placeholders of all lists but `PostTakeMasterProcesses`, with their variables.
const TOLD: [(&str, &str); 28] = [
    ("failureType", "ORC_FAILURE_TYPE"),
    ("instanceType", "ORC_INSTANCE_TYPE"),
    ("isMaster", "ORC_IS_MASTER"),
    ("isCoMaster", "ORC_IS_CO_MASTER"),
    ("failureDescription", "ORC_FAILURE_DESCRIPTION"),
    ("command", "ORC_COMMAND"),
    ("failedHost", "ORC_FAILED_HOST"),
    ("failedPort", "ORC_FAILED_PORT"),
    ("failureCluster", "ORC_FAILURE_CLUSTER"),
    ("failureClusterAlias", "ORC_FAILURE_CLUSTER_ALIAS"),
    ("failureClusterDomain", "ORC_FAILURE_CLUSTER_DOMAIN"),
    ("countSlaves", ""),
    ("countReplicas", "ORC_COUNT_REPLICAS"),
    ("isDowntimed", "ORC_IS_DOWNTIMED"),
    ("autoMasterRecovery", "ORC_AUTO_MASTER_RECOVERY"),
    (
        "autoIntermediateMasterRecovery",
        "ORC_AUTO_INTERMEDIATE_MASTER_RECOVERY",
    ),
    ("orchestratorHost", "ORC_ORCHESTRATOR_HOST"),
    ("recoveryUID", "ORC_RECOVERY_UID"),
    ("isSuccessful", "ORC_IS_SUCCESSFUL"),
    ("successorHost", "ORC_SUCCESSOR_HOST"),
    ("successorPort", "ORC_SUCCESSOR_PORT"),
    (
        "successorBinlogCoordinates",
        "ORC_SUCCESSOR_BINLOG_COORDINATES",
    ),
    ("successorAlias", "ORC_SUCCESSOR_ALIAS"),
    ("lostSlaves", ""),
    ("lostReplicas", "ORC_LOST_REPLICAS"),
    ("countLostReplicas", ""),
    ("slaveHosts", ""),
    ("replicaHosts", "ORC_REPLICA_HOSTS"),
];

/// A hook that writes down what it is told: its placeholders, its variables, and its arguments.
fn writes_down(list: &str, folder: &Path) -> String {
    let file = folder.join(list);
    let (file, order) = (file.display(), folder.join("order"));
    let mut script = format!("env > '{file}.env'\n");
    for (placeholder, _) in TOLD {
        script += &format!("printf '%s=%s\\n' {placeholder} \"{{{placeholder}}}\" >> '{file}'\n");
    }
    script += &format!("printf '%s\\n' \"$@\" > '{file}.arguments'\n");
    script + &format!("echo {list} >> '{}'", order.display())
}

/// `name=value` lines of a file.
fn pairs(file: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Ok(pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// Without what the order does not say: lists of servers come in any.
fn sorted(list: &str) -> Vec<&str> {
    let mut all: Vec<&str> = list.split(',').filter(|one| !one.is_empty()).collect();
    all.sort_unstable();
    all
}

/// Everything that hooks can be told of one recovery.
struct Case<'a> {
    dead: &'a Server,
    promoted: &'a Server,
    promoted_as: &'a str,
    replicas: Vec<String>,
    lost: Vec<String>,
    record: &'a Value,
    code: &'a str,
    command: &'a str,
    alias: String,
    domain: String,
    is_described: bool,
    is_downtimed: bool,
    is_automatic: bool,
}

impl Case<'_> {
    /// What a placeholder stands for in a list; `None` where it has to stay as it is.
    fn value(&self, list: &str, placeholder: &str) -> Option<String> {
        let is_over = list.starts_with("Post");
        let of_successor = |value: String| is_over.then_some(value);
        let lost = match is_over {
            true => self.lost.clone(),
            false => vec![],
        };
        Some(match placeholder {
            "failureType" => self.code.to_owned(),
            "instanceType" => "master".to_owned(),
            "isMaster" => "true".to_owned(),
            "isCoMaster" => "false".to_owned(),
            "autoMasterRecovery" | "autoIntermediateMasterRecovery" => {
                self.is_automatic.to_string()
            }
            "isDowntimed" => self.is_downtimed.to_string(),
            "failureDescription" if !self.is_described => String::new(),
            "command" => self.command.to_owned(),
            "failedHost" => self.dead.host().to_string(),
            "failedPort" => self.dead.port().to_string(),
            "failureCluster" => self.dead.key(),
            "failureClusterAlias" => self.alias.clone(),
            "failureClusterDomain" => self.domain.clone(),
            "countSlaves" | "countReplicas" => self.replicas.len().to_string(),
            "recoveryUID" => self.record["uid"].as_str().unwrap_or_default().to_owned(),
            "isSuccessful" => is_over.to_string(),
            "successorHost" => return of_successor(self.promoted.host().to_string()),
            "successorPort" => return of_successor(self.promoted.port().to_string()),
            "successorAlias" => return of_successor(self.promoted_as.to_owned()),
            "lostSlaves" | "lostReplicas" => lost.join(","),
            "countLostReplicas" => lost.len().to_string(),
            "slaveHosts" | "replicaHosts" => self.replicas.join(","),
            _ => return None,
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_of_a_dead_primary_are_told_what_they_always_were() -> Result<()> {
    let world = World::build(Flavour::MariaDb, "a [read_only=0]\n+ b\n+ c\n+ d").await?;
    let fleet = &world.fleet;
    let (a, c, d) = (&fleet["a"], &fleet["c"], &fleet["d"]);
    let folder = tempfile::tempdir()?;
    let alias = format!(
        "SELECT IF(@@port = {} AND @@hostname IS NOT NULL AND @@report_host = '{}', 'known-as-c', '')",
        c.port(),
        c.host()
    );
    let mut plan = recovering(NodePlan::on(fleet.node_address()?), fleet)
        .with(
            "RecoverIntermediateMasterClusterFilters",
            vec!["alias=shop"],
        )
        .with("DetectClusterAliasQuery", "SELECT 'shop'")
        .with("DetectClusterDomainQuery", "SELECT 'shop.example'")
        .with("DetectInstanceAliasQuery", alias);
    for list in LISTS {
        plan = plan.with(list, vec![writes_down(list, folder.path())]);
    }
    let node = Node::start(plan).await?;
    world.seen_by(&node).await?;
    let prefer = format!("/api/register-candidate/{}/{}/prefer", c.host(), c.port());
    ensure!(node.get(&prefer).await?.is_ok());
    world.writers.write_on(a, SOME_ROWS).await?;
    // The preferred replica lacks some rows, so that it has to take them from another, and then that one's place.
    c.run("STOP SLAVE IO_THREAD").await?;
    world.writers.write_on(a, SOME_ROWS).await?;
    d.kill()?;
    unreachable_to(&node, d).await?;
    a.kill()?;
    let record = recovery_of(&node, a).await?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    let promoted = world.promoted(&record)?;
    ensure!(promoted.name() == "c", "{} was promoted", promoted.name());
    let case = Case {
        dead: a,
        promoted,
        promoted_as: "known-as-c",
        replicas: ["b", "c", "d"].map(|name| fleet[name].key()).to_vec(),
        lost: vec![d.key()],
        record: &record,
        code: "DeadMasterAndSomeReplicas",
        command: "",
        alias: "shop".to_owned(),
        domain: "shop.example".to_owned(),
        is_described: true,
        is_downtimed: false,
        is_automatic: true,
    };
    let order = fs::read_to_string(folder.path().join("order"))?;
    let mut order: Vec<&str> = order.lines().collect();
    // What was found may have changed its name while the first replica was asked.
    order.dedup();
    ensure!(order == LISTS, "{order:?}");
    for list in LISTS
        .into_iter()
        .filter(|list| *list != "PostTakeMasterProcesses")
    {
        is_told(&case, list, folder.path())?;
    }
    let plain = folder.path().join("PostTakeMasterProcesses");
    let variables = pairs(&plain.with_extension("env"))?;
    ensure!(variables["ORC_SUCCESSOR_HOST"] == c.key(), "{variables:?}");
    ensure!(
        variables["ORC_FAILED_HOST"] == fleet["b"].key(),
        "{variables:?}"
    );
    let arguments = fs::read_to_string(plain.with_extension("arguments"))?;
    let arguments: Vec<&str> = arguments.lines().collect();
    ensure!(arguments == [c.key(), fleet["b"].key()], "{arguments:?}");
    let braces = pairs(&plain)?;
    ensure!(
        braces["failedHost"] == "{failedHost}",
        "nothing is put in: {braces:?}"
    );
    Ok(())
}

/// A primary in downtime is recovered when somebody asks for it, and a healthy one when somebody insists: what hooks are told then.
#[tokio::test(flavor = "multi_thread")]
async fn hooks_of_what_operators_ask_for_are_told_of_downtime_order_and_what_a_cluster_lacks()
-> Result<()> {
    let world = World::build(Flavour::MariaDb, TREE).await?;
    let fleet = &world.fleet;
    let (a, b, c) = (&fleet["a"], &fleet["b"], &fleet["c"]);
    let folder = tempfile::tempdir()?;
    let mut plan = recovering(NodePlan::on(fleet.node_address()?), fleet)
        .with("RecoverMasterClusterFilters", Vec::<String>::new());
    for list in LISTS {
        plan = plan.with(list, vec![writes_down(list, folder.path())]);
    }
    let node = Node::start(plan).await?;
    world.seen_by(&node).await?;
    let (host, port) = (a.host(), a.port());
    for path in [
        format!("/api/begin-downtime/{host}/{port}/ann/disk/1h"),
        format!("/api/register-candidate/{}/{}/prefer", b.host(), b.port()),
    ] {
        ensure!(node.get(&path).await?.is_ok(), "{path}");
    }
    a.kill()?;
    unreachable_to(&node, a).await?;
    let path = format!("/api/recover/{host}/{port}");
    wait_until("the recovery that is asked for", SOON, async || {
        let answer = node.post(&path, None).await?;
        ensure!(answer.is_ok(), "{}", answer.text);
        Ok(())
    })
    .await?;
    let record = recovery_of(&node, a).await?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    let by_hand = Case {
        dead: a,
        promoted: b,
        promoted_as: "",
        replicas: vec![b.key(), c.key()],
        lost: vec![],
        record: &record,
        code: "DeadMaster",
        command: "",
        alias: a.key(),
        domain: a.key(),
        is_described: true,
        is_downtimed: true,
        is_automatic: false,
    };
    for list in RUN_BY_HAND {
        is_told(&by_hand, list, folder.path())?;
    }
    // Of the healthy primary there is nothing to say but that somebody insists.
    world.one_tree(b, &[c]).await?;
    for list in LISTS {
        for file in ["", ".env", ".arguments"] {
            let file = folder.path().join(format!("{list}{file}"));
            if file.exists() {
                fs::remove_file(file)?;
            }
        }
    }
    world.seen_as_a_pair(&node, b, c).await?;
    let path = format!("/api/force-master-failover/{}/{}", b.host(), b.port());
    let answer = node.post(&path, None).await?;
    ensure!(answer.is_ok(), "{}", answer.text);
    let record = recovery_of(&node, b).await?;
    let forced = Case {
        dead: b,
        promoted: c,
        replicas: vec![c.key()],
        record: &record,
        command: "force-master-failover",
        alias: b.key(),
        domain: String::new(),
        is_described: false,
        is_downtimed: false,
        ..by_hand
    };
    for list in std::iter::once("OnFailureDetectionProcesses").chain(RUN_BY_HAND) {
        is_told(&forced, list, folder.path())?;
    }
    Ok(())
}

async fn unreachable_to(node: &Node, server: &Server) -> Result<()> {
    let path = format!("/api/instance/{}/{}", server.host(), server.port());
    wait_until("the killed replica to be missed", SOON, async || {
        let seen = node.get(&path).await?.json;
        ensure!(seen["IsLastCheckValid"] == false, "{}", seen["LastSeen"]);
        Ok(())
    })
    .await
}

fn is_told(case: &Case<'_>, list: &str, folder: &Path) -> Result<()> {
    let told = pairs(&folder.join(list))?;
    let variables = pairs(&folder.join(format!("{list}.env")))?;
    for (placeholder, variable) in TOLD {
        let said = &told[placeholder];
        let set = variables.get(variable);
        if variable.is_empty() {
            // It has none.
        } else if let Some(set) = set {
            ensure!(
                set == said || list.is_empty(),
                "{list}: {variable} is {set}, and {placeholder} {said}"
            );
        } else {
            ensure!(
                *said == format!("{{{placeholder}}}"),
                "{list}: {variable} is not set"
            );
        }
        match (placeholder, case.value(list, placeholder)) {
            ("successorBinlogCoordinates", _) if list.starts_with("Post") => {
                let is_place = said.split_once(':').is_some_and(|(file, at)| {
                    !file.is_empty() && at.parse::<u64>().is_ok_and(|at| at > 4)
                });
                ensure!(is_place, "{list}: {placeholder} is {said}");
            }
            ("orchestratorHost", _) | ("failureDescription", None) => {
                ensure!(!said.is_empty(), "{list}: {placeholder} is empty");
            }
            ("slaveHosts" | "replicaHosts", Some(value)) => {
                ensure!(
                    sorted(said) == sorted(&value),
                    "{list}: {placeholder} is {said}"
                );
            }
            (_, Some(value)) => {
                ensure!(
                    *said == value,
                    "{list}: {placeholder} is {said}, not {value}"
                );
            }
            (_, None) => {
                ensure!(
                    *said == format!("{{{placeholder}}}"),
                    "{list}: {placeholder} is {said}"
                );
            }
        }
    }
    Ok(())
}

//! What hooks of a dead primary are told, by the service, about real servers: `recovery-hooks` of the predecessor, row by row.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Flavour, Node, NodePlan, Server, wait_until};
use serde_json::Value;

use crate::record::recovery_of;
use crate::world::{SOME_ROWS, SOON, World, recovering};

/// Lists that come up when a dead primary is replaced, in their order.
const LISTS: [&str; 5] = [
    "OnFailureDetectionProcesses",
    "PreFailoverProcesses",
    "PostTakeMasterProcesses",
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

struct Case<'a> {
    dead: &'a Server,
    promoted: &'a Server,
    replicas: Vec<String>,
    lost: &'a Server,
    record: &'a Value,
}

impl Case<'_> {
    /// What a placeholder stands for in a list; `None` where it has to stay as it is.
    fn value(&self, list: &str, placeholder: &str) -> Option<String> {
        let is_over = list.starts_with("Post");
        let of_successor = |value: String| is_over.then_some(value);
        let lost = match is_over {
            true => vec![self.lost.key()],
            false => vec![],
        };
        Some(match placeholder {
            "failureType" => "DeadMasterAndSomeReplicas".to_owned(),
            "instanceType" => "master".to_owned(),
            "isMaster" | "autoMasterRecovery" | "autoIntermediateMasterRecovery" => {
                "true".to_owned()
            }
            "isCoMaster" | "isDowntimed" => "false".to_owned(),
            "failureDescription" => {
                let words = &self.record["analysis"];
                words.as_str().unwrap_or_default().to_owned()
            }
            "command" => String::new(),
            "failedHost" => self.dead.host().to_string(),
            "failedPort" => self.dead.port().to_string(),
            "failureCluster" => self.dead.key(),
            "failureClusterAlias" => "shop".to_owned(),
            "failureClusterDomain" => "shop.example".to_owned(),
            "countSlaves" | "countReplicas" => self.replicas.len().to_string(),
            "recoveryUID" => self.record["uid"].as_str().unwrap_or_default().to_owned(),
            "isSuccessful" => is_over.to_string(),
            "successorHost" => return of_successor(self.promoted.host().to_string()),
            "successorPort" => return of_successor(self.promoted.port().to_string()),
            "successorAlias" => return of_successor("known-as-c".to_owned()),
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
        replicas: ["b", "c", "d"].map(|name| fleet[name].key()).to_vec(),
        lost: d,
        record: &record,
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
            ("orchestratorHost" | "failureDescription", _) => {
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

//! A cluster with clients, watched by the service and by ourselves.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{
    Door, Flavour, Fleet, Node, NodePlan, Plan, Sampler, Server, Writers, wait_until,
};
use serde_json::Value;

use crate::record::loss_kind;

/// What comes about by itself, on a machine busy with other tests.
pub const SOON: Duration = Duration::from_secs(60);
/// Rows that are written before anything happens.
pub const SOME_ROWS: usize = 40;
/// Three servers; the primary comes back writable, as its option file says.
pub const TREE: &str = "a [read_only=0]\n+ b\n+ c";

pub struct World {
    pub fleet: Fleet,
    pub writers: Writers,
    pub sampler: Sampler,
}

/// Recoveries are wanted, and one does not hold back the next for longer than a second.
pub fn recovering(plan: NodePlan, fleet: &Fleet) -> NodePlan {
    plan.with("RecoverMasterClusterFilters", vec!["*"])
        .with("RecoveryPeriodBlockSeconds", 1)
        .with("DiscoverySeeds", vec![fleet["a"].key()])
}

impl World {
    /// Servers, clients and the sampler.
    pub async fn build(flavour: Flavour, drawing: &str) -> Result<Self> {
        Self::of(Plan::of(flavour, drawing)).await
    }

    /// The same as planned.
    pub async fn of(plan: Plan) -> Result<Self> {
        // Other formats log the sampler's statements, although they change nothing.
        let fleet = plan.with("binlog_format", "ROW").build().await?;
        Writers::prepare(&fleet["a"]).await?;
        let at = fleet["a"].position().await?;
        for replica in &fleet.servers()[1..] {
            replica.applied(&at, SOON).await?;
        }
        Ok(Self {
            writers: Writers::start(fleet.servers()),
            sampler: Sampler::start(fleet.servers()),
            fleet,
        })
    }

    /// The same with one node that has seen all of it.
    pub async fn with_node(flavour: Flavour) -> Result<(Self, Node)> {
        Self::with_node_as(Plan::of(flavour, TREE), |plan| plan).await
    }

    /// The same as planned, with another configuration.
    pub async fn with_node_as(
        plan: Plan,
        change: impl FnOnce(NodePlan) -> NodePlan,
    ) -> Result<(Self, Node)> {
        let world = Self::of(plan).await?;
        let plan = NodePlan::on(world.fleet.node_address()?);
        let node = Node::start(change(recovering(plan, &world.fleet))).await?;
        world.seen_by(&node).await?;
        world.writers.write_on(&world.fleet["a"], SOME_ROWS).await?;
        Ok((world, node))
    }

    /// Waits until the node has seen all servers, and who replicates from whom.
    pub async fn seen_by(&self, node: &Node) -> Result<()> {
        let count = self.fleet.servers().len();
        wait_until("all servers to be seen", SOON, async || {
            let all = node.get("/api/all-instances").await?.json;
            let all = all.as_array().context("all-instances is a list")?;
            let valid = |one: &&Value| one["IsLastCheckValid"] == true;
            let seen = all.iter().filter(valid).count();
            ensure!(seen == count, "{seen} of {count}");
            let replicas = |one: &&Value| one["ReplicationIOThreadRuning"] == true;
            let replicas = all.iter().filter(replicas).count();
            ensure!(replicas + 1 == count, "{replicas} replicas");
            Ok(())
        })
        .await
    }

    /// Waits until the node has seen that `replica` is all that replicates from `primary`, and that it does.
    pub async fn seen_as_a_pair(
        &self,
        node: &Node,
        primary: &Server,
        replica: &Server,
    ) -> Result<()> {
        let path = format!(
            "/api/instance-replicas/{}/{}",
            primary.host(),
            primary.port()
        );
        wait_until("a pair to be seen", SOON, async || {
            let answer = node.get(&path).await?;
            let all = answer.json.as_array().context("it is a list")?;
            let [one] = &all[..] else {
                anyhow::bail!("{} replicas: {}", all.len(), answer.text);
            };
            ensure!(one["Key"]["Hostname"] == replica.host().to_string());
            ensure!(
                one["ReplicationIOThreadRuning"] == true,
                "it does not receive"
            );
            ensure!(
                one["ReplicationSQLThreadRuning"] == true,
                "it does not apply"
            );
            Ok(())
        })
        .await
    }

    /// The server that this record says was promoted.
    pub fn promoted(&self, record: &Value) -> Result<&Server> {
        let successor = &record["end"]["successor"];
        let is = |server: &&Server| crate::record::is_server(successor, server);
        let found = self.fleet.servers().iter().find(is);
        found.with_context(|| format!("no server was promoted: {}", record["end"]))
    }

    /// Waits until `primary` alone takes writes, and `replicas` replicate from it.
    pub async fn one_tree(&self, primary: &Server, replicas: &[&Server]) -> Result<()> {
        wait_until("one tree below the promoted server", SOON, async || {
            let open = self.sampler.open_now();
            ensure!(open == [primary.name()], "open: {open:?}");
            for replica in replicas {
                replica.is_replicating().await?;
                let source = source_of(replica).await?;
                ensure!(
                    source == primary.key(),
                    "{} replicates from {source}",
                    replica.name()
                );
            }
            Ok(())
        })
        .await
    }

    /// The replica of [`TREE`] that was not promoted.
    pub fn left_beside(&self, promoted: &Server) -> Result<&Server> {
        let mut replicas = self.fleet.servers()[1..].iter();
        let left = replicas.find(|one| one.name() != promoted.name());
        left.context("one is left")
    }

    /// After a failover: one tree, nothing lost in silence, and clients write again.
    pub async fn goes_on(&self, promoted: &Server, record: &Value) -> Result<()> {
        let left = self.left_beside(promoted)?;
        self.one_tree(promoted, &[left]).await?;
        self.loss_is_owned_up(record, promoted).await?;
        self.writers.write_on(promoted, SOME_ROWS).await
    }

    /// What clients were promised and the new primary does not have is not passed over in silence.
    pub async fn loss_is_owned_up(&self, record: &Value, promoted: &Server) -> Result<usize> {
        let missing = self.writers.missing_on(promoted).await?;
        ensure!(
            missing.is_empty() || loss_kind(record) != "none-proven",
            "{} acknowledged rows are lost, and the record says that nothing is",
            missing.len()
        );
        Ok(missing.len())
    }

    /// Waits until the old primary, which is back, is closed for good, and its own rows are named exactly in the record
    /// that `look` reads. Gives how many they are.
    pub async fn old_primary_named(
        &self,
        old: &Server,
        promoted: &Server,
        look: impl AsyncFn() -> Result<Value>,
    ) -> Result<usize> {
        wait_until(
            "the old primary to be closed and its rows named",
            SOON,
            async || {
                // The supervisor is in there; what counts is read again below.
                look().await?;
                let last = self.sampler.samples(old.name())?.last().copied();
                let last = last.context("it was not looked at yet")?;
                ensure!(last.door == Door::Closed, "{last:?}");
                ensure!(last.read_only == Some(true), "{last:?}");
                let only_old = &Writers::rows_on(old).await? - &Writers::rows_on(promoted).await?;
                let record = look().await?;
                names_exactly(&record, old, &only_old).await?;
                Ok(only_old.len())
            },
        )
        .await
    }
}

/// `host:port` that a replica replicates from.
pub async fn source_of(replica: &Server) -> Result<String> {
    let status = replica.replica_status().await?;
    let status = status.with_context(|| format!("{} has no source", replica.name()))?;
    let of = |new: &str, old: &str| match status.has(new) {
        true => status.text(new).to_owned(),
        false => status.text(old).to_owned(),
    };
    Ok(format!(
        "{}:{}",
        of("Source_Host", "Master_Host"),
        of("Source_Port", "Master_Port")
    ))
}

/// Each row was a transaction of its own, and the last transaction of the old primary is one of them.
async fn names_exactly(record: &Value, old: &Server, rows: &BTreeSet<u64>) -> Result<()> {
    let loss = &record["end"]["data_loss"];
    if rows.is_empty() {
        ensure!(
            loss["kind"] == "none-proven",
            "nothing is lost, and: {loss}"
        );
        return Ok(());
    }
    ensure!(
        loss["kind"] == "exactly",
        "{} rows are lost, and: {loss}",
        rows.len()
    );
    let set = loss["set"].as_str().context("it names no set")?;
    let named = transactions_in(old.flavour(), set)?;
    ensure!(
        named == rows.len() as u64,
        "{} rows are only on {}, and {named} transactions are named: {set}",
        rows.len(),
        old.name()
    );
    let position = old.position().await?;
    let last = position
        .rsplit([':', '-', ',', '\n'])
        .next()
        .unwrap_or_default();
    ensure!(set.contains(last), "{set} has not {last} of {position}");
    Ok(())
}

/// How many transactions a stated loss has.
fn transactions_in(flavour: Flavour, set: &str) -> Result<u64> {
    match flavour {
        // "after 0-1-100 up to 0-1-105 (at most 5 transactions)"
        Flavour::MariaDb => {
            let sequence = |word: &str| -> Result<u64> {
                let after = set
                    .split_once(word)
                    .with_context(|| format!("no \"{word}\" in {set}"))?;
                let gtid = after.1.split([' ', ',']).next().unwrap_or_default();
                let number = gtid.rsplit('-').next().unwrap_or_default();
                number.parse().with_context(|| format!("{gtid} in {set}"))
            };
            Ok(sequence("up to ")? - sequence("after ")?)
        }
        // "uuid:5-9:12,uuid:3"
        Flavour::MySql | Flavour::MySql56 => {
            let mut count = 0;
            for part in set
                .split([',', '\n'])
                .filter(|part| !part.trim().is_empty())
            {
                for interval in part.trim().split(':').skip(1) {
                    let (first, last) = interval.split_once('-').unwrap_or((interval, interval));
                    count += last.parse::<u64>()? - first.parse::<u64>()? + 1;
                }
            }
            Ok(count)
        }
    }
}

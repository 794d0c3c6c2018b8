//! A cluster over three data centres, a node in each.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{
    DATA_CENTRES, DataCentres, Flavour, Group, Node, NodePlan, Plan, Server, Writers, holds_for,
    wait_until,
};
use serde_json::Value;

use crate::record::{recoveries, recovery_of};
use crate::statements::{STATEMENTS_LOG, changes_by};
use crate::tally::runs;
use crate::world::{SOME_ROWS, SOON, TREE, World, recovering};

/// What is asked of servers about where they are: their ids are made of their addresses, sixteen of which each data centre has.
const DATA_CENTRE: &str = "SELECT CONCAT('dc', (@@server_id DIV 16) % 4)";

/// Longer than silence that is evidence, what replicas need to notice, an election, and two polls, together.
pub const WATCHED: Duration = Duration::from_secs(10);

pub struct Sites {
    // Before the data centres in which they run.
    pub group: Group,
    pub world: World,
    /// Clients outside of the first data centre, which do not know its server.
    pub outside: Writers,
    pub centres: Arc<DataCentres>,
}

impl Sites {
    /// The primary `a` in the first data centre, a replica in each other one.
    pub async fn build(flavour: Flavour) -> Result<Self> {
        Self::of(flavour, TREE, &[0, 1, 2], |_, plan| plan).await
    }

    /// The same with other servers or another configuration.
    pub async fn of(
        flavour: Flavour,
        drawing: &str,
        where_each: &[usize],
        change: impl Fn(usize, NodePlan) -> NodePlan,
    ) -> Result<Self> {
        let centres = DataCentres::build()?;
        let plan = Plan::of(flavour, drawing)
            .with("general_log", "1")
            .with("general_log_file", STATEMENTS_LOG)
            .in_data_centres(&centres, where_each);
        let world = World::of(plan).await?;
        let group = Group::in_data_centres(&centres, |number, plan| {
            let plan = recovering(plan, &world.fleet);
            change(number, plan.with("DetectDataCenterQuery", DATA_CENTRE))
        })
        .await?;
        group.settled().await?;
        for node in group.nodes() {
            world.seen_by(node).await?;
            beats_count(node).await?;
        }
        world.writers.write_on(&world.fleet["a"], SOME_ROWS).await?;
        Ok(Self {
            outside: Writers::elsewhere(&world.fleet.servers()[1..]),
            group,
            world,
            centres,
        })
    }

    pub fn server(&self, name: &str) -> &Server {
        &self.world.fleet[name]
    }

    /// Lets this node lead.
    pub async fn lead(&self, wanted: usize) -> Result<()> {
        let name = self.group.entry(wanted);
        wait_until("that node to lead", SOON, async || {
            let leader = self.group.leader().await?;
            if leader != wanted {
                let path = format!("/api/raft-yield/{name}");
                let answer = self.group[leader].get(&path).await?;
                ensure!(answer.is_ok(), "{}", answer.text);
            }
            ensure!(self.group.leader().await? == wanted, "another one leads");
            Ok(())
        })
        .await?;
        // It has looked, and asked everybody, under this leadership.
        self.world.seen_by(&self.group[wanted]).await
    }

    /// Waits until one of these nodes leads.
    pub async fn leader_among(&self, nodes: &[usize]) -> Result<usize> {
        wait_until("a leader on this side", SOON, async || {
            let leaders = self.group.leaders().await;
            let here = leaders.iter().find(|leader| nodes.contains(leader));
            here.copied()
                .with_context(|| format!("{leaders:?} say that they lead"))
        })
        .await
    }

    /// For a while no node has done, or does, anything.
    pub async fn nothing_is_done(&self, what: &str) -> Result<()> {
        holds_for("no recovery", WATCHED, async || {
            for (number, node) in self.group.nodes().iter().enumerate() {
                let all = recoveries(node).await?;
                ensure!(all.is_empty(), "{what}, and node {number}: {all:?}");
            }
            Ok(())
        })
        .await
    }

    /// None of these nodes has sent any server a statement that changes it, by the servers' own logs.
    pub fn changed_nothing(&self, nodes: &[usize]) -> Result<()> {
        for node in nodes {
            for server in self.world.fleet.servers() {
                let changes = changes_by(server, self.centres.node(*node))?;
                ensure!(
                    changes.is_empty(),
                    "node {node} changed {}: {changes:#?}",
                    server.name()
                );
            }
        }
        Ok(())
    }

    /// After all cuts are healed: all nodes agree, the tree is whole, clients write, and a primary that dies is replaced.
    pub async fn works_again(&self) -> Result<()> {
        self.is_whole().await?;
        let leader = self.group.leader().await?;
        let a = self.server("a");
        a.kill()?;
        let record = recovery_of(&self.group[leader], a).await?;
        ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
        let promoted = self.world.promoted(&record)?;
        self.world.loss_is_owned_up(&record, promoted).await?;
        Ok(())
    }

    /// After all cuts are healed, where nothing was done meanwhile.
    pub async fn is_whole(&self) -> Result<()> {
        self.group.settled().await?;
        self.group.agree(&[0, 1, 2]).await?;
        let replicas: Vec<&Server> = self.world.fleet.servers()[1..].iter().collect();
        self.world.one_tree(self.server("a"), &replicas).await?;
        for node in self.group.nodes() {
            self.world.seen_by(node).await?;
            beats_count(node).await?;
        }
        let writers = &self.world.writers;
        writers.write_on(self.server("a"), SOME_ROWS).await?;
        let missing = writers.missing_on(self.server("a")).await?;
        ensure!(missing.is_empty(), "rows are lost: {missing:?}");
        Ok(())
    }
}

/// Waits until beats of this node are answered by the primary, so that their failure says something.
pub async fn beats_count(node: &Node) -> Result<()> {
    wait_until("the primary to have beats", SOON, async || {
        let metrics = node.get("/metrics").await?.text;
        let vigils = metrics
            .lines()
            .find(|line| line.starts_with("orchestrator_beats_vigils"));
        ensure!(
            vigils.is_some_and(|line| line.ends_with(" 1")),
            "{vigils:?}"
        );
        Ok(())
    })
    .await
}

/// What the node says about why nothing is done.
pub async fn why_not(node: &Node) -> Result<String> {
    Ok(node.get("/api/v2/why-not").await?.text)
}

/// What an operator has to know, by the node.
pub async fn warnings(node: &Node) -> Result<Vec<String>> {
    let status = node.get("/api/raft-status").await?.json;
    let warnings = status["Warnings"].as_array();
    let warnings = warnings.with_context(|| format!("no warnings in {status}"))?;
    let texts = warnings.iter().filter_map(Value::as_str);
    Ok(texts.map(ToOwned::to_owned).collect())
}

/// A story, as often as it is to be told, each time in a new world.
pub async fn each_time(what: &str, story: impl AsyncFn() -> Result<()>) -> Result<()> {
    for run in 0..runs()? {
        story()
            .await
            .with_context(|| format!("run {run}: {what}"))?;
        println!("run {run}: {what}: as it should be");
    }
    Ok(())
}

/// All but one.
pub fn others(node: usize) -> Vec<usize> {
    (0..DATA_CENTRES).filter(|it| *it != node).collect()
}

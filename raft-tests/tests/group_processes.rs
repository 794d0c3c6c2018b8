//! Three processes that decide together, on loopback addresses of their own.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{AddressBlock, Node, NodePlan, Stopwatch, wait_until};

/// Anything that needs an election or a start, on a machine busy with other tests.
const SOON: Duration = Duration::from_secs(30);

/// A leader that is told to stop is followed at once; the rest is for busy machines.
const HANDED_OVER: Duration = Duration::from_secs(5);

struct Group {
    nodes: Vec<Node>,
    _block: AddressBlock,
}

impl Group {
    /// Starts three nodes; `also` changes the plan of the node with that number.
    async fn start(also: impl Fn(usize, NodePlan) -> NodePlan) -> Result<Self> {
        let block = AddressBlock::claim()?;
        let hosts = [block.next_node()?, block.next_node()?, block.next_node()?];
        let names: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut nodes = Vec::new();
        for (number, host) in hosts.into_iter().enumerate() {
            let plan = NodePlan::on(host)
                .with("AuthenticationMethod", "none")
                .with("RaftEnabled", true)
                .with("RaftDataDir", "data")
                .with("RaftBind", host.to_string())
                .with("RaftNodes", names.clone());
            nodes.push(Node::prepare(also(number, plan))?);
        }
        for node in &nodes {
            node.launch()?;
        }
        Ok(Self {
            nodes,
            _block: block,
        })
    }

    /// Numbers of the nodes that answer that they lead.
    async fn leaders(&self) -> Vec<usize> {
        let mut leaders = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            // One that does not run does not lead.
            if let Ok(answer) = node.get("/api/leader-check").await
                && answer.is_ok()
            {
                leaders.push(number);
            }
        }
        leaders
    }

    async fn leader(&self) -> Result<usize> {
        wait_until("a leader", SOON, async || {
            let leaders = self.leaders().await;
            ensure!(leaders.len() < 2, "{leaders:?} say that they lead");
            leaders.first().copied().context("nobody leads")
        })
        .await
    }

    /// Waits until all that run are at one entry with one digest.
    async fn agree(&self, numbers: &[usize]) -> Result<()> {
        wait_until("equal digests at one entry", SOON, async || {
            let mut states = Vec::new();
            for number in numbers {
                let status = self.nodes[*number].get("/api/raft-status").await?.json;
                states.push((status["DigestIndex"].clone(), status["Digest"].clone()));
            }
            ensure!(
                states[0].0.as_u64().is_some_and(|index| index > 0),
                "{states:?}"
            );
            ensure!(states.iter().all(|state| *state == states[0]), "{states:?}");
            Ok(())
        })
        .await
    }

    /// Takes a downtime through this node, whoever leads.
    async fn downtime(&self, through: usize, instance: &str) -> Result<()> {
        let path = format!("/api/begin-downtime/{instance}/3306/ann/test/600s");
        wait_until("a downtime", SOON, async || {
            let answer = self.nodes[through].get(&path).await?;
            ensure!(answer.is_ok(), "{}", answer.text);
            Ok(())
        })
        .await
    }
}

#[tokio::test]
async fn a_killed_leader_is_followed_by_another_and_comes_back_as_follower() -> Result<()> {
    let group = Group::start(|_, plan| plan).await?;
    let first = group.leader().await?;
    let follower = (first + 1) % 3;
    group.downtime(follower, "db1").await?;
    group.nodes[first].kill()?;
    let watch = Stopwatch::start();
    let second = group.leader().await?;
    println!("the next leader served after {:?}", watch.elapsed());
    ensure!(second != first);
    group.downtime(second, "db2").await?;
    group.nodes[first].start_again().await?;
    group.agree(&[0, 1, 2]).await?;
    ensure!(group.leaders().await == [second]);
    Ok(())
}

#[tokio::test]
async fn a_leader_that_is_told_to_stop_hands_over_and_ends_well() -> Result<()> {
    let group = Group::start(|_, plan| plan).await?;
    let first = group.leader().await?;
    group.downtime(first, "db1").await?;
    // Everybody is known to be well, so that there is somebody to hand over to.
    wait_until("healthy members", SOON, async || {
        let status = group.nodes[first].get("/api/raft-status").await?.json;
        let members = status["Members"].as_array().context("no members")?;
        ensure!(
            members.len() == 3 && members.iter().all(|m| m["IsHealthy"] == true),
            "{status}"
        );
        Ok(())
    })
    .await?;
    let watch = Stopwatch::start();
    let status = group.nodes[first].terminate().await?;
    ensure!(status.success(), "{status}");
    let second = group.leader().await?;
    println!("handed over and ended after {:?}", watch.elapsed());
    ensure!(second != first);
    ensure!(watch.elapsed() < HANDED_OVER, "{:?}", watch.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_node_with_another_secret_is_not_let_in_and_the_others_go_on() -> Result<()> {
    let group = Group::start(|number, plan| {
        let secret = if number == 2 { "wrong" } else { "right" };
        plan.with("RaftSharedSecret", secret)
            .flag("-raft-start-without-silent")
    })
    .await?;
    let leader = group.leader().await?;
    ensure!(leader != 2);
    group.downtime(leader, "db1").await?;
    wait_until("the stranger says why it waits", SOON, async || {
        let status = group.nodes[2].get("/api/raft-status").await?.json;
        let warnings = status["Warnings"].to_string();
        ensure!(warnings.contains("2 of the 3 nodes"), "{status}");
        Ok(())
    })
    .await?;
    ensure!(!group.leaders().await.contains(&2));
    Ok(())
}

//! Three processes that decide together, on loopback addresses of their own.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{AddressBlock, Group, NodePlan, Stopwatch, wait_until};

/// Anything that needs an election or a start, on a machine busy with other tests.
const SOON: Duration = Duration::from_secs(30);

/// A leader that is told to stop is followed at once; the rest is for busy machines.
const HANDED_OVER: Duration = Duration::from_secs(5);

/// A group with what these tests ask of it.
struct Trio {
    group: Group,
    _block: AddressBlock,
}

impl std::ops::Deref for Trio {
    type Target = Group;

    fn deref(&self) -> &Group {
        &self.group
    }
}

impl Trio {
    /// Starts three nodes; `also` changes the plan of the node with that number.
    fn start(also: impl Fn(usize, NodePlan) -> NodePlan) -> Result<Self> {
        let block = AddressBlock::claim()?;
        let hosts = [block.next_node()?, block.next_node()?, block.next_node()?];
        Ok(Self {
            group: Group::start(&hosts, also)?,
            _block: block,
        })
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
    let group = Trio::start(|_, plan| plan)?;
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
    let group = Trio::start(|_, plan| plan)?;
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
    let group = Trio::start(|number, plan| {
        let secret = if number == 2 { "wrong" } else { "right" };
        plan.with("RaftSharedSecret", secret)
            .flag("-raft-start-without-silent")
    })?;
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

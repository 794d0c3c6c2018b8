//! Several orchestrator processes that decide together.

use super::node::{Node, NodePlan};
use super::wait::wait_until;
use anyhow::{Context as _, Result, ensure};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Anything that needs an election or a start, on a machine busy with other tests.
const SOON: Duration = Duration::from_secs(30);

/// The nodes of one group, in the order of their addresses.
#[derive(Debug)]
pub struct Group {
    /// Its nodes; any of them may have ended.
    pub nodes: Vec<Node>,
}

impl Group {
    /// Starts one node on each address; `also` changes the plan of the node with that number.
    ///
    /// # Errors
    /// When the program is missing or a node cannot be started. That one serves is not waited for.
    pub fn start(hosts: &[Ipv4Addr], also: impl Fn(usize, NodePlan) -> NodePlan) -> Result<Self> {
        let names: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut nodes = Vec::new();
        for (number, host) in hosts.iter().enumerate() {
            let plan = NodePlan::on(*host)
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
        Ok(Self { nodes })
    }

    /// Numbers of the nodes that answer that they lead.
    pub async fn leaders(&self) -> Vec<usize> {
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

    /// Waits until one leads, and gives its number.
    ///
    /// # Errors
    /// When nobody does in time, or two say that they do.
    pub async fn leader(&self) -> Result<usize> {
        wait_until("a leader", SOON, async || {
            let leaders = self.leaders().await;
            ensure!(leaders.len() < 2, "{leaders:?} say that they lead");
            leaders.first().copied().context("nobody leads")
        })
        .await
    }
}

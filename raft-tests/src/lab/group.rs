//! Three orchestrator processes that decide together, on loopback addresses of their own.

use super::data_centres::DataCentres;
use super::forwarder::Forwarders;
use super::node::{Node, NodePlan};
use super::ports::AddressBlock;
use super::wait::wait_until;
use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::ops::Index;
use std::sync::Arc;
use std::time::Duration;

/// Anything that needs an election or a start, on a machine busy with other tests.
const SOON: Duration = Duration::from_secs(30);

/// Members of a group.
const MEMBERS: usize = 3;

/// The port that members call each other on.
const PEER_PORT: u16 = 10_008;

/// A group of three.
#[derive(Debug)]
pub struct Group {
    nodes: Vec<Node>,
    forwarders: Option<Forwarders>,
    _block: Option<AddressBlock>,
    /// Last, because they can only be removed when nobody is there any more.
    _centres: Option<Arc<DataCentres>>,
}

impl Index<usize> for Group {
    type Output = Node;

    fn index(&self, number: usize) -> &Node {
        &self.nodes[number]
    }
}

impl Group {
    /// Starts three nodes without waiting; `also` changes the plan of the node with that number.
    ///
    /// # Errors
    /// When the program is missing or cannot be started.
    pub async fn start(also: impl Fn(usize, NodePlan) -> NodePlan) -> Result<Self> {
        Self::build(None, also, 0).await
    }

    /// The same with one node in each data centre.
    ///
    /// # Errors
    /// As [`Group::start`].
    pub async fn in_data_centres(
        centres: &Arc<DataCentres>,
        also: impl Fn(usize, NodePlan) -> NodePlan,
    ) -> Result<Self> {
        let hosts: Vec<_> = (0..MEMBERS).map(|centre| centres.node(centre)).collect();
        let names: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let nodes = hosts.into_iter().enumerate().map(|(number, host)| {
            let plan = member_plan(host, &names[number], &names);
            Node::prepare(also(number, plan.within(centres.node_of(number))))
        });
        let nodes: Vec<Node> = nodes.collect::<Result<_>>()?;
        for node in &nodes {
            node.launch()?;
        }
        Ok(Self {
            nodes,
            forwarders: None,
            _block: None,
            _centres: Some(Arc::clone(centres)),
        })
    }

    /// The same with forwarders between the members, each of which holds what it passes on for `delay`: a round trip takes
    /// twice as long.
    ///
    /// # Errors
    /// As [`Group::start`], or when the forwarders cannot listen.
    pub async fn with_delay(
        delay: Duration,
        also: impl Fn(usize, NodePlan) -> NodePlan,
    ) -> Result<Self> {
        Self::build(Some(delay), also, 0).await
    }

    /// As [`Group::start`], with nothing started.
    ///
    /// # Errors
    /// As [`Group::start`].
    pub fn prepared(also: impl Fn(usize, NodePlan) -> NodePlan) -> Result<Self> {
        let block = AddressBlock::claim()?;
        let hosts = [block.next_node()?, block.next_node()?, block.next_node()?];
        let names: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let nodes = hosts.into_iter().enumerate().map(|(number, host)| {
            Node::prepare(also(number, member_plan(host, &names[number], &names)))
        });
        Ok(Self {
            nodes: nodes.collect::<Result<_>>()?,
            forwarders: None,
            _block: Some(block),
            _centres: None,
        })
    }

    /// As [`Group::start`], with further nodes that are not started and in nobody's `RaftNodes`; their numbers follow.
    ///
    /// # Errors
    /// As [`Group::start`].
    pub async fn with_spares(spares: usize) -> Result<Self> {
        Self::build(None, |_, plan| plan, spares).await
    }

    async fn build(
        delay: Option<Duration>,
        also: impl Fn(usize, NodePlan) -> NodePlan,
        spares: usize,
    ) -> Result<Self> {
        let block = AddressBlock::claim()?;
        let hosts = [block.next_node()?, block.next_node()?, block.next_node()?];
        let (entries, forwarders) = match delay {
            None => (hosts.to_vec(), None),
            Some(delay) => {
                let fronts = [block.next_node()?, block.next_node()?, block.next_node()?];
                let forwarders = Forwarders::start(&fronts, &hosts, PEER_PORT, delay).await?;
                (fronts.to_vec(), Some(forwarders))
            }
        };
        let names: Vec<String> = entries.iter().map(ToString::to_string).collect();
        let mut nodes = Vec::new();
        for (number, host) in hosts.into_iter().enumerate() {
            let plan = member_plan(host, &names[number], &names);
            nodes.push(Node::prepare(also(number, plan))?);
        }
        for node in &nodes {
            node.launch()?;
        }
        for _ in 0..spares {
            let host = block.next_node()?;
            let name = host.to_string();
            let plan = member_plan(host, &name, std::slice::from_ref(&name));
            nodes.push(Node::prepare(plan)?);
        }
        Ok(Self {
            nodes,
            forwarders,
            _block: Some(block),
            _centres: None,
        })
    }

    /// All nodes, in the order of their numbers.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Writes `RaftNodes` of a node: these nodes. It is in force when that node is started the next time.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn list(&self, number: usize, nodes: &[usize]) -> Result<()> {
        let names: Vec<String> = nodes.iter().map(|n| self.entry(*n)).collect();
        self[number].configure("RaftNodes", names)
    }

    /// A node as an entry of `RaftNodes`.
    #[must_use]
    pub fn entry(&self, number: usize) -> String {
        self.nodes[number].host().to_string()
    }

    /// Waits until these nodes, and no others, vote, are well, and are what the group is to have.
    ///
    /// # Errors
    /// When that is not so after half a minute; the sentence has the last status.
    pub async fn voters_are(&self, numbers: &[usize]) -> Result<()> {
        let named = |n: &usize| format!("{}:{PEER_PORT}", self.entry(*n));
        let mut expected: Vec<String> = numbers.iter().map(named).collect();
        expected.sort();
        wait_until("these voters", SOON, async || {
            let leader = self.leader().await?;
            let status = self[leader].get("/api/raft-status").await?.json;
            let members = status["Members"].as_array().context("no members")?;
            let is_well = |m: &&serde_json::Value| m["IsVoter"] == true && m["IsHealthy"] == true;
            let well = members.iter().filter(is_well);
            let mut names: Vec<&str> = well.filter_map(|m| m["Name"].as_str()).collect();
            names.sort_unstable();
            ensure!(
                names == expected && members.len() == expected.len(),
                "{status}"
            );
            ensure!(status["Desired"] == serde_json::json!(expected), "{status}");
            Ok(())
        })
        .await
    }

    /// What lies between the members.
    ///
    /// # Errors
    /// When the group was started without.
    pub fn forwarders(&self) -> Result<&Forwarders> {
        self.forwarders
            .as_ref()
            .context("nothing lies between the members of this group")
    }

    /// The peer port of a node, past any forwarder.
    #[must_use]
    pub fn peer_port(&self, number: usize) -> (std::net::Ipv4Addr, u16) {
        (self.nodes[number].host(), PEER_PORT)
    }

    /// Numbers of the nodes that answer that they lead.
    pub async fn leaders(&self) -> Vec<usize> {
        let mut leaders = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            // One that does not run does not lead; asking a frozen one would wait.
            let asked =
                tokio::time::timeout(Duration::from_millis(500), node.get("/api/leader-check"));
            if let Ok(Ok(answer)) = asked.await
                && answer.is_ok()
            {
                leaders.push(number);
            }
        }
        leaders
    }

    /// Waits for a leader.
    ///
    /// # Errors
    /// When there is none after half a minute.
    pub async fn leader(&self) -> Result<usize> {
        wait_until("a leader", SOON, async || {
            let leaders = self.leaders().await;
            ensure!(leaders.len() < 2, "{leaders:?} say that they lead");
            leaders.first().copied().context("nobody leads")
        })
        .await
    }

    /// Waits until the leader knows all members as well, and all of them hear it, so that each can be asked. Nodes beside the three that the
    /// group was begun with are not waited for.
    ///
    /// # Errors
    /// When that is not so after half a minute.
    pub async fn settled(&self) -> Result<usize> {
        wait_until("healthy members", SOON, async || {
            let leader = self.leader().await?;
            let status = self[leader].get("/api/raft-status").await?.json;
            let members = status["Members"].as_array().context("no members")?;
            ensure!(
                members.len() == MEMBERS && members.iter().all(|m| m["IsHealthy"] == true),
                "{status}"
            );
            for node in self.nodes.iter().take(MEMBERS) {
                let heard = node.get("/api/raft-leader").await?;
                ensure!(
                    heard.is_ok() && heard.json == status["Leader"],
                    "{} hears as leader {}, which names itself {}",
                    node.host(),
                    heard.text,
                    status["Leader"]
                );
            }
            Ok(leader)
        })
        .await
    }

    /// Waits until all that are named are at one entry with one digest, and have it in their stores, which are written
    /// behind.
    ///
    /// # Errors
    /// When they are not after half a minute; the sentence shows what they have.
    pub async fn agree(&self, numbers: &[usize]) -> Result<()> {
        wait_until("equal digests at one entry", SOON, async || {
            let mut states = Vec::new();
            for number in numbers {
                let status = self[*number].get("/api/raft-status").await?.json;
                states.push((status["DigestIndex"].clone(), status["Digest"].clone()));
            }
            ensure!(
                states[0].0.as_u64().is_some_and(|index| index > 0),
                "{states:?}"
            );
            ensure!(states.iter().all(|state| *state == states[0]), "{states:?}");
            let stored: Vec<Option<u64>> = numbers.iter().map(|n| self.stored(*n).ok()).collect();
            let at = states[0].0.as_u64();
            ensure!(
                stored.iter().all(|s| *s >= at),
                "{stored:?} are stored of {at:?}"
            );
            Ok(())
        })
        .await
    }

    /// Takes a downtime through this node, whoever leads.
    ///
    /// # Errors
    /// When it is not acknowledged within half a minute.
    pub async fn downtime(&self, through: usize, instance: &str) -> Result<()> {
        let path = format!("/api/begin-downtime/{instance}/3306/ann/test/600s");
        wait_until("a downtime", SOON, async || {
            let answer = self[through].get(&path).await?;
            ensure!(answer.is_ok(), "{}", answer.text);
            Ok(())
        })
        .await
    }

    /// The last entry that a node's store has, read from its file.
    fn stored(&self, number: usize) -> Result<u64> {
        let connection = self.store(number)?;
        let sql = "SELECT applied_index FROM store_meta";
        let index: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        Ok(index.unsigned_abs())
    }

    /// Hosts that a node's store has downtimes of, read from its file: those of the last entry that it has, which is a
    /// moment behind what the node applied.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn downtimed_hosts(&self, number: usize) -> Result<BTreeSet<String>> {
        let connection = self.store(number)?;
        let mut rows = connection.prepare("SELECT host FROM decided_downtime")?;
        let hosts = rows.query_map([], |row| row.get(0))?;
        Ok(hosts.collect::<Result<_, _>>()?)
    }

    /// The store of a node, to read.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn store(&self, number: usize) -> Result<Connection> {
        let path = self[number].folder().join("orchestrator.sqlite3");
        Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .with_context(|| format!("cannot read {}", path.display()))
    }
}

/// A node that listens on `host`, is known as `name`, and lists these nodes.
fn member_plan(host: std::net::Ipv4Addr, name: &str, nodes: &[String]) -> NodePlan {
    NodePlan::on(host)
        .with("AuthenticationMethod", "none")
        .with("RaftEnabled", true)
        .with("RaftDataDir", "data")
        .with("RaftBind", host.to_string())
        .with("RaftAdvertise", name.to_owned())
        .with("RaftNodes", nodes.to_vec())
}

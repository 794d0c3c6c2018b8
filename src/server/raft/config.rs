//! What a node of a group is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::decided::CommandFormats;
use orchestrator_core::ports::{Clock, Ids};
use sha2::{Digest as _, Sha256};

use super::network::transport::Transport;
use super::state_machine::KnownInstances;
use super::types::NodeId;
use crate::store::DecisionStore;

/// Entries between two snapshots.
pub const SNAPSHOT_EVERY: u64 = 5_000;

/// Entries that stay in the log behind a snapshot, so that a member that was away for a moment needs no snapshot.
pub const ENTRIES_KEPT: u64 = 2_000;

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// `RaftDataDir`.
    pub directory: PathBuf,
    /// The entry of `nodes` that is this node.
    pub name: String,
    /// `RaftNodes`, normalised, sorted, each once.
    pub nodes: Vec<String>,
    /// `DefaultRaftPort`: of names without a port.
    pub default_port: u16,
    /// Where the HTTP service of this node is, as others reach it.
    pub http: String,
    /// Version of this program.
    pub version: String,
    /// Formats of commands that it reads and writes.
    pub formats: CommandFormats,
    /// `RaftHeartbeatMilliseconds`; `None` follows measured round trips.
    pub heartbeat: Option<Duration>,
    /// `RaftElectionMilliseconds`; `None` follows the heartbeat.
    pub election: Option<Duration>,
    /// Entries between two snapshots.
    pub snapshot_every: u64,
    /// Entries kept behind a snapshot.
    pub entries_kept: u64,
    /// An operator said that the first start need not wait for nodes that do not answer.
    pub starts_without_silent: bool,
}

/// What a node of a group works with.
#[derive(Clone)]
pub struct GroupDeps {
    /// Decided state; may lose its last transactions to a power cut.
    pub store: Arc<dyn DecisionStore>,
    /// The way to other nodes.
    pub transport: Arc<dyn Transport>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids and jitter.
    pub ids: Arc<dyn Ids>,
    /// The instances of this node.
    pub known: Arc<dyn KnownInstances>,
    /// How this node is beside its group.
    pub condition: Arc<dyn Condition>,
}

/// How this node is beside its group.
pub trait Condition: Send + Sync {
    /// What keeps the store from taking writes; `None` when it takes them.
    fn store_error(&self) -> Option<String>;

    /// What else an operator must know (links without authentication); one sentence each.
    fn warnings(&self) -> Vec<String>;

    /// Seconds until the certificate expires that this node shows to the others, or that the member `name` has shown last; negative when it
    /// has. `None` where there is none.
    fn certificate_expires_in(&self, name: Option<&str>) -> Option<i64> {
        let _ = name;
        None
    }

    /// Whom to listen to changed: names and addresses of members, of those that are to be, and of those that were a moment ago.
    fn members_changed(&self, names: &[String]);

    /// The group got its id.
    fn group_known(&self, group: orchestrator_core::decided::GroupId);
}

/// An entry of `RaftNodes` as it is compared: in lower case, with its port.
pub fn normalise(entry: &str, default_port: u16) -> String {
    let entry = entry.trim().to_lowercase();
    let after_host = entry.rfind(']').unwrap_or(0);
    let colons = entry[after_host..].matches(':').count();
    // More than one colon outside of brackets is an IPv6 address without a port.
    if colons == 1 || default_port == 0 {
        return entry;
    }
    match colons {
        0 => format!("{entry}:{default_port}"),
        _ => format!("[{entry}]:{default_port}"),
    }
}

/// The id that a node has in the first membership: of the sorted list of all names, and its own, so that all nodes reckon
/// the same. Never 0, and fits where databases keep signed numbers.
pub fn first_id(nodes: &[String], name: &str) -> NodeId {
    let mut hash = Sha256::new();
    hash.update(b"orchestrator first node id, 1");
    for node in nodes {
        hash.update([0]);
        hash.update(node.as_bytes());
    }
    hash.update([1]);
    hash.update(name.as_bytes());
    let bytes: [u8; 32] = hash.finalize().into();
    usable(u64::from_be_bytes(
        *bytes
            .first_chunk()
            .expect("a digest has more than eight bytes"),
    ))
}

/// A drawn number as an id.
pub(super) fn usable(number: u64) -> NodeId {
    (number & (u64::MAX >> 1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_compared_in_lower_case_with_their_port() {
        assert_eq!(normalise(" Node1 ", 10_008), "node1:10008");
        assert_eq!(normalise("node1:7", 10_008), "node1:7");
        assert_eq!(normalise("::1", 10_008), "[::1]:10008");
        assert_eq!(normalise("[::1]:7", 10_008), "[::1]:7");
        assert_eq!(normalise("[::1]", 10_008), "[::1]:10008");
        assert_eq!(normalise("node1", 0), "node1");
    }

    #[test]
    fn first_ids_are_the_same_in_every_release_and_differ_by_name_and_list() {
        let nodes = ["a:1".to_owned(), "b:1".to_owned(), "c:1".to_owned()];
        let ids: Vec<NodeId> = nodes.iter().map(|name| first_id(&nodes, name)).collect();
        assert_eq!(ids, [FIRST_IDS[0], FIRST_IDS[1], FIRST_IDS[2]]);
        assert_ne!(first_id(&nodes[..2], "a:1"), ids[0]);
    }

    const FIRST_IDS: [NodeId; 3] = [776603351043953509, 7905005193603076840, 429182262073506035];
}

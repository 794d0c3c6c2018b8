//! What clusters are called.

use regex::Regex;

use crate::decided::Decided;
use crate::domain::{InstanceKey, Picture};
use crate::topology::Topology;

/// Alias of a cluster: what somebody has set, else what its head says, else what another member says, else by the first of
/// `patterns` (of its name, each with an alias) that matches, else what a recovery has brought along; empty when it has none.
pub fn cluster_alias(
    cluster: &str,
    topology: &Topology,
    picture: &Picture,
    decided: &Decided,
    patterns: &[(Regex, String)],
) -> String {
    let Some(known) = topology.cluster(cluster) else {
        return String::new();
    };
    let is_member = |name: &str| known.members.iter().any(|key| key.to_string() == name);
    let row = decided.alias_of_cluster(cluster, is_member);
    if let Some(set) = row.filter(|row| row.is_manual()) {
        return set.alias.clone();
    }
    let said = |key: &InstanceKey| {
        let seen = picture.observation(key)?;
        (!seen.cluster_alias.is_empty()).then(|| seen.cluster_alias.clone())
    };
    let members = known.members.iter();
    let mut all = std::iter::once(&known.head).chain(members);
    all.find_map(said).unwrap_or_else(|| {
        let mut patterns = patterns.iter();
        let found = patterns.find(|(pattern, _)| pattern.is_match(cluster));
        let found = found
            .map(|(_, alias)| alias)
            .filter(|alias| !alias.is_empty());
        let brought = || row.map(|row| &row.alias);
        found.or_else(brought).cloned().unwrap_or_default()
    })
}

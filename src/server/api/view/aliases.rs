use std::collections::BTreeMap;
use std::sync::Arc;

use orchestrator_core::domain::{Observation, Picture};
use orchestrator_core::topology::{Cluster, Topology};
use regex::Regex;

/// Names of clusters. An alias belongs to one cluster: of several that claim it, the one whose head was seen well, is
/// writable and has most members, as after a split the living half keeps the name.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    /// Alias by cluster name, of clusters that hold one.
    held: BTreeMap<Arc<str>, Arc<str>>,
    /// Cluster name by alias.
    holders: BTreeMap<Arc<str>, Arc<str>>,
    /// What each cluster claims, held or not.
    claims: BTreeMap<Arc<str>, Arc<str>>,
    empty: Arc<str>,
}

impl Aliases {
    pub(super) fn build(
        picture: &Picture,
        topology: &Topology,
        patterns: &[(Regex, String)],
    ) -> Self {
        let mut aliases = Self::default();
        let mut best: BTreeMap<Arc<str>, Standing> = BTreeMap::new();
        for cluster in topology.clusters() {
            let Some(claim) = claim_of(cluster, picture, topology, patterns) else {
                continue;
            };
            let standing = Standing::of(cluster, picture);
            if best.get(&claim).is_none_or(|other| *other < standing) {
                best.insert(claim.clone(), standing);
                aliases.holders.insert(claim.clone(), cluster.name.clone());
            }
            aliases.claims.insert(cluster.name.clone(), claim);
        }
        for (alias, cluster) in &aliases.holders {
            aliases.held.insert(cluster.clone(), alias.clone());
        }
        aliases
    }

    /// The alias that a cluster holds.
    pub(super) fn of(&self, cluster: &str) -> Option<&str> {
        self.held.get(cluster).map(|alias| &**alias)
    }

    /// The cluster that holds an alias.
    pub(super) fn holder(&self, alias: &str) -> Option<&str> {
        self.holders.get(alias).map(|cluster| &**cluster)
    }

    /// What a member suggests: the claim of its cluster, else its own.
    pub(super) fn suggested_by(&self, cluster: &str, seen: &Observation) -> Arc<str> {
        match self.claims.get(cluster) {
            Some(claim) => claim.clone(),
            None if seen.cluster_alias.is_empty() => self.empty.clone(),
            None => Arc::from(seen.cluster_alias.as_str()),
        }
    }
}

/// Which of two claimants is stronger: the greater one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    is_valid: bool,
    is_writable: bool,
    members: usize,
}

impl Standing {
    fn of(cluster: &Cluster, picture: &Picture) -> Self {
        let head = picture.get(&cluster.head);
        let seen = head.and_then(|head| head.observation.as_ref());
        Self {
            is_valid: head.is_some_and(|head| head.is_last_check_valid()),
            is_writable: seen.is_some_and(|seen| !seen.read_only),
            members: cluster.members.len(),
        }
    }
}

/// The alias a cluster claims: of its head, else of the member nearest to it that has one, else by pattern on its name.
fn claim_of(
    cluster: &Cluster,
    picture: &Picture,
    topology: &Topology,
    patterns: &[(Regex, String)],
) -> Option<Arc<str>> {
    let depth = |key| topology.place(key).map_or(u32::MAX, |place| place.depth);
    let seen = cluster
        .members
        .iter()
        .filter_map(|key| picture.observation(key).map(|seen| (key, seen)))
        .filter(|(_, seen)| !seen.cluster_alias.is_empty())
        .min_by_key(|(key, _)| depth(key))
        .map(|(_, seen)| seen.cluster_alias.as_str());
    let by_pattern = || {
        let found = patterns
            .iter()
            .find(|(pattern, _)| pattern.is_match(&cluster.name));
        found.map(|(_, alias)| alias.as_str())
    };
    seen.or_else(by_pattern)
        .filter(|alias| !alias.is_empty())
        .map(Arc::from)
}

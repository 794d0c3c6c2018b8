use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orchestrator_core::decided::Decided;
use orchestrator_core::domain::{Observation, Picture};
use orchestrator_core::topology::{Cluster, Topology};
use regex::Regex;

/// Names of clusters. An alias belongs to one cluster: the one to which somebody gave it; else, of several that claim it, the one
/// from which no recovery has taken it, whose head was seen well, is writable and has most members, as after a split the living
/// half keeps the name.
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
        decided: &Decided,
    ) -> Self {
        let mut aliases = Self::default();
        let mut best: BTreeMap<Arc<str>, Standing> = BTreeMap::new();
        let rows = decided.cluster_aliases.values();
        let moved_from: BTreeSet<&str> = rows
            .filter_map(|row| row.moved.as_ref().map(|moved| moved.from.as_str()))
            .collect();
        for cluster in topology.clusters() {
            let is_left = moved_from.contains(&*cluster.name);
            // Few clusters were left by an alias; for all others no row is looked through.
            let row = match is_left {
                true => decided.alias_of_cluster(&cluster.name, |name| has_member(cluster, name)),
                false => decided.cluster_aliases.get(&*cluster.name),
            };
            let set = row.filter(|row| row.is_manual());
            let claim = match set {
                Some(set) => Some(Arc::from(set.alias.as_str())),
                None => claim_of(cluster, picture, topology, patterns)
                    .or_else(|| row.map(|row| Arc::from(row.alias.as_str()))),
            };
            let Some(claim) = claim else {
                continue;
            };
            let standing = Standing {
                is_set: set.is_some(),
                is_kept: !(is_left && was_taken_from(&cluster.name, &claim, topology, decided)),
                ..Standing::of(cluster, picture)
            };
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
    /// Somebody gave it the alias.
    is_set: bool,
    /// No recovery has taken the alias from it.
    is_kept: bool,
    is_valid: bool,
    is_writable: bool,
    members: usize,
}

impl Standing {
    fn of(cluster: &Cluster, picture: &Picture) -> Self {
        let head = picture.get(&cluster.head);
        let seen = head.and_then(|head| head.observation.as_ref());
        Self {
            is_set: false,
            is_kept: true,
            is_valid: head.is_some_and(|head| head.is_last_check_valid()),
            is_writable: seen.is_some_and(|seen| !seen.read_only),
            members: cluster.members.len(),
        }
    }
}

fn has_member(cluster: &Cluster, name: &str) -> bool {
    cluster.members.iter().any(|key| key.to_string() == name)
}

/// Whether a recovery has brought the alias from this cluster to another one that is there: an old primary that comes back does not
/// take it with it.
fn was_taken_from(name: &str, alias: &str, topology: &Topology, decided: &Decided) -> bool {
    let mut moved = decided.cluster_aliases.iter();
    moved.any(|(to, row)| {
        row.came_from(name) && row.alias == alias && topology.cluster(to).is_some()
    })
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

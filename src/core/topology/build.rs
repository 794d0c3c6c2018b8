use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{InstanceKey, Observation, Picture};

/// Where an instance stands in its replication tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of its cluster: the key of the head, as text.
    pub cluster: Arc<str>,
    /// Links between it and the head; 0 for the head itself.
    pub depth: u32,
    /// Whether it and its source replicate from each other.
    pub is_co_primary: bool,
    /// The server it replicates from, or the primary of its group; `None` for a head.
    pub source: Option<InstanceKey>,
}

/// One replication tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Name: the key of the head, as text.
    pub name: Arc<str>,
    /// The server everything else is below of. It may be unknown to the picture: then replicas merely point at it.
    pub head: InstanceKey,
    /// Known members, ordered by host and port.
    pub members: Vec<InstanceKey>,
}

/// All replication trees of a picture. Building it never fails and never loops, whatever the links are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    clusters: BTreeMap<Arc<str>, Cluster>,
    places: BTreeMap<InstanceKey, Place>,
    replicas: BTreeMap<InstanceKey, Vec<InstanceKey>>,
}

impl Topology {
    /// Builds the graph. A replica of a server that the picture does not know belongs to the cluster named after that
    /// server. A detached replica is the head of a cluster of its own. In a pair of co-primaries, or a longer ring, the
    /// smallest key is the head.
    pub fn build(picture: &Picture) -> Self {
        let sources: BTreeMap<InstanceKey, InstanceKey> = picture
            .records()
            .filter_map(|record| {
                let source = record.observation.as_deref().and_then(source_of)?;
                (source != record.key).then_some((record.key.clone(), source))
            })
            .collect();
        let mut topology = Self::default();
        for (replica, source) in &sources {
            topology
                .replicas
                .entry(source.clone())
                .or_default()
                .push(replica.clone());
        }
        let mut heads: BTreeMap<InstanceKey, (InstanceKey, u32)> = BTreeMap::new();
        for record in picture.records() {
            let (head, depth) = head_of(&record.key, &sources, &mut heads);
            topology.settle(&record.key, &head, depth, &sources);
        }
        topology
    }

    fn settle(
        &mut self,
        key: &InstanceKey,
        head: &InstanceKey,
        depth: u32,
        sources: &BTreeMap<InstanceKey, InstanceKey>,
    ) {
        let name: Arc<str> = Arc::from(head.to_string());
        let cluster = self
            .clusters
            .entry(name.clone())
            .or_insert_with(|| Cluster {
                name: name.clone(),
                head: head.clone(),
                members: Vec::new(),
            });
        cluster.members.push(key.clone());
        let source = sources.get(key).cloned();
        let is_co_primary = source
            .as_ref()
            .is_some_and(|source| sources.get(source) == Some(key));
        self.places.insert(
            key.clone(),
            Place {
                cluster: cluster.name.clone(),
                depth,
                is_co_primary,
                source,
            },
        );
    }

    /// All clusters, ordered by name.
    pub fn clusters(&self) -> impl Iterator<Item = &Cluster> {
        self.clusters.values()
    }

    /// The cluster of that exact name.
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.clusters.get(name)
    }

    /// Where `key` stands; `None` when the picture does not know it.
    pub fn place(&self, key: &InstanceKey) -> Option<&Place> {
        self.places.get(key)
    }

    /// Known direct replicas of `key`, ordered by host and port.
    pub fn replicas_of(&self, key: &InstanceKey) -> &[InstanceKey] {
        self.replicas.get(key).map_or(&[], Vec::as_slice)
    }

    /// The servers between `key` (left out) and the head of its cluster (included), nearest first. In a ring it ends
    /// before the first repetition.
    pub fn sources_above(&self, key: &InstanceKey) -> Vec<InstanceKey> {
        let mut seen = BTreeSet::from([key.clone()]);
        let mut above = Vec::new();
        let mut at = key;
        while let Some(source) = self.places.get(at).and_then(|place| place.source.as_ref()) {
            if !seen.insert(source.clone()) {
                break;
            }
            above.push(source.clone());
            at = source;
        }
        above
    }
}

/// The server that `seen` gets its data from: its source, or the primary of its group.
fn source_of(seen: &Observation) -> Option<InstanceKey> {
    if let Some(source) = seen.source() {
        return Some(source.clone());
    }
    let group = seen.group.as_ref()?;
    group.primary.clone().filter(|primary| *primary != seen.key)
}

/// Head and depth of `key`; `known` remembers what was found before, so that the whole build is one pass.
fn head_of(
    key: &InstanceKey,
    sources: &BTreeMap<InstanceKey, InstanceKey>,
    known: &mut BTreeMap<InstanceKey, (InstanceKey, u32)>,
) -> (InstanceKey, u32) {
    let mut path: Vec<InstanceKey> = Vec::new();
    let mut on_path: BTreeSet<InstanceKey> = BTreeSet::new();
    let mut at = key.clone();
    let (head, mut depth) = loop {
        if let Some((head, depth)) = known.get(&at) {
            break (head.clone(), *depth);
        }
        if !on_path.insert(at.clone()) {
            settle_ring(&at, sources, known);
            path.retain(|step| !known.contains_key(step));
            break known
                .get(&at)
                .cloned()
                .expect("the ring through it has just been settled");
        }
        match sources.get(&at) {
            Some(source) => {
                path.push(at.clone());
                at = source.clone();
            }
            None => {
                known.insert(at.clone(), (at.clone(), 0));
                break (at.clone(), 0);
            }
        }
    };
    for step in path.into_iter().rev() {
        depth += 1;
        known.insert(step, (head.clone(), depth));
    }
    known.get(key).cloned().unwrap_or((head, depth))
}

/// Gives every member of the ring through `member` its head, the smallest key, and its distance from it.
fn settle_ring(
    member: &InstanceKey,
    sources: &BTreeMap<InstanceKey, InstanceKey>,
    known: &mut BTreeMap<InstanceKey, (InstanceKey, u32)>,
) {
    let mut ring = vec![member.clone()];
    let mut at = &sources[member];
    while at != member {
        ring.push(at.clone());
        at = &sources[at];
    }
    let smallest = (0..ring.len())
        .min_by_key(|i| &ring[*i])
        .expect("a ring has at least its first member");
    let head = ring[smallest].clone();
    for (i, key) in ring.iter().enumerate() {
        // `ring` runs upwards, so the distance down from the head counts backwards.
        let depth = (smallest + ring.len() - i) % ring.len();
        known.insert(
            key.clone(),
            (head.clone(), u32::try_from(depth).unwrap_or(u32::MAX)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{InstanceRecord, ReplicationLink, SourceAddress, Timestamp};

    fn key(name: &str) -> InstanceKey {
        InstanceKey::parse(name, 3306).unwrap()
    }

    fn link(source: SourceAddress) -> ReplicationLink {
        ReplicationLink {
            uses_mariadb_gtid: true,
            ..ReplicationLink::running(source)
        }
    }

    /// `a<b` reads: a replicates from b; `a//b`: detached from b; `a`: from nobody.
    fn topology(links: &[&str]) -> Topology {
        let picture: Picture = links
            .iter()
            .map(|text| {
                let (name, source) = match text.split_once("//") {
                    Some((name, source)) => (name, Some(SourceAddress::Detached(key(source)))),
                    None => match text.split_once('<') {
                        Some((name, source)) => (name, Some(SourceAddress::Attached(key(source)))),
                        None => (*text, None),
                    },
                };
                let at = Timestamp::from_seconds(1);
                let mut seen = Observation::blank(key(name), at);
                seen.replication = source.map(link);
                InstanceRecord {
                    observation: Some(Arc::new(seen)),
                    ..InstanceRecord::heard_of(key(name), at)
                }
            })
            .collect();
        Topology::build(&picture)
    }

    fn drawn(links: &[&str]) -> String {
        let topology = topology(links);
        topology
            .clusters()
            .map(|cluster| {
                let members = cluster.members.iter().map(|key| {
                    let place = topology.place(key).unwrap();
                    format!(
                        "{}@{}{}",
                        key.host(),
                        place.depth,
                        if place.is_co_primary { "co" } else { "" }
                    )
                });
                format!(
                    "{}: {}",
                    cluster.head.host(),
                    members.collect::<Vec<_>>().join(" ")
                )
            })
            .collect::<Vec<_>>()
            .join(" | ")
    }

    #[test]
    fn trees_chains_and_strangers_find_their_head() {
        assert_eq!(
            drawn(&["a", "b<a", "c<a", "d<c", "x"]),
            "a: a@0 b@1 c@1 d@2 | x: x@0"
        );
        assert_eq!(
            drawn(&["d<c", "c<b", "b<a"]),
            "a: b@1 c@2 d@3",
            "the head may be unknown"
        );
        assert_eq!(
            drawn(&["a", "b//a", "c<b"]),
            "a: a@0 | b: b@0 c@1",
            "a detached replica heads its own tree"
        );
        assert_eq!(
            drawn(&["a<a", "b<a"]),
            "a: a@0 b@1",
            "a server that replicates from itself is a head"
        );
    }

    #[test]
    fn rings_end_at_their_smallest_key() {
        assert_eq!(drawn(&["a<b", "b<a", "c<b"]), "a: a@0co b@1co c@2");
        assert_eq!(drawn(&["b<c", "c<a", "a<b", "z<c"]), "a: a@0 b@2 c@1 z@2");
        assert_eq!(
            drawn(&["y<z", "z<y", "b<y", "c<b"]),
            "y: b@1 c@2 y@0co z@1co"
        );
    }

    #[test]
    fn the_way_up_ends_in_a_ring_too() {
        let ring = topology(&["a<b", "b<c", "c<a", "d<a"]);
        assert_eq!(
            ring.sources_above(&key("d")),
            [key("a"), key("b"), key("c")]
        );
        assert_eq!(ring.replicas_of(&key("a")), [key("c"), key("d")]);
    }

    #[test]
    fn a_chain_of_ten_thousand_is_built_without_recursion() {
        let links: Vec<String> = (0..10_000)
            .map(|i| format!("h{:05}<h{:05}", i + 1, i))
            .collect();
        let links: Vec<&str> = links.iter().map(String::as_str).collect();
        assert_eq!(
            topology(&links).place(&key("h10000")).unwrap().depth,
            10_000
        );
    }
}

//! Who stands where to whom in a topology. Every walk ends, also in a ring.

use std::collections::BTreeSet;

use super::Topology;
use crate::domain::InstanceKey;

impl Topology {
    /// The other servers that have the same source as `key`, ordered by host and port. A co-primary has none: what
    /// stands beside it are its partner's replicas.
    pub fn siblings_of(&self, key: &InstanceKey) -> Vec<InstanceKey> {
        let Some(source) = self.place(key).and_then(|place| place.source.as_ref()) else {
            return Vec::new();
        };
        if self.co_primary_of(key).is_some() {
            return Vec::new();
        }
        let partner = self.co_primary_of(source);
        self.replicas_of(source)
            .iter()
            .filter(|other| *other != key && Some(*other) != partner)
            .cloned()
            .collect()
    }

    /// All servers below `key`, nearest levels first; never `key` itself.
    pub fn descendants_of(&self, key: &InstanceKey) -> Vec<InstanceKey> {
        let mut seen = BTreeSet::from([key.clone()]);
        let mut found: Vec<InstanceKey> = Vec::new();
        let mut next = 0;
        let mut at = key.clone();
        loop {
            for replica in self.replicas_of(&at) {
                if seen.insert(replica.clone()) {
                    found.push(replica.clone());
                }
            }
            match found.get(next) {
                Some(replica) => at = replica.clone(),
                None => return found,
            }
            next += 1;
        }
    }

    /// Whether data of `upper` flows to `lower`: `lower` would feed itself if `upper` replicated from it.
    pub fn is_above(&self, upper: &InstanceKey, lower: &InstanceKey) -> bool {
        self.sources_above(lower).contains(upper)
    }

    /// The server that `key` and it replicate from each other.
    pub fn co_primary_of(&self, key: &InstanceKey) -> Option<&InstanceKey> {
        let place = self.place(key).filter(|place| place.is_co_primary)?;
        place.source.as_ref()
    }

    /// Whether `key` has replicas and a source: the middle of a chain.
    pub fn is_intermediate_source(&self, key: &InstanceKey) -> bool {
        self.place(key)
            .is_some_and(|place| place.source.is_some() && !place.is_co_primary)
            && !self.replicas_of(key).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::topology::drawing::Drawing;

    fn topology(text: &str) -> Topology {
        let drawing = Drawing::parse(text, Timestamp::from_seconds(1000)).expect("a drawing");
        Topology::build(&drawing.picture)
    }

    fn key(name: &str) -> InstanceKey {
        InstanceKey::parse(name, 3306).expect("a key")
    }

    fn hosts(keys: &[InstanceKey]) -> String {
        let hosts = keys.iter().map(|key| key.host().as_str());
        hosts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn siblings_share_a_source_and_leave_out_the_server_itself() {
        let tree = topology("a\n+ b\n  + d\n+ c");
        assert_eq!(hosts(&tree.siblings_of(&key("b"))), "c");
        assert_eq!(hosts(&tree.siblings_of(&key("d"))), "");
        assert_eq!(hosts(&tree.siblings_of(&key("a"))), "");
        assert_eq!(hosts(&tree.siblings_of(&key("unknown"))), "");
    }

    #[test]
    fn a_co_primary_is_nobodys_sibling() {
        let pair = topology("a\n<-> b\n  + d\n+ c\n+ e");
        assert_eq!(hosts(&pair.siblings_of(&key("b"))), "");
        assert_eq!(hosts(&pair.siblings_of(&key("c"))), "e");
        assert_eq!(pair.co_primary_of(&key("a")), Some(&key("b")));
        assert_eq!(pair.co_primary_of(&key("b")), Some(&key("a")));
        assert_eq!(pair.co_primary_of(&key("c")), None);
    }

    #[test]
    fn descendants_come_level_by_level_and_a_ring_ends() {
        let tree = topology("a\n+ b\n  + d\n    + f\n+ c\n  + e");
        assert_eq!(hosts(&tree.descendants_of(&key("a"))), "b c d e f");
        assert_eq!(hosts(&tree.descendants_of(&key("f"))), "");
        let ring = topology("a [source=c]\n+ b\n  + c\n  + x");
        assert_eq!(hosts(&ring.descendants_of(&key("a"))), "b c x");
        assert!(ring.is_above(&key("c"), &key("a")));
    }

    #[test]
    fn above_and_in_the_middle_are_told_apart() {
        let tree = topology("a\n+ b\n  + d");
        assert!(tree.is_above(&key("a"), &key("d")));
        assert!(!tree.is_above(&key("d"), &key("a")));
        assert!(!tree.is_above(&key("a"), &key("a")));
        let middle: Vec<bool> = ["a", "b", "d"]
            .iter()
            .map(|name| tree.is_intermediate_source(&key(name)))
            .collect();
        assert_eq!(middle, [false, true, false]);
        assert!(!topology("a\n<-> b").is_intermediate_source(&key("a")));
    }
}

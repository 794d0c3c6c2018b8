//! Which instances a list holds, and in which order. The orders are the predecessor's: clients take the first.

use std::cmp::Reverse;

use orchestrator_core::domain::{Flavor, InstanceKey};
use orchestrator_core::topology::Cluster;

use super::{Entry, LookupError, Moment, View};

/// How many of each kind a list of control replicas holds.
const CONTROL_REPLICAS_EACH: usize = 2;

impl View {
    /// All instances: by depth, most replicas first, cluster, host, port.
    pub fn by_depth(&self) -> Vec<&Entry> {
        self.sorted_by_depth(self.entries().iter().collect())
    }

    fn sorted_by_depth<'a>(&self, mut entries: Vec<&'a Entry>) -> Vec<&'a Entry> {
        entries.sort_by(|a, b| order_by_depth(a).cmp(&order_by_depth(b)));
        entries
    }

    /// Instances that a text is part of, in the order of [`View::by_depth`]: of host and port, cluster, version, its comment
    /// or alias; or exactly the server id or port. All of them for an empty text.
    pub fn search(&self, text: &str) -> Vec<&Entry> {
        let text = text.to_lowercase();
        let fitting = self.entries().iter().filter(|entry| fits(entry, &text));
        self.sorted_by_depth(fitting.collect())
    }

    /// Instances that replicate from `source`, by host and port.
    pub fn replicas_of<'a>(&'a self, source: &'a InstanceKey) -> impl Iterator<Item = &'a Entry> {
        let below = self.topology.replicas_of(source).iter();
        below
            .filter_map(|key| self.entry(key))
            .filter(|entry| entry.seen.source() == Some(source))
    }

    /// One writable primary of each cluster, by cluster name.
    pub fn writable_primaries(&self) -> Vec<&Entry> {
        let heads = self.clusters().filter_map(|cluster| {
            let writable = self.heads(cluster).filter(|entry| !entry.seen.read_only);
            writable.min_by_key(|entry| entry.place.depth)
        });
        heads.collect()
    }

    /// The primary of a cluster; of several heads the writable one.
    ///
    /// # Errors
    /// [`LookupError::NoPrimary`] when the head was never heard of.
    pub fn primary<'a>(&'a self, cluster: &'a Cluster) -> Result<&'a Entry, LookupError> {
        self.heads(cluster)
            .min_by_key(|entry| (entry.seen.read_only, entry.place.depth))
            .ok_or_else(|| LookupError::NoPrimary {
                cluster: cluster.name.to_string(),
            })
    }

    /// Members that stand above all others: the primary, and with it its co-primary.
    pub fn heads<'a>(&'a self, cluster: &'a Cluster) -> impl Iterator<Item = &'a Entry> {
        self.members(cluster)
            .filter(|entry| entry.place.depth == 0 || entry.place.is_co_primary)
    }

    /// Replicas to watch while a table is copied, so that a tool notices lag anywhere in the cluster: the two busiest
    /// intermediate sources, two replicas of theirs, two of the third level, and two leaves of the first.
    pub fn control_replicas<'a>(&'a self, cluster: &'a Cluster) -> Vec<&'a Entry> {
        let at_depth = |depth: u32| {
            let members = self.members(cluster);
            members.filter(move |entry| entry.place.depth == depth)
        };
        let has_replicas = |entry: &&Entry| !entry.seen.replicas.is_empty();
        let busiest = |entries: Vec<&'a Entry>, most: usize| self.busiest(entries, most);

        let intermediate = busiest(
            at_depth(1).filter(has_replicas).collect(),
            CONTROL_REPLICAS_EACH,
        );
        let each = match intermediate.len() {
            1 => CONTROL_REPLICAS_EACH,
            _ => 1,
        };
        let below = intermediate
            .iter()
            .flat_map(|entry| busiest(self.replicas_of(entry.key()).collect(), each));
        let third = busiest(at_depth(3).collect(), CONTROL_REPLICAS_EACH);
        let leaves = busiest(
            at_depth(1).filter(|entry| !has_replicas(entry)).collect(),
            CONTROL_REPLICAS_EACH,
        );
        let all = intermediate.iter().copied().chain(below);
        all.chain(third).chain(leaves).collect()
    }

    /// The `most` entries with most replicas, without those that configuration leaves out, binary log servers, and
    /// those whose last probe failed.
    fn busiest<'a>(&self, mut entries: Vec<&'a Entry>, most: usize) -> Vec<&'a Entry> {
        entries.retain(|entry| {
            entry.record.is_last_check_valid()
                && entry.seen.identity.flavor != Flavor::MaxScale
                && !self.config.osc_ignore.matches(entry.key())
        });
        entries.sort_by_key(|entry| (Reverse(entry.seen.replicas.len()), entry.key()));
        entries.truncate(most);
        entries
    }
}

impl<'a> Moment<'a> {
    /// Instances with a problem, without those downtimed or left out by configuration, by host and port; of one cluster
    /// when its exact name is given.
    pub fn with_problems(&self, cluster: Option<&str>) -> Vec<&'a Entry> {
        let entries = self.view.entries().iter().filter(|entry| {
            cluster.is_none_or(|name| *entry.place.cluster == *name)
                && !self.problems(entry).is_empty()
                && self.downtime(entry).is_none()
                && !self.view.config.problem_ignore.matches(entry.key())
        });
        entries.collect()
    }

    /// Known instances with a downtime that holds, by cluster and depth; of one cluster when given.
    pub fn downtimed(&self, cluster: Option<&Cluster>) -> Vec<&'a Entry> {
        let entries = self.view.entries().iter().filter(|entry| {
            cluster.is_none_or(|cluster| entry.place.cluster == cluster.name)
                && self.downtime(entry).is_some()
        });
        let mut entries: Vec<&Entry> = entries.collect();
        entries.sort_by_key(|entry| (&entry.place.cluster, entry.place.depth));
        entries
    }
}

fn order_by_depth(entry: &Entry) -> impl Ord + '_ {
    (
        entry.place.depth,
        Reverse(entry.seen.replicas.len()),
        &entry.place.cluster,
        entry.key(),
    )
}

fn fits(entry: &Entry, text: &str) -> bool {
    let seen = &entry.seen;
    let key = entry.key();
    text.is_empty()
        || [
            key.to_string().as_str(),
            &entry.place.cluster,
            &seen.identity.version,
            &seen.identity.version_comment,
            &seen.identity.alias,
            &entry.suggested_alias,
        ]
        .iter()
        .any(|field| field.to_lowercase().contains(text))
        || seen.identity.server_id.to_string() == text
        || key.port().to_string() == text
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;

use std::sync::Arc;

use orchestrator_core::decided::Decided;
use orchestrator_core::domain::{InstanceKey, InstanceRecord, Observation, Picture};
use orchestrator_core::legacy::UNKNOWN_VERSION;
use orchestrator_core::topology::{Cluster, Place, Topology, errant};

use super::aliases::Aliases;
use crate::api::ApiConfig;

/// One known instance with everything that follows from the picture as a whole.
#[derive(Debug)]
pub struct Entry {
    /// How probing it went.
    pub record: Arc<InstanceRecord>,
    /// The last good observation; of an instance heard of only, a blank one whose version says so.
    pub seen: Arc<Observation>,
    /// Where it stands.
    pub place: Place,
    /// UUIDs of the servers from the head of the cluster down to this one, and its group's name; comma-separated.
    pub ancestry: String,
    /// Transactions its source never had; empty when there are none or it cannot be told.
    pub errant: String,
    /// The alias that this instance suggests for its cluster: inherited, its own, or by pattern; empty when none.
    pub suggested_alias: Arc<str>,
}

impl Entry {
    /// The instance.
    pub fn key(&self) -> &InstanceKey {
        &self.record.key
    }
}

/// Everything readers need, for one picture, one decided state and one configuration.
#[derive(Debug)]
pub struct View {
    /// The picture it was made from.
    pub(super) picture: Arc<Picture>,
    /// The decided state it was made from.
    pub(super) decided: Arc<Decided>,
    /// The configuration it was made from.
    pub(super) config: Arc<ApiConfig>,
    /// The clusters.
    pub(super) topology: Arc<Topology>,
    /// Names of the clusters.
    pub(super) aliases: Aliases,
    /// All instances, ordered by host and port.
    pub(super) entries: Vec<Entry>,
}

impl View {
    /// Derives everything; linear in the number of instances but for sorting. What did not change since `previous` is
    /// taken from there: most pictures differ from the one before in what a few probes saw, and not in their links.
    pub fn build(
        previous: Option<&View>,
        picture: Arc<Picture>,
        decided: Arc<Decided>,
        config: Arc<ApiConfig>,
    ) -> Self {
        let topology = match previous.filter(|view| has_same_links(&view.picture, &picture)) {
            Some(view) => Arc::clone(&view.topology),
            None => Arc::new(Topology::build(&picture)),
        };
        let aliases = Aliases::build(&picture, &topology, &config.cluster_name_to_alias);
        let records: Vec<&Arc<InstanceRecord>> = picture.records().collect();
        let mut ancestries = Ancestries::new(&records, &topology);
        let entries = records.iter().enumerate().filter_map(|(index, record)| {
            // The topology has a place for every record of the picture it was built from.
            let place = topology.place(&record.key)?.clone();
            let seen = match &record.observation {
                Some(seen) => Arc::clone(seen),
                None => Arc::new(unseen(record)),
            };
            let ancestry = ancestries.of(index);
            let known = previous.and_then(|view| view.errant_still(record, &ancestry, &picture));
            let errant = match known {
                Some(errant) => errant.to_owned(),
                None => errant_of(&seen, &place, &picture, &topology),
            };
            Some(Entry {
                errant,
                ancestry,
                suggested_alias: aliases.suggested_by(&place.cluster, &seen),
                record: Arc::clone(record),
                seen,
                place,
            })
        });
        let entries = entries.collect();
        Self {
            picture,
            decided,
            config,
            topology,
            aliases,
            entries,
        }
    }

    /// The errant transactions found before, when nothing they follow from has changed: the instance, its source, and the
    /// UUIDs above it.
    fn errant_still(
        &self,
        record: &Arc<InstanceRecord>,
        ancestry: &str,
        picture: &Picture,
    ) -> Option<&str> {
        let before = self.entry(&record.key)?;
        let is_same = |key| match (self.picture.get(key), picture.get(key)) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (before, now) => before.is_none() && now.is_none(),
        };
        let holds = Arc::ptr_eq(&before.record, record)
            && before.ancestry == ancestry
            && before.place.source.as_ref().is_none_or(is_same);
        holds.then_some(before.errant.as_str())
    }

    /// All instances, ordered by host and port.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// One instance.
    pub fn entry(&self, key: &InstanceKey) -> Option<&Entry> {
        let at = self
            .entries
            .binary_search_by(|entry| entry.key().cmp(key))
            .ok()?;
        self.entries.get(at)
    }

    /// All clusters, ordered by name.
    pub fn clusters(&self) -> impl Iterator<Item = &Cluster> {
        self.topology.clusters()
    }

    /// Known members of a cluster, ordered by host and port.
    pub fn members<'a>(&'a self, cluster: &'a Cluster) -> impl Iterator<Item = &'a Entry> {
        cluster.members.iter().filter_map(|key| self.entry(key))
    }

    /// The alias of a cluster; its name when it has none.
    pub fn alias_of<'a>(&'a self, cluster: &'a Cluster) -> &'a str {
        self.aliases.of(&cluster.name).unwrap_or(&cluster.name)
    }

    /// The domain name of a cluster; empty when none.
    pub fn domain_of<'a>(&'a self, cluster: &Cluster) -> &'a str {
        let head = self.picture.observation(&cluster.head);
        head.map_or("", |seen| &seen.cluster_domain)
    }
}

fn unseen(record: &InstanceRecord) -> Observation {
    let mut blank = Observation::blank(record.key.clone(), record.known_since);
    blank.identity.version = UNKNOWN_VERSION.to_owned();
    blank
}

/// Whether two pictures hold the same instances with the same links, so that their topologies are equal.
fn has_same_links(before: &Picture, now: &Picture) -> bool {
    before.len() == now.len()
        && before.records().zip(now.records()).all(|(before, now)| {
            Arc::ptr_eq(before, now) || (before.key == now.key && links(before) == links(now))
        })
}

/// Everything of a record that a topology is built from.
fn links(record: &InstanceRecord) -> (Option<&InstanceKey>, Option<&InstanceKey>) {
    let seen = record.observation.as_deref();
    let group = seen.and_then(|seen| seen.group.as_ref());
    (
        seen.and_then(|seen| seen.source()),
        group.and_then(|group| group.primary.as_ref()),
    )
}

fn errant_of(seen: &Observation, place: &Place, picture: &Picture, topology: &Topology) -> String {
    let source = place.source.as_ref();
    let Some(source) = source.and_then(|key| picture.observation(key)) else {
        return String::new();
    };
    if seen.gtid.executed.is_empty() || seen.gtid.executed == source.gtid.executed {
        return String::new();
    }
    let above = topology.sources_above(&seen.key);
    let uuids: Vec<&str> = above
        .iter()
        .filter_map(|key| picture.observation(key))
        .map(|seen| seen.identity.server_uuid.as_str())
        .collect();
    errant(seen, Some(source), &uuids, place.is_co_primary)
}

/// Ancestry texts, each made from the one above it.
struct Ancestries<'a> {
    records: &'a [&'a Arc<InstanceRecord>],
    topology: &'a Topology,
    known: Vec<Option<String>>,
}

impl<'a> Ancestries<'a> {
    fn new(records: &'a [&'a Arc<InstanceRecord>], topology: &'a Topology) -> Self {
        Self {
            records,
            topology,
            known: vec![None; records.len()],
        }
    }

    /// Upwards to the head, or to the first server whose ancestry is known; then down again. No recursion.
    fn of(&mut self, index: usize) -> String {
        let mut path = vec![index];
        let mut text = loop {
            let at = path[path.len() - 1];
            if let Some(known) = &self.known[at] {
                path.pop();
                break known.clone();
            }
            match self.above(at) {
                Some(source) => path.push(source),
                None => break String::new(),
            }
        };
        for at in path.into_iter().rev() {
            if let Some(seen) = &self.records[at].observation {
                push_part(&mut text, &seen.identity.server_uuid);
                let group = seen.group.as_ref().map_or("", |group| &group.group_name);
                push_part(&mut text, group);
            }
            self.known[at] = Some(text.clone());
        }
        text
    }

    /// The known server above; none above a head. Depth falls with each step, so that a ring ends.
    fn above(&self, index: usize) -> Option<usize> {
        let place = self.topology.place(&self.records[index].key)?;
        let source = place.source.as_ref().filter(|_| place.depth > 0)?;
        self.records
            .binary_search_by(|record| record.key.cmp(source))
            .ok()
    }
}

fn push_part(text: &mut String, part: &str) {
    if part.is_empty() {
        return;
    }
    if !text.is_empty() {
        text.push(',');
    }
    text.push_str(part);
}

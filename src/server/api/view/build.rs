use std::collections::BTreeMap;
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
    pub(super) topology: Topology,
    /// Names of the clusters.
    pub(super) aliases: Aliases,
    /// All instances, ordered by host and port.
    pub(super) entries: Vec<Entry>,
}

impl View {
    /// Derives everything; linear in the number of instances but for sorting.
    pub fn build(picture: Arc<Picture>, decided: Arc<Decided>, config: Arc<ApiConfig>) -> Self {
        let topology = Topology::build(&picture);
        let aliases = Aliases::build(&picture, &topology, &config.cluster_name_to_alias);
        let mut ancestries = Ancestries::default();
        let entries = picture.records().filter_map(|record| {
            // The topology has a place for every record of the picture it was built from.
            let place = topology.place(&record.key)?.clone();
            let seen = match &record.observation {
                Some(seen) => Arc::clone(seen),
                None => Arc::new(unseen(record)),
            };
            Some(Entry {
                ancestry: ancestries.of(&record.key, &picture, &topology),
                errant: errant_of(&seen, &place, &picture, &topology),
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

fn errant_of(seen: &Observation, place: &Place, picture: &Picture, topology: &Topology) -> String {
    if seen.gtid.executed.is_empty() {
        return String::new();
    }
    let above = topology.sources_above(&seen.key);
    let uuids: Vec<&str> = above
        .iter()
        .filter_map(|key| picture.observation(key))
        .map(|seen| seen.identity.server_uuid.as_str())
        .collect();
    let source = place
        .source
        .as_ref()
        .and_then(|key| picture.observation(key));
    errant(
        seen,
        source.map(|seen| &**seen),
        &uuids,
        place.is_co_primary,
    )
}

/// Ancestry texts, each made from the one above it.
#[derive(Default)]
struct Ancestries(BTreeMap<InstanceKey, String>);

impl Ancestries {
    fn of(&mut self, key: &InstanceKey, picture: &Picture, topology: &Topology) -> String {
        // Upwards to the head, or to the first server whose ancestry is known; then down again. No recursion.
        let mut path = vec![key];
        let mut text = loop {
            let at = path[path.len() - 1];
            if let Some(known) = self.0.get(at) {
                path.pop();
                break known.clone();
            }
            let place = topology.place(at);
            match place
                .filter(|place| place.depth > 0)
                .and_then(|place| place.source.as_ref())
            {
                Some(source) => path.push(source),
                None => break String::new(),
            }
        };
        for at in path.into_iter().rev() {
            if let Some(seen) = picture.observation(at) {
                push_part(&mut text, &seen.identity.server_uuid);
                let group = seen.group.as_ref().map_or("", |group| &group.group_name);
                push_part(&mut text, group);
            }
            self.0.insert(at.clone(), text.clone());
        }
        text
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

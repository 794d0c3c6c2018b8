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
    pub place: Arc<Place>,
    /// Index of the server it replicates from among all entries; `None` when there is none or it is unknown.
    pub(super) source: Option<usize>,
    /// UUIDs of the servers from the head of the cluster down to this one, and its group's name; comma-separated.
    pub ancestry: Arc<str>,
    /// Transactions its source never had; empty when there are none or it cannot be told.
    pub errant: Arc<str>,
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
    pub(super) aliases: Arc<Aliases>,
    /// All instances, ordered by host and port.
    pub(super) entries: Arc<[Entry]>,
}

impl View {
    /// Derives everything; linear in the number of instances but for sorting. What did not change since `previous` is
    /// taken from there: most pictures differ from the one before in what a few probes saw, and not in their links. When
    /// only something was decided, and no alias, that is everything else.
    pub fn build(
        previous: Option<&View>,
        picture: Arc<Picture>,
        decided: Arc<Decided>,
        config: Arc<ApiConfig>,
    ) -> Self {
        let is_all_the_same = |view: &&View| {
            Arc::ptr_eq(&view.picture, &picture)
                && Arc::ptr_eq(&view.config, &config)
                && view.decided.cluster_aliases == decided.cluster_aliases
        };
        if let Some(view) = previous.filter(is_all_the_same) {
            return Self {
                picture,
                decided,
                config,
                topology: Arc::clone(&view.topology),
                aliases: Arc::clone(&view.aliases),
                entries: Arc::clone(&view.entries),
            };
        }
        let previous = previous.filter(|view| has_same_links(&view.picture, &picture));
        let topology = match previous {
            Some(view) => Arc::clone(&view.topology),
            None => Arc::new(Topology::build(&picture)),
        };
        let records: Vec<&Arc<InstanceRecord>> = picture.records().collect();
        let places = match previous {
            Some(view) => view.places(),
            None => places(&records, &topology),
        };
        let patterns = &config.cluster_name_to_alias;
        let aliases = Aliases::build(&picture, &topology, patterns, &decided);
        let mut derivation = Derivation {
            picture: &picture,
            topology: &topology,
            previous,
            ancestries: vec![None; records.len()],
            places: &places,
            records: &records,
        };
        let entries = (0..records.len()).map(|index| derivation.entry(index, &aliases));
        let entries = entries.collect();
        drop(records);
        Self {
            picture,
            decided,
            config,
            topology,
            aliases: Arc::new(aliases),
            entries,
        }
    }

    fn places(&self) -> Vec<Standing> {
        let entries = self.entries.iter();
        let places = entries.map(|entry| (Arc::clone(&entry.place), entry.source));
        places.collect()
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

    /// The alias of the cluster with this name; the name when it has none, or is not there.
    pub fn alias_of_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.aliases.of(name).unwrap_or(name)
    }

    /// The domain name of the cluster with this name; empty when it has none, or is not there.
    pub fn domain_of_name(&self, name: &str) -> &str {
        let cluster = self.topology.cluster(name);
        cluster.map_or("", |cluster| self.domain_of(cluster))
    }

    /// The configuration that this view was made from.
    pub fn config(&self) -> &ApiConfig {
        &self.config
    }

    /// What was decided when this view was made.
    pub fn decided(&self) -> &Decided {
        &self.decided
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

/// Where an instance stands, and the index of its source.
type Standing = (Arc<Place>, Option<usize>);

fn places(records: &[&Arc<InstanceRecord>], topology: &Topology) -> Vec<Standing> {
    let standings = records.iter().map(|record| {
        let place = topology.place(&record.key).cloned();
        let place = place.expect("a topology has a place for every record it was built from");
        let index_of = |key| records.binary_search_by(|record| record.key.cmp(key)).ok();
        let source = place.source.as_ref().and_then(index_of);
        (Arc::new(place), source)
    });
    standings.collect()
}

/// One derivation under way. Entries of the previous view stand at the same indices: its links are the same.
struct Derivation<'a> {
    picture: &'a Picture,
    topology: &'a Topology,
    previous: Option<&'a View>,
    records: &'a [&'a Arc<InstanceRecord>],
    places: &'a [Standing],
    ancestries: Vec<Option<Arc<str>>>,
}

impl Derivation<'_> {
    fn entry(&mut self, index: usize, aliases: &Aliases) -> Entry {
        let record = self.records[index];
        let (place, source) = &self.places[index];
        let seen = match &record.observation {
            Some(seen) => Arc::clone(seen),
            None => Arc::new(unseen(record)),
        };
        let ancestry = self.ancestry(index);
        Entry {
            errant: self.errant(index, &seen, &ancestry),
            suggested_alias: aliases.suggested_by(&place.cluster, &seen),
            record: Arc::clone(record),
            seen,
            place: Arc::clone(place),
            source: *source,
            ancestry,
        }
    }

    /// The entry before, when nothing was probed of this instance since.
    fn unchanged(&self, index: usize) -> Option<&Entry> {
        let before = &self.previous?.entries[index];
        Arc::ptr_eq(&before.record, self.records[index]).then_some(before)
    }

    /// Upwards to the head, or to the first server whose ancestry is known; then down again. No recursion. Depth falls with
    /// each step up, so that a ring ends.
    fn ancestry(&mut self, index: usize) -> Arc<str> {
        let mut path = vec![index];
        let mut text = loop {
            let at = path[path.len() - 1];
            if let Some(known) = &self.ancestries[at] {
                path.pop();
                break Arc::clone(known);
            }
            let (place, source) = &self.places[at];
            match source.filter(|_| place.depth > 0) {
                Some(source) => path.push(source),
                None => break Arc::from(""),
            }
        };
        for at in path.into_iter().rev() {
            text = self.extended(&text, at);
            self.ancestries[at] = Some(Arc::clone(&text));
        }
        text
    }

    /// The ancestry above with this server's own part.
    fn extended(&self, above: &Arc<str>, index: usize) -> Arc<str> {
        let Some(seen) = &self.records[index].observation else {
            return Arc::clone(above);
        };
        let group = seen.group.as_ref().map_or("", |group| &group.group_name);
        let parts = [&**above, &seen.identity.server_uuid, group];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        Arc::from(parts.collect::<Vec<_>>().join(","))
    }

    /// Taken from before when nothing it follows from has changed: the instance, its source, and the UUIDs above it.
    fn errant(&self, index: usize, seen: &Observation, ancestry: &str) -> Arc<str> {
        let source = self.places[index].1;
        let before = self.unchanged(index).filter(|before| {
            *before.ancestry == *ancestry
                && source.is_none_or(|source| self.unchanged(source).is_some())
        });
        match before {
            Some(before) => Arc::clone(&before.errant),
            None => Arc::from(self.errant_anew(index, seen)),
        }
    }

    fn errant_anew(&self, index: usize, seen: &Observation) -> String {
        let (place, source) = &self.places[index];
        let source = source.and_then(|source| self.records[source].observation.as_deref());
        let Some(source) = source else {
            return String::new();
        };
        if seen.gtid.executed.is_empty() || seen.gtid.executed == source.gtid.executed {
            return String::new();
        }
        let above = self.topology.sources_above(&seen.key);
        let uuids: Vec<&str> = above
            .iter()
            .filter_map(|key| self.picture.observation(key))
            .map(|seen| seen.identity.server_uuid.as_str())
            .collect();
        errant(seen, Some(source), &uuids, place.is_co_primary)
    }
}

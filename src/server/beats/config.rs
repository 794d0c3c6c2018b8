use std::collections::BTreeMap;
use std::time::Duration;

use orchestrator_core::analysis::cluster_alias;
use orchestrator_core::beats::BeatPolicy;
use orchestrator_core::decided::Decided;
use orchestrator_core::domain::{InstanceKey, Picture};
use orchestrator_core::legacy::cluster_filters_match;

use orchestrator_core::topology::Topology;
use regex::Regex;

/// What configuration says about beats. A new value takes effect at once.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// When silence is evidence, and how long a restart may take.
    pub policy: BeatPolicy,
    /// `PrimarySilenceSecondsByCluster`: cluster filters as written, with the time; the first that picks a cluster counts.
    pub silence_of: Vec<(String, Duration)>,
    /// `PrimaryRestartGraceSecondsByCluster`, likewise.
    pub restart_grace_of: Vec<(String, Duration)>,
    /// `ClusterNameToAlias`: patterns of cluster names, with the alias; the first that matches counts.
    pub cluster_aliases: Vec<(Regex, String)>,
}

impl Config {
    /// Whether clusters differ.
    pub(super) fn differs_by_cluster(&self) -> bool {
        !(self.silence_of.is_empty() && self.restart_grace_of.is_empty())
    }

    /// What counts for each of some primaries, where that is not the same for all.
    pub(super) fn of_each<'a>(
        &self,
        primaries: impl Iterator<Item = &'a InstanceKey>,
        picture: &Picture,
        decided: &Decided,
    ) -> BTreeMap<InstanceKey, BeatPolicy> {
        let topology = Topology::build(picture);
        let patterns = &self.cluster_aliases;
        let of = |key: &InstanceKey| {
            let place = topology.place(key);
            let name = place.map_or_else(|| key.to_string(), |place| place.cluster.to_string());
            let alias = cluster_alias(&name, &topology, picture, decided, patterns);
            (key.clone(), self.of_cluster(&name, &alias))
        };
        primaries.map(of).collect()
    }

    fn of_cluster(&self, name: &str, alias: &str) -> BeatPolicy {
        let first = |rows: &[(String, Duration)]| {
            let mut rows = rows.iter();
            let found = rows.find(|(filter, _)| {
                let alias = if alias.is_empty() { name } else { alias };
                cluster_filters_match(std::slice::from_ref(filter), name, alias)
            });
            found.map(|(_, time)| *time)
        };
        BeatPolicy {
            silence: first(&self.silence_of).unwrap_or(self.policy.silence),
            restart_grace: first(&self.restart_grace_of).unwrap_or(self.policy.restart_grace),
        }
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_core::domain::Timestamp;
    use orchestrator_core::topology::drawing::Drawing;

    use super::*;

    #[test]
    fn the_first_filter_that_picks_a_cluster_counts_for_its_primary_and_else_the_value_of_all() {
        let seconds = Duration::from_secs;
        let config = Config {
            silence_of: vec![
                ("alias=far".to_owned(), seconds(9)),
                ("^a:".to_owned(), seconds(5)),
                ("a".to_owned(), seconds(7)),
            ],
            restart_grace_of: vec![("*".to_owned(), seconds(0))],
            cluster_aliases: vec![(Regex::new("^m:").unwrap(), "far".to_owned())],
            ..Config::default()
        };
        assert!(config.differs_by_cluster() && !Config::default().differs_by_cluster());
        let text = "a [rw]\n+ b [ro]\n\nm [rw]\n+ n [ro]\n\nx [rw]\n+ y [ro]";
        let drawing = Drawing::parse(text, Timestamp::from_seconds(9)).unwrap();
        let keys: Vec<InstanceKey> = ["a", "m", "x"]
            .map(|name| InstanceKey::parse(name, 3306).unwrap())
            .into();
        let found = config.of_each(keys.iter(), &drawing.picture, &Decided::default());
        let found: Vec<_> = keys.iter().map(|key| found[key]).collect();
        let wanted = |silence| BeatPolicy {
            silence: seconds(silence),
            restart_grace: seconds(0),
        };
        assert_eq!(found, [wanted(5), wanted(9), wanted(2)]);
    }
}

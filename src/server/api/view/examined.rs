use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use orchestrator_core::analysis::{Facts, Finding, LeftOut, Scene, Stalls, analyze};
use orchestrator_core::beats::Beats;
use orchestrator_core::domain::{InstanceKey, Timestamp};

use super::View;

/// How long what analysis said of a view is given out again: its ages are in seconds.
const FRESH_FOR: Duration = Duration::from_millis(500);

/// A server with something wrong.
#[derive(Debug)]
pub struct Found {
    /// All facts of the server.
    pub facts: Arc<Facts>,
    /// What is wrong with it.
    pub main: Option<Finding>,
    /// What is wrong with the structure of the tree below it.
    pub structure: Vec<Finding>,
}

impl Found {
    /// What an operator is told first: the finding, else the first about the structure.
    pub fn foremost(&self) -> Option<&Finding> {
        self.main.as_ref().or_else(|| self.structure.first())
    }
}

/// What analysis says of a view.
#[derive(Debug)]
pub struct Examined {
    /// The view.
    pub view: Arc<View>,
    /// When it was examined, by this node's clock.
    pub at: Timestamp,
    /// Servers with something wrong. Primaries first, then heads of their cluster, then servers with many replicas.
    pub found: Vec<Found>,
    /// Servers that configuration wants to hear nothing of.
    pub left_out: Vec<LeftOut>,
    stalls: Stalls,
    beats: Arc<Beats>,
}

impl Examined {
    fn new(view: Arc<View>, beats: Arc<Beats>, before: &Stalls, at: Timestamp) -> Self {
        let stalls = before.after(&view.picture);
        let scene = view.scene(&stalls, &beats, at);
        let analysis = analyze(&scene, &view.config.analysis);
        let mut found = BTreeMap::new();
        for finding in analysis.findings {
            let entry = entry(&mut found, &finding);
            entry.main = Some(finding);
        }
        for warning in analysis.warnings {
            let entry = entry(&mut found, &warning);
            entry.structure.push(warning);
        }
        Self {
            found: found.into_values().collect(),
            left_out: analysis.left_out,
            view,
            at,
            stalls,
            beats,
        }
    }

    /// What it was made from, for further questions.
    pub fn scene(&self) -> Scene<'_> {
        self.view.scene(&self.stalls, &self.beats, self.at)
    }

    /// What is wrong with one server.
    pub fn of(&self, key: &InstanceKey) -> Option<&Found> {
        self.found.iter().find(|found| found.facts.key == *key)
    }
}

/// The order of analysis.
type Rank = (Reverse<bool>, Reverse<bool>, Reverse<usize>, InstanceKey);

fn entry<'a>(found: &'a mut BTreeMap<Rank, Found>, finding: &Finding) -> &'a mut Found {
    let facts = &finding.facts;
    let rank = (
        Reverse(facts.is_primary),
        Reverse(facts.is_cluster_head),
        Reverse(facts.replicas.count()),
        facts.key.clone(),
    );
    found.entry(rank).or_insert_with(|| Found {
        facts: Arc::clone(facts),
        main: None,
        structure: Vec::new(),
    })
}

impl View {
    fn scene<'a>(&'a self, stalls: &'a Stalls, beats: &'a Beats, now: Timestamp) -> Scene<'a> {
        Scene {
            picture: &self.picture,
            topology: &self.topology,
            decided: &self.decided,
            stalls,
            beats,
            now,
        }
    }
}

/// Keeps what analysis said last. Readers that come at once after a change may each ask it; the last answer stays.
#[derive(Default)]
pub struct ExaminedCache(ArcSwapOption<Examined>);

impl ExaminedCache {
    /// What analysis says of `view` and `beats` now.
    pub fn current(&self, view: Arc<View>, beats: Arc<Beats>, now: Timestamp) -> Arc<Examined> {
        let latest = self.0.load_full();
        let is_current = |examined: &&Arc<Examined>| {
            let is_fresh = examined.at <= now && now.since(examined.at) < FRESH_FOR;
            Arc::ptr_eq(&examined.view, &view) && examined.beats == beats && is_fresh
        };
        if let Some(examined) = latest.as_ref().filter(is_current) {
            return Arc::clone(examined);
        }
        let nothing = Stalls::default();
        let before = latest
            .as_ref()
            .map_or(&nothing, |examined| &examined.stalls);
        let made = Arc::new(Examined::new(view, beats, before, now));
        self.0.store(Some(Arc::clone(&made)));
        made
    }
}

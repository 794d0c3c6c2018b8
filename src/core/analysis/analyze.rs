use std::cmp::Reverse;
use std::sync::Arc;

use super::rules::{self, Rule};
use super::{AnalysisPolicy, Evidence, Facts, Finding, Stalls};
use crate::beats::Beats;
use crate::decided::Decided;
use crate::domain::{FindingCode, InstanceKey, Picture, Timestamp};
use crate::topology::Topology;

/// All that analysis looks at.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// What was seen.
    pub picture: &'a Picture,
    /// The trees of that picture.
    pub topology: &'a Topology,
    /// What is decided.
    pub decided: &'a Decided,
    /// Which binary logs stand still; see [`Stalls::after`].
    pub stalls: &'a Stalls,
    /// What primaries say between probes.
    pub beats: &'a Beats,
    /// The moment of the analysis, by the clock that the times in the picture are of.
    pub now: Timestamp,
}

/// What analysis came to.
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    /// At most one for each server. Primaries first, then heads of their cluster, then servers with many replicas.
    pub findings: Vec<Finding>,
    /// About the structure of trees; any number for each server. Same order.
    pub warnings: Vec<Finding>,
    /// Servers whose findings and warnings were left out.
    pub left_out: Vec<LeftOut>,
}

/// A server with findings that configuration wants to hear nothing of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The server.
    pub subject: InstanceKey,
    /// The filter of `RecoveryIgnoreHostnameFilters` that names it.
    pub filter: String,
}

/// Says what is wrong in a picture.
pub fn analyze(scene: &Scene<'_>, policy: &AnalysisPolicy) -> Analysis {
    let mut all: Vec<Arc<Facts>> = scene
        .picture
        .records()
        .filter_map(|record| Facts::gather(record, scene, policy))
        .map(Arc::new)
        .collect();
    all.sort_by_cached_key(|facts| {
        (
            Reverse(facts.is_primary),
            Reverse(facts.is_cluster_head),
            Reverse(facts.replicas.count()),
            facts.key.clone(),
        )
    });
    let mut analysis = Analysis::default();
    for facts in &all {
        judge(facts, policy, &mut analysis);
    }
    analysis
}

/// What an operator's word makes of a server that replicates from nobody: a dead primary, whatever is seen of it. `None` for
/// others, and for one that was never probed.
pub fn asserted_dead(
    scene: &Scene<'_>,
    key: &InstanceKey,
    policy: &AnalysisPolicy,
) -> Option<Finding> {
    let record = scene.picture.get(key)?;
    let facts = Arc::new(Facts::gather(record, scene, policy)?);
    let rule = rules::main().find(|rule| rule.code == FindingCode::DeadPrimary)?;
    // Nothing was found, so there is nothing to say about it.
    facts.is_primary.then(|| Finding {
        sentence: "",
        ..Finding::new(rule, &facts, Vec::new())
    })
}

/// Adds what the rules say about one server.
fn judge(facts: &Arc<Facts>, policy: &AnalysisPolicy, analysis: &mut Analysis) {
    let main = rules::main().find(|rule| rule.holds(facts, policy));
    let mut structure = rules::structure()
        .filter(|rule| rule.holds(facts, policy))
        .peekable();
    if main.is_none() && structure.peek().is_none() {
        return;
    }
    if let Some(filter) = policy.ignores(facts.key.host().as_str()) {
        analysis.left_out.push(LeftOut {
            subject: facts.key.clone(),
            filter: filter.to_string(),
        });
        return;
    }
    let finding = |rule: &Rule| Finding::new(rule, facts, evidence(rule, facts, policy));
    analysis.findings.extend(main.map(finding));
    analysis.warnings.extend(structure.map(finding));
}

/// What made `rule` hold, each fact once.
fn evidence(rule: &Rule, facts: &Facts, policy: &AnalysisPolicy) -> Vec<Evidence> {
    let mut evidence: Vec<Evidence> = Vec::new();
    for condition in rule.when {
        if let Some(fact) = (condition.evidence)(facts, policy)
            && !evidence.contains(&fact)
        {
            evidence.push(fact);
        }
    }
    evidence
}

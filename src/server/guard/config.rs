use orchestrator_core::isolation::GuardPolicy;
use regex::Regex;

/// What configuration says about the guard.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What it goes by; `None` where it is off.
    pub policy: Option<GuardPolicy>,
    /// `RecoverMasterClusterFilters`, as written: clusters whose dead primaries the other side replaces by itself.
    pub primary_clusters: Vec<String>,
    /// `ClusterNameToAlias`: patterns of cluster names, with the alias; the first that matches counts.
    pub cluster_aliases: Vec<(Regex, String)>,
    /// `-noop`: nothing is closed.
    pub changes_nothing: bool,
}

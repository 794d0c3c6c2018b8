use orchestrator_core::domain::HostFilters;
use regex::Regex;

use crate::config::values::Values;

/// Clusters picked by name, alias or pattern.
#[derive(Clone, Debug, Default)]
pub struct ClusterFilters {
    /// The filters as they are written in the file.
    pub written: Vec<String>,
    /// What they mean.
    pub filters: Vec<ClusterFilter>,
}

/// One of them.
#[derive(Clone, Debug)]
pub enum ClusterFilter {
    /// Every cluster (`*`).
    All,
    /// The cluster with this alias (`alias=…`).
    Alias(String),
    /// Clusters whose alias matches (`alias~=…`).
    AliasPattern(Regex),
    /// The cluster with this name or alias, or whose name matches it as a pattern.
    NameOrPattern(String, Regex),
}

/// The filters of a key.
pub(super) fn host_filters(values: &Values, name: &'static str) -> HostFilters {
    HostFilters::parse(values.texts(name)).expect(REFUSED_BEFORE)
}

/// Why no text of a filter can be wrong here.
const REFUSED_BEFORE: &str =
    "values with another text than a regular expression are refused when they are read";

impl ClusterFilters {
    /// Empty texts pick nothing, as in the predecessor: a pattern of no characters would match everything.
    pub(super) fn resolve(values: &Values, name: &'static str) -> Self {
        let written = values.texts(name);
        let filters = written
            .iter()
            .filter(|text| !text.is_empty())
            .map(|text| ClusterFilter::read(text))
            .collect();
        Self { written, filters }
    }

    /// Whether any of them picks the cluster.
    pub fn matches(&self, name: &str, alias: &str) -> bool {
        self.filters.iter().any(|filter| match filter {
            ClusterFilter::All => true,
            ClusterFilter::Alias(wanted) => wanted == alias,
            ClusterFilter::AliasPattern(pattern) => pattern.is_match(alias),
            ClusterFilter::NameOrPattern(text, pattern) => {
                text == name || text == alias || pattern.is_match(name)
            }
        })
    }
}

impl ClusterFilter {
    fn read(text: &str) -> Self {
        if text == "*" {
            Self::All
        } else if let Some(pattern) = text.strip_prefix("alias~=") {
            Self::AliasPattern(compile(pattern))
        } else if let Some(alias) = text.strip_prefix("alias=") {
            Self::Alias(alias.to_owned())
        } else {
            Self::NameOrPattern(text.to_owned(), compile(text))
        }
    }
}

/// The pattern of a key, when it has one.
pub(super) fn pattern(values: &Values, name: &'static str) -> Option<Regex> {
    Some(values.text(name))
        .filter(|text| !text.is_empty())
        .map(|text| compile(&text))
}

/// The patterns of a key.
pub(super) fn patterns(values: &Values, name: &'static str) -> Vec<Regex> {
    values
        .texts(name)
        .iter()
        .map(|text| compile(text))
        .collect()
}

/// A text that was checked when it was read.
pub(super) fn compile(text: &str) -> Regex {
    Regex::new(text).expect(REFUSED_BEFORE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_picked_by_each_form() {
        for (filter, name, alias, picks) in [
            ("*", "a:3306", "", true),
            ("alias=shop", "a:3306", "shop", true),
            ("alias=shop", "a:3306", "shop2", false),
            ("alias~=^sh", "a:3306", "shop", true),
            ("alias~=^sh", "sh:3306", "", false),
            ("a:3306", "a:3306", "", true),
            ("shop", "a:3306", "shop", true),
            ("^a:", "a:3306", "shop", true),
            ("^b:", "a:3306", "b:", false),
        ] {
            let filters = ClusterFilters {
                written: Vec::new(),
                filters: vec![ClusterFilter::read(filter)],
            };
            assert_eq!(
                filters.matches(name, alias),
                picks,
                "{filter} on {name} ({alias})"
            );
        }
    }
}

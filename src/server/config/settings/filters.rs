use std::net::IpAddr;

use regex::Regex;

use crate::config::values::Values;

/// Servers picked by patterns over `host:port`. An IP address among them picks that host only, on any port.
#[derive(Clone, Debug, Default)]
pub struct HostFilters(pub Vec<Regex>);

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

impl HostFilters {
    pub(super) fn resolve(values: &Values, name: &'static str) -> Self {
        Self(
            values
                .texts(name)
                .iter()
                .map(|text| host_filter(text))
                .collect(),
        )
    }

    /// Whether any of them picks the server.
    pub fn matches(&self, host: &str, port: u16) -> bool {
        let name = format!("{host}:{port}");
        self.0.iter().any(|pattern| pattern.is_match(&name))
    }
}

/// As a pattern, an address would also match longer ones (10.0.0.1 is in 10.0.0.10), and its dots anything.
fn host_filter(text: &str) -> Regex {
    match text.parse::<IpAddr>() {
        Ok(address) => compile(&format!(
            r"^\[?{}\]?:[0-9]+$",
            regex::escape(&address.to_string())
        )),
        Err(_) => compile(text),
    }
}

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
    Regex::new(text)
        .expect("values with another text than a regular expression are refused when they are read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_compared_exactly_and_a_pattern_anywhere() {
        let filters = HostFilters(["10.0.0.1", "::1", "backup.*:33"].map(host_filter).to_vec());
        assert!(filters.matches("10.0.0.1", 3306) && filters.matches("10.0.0.1", 1));
        assert!(
            !filters.matches("10.0.0.10", 3306),
            "a longer address is another server"
        );
        assert!(!filters.matches("10x0.0.1", 3306), "a dot is a dot");
        assert!(filters.matches("::1", 3306) && filters.matches("[::1]", 3306));
        assert!(!filters.matches("fe80::1", 3306));
        assert!(filters.matches("db-backup1", 3306));
        assert!(!filters.matches("db-backup1", 4406));
        assert!(!HostFilters::default().matches("db1", 3306));
    }

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

use std::net::IpAddr;

use regex::Regex;

use crate::config::values::Values;

/// Servers picked by address or by a pattern over `host:port`.
#[derive(Clone, Debug, Default)]
pub struct HostFilters(pub Vec<HostFilter>);

/// One of them.
#[derive(Clone, Debug)]
pub enum HostFilter {
    /// The host is this address, exactly.
    Address(IpAddr),
    /// `host:port` matches, anywhere in it.
    Pattern(Regex),
}

/// Clusters picked by name, alias or pattern.
#[derive(Clone, Debug, Default)]
pub struct ClusterFilters(pub Vec<ClusterFilter>);

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
        let filters = values
            .texts(name)
            .into_iter()
            .map(|text| match text.parse() {
                Ok(address) => HostFilter::Address(address),
                Err(_) => HostFilter::Pattern(compile(&text)),
            });
        Self(filters.collect())
    }

    /// Whether any of them picks the server.
    pub fn matches(&self, host: &str, port: u16) -> bool {
        let address = host.parse::<IpAddr>().ok();
        let name = format!("{host}:{port}");
        self.0.iter().any(|filter| match filter {
            HostFilter::Address(wanted) => address == Some(*wanted),
            HostFilter::Pattern(pattern) => pattern.is_match(&name),
        })
    }
}

impl ClusterFilters {
    /// Empty texts pick nothing, as in the predecessor: a pattern of no characters would match everything.
    pub(super) fn resolve(values: &Values, name: &'static str) -> Self {
        let texts = values
            .texts(name)
            .into_iter()
            .filter(|text| !text.is_empty());
        Self(texts.map(ClusterFilter::read).collect())
    }

    /// Whether any of them picks the cluster.
    pub fn matches(&self, name: &str, alias: &str) -> bool {
        self.0.iter().any(|filter| match filter {
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
    fn read(text: String) -> Self {
        if text == "*" {
            Self::All
        } else if let Some(pattern) = text.strip_prefix("alias~=") {
            Self::AliasPattern(compile(pattern))
        } else if let Some(alias) = text.strip_prefix("alias=") {
            Self::Alias(alias.to_owned())
        } else {
            let pattern = compile(&text);
            Self::NameOrPattern(text, pattern)
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
        let filters = HostFilters(vec![
            HostFilter::Address("10.0.0.1".parse().unwrap()),
            HostFilter::Pattern(compile("backup.*:33")),
        ]);
        assert!(filters.matches("10.0.0.1", 3306));
        assert!(
            !filters.matches("10.0.0.10", 3306),
            "a longer address is another server"
        );
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
            let filters = ClusterFilters(vec![ClusterFilter::read(filter.to_owned())]);
            assert_eq!(
                filters.matches(name, alias),
                picks,
                "{filter} on {name} ({alias})"
            );
        }
    }
}

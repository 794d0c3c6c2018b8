use std::net::IpAddr;

use regex::Regex;

use super::InstanceKey;

/// One entry of a filter.
#[derive(Clone, Debug)]
enum HostFilter {
    /// An IP address: the instance's host is exactly it, on any port.
    Address(IpAddr),
    /// A regular expression, looked for anywhere in `host:port`.
    Pattern(Regex),
}

/// A text that is no filter.
#[derive(Clone, Debug, thiserror::Error)]
#[error("'{}' is neither an IP address nor a regular expression", text.escape_debug())]
pub struct HostFilterError {
    /// The text.
    pub text: String,
    /// What is wrong with it as a regular expression.
    #[source]
    pub source: regex::Error,
}

/// Instances picked by the texts of a configuration key: regular expressions, looked for anywhere in `host:port`, and IP
/// addresses, each of which is one host on any port (as an expression, 10.0.0.1 would pick 10.0.0.10 too).
#[derive(Clone, Debug, Default)]
pub struct HostFilters(Vec<HostFilter>);

impl HostFilters {
    /// Reads the texts of a configuration key.
    ///
    /// # Errors
    /// [`HostFilterError`] for the first text that is no filter.
    pub fn parse<T: AsRef<str>>(
        texts: impl IntoIterator<Item = T>,
    ) -> Result<Self, HostFilterError> {
        let filters = texts.into_iter().map(|text| parse_one(text.as_ref()));
        filters.collect::<Result<_, _>>().map(Self)
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none, so that nothing is picked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any of them picks `key`.
    pub fn matches(&self, key: &InstanceKey) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let text = key.to_string();
        self.0.iter().any(|filter| match filter {
            HostFilter::Address(address) => key.host().as_ip() == Some(*address),
            HostFilter::Pattern(pattern) => pattern.is_match(&text),
        })
    }
}

fn parse_one(text: &str) -> Result<HostFilter, HostFilterError> {
    if let Ok(address) = text.parse() {
        return Ok(HostFilter::Address(address));
    }
    let pattern = Regex::new(text).map_err(|source| HostFilterError {
        text: text.to_owned(),
        source,
    })?;
    Ok(HostFilter::Pattern(pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_meant_exactly_and_a_pattern_anywhere_in_host_and_port() {
        let filters = HostFilters::parse(["10.0.0.1", "^test-.*:3307$", "staging"]).unwrap();
        for (key, is_left_out) in [
            ("10.0.0.1:3306", true),
            ("10.0.0.1:9", true),
            ("10.0.0.10:3306", false),
            ("test-db:3307", true),
            ("test-db:3306", false),
            ("db.staging.example:3306", true),
            ("db:3306", false),
            ("[::1]:3306", false),
        ] {
            let key = InstanceKey::parse(key, 3306).unwrap();
            assert_eq!(filters.matches(&key), is_left_out, "{key}");
        }
        assert!(!HostFilters::default().matches(&InstanceKey::parse("db", 1).unwrap()));
    }

    #[test]
    fn a_broken_pattern_is_refused_with_its_text() {
        let error = HostFilters::parse(["db", "a(b"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "'a(b' is neither an IP address nor a regular expression"
        );
    }
}

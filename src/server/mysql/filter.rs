use std::net::IpAddr;

use orchestrator_core::domain::InstanceKey;
use regex::Regex;

/// One entry of an ignore list: a regular expression that is looked for in `host:port`, or an IP address that has to be
/// the host exactly.
#[derive(Clone, Debug)]
pub enum HostFilter {
    /// An address.
    Address(IpAddr),
    /// A pattern.
    Pattern(Regex),
}

/// An entry that is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is neither an IP address nor a regular expression: {reason}", filter.escape_debug())]
pub struct HostFilterError {
    /// The entry.
    pub filter: String,
    /// What is wrong with it.
    pub reason: String,
}

impl HostFilter {
    /// Reads one entry.
    ///
    /// # Errors
    /// [`HostFilterError`] when it is no regular expression.
    pub fn parse(text: &str) -> Result<Self, HostFilterError> {
        if let Ok(address) = text.trim().parse() {
            return Ok(Self::Address(address));
        }
        Regex::new(text)
            .map(Self::Pattern)
            .map_err(|e| HostFilterError {
                filter: text.to_owned(),
                reason: e.to_string(),
            })
    }

    /// Whether the entry says to leave `key` out.
    pub fn matches(&self, key: &InstanceKey) -> bool {
        match self {
            Self::Address(address) => key.host().as_ip() == Some(*address),
            Self::Pattern(pattern) => pattern.is_match(&key.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_match_whole_and_patterns_anywhere() {
        let key = |text| InstanceKey::parse(text, 3306).unwrap();
        let filter = HostFilter::parse("10.0.0.1").unwrap();
        assert!(filter.matches(&key("10.0.0.1:3307")));
        assert!(!filter.matches(&key("10.0.0.11")));
        let filter = HostFilter::parse("backup.*:3306$").unwrap();
        assert!(filter.matches(&key("db-backup1:3306")));
        assert!(!filter.matches(&key("db-backup1:3307")));
        assert!(HostFilter::parse("(").is_err());
    }
}

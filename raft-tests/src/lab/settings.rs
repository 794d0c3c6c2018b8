//! Server options as they stand in an option file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Options of a server's `[mysqld]` section: name to value. Dashes and underscores in names mean the same, as they do
/// for the servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// No options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one option, replacing an earlier value.
    pub fn set(&mut self, name: &str, value: impl ToString) {
        self.0.insert(name.replace('-', "_"), value.to_string());
    }

    /// Takes one option away.
    pub fn unset(&mut self, name: &str) {
        self.0.remove(&name.replace('-', "_"));
    }

    /// The same settings with one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.set(name, value);
        self
    }

    /// Settings from pairs.
    #[must_use]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        pairs
            .iter()
            .fold(Self::new(), |all, (name, value)| all.with(name, value))
    }

    /// Takes over all of `other`; where both have an option, the other's value wins.
    pub fn overlay(&mut self, other: &Self) {
        for (name, value) in &other.0 {
            self.set(name, value);
        }
    }

    /// The value of an option.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(&name.replace('-', "_")).map(String::as_str)
    }

    /// The text of an option file.
    #[must_use]
    pub fn to_option_file(&self) -> String {
        let mut text = String::from("[mysqld]\n");
        for (name, value) in &self.0 {
            writeln!(text, "{name}={value}").expect("writing to a string cannot fail");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_wins_and_names_are_equal_with_dash_or_underscore() {
        let mut settings = Settings::of(&[("server-id", "1"), ("read_only", "0")]);
        settings.overlay(&Settings::new().with("server_id", 7).with("log-bin", "bin"));
        settings.unset("read-only");
        assert_eq!(settings.get("server-id"), Some("7"));
        assert_eq!(
            settings.to_option_file(),
            "[mysqld]\nlog_bin=bin\nserver_id=7\n"
        );
    }
}

//! The values that files set, by key, each with the file that set it; and typed reading of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use orchestrator_core::domain::Secret;

use super::key::Key;
use super::table;
use super::value::{self, Value};

#[derive(Clone)]
struct Entry {
    value: Value,
    file: Option<PathBuf>,
}

/// Values of all keys: those set, and the defaults of the table for the rest. No `Debug`: passwords are among them.
#[derive(Clone, Default)]
pub(super) struct Values {
    set: BTreeMap<&'static str, Entry>,
}

impl Values {
    /// Sets a key. A map takes the new entries over the ones it has, anything else is replaced.
    pub(super) fn set(&mut self, key: &'static Key, value: Value, file: Option<&Path>) {
        let file = file.map(Path::to_owned);
        match (self.set.get_mut(key.name), value) {
            (
                Some(Entry {
                    value: Value::Map(present),
                    file: origin,
                }),
                Value::Map(new),
            ) if !new.is_empty() => {
                for (pattern, text) in new {
                    match present.iter_mut().find(|(p, _)| *p == pattern) {
                        Some(entry) => entry.1 = text,
                        None => present.push((pattern, text)),
                    }
                }
                *origin = file;
            }
            (_, value) => drop(self.set.insert(key.name, Entry { value, file })),
        }
    }

    /// Sets a key by name, for a value that comes from elsewhere than a file's line.
    pub(super) fn set_text(&mut self, name: &'static str, text: String, file: Option<&Path>) {
        self.set(row(name), Value::Text(text), file);
    }

    /// The same for a list.
    pub(super) fn set_texts(
        &mut self,
        name: &'static str,
        texts: Vec<String>,
        file: Option<&Path>,
    ) {
        self.set(row(name), Value::Texts(texts), file);
    }

    /// Forgets that a key was set.
    pub(super) fn unset(&mut self, name: &str) {
        self.set.remove(name);
    }

    /// Whether a file set the key.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.set.contains_key(name)
    }

    /// Whether the key has another value than its default.
    pub(super) fn is_changed(&self, key: &Key) -> bool {
        self.set
            .get(key.name)
            .is_some_and(|entry| entry.value != value::default_of(key))
    }

    /// The file that set the key.
    pub(super) fn file(&self, name: &str) -> Option<&Path> {
        self.set.get(name)?.file.as_deref()
    }

    /// The keys that were set, in the order of the table.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static Key> {
        table::keys().filter(|key| self.set.contains_key(key.name))
    }

    /// The keys whose values differ from those of `other`, in the order of the table.
    pub(super) fn differences<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = &'static Key> + 'a {
        table::keys().filter(|key| self.get(key) != other.get(key))
    }

    fn get(&self, key: &Key) -> Value {
        self.set
            .get(key.name)
            .map_or_else(|| value::default_of(key), |entry| entry.value.clone())
    }

    /// A key that is `true` or `false`.
    pub(super) fn boolean(&self, name: &'static str) -> bool {
        match self.get(row(name)) {
            Value::Boolean(value) => value,
            _ => unreachable!("{name} is true or false in the table"),
        }
    }

    /// A whole number, within the bounds of its key.
    pub(super) fn integer(&self, name: &'static str) -> i64 {
        match self.get(row(name)) {
            Value::Integer(value) => value,
            _ => unreachable!("{name} is a number in the table"),
        }
    }

    /// A text.
    pub(super) fn text(&self, name: &'static str) -> String {
        match self.get(row(name)) {
            Value::Text(value) => value,
            _ => unreachable!("{name} is a text in the table"),
        }
    }

    /// A list.
    pub(super) fn texts(&self, name: &'static str) -> Vec<String> {
        match self.get(row(name)) {
            Value::Texts(value) => value,
            _ => unreachable!("{name} is a list in the table"),
        }
    }

    /// An object, in the order written.
    pub(super) fn map(&self, name: &'static str) -> Vec<(String, String)> {
        match self.get(row(name)) {
            Value::Map(value) => value,
            _ => unreachable!("{name} is an object in the table"),
        }
    }

    /// Times of clusters, by cluster filter, in the order written.
    pub(super) fn seconds_of_clusters(&self, name: &'static str) -> Vec<(String, Duration)> {
        let written = self.map(name).into_iter();
        // What is no number was refused when it was read.
        let times = written.filter_map(|(filter, number)| Some((filter, number.parse().ok()?)));
        times
            .map(|(filter, seconds)| (filter, Duration::from_secs(seconds)))
            .collect()
    }

    /// A text that is not blank.
    pub(super) fn some_text(&self, name: &'static str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.trim().is_empty())
    }

    /// A path, when one is given.
    pub(super) fn path(&self, name: &'static str) -> Option<PathBuf> {
        self.some_text(name).map(PathBuf::from)
    }

    /// A password.
    pub(super) fn secret(&self, name: &'static str) -> Secret {
        Secret::new(self.text(name))
    }

    /// Several passwords.
    pub(super) fn secrets(&self, name: &'static str) -> Vec<Secret> {
        self.texts(name).into_iter().map(Secret::new).collect()
    }

    /// A number that is not negative; one that is counts as 0.
    pub(super) fn count(&self, name: &'static str) -> u64 {
        u64::try_from(self.integer(name)).unwrap_or(0)
    }

    /// A number of things that are held in memory.
    pub(super) fn size(&self, name: &'static str) -> usize {
        usize::try_from(self.integer(name)).unwrap_or(0)
    }

    /// A number of seconds.
    pub(super) fn seconds(&self, name: &'static str) -> Duration {
        Duration::from_secs(self.count(name))
    }

    /// A number of minutes.
    pub(super) fn minutes(&self, name: &'static str) -> Duration {
        Duration::from_secs(self.count(name) * 60)
    }

    /// A number of hours.
    pub(super) fn hours(&self, name: &'static str) -> Duration {
        Duration::from_secs(self.count(name) * 3600)
    }

    /// A number of milliseconds.
    pub(super) fn milliseconds(&self, name: &'static str) -> Duration {
        Duration::from_millis(self.count(name))
    }
}

/// The row of a key that the code names. Reading all defaults, as `Settings::default` does, visits every such name.
fn row(name: &'static str) -> &'static Key {
    table::find(name)
        .expect("settings read only keys of the table, which the test of the defaults visits")
}

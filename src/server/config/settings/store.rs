use std::path::PathBuf;

use crate::config::table;
use crate::config::values::Values;

/// Where decided state is kept. `place` decides the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// What the files say about it.
    pub choice: StoreChoice,
}

/// What the files say about the place of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// This SQLite file (`SQLite3DataFile`).
    File(PathBuf),
    /// In memory only (`SQLite3DataFile` is `:memory:`).
    Memory,
    /// A file in this directory (`RaftDataDir`).
    Directory(PathBuf),
    /// Nothing.
    Unsaid,
}

impl StoreSettings {
    pub(super) fn resolve(values: &Values) -> Self {
        let choice = match (values.path("SQLite3DataFile"), values.path("RaftDataDir")) {
            (Some(path), _) if path.as_os_str() == ":memory:" => StoreChoice::Memory,
            (Some(path), _) => StoreChoice::File(path),
            (None, Some(directory)) => StoreChoice::Directory(directory),
            (None, None) => StoreChoice::Unsaid,
        };
        Self { choice }
    }

    /// The key because of which the store would be a MySQL server: `BackendDB`, or without it the first
    /// `MySQLOrchestrator…` key that is set to other than its default.
    pub(in crate::config) fn key_asking_for_mysql(values: &Values) -> Option<&'static str> {
        match values.text("BackendDB").as_str() {
            "mysql" => Some("BackendDB"),
            "" => table::keys()
                .find(|key| key.name.starts_with("MySQLOrchestrator") && values.is_changed(key))
                .map(|key| key.name),
            _ => None,
        }
    }
}

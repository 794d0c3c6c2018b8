//! Where the store of a node is.

use std::path::{Path, PathBuf};

use super::settings::{MysqlStoreSettings, StoreChoice, StoreSettings};
use super::source::Source;

/// Name of the store in a directory that was not chosen for it alone.
const FILE_NAME: &str = "orchestrator.sqlite3";

/// Directory of a service's own data (Filesystem Hierarchy Standard 3.0, section 5.8).
const SYSTEM_DIRECTORY: &str = "/var/lib/orchestrator";

/// Where the store is, and by which rule.
#[derive(Clone, Debug)]
pub enum StorePlace {
    /// An SQLite file. Its directory may have to be created, for its owner only.
    File {
        /// Path of the file.
        path: PathBuf,
        /// The rule that chose it, to be printed at start.
        why: &'static str,
    },
    /// Kept in memory only (`:memory:`); gone with the process.
    Memory,
    /// A database on a MySQL server.
    Mysql(Box<MysqlStoreSettings>),
}

/// No rule gave a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no place for the store: /var/lib/orchestrator is not writable and neither XDG_STATE_HOME nor HOME is set; set SQLite3DataFile to the path of a file"
)]
pub struct NoStorePlace;

impl StoreSettings {
    /// Decides where the store is: where the configuration says, else in `/var/lib/orchestrator` if this process can
    /// write there, else in the user's state directory (XDG Base Directory Specification 0.8).
    ///
    /// # Errors
    /// [`NoStorePlace`] when all of that is unknown.
    pub fn place(&self, source: &dyn Source) -> Result<StorePlace, NoStorePlace> {
        let (path, why) = match &self.choice {
            StoreChoice::Memory => return Ok(StorePlace::Memory),
            StoreChoice::Mysql(settings) => return Ok(StorePlace::Mysql(settings.clone())),
            StoreChoice::File(path) => (path.clone(), "SQLite3DataFile"),
            StoreChoice::Directory(directory) => (directory.join(FILE_NAME), "RaftDataDir"),
            StoreChoice::Unsaid if source.can_create_in(Path::new(SYSTEM_DIRECTORY)) => (
                Path::new(SYSTEM_DIRECTORY).join(FILE_NAME),
                "default, /var/lib/orchestrator is writable",
            ),
            StoreChoice::Unsaid => {
                let directory = state_directory(source).ok_or(NoStorePlace)?;
                (
                    directory.join("orchestrator").join(FILE_NAME),
                    "default, the user's state directory",
                )
            }
        };
        Ok(StorePlace::File { path, why })
    }
}

/// The specification says that a relative path in the variable is to be ignored.
fn state_directory(source: &dyn Source) -> Option<PathBuf> {
    let absolute = |name| {
        source
            .variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
}

#[cfg(test)]
mod tests {
    use super::super::source::fake::FakeSource;
    use super::*;

    fn place(choice: StoreChoice, source: FakeSource) -> String {
        let settings = StoreSettings {
            choice,
            old_file: None,
            old_database: None,
        };
        match settings.place(&source) {
            Ok(StorePlace::File { path, why }) => format!("{} ({why})", path.display()),
            Ok(StorePlace::Memory) => "memory".to_owned(),
            Ok(StorePlace::Mysql(settings)) => settings.server.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_first_rule_that_gives_a_place_wins() {
        let home = FakeSource::default().variable_is("HOME", "/home/o");
        let rich = home
            .clone()
            .writable("/var/lib/orchestrator")
            .variable_is("XDG_STATE_HOME", "/state");
        assert_eq!(
            place(StoreChoice::File("/a/b".into()), rich.clone()),
            "/a/b (SQLite3DataFile)"
        );
        assert_eq!(place(StoreChoice::Memory, rich.clone()), "memory");
        assert_eq!(
            place(StoreChoice::Directory("/raft".into()), rich.clone()),
            "/raft/orchestrator.sqlite3 (RaftDataDir)"
        );
        assert_eq!(
            place(StoreChoice::Unsaid, rich),
            "/var/lib/orchestrator/orchestrator.sqlite3 (default, /var/lib/orchestrator is writable)"
        );
        assert_eq!(
            place(
                StoreChoice::Unsaid,
                home.clone().variable_is("XDG_STATE_HOME", "/state")
            ),
            "/state/orchestrator/orchestrator.sqlite3 (default, the user's state directory)"
        );
        assert_eq!(
            place(
                StoreChoice::Unsaid,
                home.variable_is("XDG_STATE_HOME", "relative")
            ),
            "/home/o/.local/state/orchestrator/orchestrator.sqlite3 (default, the user's state directory)"
        );
    }

    #[test]
    fn without_any_place_the_sentence_says_what_to_set() {
        let text = place(StoreChoice::Unsaid, FakeSource::default());
        assert!(
            text.ends_with("set SQLite3DataFile to the path of a file"),
            "{text}"
        );
    }
}

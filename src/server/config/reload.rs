//! Reading the configuration again while the process runs.
//!
//! All files are read afresh, so a key that was removed goes back to its default (in the predecessor it kept its last
//! value until a restart, so that a file did not say what was in force). Nothing is taken over from a configuration
//! with a problem.

use std::path::{Path, PathBuf};

use super::key::Change;
use super::load::{self, Loaded};
use super::problem::Errors;
use super::source::Source;

/// A configuration that was read again.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// What is in force from now on: everything that may change while running is new, the rest is as it was.
    pub loaded: Loaded,
    /// Keys whose value differs from the one before, in the order of the reference page.
    pub changed: Vec<&'static str>,
    /// Keys whose value differs from that at the start of the process and counts only after a restart.
    pub needs_restart: Vec<&'static str>,
}

/// Why nothing was taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// A further file was named that may not be read through this.
    #[error(
        "'{}' is not in a directory from which a configuration may be taken; put it beside the configuration file, or list its directory in ConfigReloadDirectories",
        path.display()
    )]
    Forbidden {
        /// The path as given.
        path: PathBuf,
    },
    /// A further file was named, in a permitted directory, that is not there.
    #[error("'{}' cannot be read: {reason}", path.display())]
    Missing {
        /// The path as given.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Something is wrong in the files.
    #[error(transparent)]
    Bad(#[from] Errors),
}

impl Reloaded {
    /// What to tell whoever asked: a sentence for each key that waits for a restart, then the warnings.
    pub fn sentences(&self) -> Vec<String> {
        let waiting = self
            .needs_restart
            .iter()
            .map(|key| format!("{key} has changed and counts after a restart"));
        waiting
            .chain(self.loaded.warnings.iter().map(ToString::to_string))
            .collect()
    }
}

impl ReloadError {
    /// A sentence for each thing that is wrong.
    pub fn sentences(&self) -> Vec<String> {
        match self {
            Self::Bad(errors) => errors.problems.iter().map(ToString::to_string).collect(),
            other => vec![other.to_string()],
        }
    }
}

impl Loaded {
    /// Reads the same list of files again, and `extra` after them, which counts until the next reload. A relative
    /// `extra` is relative to the working directory.
    ///
    /// # Errors
    /// A forbidden `extra`, or everything that is wrong in the files; the configuration in force stays as it is.
    pub fn reload(
        &self,
        source: &dyn Source,
        extra: Option<&Path>,
    ) -> Result<Reloaded, ReloadError> {
        let extra = extra.map(|path| self.permitted(source, path)).transpose()?;
        let mut loaded = load::read(
            source,
            &self.list,
            self.overrides,
            &self.files,
            extra.as_deref(),
        )?;
        let names = |change: &'static [Change], old| {
            let differing = loaded
                .values
                .differences(old)
                .filter(move |key| change.contains(&key.change));
            differing.map(|key| key.name).collect::<Vec<_>>()
        };
        let changed = names(&[Change::Live, Change::Restart], &self.values);
        let needs_restart = names(&[Change::Restart], &self.started);
        loaded.settings.startup = self.settings.startup.clone();
        loaded.started = self.started.clone();
        Ok(Reloaded {
            loaded,
            changed,
            needs_restart,
        })
    }

    /// The path behind all links, when it lies directly in a permitted directory. The same answer is given for every
    /// path elsewhere, whether there is a file or not.
    fn permitted(&self, source: &dyn Source, path: &Path) -> Result<PathBuf, ReloadError> {
        let forbidden = || ReloadError::Forbidden {
            path: path.to_owned(),
        };
        let directories = self.permitted_directories(source);
        let parent = source
            .canonical(&parent_of(path))
            .map_err(|_| forbidden())?;
        if !directories.contains(&parent) {
            return Err(forbidden());
        }
        let missing = |error: std::io::Error| ReloadError::Missing {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let target = source.canonical(path).map_err(missing)?;
        if target
            .parent()
            .is_some_and(|parent| directories.iter().any(|directory| directory == parent))
        {
            Ok(target)
        } else {
            Err(forbidden())
        }
    }

    /// The directories of the files read at start, both as named and behind links (a mounted Kubernetes ConfigMap has
    /// its files in another directory than the one it shows), and those that the configuration in force lists.
    fn permitted_directories(&self, source: &dyn Source) -> Vec<PathBuf> {
        let named = self.files.iter().map(|file| parent_of(file));
        let behind_links = self
            .files
            .iter()
            .filter_map(|file| source.canonical(file).ok())
            .map(|file| parent_of(&file));
        let listed = self.settings.live.reload.directories.iter().cloned();
        named
            .chain(behind_links)
            .chain(listed)
            .filter_map(|directory| source.canonical(&directory).ok())
            .collect()
    }
}

fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

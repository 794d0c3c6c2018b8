//! Which files are read.

use std::path::{Path, PathBuf};

/// The files of a start, in the order in which they are laid over each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileList {
    /// The three places looked at without `-config`; those that are absent are skipped.
    Standard,
    /// The one file of `-config`, which must be readable.
    Only(PathBuf),
}

impl FileList {
    /// What the flag `-config` asks for.
    pub fn from_flag(config: Option<&Path>) -> Self {
        config.map_or(Self::Standard, |path| Self::Only(path.to_owned()))
    }

    /// The paths; the last two of the standard ones are relative to the working directory.
    pub fn paths(&self) -> Vec<PathBuf> {
        match self {
            Self::Standard => [
                "/etc/orchestrator.conf.json",
                "conf/orchestrator.conf.json",
                "orchestrator.conf.json",
            ]
            .into_iter()
            .map(PathBuf::from)
            .collect(),
            Self::Only(path) => vec![path.clone()],
        }
    }

    /// Whether a file that is not there is an error.
    pub(super) fn must_exist(&self) -> bool {
        matches!(self, Self::Only(_))
    }
}

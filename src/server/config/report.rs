//! Collects what is wrong and what is worth saying while a configuration is read.

use std::path::Path;

use super::problem::{About, Errors, Problem, ProblemKind, Warning, WarningKind};
use super::values::Values;

/// Problems and warnings so far.
#[derive(Default)]
pub(super) struct Report {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Warning>,
}

impl Report {
    /// A problem with a key, or with the whole file when `key` is empty.
    pub(super) fn problem(
        &mut self,
        file: Option<&Path>,
        key: impl Into<String>,
        what: ProblemKind,
    ) {
        self.problems.push(About {
            file: file.map(Path::to_owned),
            key: key.into(),
            what,
        });
    }

    /// A warning about a key, or about the whole file when `key` is empty.
    pub(super) fn warning(
        &mut self,
        file: Option<&Path>,
        key: impl Into<String>,
        what: WarningKind,
    ) {
        self.warnings.push(About {
            file: file.map(Path::to_owned),
            key: key.into(),
            what,
        });
    }

    /// A problem with a key, in the file that set it.
    pub(super) fn key_problem(&mut self, values: &Values, key: &str, what: ProblemKind) {
        self.problem(values.file(key), key, what);
    }

    /// A warning about a key, in the file that set it.
    pub(super) fn key_warning(&mut self, values: &Values, key: &str, what: WarningKind) {
        self.warning(values.file(key), key, what);
    }

    /// The warnings, or everything when there are problems.
    pub(super) fn finish(self) -> Result<Vec<Warning>, Errors> {
        if self.problems.is_empty() {
            Ok(self.warnings)
        } else {
            Err(Errors {
                problems: self.problems,
                warnings: self.warnings,
            })
        }
    }
}

//! From the files to settings: reads, merges, fills in, checks, resolves.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::files::FileList;
use super::merge;
use super::problem::{Errors, ProblemKind, Warning};
use super::report::Report;
use super::rules;
use super::secrets;
use super::settings::Settings;
use super::source::{FILE_BYTES_MAX, Source};
use super::state;
use super::values::Values;

/// What the command line says over the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `-enable-database-update`: as if `SkipOrchestratorDatabaseUpdate` were false.
    pub enable_database_update: bool,
}

/// A configuration that was read and can be used. Kept for as long as the process runs: a reload starts from it.
#[derive(Clone)]
pub struct Loaded {
    /// The settings in force.
    pub settings: Settings,
    /// What to tell the operator.
    pub warnings: Vec<Warning>,
    /// The files that were there and were read, in order.
    pub files: Vec<PathBuf>,
    pub(super) list: FileList,
    pub(super) overrides: Overrides,
    /// Values as last read, and as they were when the process started.
    pub(super) values: Values,
    pub(super) started: Values,
}

/// Without the values as written, in which passwords are.
impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Loaded");
        out.field("settings", &self.settings)
            .field("warnings", &self.warnings)
            .field("files", &self.files);
        out.finish_non_exhaustive()
    }
}

/// Reads the configuration at the start of the process.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load(source: &dyn Source, list: &FileList, overrides: Overrides) -> Result<Loaded, Errors> {
    read(source, list, overrides, &[], None)
}

/// Reads the list and one `extra` file after it. Each of `known` must still be there: a file that is missing for a
/// moment must not turn its settings back into defaults.
pub(super) fn read(
    source: &dyn Source,
    list: &FileList,
    overrides: Overrides,
    known: &[PathBuf],
    extra: Option<&Path>,
) -> Result<Loaded, Errors> {
    let mut report = Report::default();
    let mut values = Values::default();
    let mut files = Vec::new();
    for path in list.paths() {
        let must_exist = list.must_exist() || known.contains(&path);
        if add(source, &mut values, &mut report, &path, must_exist) {
            files.push(path);
        }
    }
    if let Some(extra) = extra {
        add(source, &mut values, &mut report, extra, true);
    }
    if overrides.enable_database_update {
        values.unset("SkipOrchestratorDatabaseUpdate");
    }
    secrets::fill_in(&mut values, &mut report, source);
    state::check(&values, &mut report);
    rules::check(&values, &mut report);
    let settings = Settings::resolve(&values, &mut report);
    let warnings = report.finish()?;
    Ok(Loaded {
        settings,
        warnings,
        files,
        list: list.clone(),
        overrides,
        started: values.clone(),
        values,
    })
}

/// Whether the file was there.
fn add(
    source: &dyn Source,
    values: &mut Values,
    report: &mut Report,
    path: &Path,
    must_exist: bool,
) -> bool {
    let content = match source.read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => return false,
        Err(error) => {
            report.problem(
                Some(path),
                "",
                ProblemKind::Unreadable {
                    reason: error.to_string(),
                },
            );
            return false;
        }
    };
    if content.len() as u64 > FILE_BYTES_MAX {
        report.problem(
            Some(path),
            "",
            ProblemKind::TooLarge {
                limit: FILE_BYTES_MAX,
            },
        );
        return true;
    }
    // A file whose mode cannot be read is one nobody else is known to read.
    let is_open = source.mode(path).is_ok_and(|mode| mode & 0o004 != 0);
    merge::add_file(values, report, path, &content, is_open);
    true
}

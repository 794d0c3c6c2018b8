//! Tests of the configuration as a whole; each stage has its own beside its code.

mod files;
mod mistakes;
mod predecessor;
mod random;
mod reload;
mod secrets;

use super::source::fake::FakeSource;
use super::{Errors, FileList, Loaded, Overrides, load};

/// Where the single file of most tests is.
const FILE: &str = "/etc/orchestrator.conf.json";

/// Reads one standard file with this content.
fn read(content: &str) -> Result<Loaded, Errors> {
    read_from(&FakeSource::default().file(FILE, content))
}

fn read_from(source: &FakeSource) -> Result<Loaded, Errors> {
    load(source, &FileList::Standard, Overrides::default())
}

/// The settings and warnings of a content that is right.
fn right(content: &str) -> Loaded {
    read(content).unwrap_or_else(|errors| panic!("{content}: {errors}"))
}

/// The warnings as text.
fn warnings(loaded: &Loaded) -> Vec<String> {
    loaded.warnings.iter().map(ToString::to_string).collect()
}

/// The problems as text.
fn problems(outcome: Result<Loaded, Errors>) -> Vec<String> {
    match outcome {
        Ok(_) => Vec::new(),
        Err(errors) => errors.problems.iter().map(ToString::to_string).collect(),
    }
}

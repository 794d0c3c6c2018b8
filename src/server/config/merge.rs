//! Lays one file after the other over the values so far.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;

use super::environment;
use super::json;
use super::key::{Key, Kind, State};
use super::problem::{ProblemKind, WarningKind};
use super::report::Report;
use super::suggest;
use super::table;
use super::values::Values;

/// Takes one file. Whatever is wrong in it is reported, and the rest of it still read, so that all problems are told at
/// once.
pub(super) fn add_file(
    values: &mut Values,
    report: &mut Report,
    path: &Path,
    content: &[u8],
    is_open: bool,
) {
    let document = match json::parse(content) {
        Ok(document) => document,
        Err(problem) => return report.problem(Some(path), "", problem),
    };
    if let Some(line) = document.trailing_line {
        report.warning(Some(path), "", WarningKind::TrailingText { line });
    }
    let mut seen = BTreeSet::new();
    for (name, json) in &document.entries {
        let Some(key) = table::find(name) else {
            report.warning(
                Some(path),
                name.clone(),
                WarningKind::UnknownKey {
                    nearest: suggest::nearest(name),
                },
            );
            continue;
        };
        if !seen.insert(key.name) {
            report.warning(Some(path), key.name, WarningKind::Repeated);
        }
        take(values, report, path, key, json);
        if is_open && is_plain_secret(key, json) {
            report.warning(Some(path), key.name, WarningKind::PlainSecret);
        }
    }
    fold_old_lag_query(values, report, path);
}

fn take(values: &mut Values, report: &mut Report, path: &Path, key: &'static Key, json: &Json) {
    if key.state == State::Removed {
        return report.warning(
            Some(path),
            key.name,
            WarningKind::Removed { note: key.note },
        );
    }
    match super::value::from_json(key, json) {
        Ok(Some(value)) => values.set(key, value, Some(path)),
        Ok(None) => {}
        Err(problems) => {
            for (part, problem) in problems {
                report.problem(Some(path), format!("{}{part}", key.name), problem);
            }
        }
    }
}

fn is_plain_secret(key: &Key, json: &Json) -> bool {
    let is_plain = |json: &Json| {
        let text = json.as_str().unwrap_or_default();
        !text.is_empty() && environment::variable_in(text).is_none()
    };
    let does_something = matches!(key.state, State::InEffect | State::NotYet);
    key.is_secret
        && does_something
        && match key.kind {
            Kind::Text { .. } => is_plain(json),
            Kind::Secrets { .. } => match json.as_array() {
                Some(all) => all.iter().any(is_plain),
                None => is_plain(json),
            },
            _ => false,
        }
}

/// `SlaveLagQuery` becomes `ReplicationLagQuery` after each file, so that a later file may replace it under either name.
fn fold_old_lag_query(values: &mut Values, report: &mut Report, path: &Path) {
    const OLD: &str = "SlaveLagQuery";
    const NEW: &str = "ReplicationLagQuery";
    if !values.is_set(OLD) {
        return;
    }
    let (old, new) = (values.text(OLD), values.text(NEW));
    values.unset(OLD);
    report.warning(Some(path), OLD, WarningKind::OldName { newer: NEW });
    if !old.is_empty() && !new.is_empty() && old != new {
        report.problem(
            Some(path),
            OLD,
            ProblemKind::Disagrees {
                newer: NEW,
                old: OLD,
            },
        );
    } else if !old.is_empty() {
        values.set_text(NEW, old, Some(path));
    }
}

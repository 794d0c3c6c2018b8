//! Says which of the keys that were set do nothing in this release, and refuses what must not be passed over.

use super::key::State;
use super::problem::{ProblemKind, WarningKind};
use super::report::Report;
use super::settings::StoreSettings;
use super::values::Values;

/// Judges every key that was set by its state.
pub(super) fn check(values: &Values, report: &mut Report) {
    let mut at_default: Vec<&'static str> = Vec::new();
    let has_mysql_store = StoreSettings::key_asking_for_mysql(values).is_some();
    for key in values.keys() {
        let is_changed = values.is_changed(key);
        if is_changed && !has_mysql_store && key.name.starts_with("MySQLOrchestrator") {
            let text = "has no effect, because BackendDB is sqlite";
            report.key_warning(values, key.name, WarningKind::Pointless(text));
        }
        match key.state {
            State::NotYet if is_changed => {
                report.key_warning(values, key.name, WarningKind::NotYet)
            }
            State::NotYet => at_default.push(key.name),
            State::NotCarriedOver if is_changed => {
                report.key_warning(
                    values,
                    key.name,
                    WarningKind::NotCarriedOver { note: key.note },
                );
            }
            State::NoEffect if is_changed => {
                report.key_warning(values, key.name, WarningKind::NoEffect)
            }
            State::Restricts if is_changed => {
                report.key_problem(values, key.name, ProblemKind::NotInEffect { why: key.note })
            }
            _ => {}
        }
        if let (Some(newer), true) = (key.old_name_of, key.name != "RecoveryPeriodBlockMinutes") {
            report.key_warning(values, key.name, WarningKind::OldName { newer });
        }
    }
    if !at_default.is_empty() {
        report.warning(None, at_default.join(", "), WarningKind::NotYetAtDefault);
    }
}

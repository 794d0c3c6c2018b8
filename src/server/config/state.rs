//! Says which of the keys that were set do nothing in this release, and refuses what must not be passed over.

use super::key::{Key, State};
use super::problem::{ProblemKind, WarningKind};
use super::report::Report;
use super::settings::StoreSettings;
use super::values::Values;

/// Judges every key that was set by its state.
pub(super) fn check(values: &Values, report: &mut Report) {
    let mut at_default: Vec<&'static str> = Vec::new();
    let refused = refuse_what_is_not_built(values, report);
    for key in values.keys().filter(|key| !refused(key)) {
        let is_changed = values.is_changed(key);
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

/// Refuses a MySQL store, and returns which keys that already says enough about.
fn refuse_what_is_not_built(values: &Values, report: &mut Report) -> impl Fn(&Key) -> bool + use<> {
    let mysql_key = StoreSettings::key_asking_for_mysql(values);
    if let Some(name) = mysql_key {
        report.key_problem(values, name, ProblemKind::MySqlStoreNotYet);
    }
    let wants_mysql = mysql_key.is_some();
    move |key| wants_mysql && key.name.starts_with("MySQLOrchestrator")
}

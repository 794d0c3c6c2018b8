//! The promises F1 to F11, that nodes agree (R3), and that aliases lead to who takes writes, each as an invariant that is asked after every step of a simulated
//! run. Each file says what its promise is, why it was made, and what of it is checked here; its tests show a history that
//! breaks it.

mod acknowledged_kept;
mod alias_leads;
mod anti_flapping;
mod fenced;
mod history;
mod majority_only;
mod never_promoted;
mod no_cause_no_action;
mod nodes_agree;
mod old_primary_closed;
mod one_recovery;
mod one_tree;
mod recoveries_end;
mod relay_logs_kept;
#[cfg(test)]
mod testing;

use crate::world::model::View;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub promise: &'static str,
    /// How.
    pub what: String,
}

/// One promise.
pub trait Invariant: Send {
    /// Asked after every step.
    ///
    /// # Errors
    /// [`Violation`]: it is broken.
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation>;

    /// Asked once, when all is mended and a second failover is over.
    ///
    /// # Errors
    /// [`Violation`]: it is broken.
    fn at_end(&mut self, _view: &View<'_>) -> Result<(), Violation> {
        Ok(())
    }
}

/// All of them.
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::<nodes_agree::NodesAgree>::default(),
        Box::<one_recovery::OneRecovery>::default(),
        Box::<fenced::Fenced>::default(),
        Box::<old_primary_closed::OldPrimaryClosed>::default(),
        Box::<majority_only::MajorityOnly>::default(),
        Box::<acknowledged_kept::AcknowledgedKept>::default(),
        Box::<relay_logs_kept::RelayLogsKept>::default(),
        Box::<recoveries_end::RecoveriesEnd>::default(),
        Box::<no_cause_no_action::NoCauseNoAction>::default(),
        Box::<never_promoted::NeverPromoted>::default(),
        Box::<one_tree::OneTree>::default(),
        Box::<anti_flapping::AntiFlapping>::default(),
        Box::<alias_leads::AliasLeads>::default(),
    ]
}

fn broken<T>(promise: &'static str, what: String) -> Result<T, Violation> {
    Err(Violation { promise, what })
}

//! F6: no step destroys an unapplied relay log. Acknowledged writes are mostly lost by maintenance statements, not by ranking
//! (vitess, failover audit: 500 to 1,232 rows for each run, each reported as success); which statements do it was measured on
//! MariaDB 10.11 (`reliability-and-security.md`, section 4). Checked: no statement of ours discards a transaction that was
//! received and not applied.

use super::history::Statements;
use super::{Invariant, Violation, broken};
use crate::world::model::View;

/// See above.
#[derive(Debug, Default)]
pub(super) struct RelayLogsKept(Statements);

impl Invariant for RelayLogsKept {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        let mut new = self.0.new_ones(view).iter();
        match new.find(|landed| landed.discarded > 0) {
            Some(landed) => broken("F6", format!("it discarded relay logs: {landed:?}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_core::ports::Change;

    use super::*;
    use crate::invariants::testing::Stage;

    #[test]
    fn a_discarding_statement_is_noticed() {
        let mut stage = Stage::new();
        stage.land(0, 1, Change::ForgetSource);
        assert_eq!(stage.look(&mut RelayLogsKept::default()), Ok(()));
        stage.fleet.ledger.landed[0].discarded = 1;
        assert_eq!(stage.broken(&mut RelayLogsKept::default()), "F6");
    }
}

//! F1: at most one unfinished recovery for each server, decided by apply, across changes of leadership. The predecessor checked
//! locally and told raft afterwards, and recoveries overlapped (openark/orchestrator #1217). Checked: in the order of the
//! log, no recovery is registered while an unfinished one may touch one of its servers.

use super::history::History;
use super::{Invariant, Violation, broken};
use crate::world::model::View;

/// See above.
#[derive(Debug, Default)]
pub(super) struct OneRecovery(History);

impl Invariant for OneRecovery {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        let (begun, _) = self.0.read(view);
        for id in begun {
            let new = &self.0.recoveries[&id];
            let overlaps = self.0.recoveries.iter().find(|(other, told)| {
                let is_over = told.end.as_ref().is_some_and(|(at, _)| *at <= new.at);
                let shares = |server| {
                    told.registered
                        .servers
                        .iter()
                        .any(|one| one.is_same(server))
                };
                **other != id
                    && told.at <= new.at
                    && !is_over
                    && new.registered.servers.iter().any(shares)
            });
            if let Some((other, told)) = overlaps {
                let subject = &told.registered.subject;
                return broken("F1", format!("{id} overlaps {other} of {subject}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::testing::{Stage, end, register};

    #[test]
    fn two_at_once_on_one_server_are_noticed() {
        let mut stage = Stage::new();
        stage.commit(register(1, "db0"));
        assert_eq!(stage.look(&mut OneRecovery::default()), Ok(()));
        stage.commit_unchecked(register(2, "db0"));
        assert_eq!(stage.broken(&mut OneRecovery::default()), "F1");
    }

    #[test]
    fn one_after_the_other_is_fine() {
        let mut stage = Stage::new();
        stage.commit(register(1, "db0"));
        stage.commit(end(1));
        stage.pass(1);
        stage.commit(register(2, "db0"));
        assert_eq!(stage.look(&mut OneRecovery::default()), Ok(()));
    }
}

//! R5: two nodes are never both valid leaders to a client, and who serves has applied all that was acknowledged. A cut-off
//! leader that goes on answering sends clients to a state that is over. Checked: of all nodes, also those that are cut off, at
//! most one answers `leader-check`; and its applied index is not behind any acknowledgement.

use super::{Invariant, View, Violation, broken};

/// See above.
#[derive(Debug, Default)]
pub(super) struct Honest;

impl Invariant for Honest {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        let serving: Vec<_> = view.running().filter(|(_, seen)| seen.is_serving).collect();
        if serving.len() > 1 {
            let names: Vec<&str> = serving.iter().map(|(name, _)| *name).collect();
            return broken("R5", format!("{} serve at once", names.join(" and ")));
        }
        for (name, seen) in serving {
            let (applied, acknowledged) = (seen.decided.applied_index, view.ledger.last_index);
            if applied < acknowledged {
                return broken(
                    "R5",
                    format!("{name} serves at entry {applied}, and {acknowledged} is acknowledged"),
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn two_that_serve_are_noticed() {
        let mut stage = Stage::new(3);
        stage.seen[0].is_serving = true;
        assert_eq!(stage.look(&mut Honest), Ok(()));
        stage.seen[2].is_serving = true;
        assert_eq!(stage.broken(&mut Honest), "R5");
    }

    #[test]
    fn one_that_serves_an_old_state_is_noticed() {
        let mut stage = Stage::new(3);
        stage.seen[0].is_serving = true;
        stage.ledger.last_index = 1;
        assert_eq!(stage.broken(&mut Honest), "R5");
    }
}

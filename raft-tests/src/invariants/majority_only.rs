//! F4: a node outside the majority changes nothing, answers no write, publishes nothing. A cut-off primary with a cut-off node
//! beside it went on, and cost GitHub a day in 2018. Checked: no statement is sent and no hook is started by a node that had
//! no majority for a while. Commands it cannot commit by construction.

use std::time::Duration;

use super::history::Statements;
use super::{Invariant, Violation, broken};
use crate::world::model::View;

/// A lease is shorter than this.
const LEASE: Duration = Duration::from_millis(1_000);

/// See above.
#[derive(Debug, Default)]
pub(super) struct MajorityOnly {
    statements: Statements,
    hooks: usize,
}

impl Invariant for MajorityOnly {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        for landed in self.statements.new_ones(view) {
            if is_cut_off(view, landed.node, landed.sent_at) {
                return broken("F4", format!("sent without a majority: {landed:?}"));
            }
        }
        let new = view.hooks.get(self.hooks..).unwrap_or_default();
        self.hooks = view.hooks.len();
        match new.iter().find(|hook| is_cut_off(view, hook.node, hook.at)) {
            Some(hook) => broken("F4", format!("a hook without a majority: {hook:?}")),
            None => Ok(()),
        }
    }
}

/// Whether it had none for longer than any lease. Of what it did before it stood still it knows nothing better.
fn is_cut_off(view: &View<'_>, node: usize, at: Duration) -> bool {
    let member = &view.group.members[node];
    let from = at.saturating_sub(LEASE);
    member.was_cut_off_throughout(from, at) && !member.stood_still_within(from, at)
}

#[cfg(test)]
mod tests {
    use orchestrator_core::ports::Change;

    use super::*;
    use crate::invariants::testing::Stage;

    #[test]
    fn a_statement_of_a_cut_off_node_is_noticed() {
        let mut stage = Stage::new();
        stage.pass(5);
        stage.land(0, 1, Change::Close);
        assert_eq!(stage.look(&mut MajorityOnly::default()), Ok(()));
        let since = stage.now - Duration::from_secs(3);
        stage.group.members[0].cut_off.push((since, None));
        assert_eq!(stage.broken(&mut MajorityOnly::default()), "F4");
    }

    #[test]
    fn a_hook_of_a_cut_off_node_is_noticed() {
        let mut stage = Stage::new();
        stage.pass(5);
        stage.hook(0, 1);
        assert_eq!(stage.look(&mut MajorityOnly::default()), Ok(()));
        let now = stage.now;
        stage.group.members[0]
            .cut_off
            .push((Duration::ZERO, Some(now)));
        assert_eq!(
            stage.look(&mut MajorityOnly::default()),
            Ok(()),
            "it is back"
        );
        stage.group.members[0].cut_off[0].1 = None;
        assert_eq!(stage.broken(&mut MajorityOnly::default()), "F4");
    }
}

//! F9: never promoted: must_not, no binary log, delayed, errant. Such a server is writable and then followed by nobody, or makes
//! everybody's history wrong. Checked: when a server is made writable, in truth none of this holds for it.

use orchestrator_core::domain::PromotionRule;
use orchestrator_core::ports::Change;

use super::history::Statements;
use super::{Invariant, Violation, broken};
use crate::world::model::View;
use crate::world::mysql::ServerId;

/// See above.
#[derive(Debug, Default)]
pub(super) struct NeverPromoted {
    statements: Statements,
    /// Servers whose own writes are everybody's.
    were_primary: Vec<ServerId>,
}

impl Invariant for NeverPromoted {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        for landed in self.statements.new_ones(view) {
            if landed.change != Change::MakeWritable || landed.errno != 0 {
                continue;
            }
            if let Some(why) = self.against(view, landed.server) {
                return broken("F9", format!("{why}: {landed:?}"));
            }
            self.were_primary.push(landed.server);
        }
        Ok(())
    }
}

impl NeverPromoted {
    fn against(&self, view: &View<'_>, id: ServerId) -> Option<&'static str> {
        let server = &view.fleet.servers[id];
        let at_first = view.scenario.servers.get(id)?;
        let is_delayed = (at_first.link.as_ref()).is_some_and(|link| !link.delay.is_zero());
        if server.rule == Some(PromotionRule::MustNot) {
            return Some("its rule is must_not");
        }
        if !server.file.has_binlog {
            return Some("it has no binary log");
        }
        if is_delayed {
            return Some("it is delayed");
        }
        let wrote = server.have.last_of(server.number()) > 0;
        (wrote && id != 0 && !self.were_primary.contains(&id))
            .then_some("it has transactions of its own")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::testing::Stage;
    use crate::world::mysql::Server;

    fn promoted(change: impl Fn(&mut Server)) -> Result<(), Violation> {
        let mut stage = Stage::new();
        change(&mut stage.fleet.servers[1]);
        stage.land_on(1, 0, 1, Change::MakeWritable);
        stage.look(&mut NeverPromoted::default())
    }

    #[test]
    fn whom_nobody_may_promote_is_noticed() {
        assert_eq!(promoted(|_| {}), Ok(()));
        let must_not = promoted(|one| one.rule = Some(PromotionRule::MustNot));
        let no_log = promoted(|one| one.file.has_binlog = false);
        let errant = promoted(|one| {
            let own = one.number();
            one.have.add(crate::world::mysql::Txn {
                origin: own,
                number: 1,
            });
        });
        for broken in [must_not, no_log, errant] {
            assert_eq!(broken.expect_err("it is broken").promise, "F9");
        }
    }
}

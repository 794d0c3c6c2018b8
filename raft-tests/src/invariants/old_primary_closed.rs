//! F3: never two servers writable and able to commit by our doing; an old primary seen again is closed, not adopted. A supervisor
//! restarts a primary whose option file says that it is writable; its clients come back with it, and what they write is lost or
//! doubled. Two servers with `read_only=0` alone are no violation while one of them cannot be reached. Checked: nobody is made
//! writable while the old primary, or another server that we made writable, has been reachable and writable for a while; and once somebody was, and has not been closed
//! since, an old primary does not stay so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orchestrator_core::domain::RecoveryOutcome;
use orchestrator_core::ports::Change;

use super::history::{History, Statements};
use super::{Invariant, Violation, broken};
use crate::world::model::View;
use crate::world::mysql::{Place, ServerId};

/// How long a reachable old primary may be open before somebody else is made writable: an attempt that hangs and one that is
/// slow.
const SEEN_WITHIN: Duration = Duration::from_secs(5);
/// How long it may stay open afterwards, while one node leads and reaches it: a close that hangs and is repeated.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);

/// See above.
#[derive(Debug, Default)]
pub(super) struct OldPrimaryClosed {
    history: History,
    statements: Statements,
    /// Since when a server has been writable and in reach of the leader, and of which one.
    open_since: BTreeMap<ServerId, (Duration, usize)>,
    /// Servers that statements of ours made writable.
    made_writable: BTreeSet<ServerId>,
    /// Old primaries, each with who was made writable in its place.
    replaced: BTreeMap<ServerId, ServerId>,
}

impl Invariant for OldPrimaryClosed {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        self.history.read(view);
        self.note_open(view);
        for landed in self.statements.new_ones(view) {
            let recovery = self.history.recoveries.get(&landed.on_behalf_of.recovery);
            let old = recovery.and_then(|told| view.fleet.find(&told.registered.subject));
            let end = recovery.and_then(|told| Some(&told.end.as_ref()?.1));
            let has_failed = end.is_some_and(|end| end.outcome == RecoveryOutcome::Failed);
            if let (Change::Close, 0, Some(old), true) =
                (&landed.change, landed.errno, old, has_failed)
                && self.replaced.get(&old) == Some(&landed.server)
            {
                // A recovery that failed takes back what it may have done: the old primary is the only one again.
                self.replaced.remove(&old);
            }
            let (Change::MakeWritable, 0, Some(old)) = (&landed.change, landed.errno, old) else {
                continue;
            };
            let other = self.made_writable.iter().copied().find(|id| {
                *id != landed.server && self.was_open_for(*id, SEEN_WITHIN, landed.sent_at)
            });
            if let Some(other) = other {
                return broken(
                    "F3",
                    format!("db{other} was made writable before: {landed:?}"),
                );
            }
            self.made_writable.insert(landed.server);
            self.replaced.remove(&landed.server);
            self.replaced.insert(old, landed.server);
            if self.was_open_for(old, SEEN_WITHIN, landed.sent_at) {
                return broken(
                    "F3",
                    format!("db{old} has been open for a while: {landed:?}"),
                );
            }
        }
        let mut replaced = self.replaced.iter();
        let stays = replaced.find(|(old, _)| self.was_open_for(**old, CLOSED_WITHIN, view.now));
        match stays {
            Some((old, new)) => broken("F3", format!("db{old} stays open beside db{new}")),
            None => Ok(()),
        }
    }

    fn at_end(&mut self, view: &View<'_>) -> Result<(), Violation> {
        let mut replaced = self.replaced.keys();
        let open = replaced.find(|old| self.was_open_for(**old, SEEN_WITHIN, view.now));
        match open {
            Some(old) => broken("F3", format!("the old primary db{old} is writable")),
            None => Ok(()),
        }
    }
}

impl OldPrimaryClosed {
    /// Whether a server was open and in reach for longer than `length` at a moment.
    fn was_open_for(&self, id: ServerId, length: Duration, at: Duration) -> bool {
        let since = self.open_since.get(&id);
        since.is_some_and(|(since, _)| *since + length < at)
    }

    fn note_open(&mut self, view: &View<'_>) {
        let leader = view.group.leader.map(|(node, _)| node);
        for (id, server) in view.fleet.servers.iter().enumerate() {
            let in_reach = leader.filter(|node| {
                view.fleet
                    .network
                    .talks(Place::Node(*node), Place::Server(id))
                    && view.group.members[*node].is_well()
            });
            match in_reach.filter(|_| server.takes_writes()) {
                Some(node) => {
                    let (_, by) = *self.open_since.entry(id).or_insert((view.now, node));
                    if by != node {
                        self.open_since.insert(id, (view.now, node));
                    }
                }
                None => {
                    self.open_since.remove(&id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::testing::{Stage, failed, register};

    #[test]
    fn a_promotion_beside_an_open_old_primary_is_noticed() {
        let mut stage = Stage::new();
        stage.reign(0, 1);
        stage.commit(register(1, "db0"));
        let mut invariant = OldPrimaryClosed::default();
        assert_eq!(stage.look(&mut invariant), Ok(()));
        stage.pass(6);
        stage.land_on(1, 0, 1, Change::MakeWritable);
        assert_eq!(stage.broken(&mut invariant), "F3");
    }

    #[test]
    fn two_that_were_made_writable_are_noticed() {
        let mut stage = Stage::new();
        stage.reign(0, 1);
        stage.fleet.crash(0);
        stage.commit(register(1, "db0"));
        stage.land_on(1, 0, 1, Change::MakeWritable);
        stage.fleet.servers[1].read_only = false;
        let mut invariant = OldPrimaryClosed::default();
        assert_eq!(stage.look(&mut invariant), Ok(()));
        stage.pass(6);
        stage.land_on(2, 0, 1, Change::MakeWritable);
        assert_eq!(stage.broken(&mut invariant), "F3");
    }

    #[test]
    fn a_failed_recovery_that_closes_whom_it_made_writable_leaves_the_old_primary_open() {
        for (closes, is_fine) in [(true, true), (false, false)] {
            let mut stage = Stage::new();
            stage.reign(0, 1);
            stage.fleet.crash(0);
            stage.commit(register(1, "db0"));
            stage.land_on(1, 0, 1, Change::MakeWritable);
            let mut invariant = OldPrimaryClosed::default();
            assert_eq!(stage.look(&mut invariant), Ok(()));
            stage.commit(failed(1));
            stage.fleet.start(0);
            if closes {
                stage.land_on(1, 0, 1, Change::Close);
            }
            assert_eq!(stage.look(&mut invariant), Ok(()));
            stage.pass(6);
            let ended = stage.at_end(&mut invariant);
            assert_eq!(ended.is_ok(), is_fine, "{closes}");
        }
    }

    #[test]
    fn an_old_primary_that_stays_open_is_noticed() {
        let mut stage = Stage::new();
        stage.reign(0, 1);
        stage.fleet.crash(0);
        stage.commit(register(1, "db0"));
        stage.land_on(1, 0, 1, Change::MakeWritable);
        let mut invariant = OldPrimaryClosed::default();
        assert_eq!(stage.look(&mut invariant), Ok(()));
        stage.fleet.start(0);
        assert_eq!(stage.look(&mut invariant), Ok(()));
        stage.pass(6);
        assert_eq!(stage.broken_at_end(&mut invariant), "F3");
        stage.pass(15);
        assert_eq!(stage.broken(&mut invariant), "F3");
    }
}

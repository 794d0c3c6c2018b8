//! F10: afterwards there is one tree, one writable head, nothing half-changed, and the next failover works (the run itself makes
//! one). Checked at the end of a run whose last recovery succeeded: its successor is the only writable server, and whoever is
//! not in downtime stands below it with both threads running.

use orchestrator_core::domain::RecoveryOutcome;

use super::{Invariant, Violation, broken};
use crate::world::model::View;
use crate::world::mysql::{Fleet, Receiver, ServerId};

/// See above.
#[derive(Debug, Default)]
pub(super) struct OneTree;

impl Invariant for OneTree {
    fn look(&mut self, _: &View<'_>) -> Result<(), Violation> {
        Ok(())
    }

    fn at_end(&mut self, view: &View<'_>) -> Result<(), Violation> {
        let decided = view.group.log().latest();
        let last = decided.recoveries.values().max_by_key(|one| one.number);
        let Some(end) = last.and_then(|one| one.end.as_ref()) else {
            return Ok(());
        };
        let head = match (end.outcome, &end.successor) {
            (RecoveryOutcome::Succeeded, Some(key)) => view.fleet.find(key),
            _ => return Ok(()),
        };
        let Some(head) = head else {
            return broken("F10", "the successor does not exist".to_owned());
        };
        let server = &view.fleet.servers[head];
        if server.is_up() && server.link.is_some() {
            return broken("F10", format!("the head db{head} replicates from somebody"));
        }
        // One that was started anew is as its option file says.
        if server.is_up() && server.read_only && !server.file.read_only {
            return broken("F10", format!("the head db{head} is read-only"));
        }
        let is_out = |id: ServerId| decided.downtimes.contains_key(&view.fleet.servers[id].key);
        for id in 0..view.fleet.servers.len() {
            if let Some(why) = misplaced(view.fleet, id, head)
                && !above(view.fleet, id).into_iter().any(is_out)
            {
                return broken("F10", format!("db{id} {why}, and the head is db{head}"));
            }
        }
        Ok(())
    }
}

fn misplaced(fleet: &Fleet, id: ServerId, head: ServerId) -> Option<&'static str> {
    let server = &fleet.servers[id];
    if id == head || !server.is_up() {
        return None;
    }
    // One that was started anew is as its option file says.
    if !server.read_only && (server.starts == 0 || server.file.read_only) {
        return Some("is writable");
    }
    let link = match &server.link {
        None => return Some("replicates from nobody"),
        Some(link) => link,
    };
    if link.is_detached {
        return Some("is detached");
    }
    if !matches!(link.receiver, Receiver::Running { .. }) || !link.applies() {
        return Some("does not replicate");
    }
    (!above(fleet, id).contains(&head)).then_some("is in another tree")
}

/// A server and those above it.
fn above(fleet: &Fleet, id: ServerId) -> Vec<ServerId> {
    let source = |at: &ServerId| Some(fleet.servers[*at].link.as_ref()?.source);
    let up = std::iter::successors(Some(id), source);
    // A ring ends too.
    up.take(fleet.servers.len()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::testing::{Stage, end, register};

    /// db1 has succeeded db0, which is down; db2 is below db1.
    fn after() -> Stage {
        let mut stage = Stage::new();
        stage.commit(register(1, "db0"));
        stage.commit(end(1));
        stage.fleet.crash(0);
        stage.fleet.servers[1].link = None;
        stage.fleet.servers[1].read_only = false;
        stage.below(2, 1);
        stage
    }

    #[test]
    fn a_tree_with_one_head_is_fine() {
        assert_eq!(after().at_end(&mut OneTree), Ok(()));
    }

    #[test]
    fn whatever_else_is_noticed() {
        let breaks: [fn(&mut Stage); 5] = [
            |stage| stage.fleet.servers[2].read_only = false,
            |stage| stage.fleet.servers[2].link = None,
            |stage| stage.below(2, 0),
            |stage| stage.below(1, 0),
            |stage| {
                stage.fleet.servers[1].read_only = true;
                stage.fleet.servers[1].file.read_only = false;
            },
        ];
        for (number, change) in breaks.into_iter().enumerate() {
            let mut stage = after();
            change(&mut stage);
            assert_eq!(stage.broken_at_end(&mut OneTree), "F10", "{number}");
        }
    }
}

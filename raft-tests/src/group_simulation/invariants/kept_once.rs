//! R2: a write answered OK survives while a majority survives, and takes effect once per request. Clients ask again elsewhere
//! when they do not know what came of a write, and then both attempts may be committed. Checked: an answer that is repeated is
//! the first one; a counter that a client only ever raises is never seen below what was acknowledged by a node that has
//! applied that entry, nor falls at any node; and at the end every acknowledged request is known everywhere, at its entry.

use std::collections::BTreeMap;

use orchestrator_core::decided::Decided;

use super::{Invariant, View, Violation, broken};
use crate::group_simulation::clients::counter;

/// See above.
#[derive(Debug, Default)]
pub(super) struct KeptOnce {
    /// Counters by node and client, with the start of the node and the entry it had applied.
    seen: BTreeMap<(String, usize), (u64, u64)>,
    /// The highest acknowledged number of each client, and its entry; how many acknowledgements were taken in.
    acknowledged: BTreeMap<usize, (u64, u64)>,
    taken: usize,
}

fn count(decided: &Decided, client: usize) -> u64 {
    let downtime = decided.downtimes.get(&counter(client));
    downtime.map_or(0, |downtime| downtime.reason.parse().unwrap_or(0))
}

impl KeptOnce {
    fn take(&mut self, view: &View<'_>) {
        let all = &view.ledger.acknowledged;
        if all.len() == self.taken {
            return;
        }
        self.taken = all.len();
        for acknowledged in all.values() {
            if let Some((client, number)) = acknowledged.number {
                let highest = self.acknowledged.entry(client).or_default();
                *highest = (*highest).max((number, acknowledged.index));
            }
        }
    }
}

impl Invariant for KeptOnce {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        if let Some(what) = &view.ledger.broken {
            return broken("R2", what.clone());
        }
        self.take(view);
        for (name, seen) in view.running() {
            let applied = seen.decided.applied_index;
            for (client, (number, index)) in &self.acknowledged {
                let now = count(&seen.decided, *client);
                if applied >= *index && now < *number {
                    return broken(
                        "R2",
                        format!(
                            "{name} has applied entry {applied}, and the counter of client {client} is {now} there, \
                             while {number} was acknowledged at entry {index}"
                        ),
                    );
                }
                let last = self.seen.entry((name.to_owned(), *client)).or_default();
                if applied >= last.0 && now < last.1 {
                    let before = last.1;
                    return broken(
                        "R2",
                        format!(
                            "the counter of client {client} fell from {before} to {now} at {name}"
                        ),
                    );
                }
                *last = (applied, now);
            }
        }
        Ok(())
    }

    fn at_end(&mut self, view: &View<'_>) -> Result<(), Violation> {
        for (name, seen) in view.running() {
            for (request, acknowledged) in &view.ledger.acknowledged {
                let there = seen.decided.answers.get(request).map(|answer| answer.index);
                if there != Some(acknowledged.index) {
                    return broken(
                        "R2",
                        format!(
                            "request {request:x} was acknowledged at entry {}, and {name} has it at {there:?}",
                            acknowledged.index
                        ),
                    );
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orchestrator_core::decided::RowChange;
    use orchestrator_core::domain::{Downtime, Timestamp};

    use super::super::testing::Stage;
    use super::*;
    use crate::group_simulation::clients::Acknowledged;

    fn state(applied: u64, number: u64) -> Arc<Decided> {
        let at = Timestamp::from_seconds(1);
        let downtime = Downtime {
            owner: "client".to_owned(),
            reason: number.to_string(),
            begins_at: at,
            ends_at: at,
        };
        let row = RowChange::PutDowntime(counter(0), downtime);
        Arc::new(Decided::from_rows(applied, at, &[row]))
    }

    fn acknowledge(stage: &mut Stage, number: u64, index: u64) {
        let acknowledged = Acknowledged {
            index,
            number: Some((0, number)),
        };
        stage
            .ledger
            .acknowledged
            .insert(u128::from(number), acknowledged);
    }

    #[test]
    fn a_write_that_is_gone_is_noticed() {
        let mut stage = Stage::new(3);
        acknowledge(&mut stage, 5, 9);
        stage.seen[1].decided = state(9, 5);
        assert_eq!(stage.look(&mut KeptOnce::default()), Ok(()));
        stage.seen[1].decided = state(10, 4);
        assert_eq!(stage.broken(&mut KeptOnce::default()), "R2");
    }

    #[test]
    fn a_write_that_takes_effect_again_is_noticed() {
        let mut stage = Stage::new(3);
        let mut invariant = KeptOnce::default();
        acknowledge(&mut stage, 5, 9);
        stage.seen[1].decided = state(12, 7);
        assert_eq!(stage.look(&mut invariant), Ok(()));
        stage.seen[1].decided = state(13, 6);
        assert_eq!(stage.broken(&mut invariant), "R2");
    }

    #[test]
    fn an_acknowledged_request_that_nobody_knows_is_noticed() {
        let mut stage = Stage::new(3);
        acknowledge(&mut stage, 5, 9);
        assert!(KeptOnce::default().at_end(&stage.view()).is_err());
    }
}

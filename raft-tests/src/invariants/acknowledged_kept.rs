//! F5: the promoted server has every acknowledged semi-sync transaction that a reachable kept replica has; where nobody can say,
//! the loss is named. An acknowledgement says "received": ranking by what is applied loses it. Checked: when a server is made
//! writable, each transaction of the old primary that clients were told of and that a server in reach still holds is there,
//! or the loss is named by the end of the run; and who claims that nothing is lost is right.

use std::collections::BTreeMap;
use std::time::Duration;

use orchestrator_core::domain::{DataLoss, InstanceKey, RecoveryId};
use orchestrator_core::ports::Change;

use super::history::{History, Statements};
use super::{Invariant, Violation, broken};
use crate::world::model::View;
use crate::world::mysql::{Acknowledged, Landed, Place, ServerId};

/// How long a server has been in reach before it has to be counted in.
const IN_REACH_FOR: Duration = Duration::from_secs(10);

/// Transactions that the promoted server lacks, each with who has it.
type Missing = Vec<(String, ServerId)>;

/// See above.
#[derive(Debug, Default)]
pub(super) struct AcknowledgedKept {
    history: History,
    statements: Statements,
    /// Since when each server runs and is in reach of all nodes.
    in_reach: BTreeMap<ServerId, Duration>,
    missing: BTreeMap<RecoveryId, Missing>,
}

impl Invariant for AcknowledgedKept {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        let (_, ended) = self.history.read(view);
        self.note_in_reach(view);
        for landed in self.statements.new_ones(view) {
            if landed.change == Change::MakeWritable && landed.errno == 0 {
                let missing = self.missing_on(view, landed);
                self.missing.insert(landed.on_behalf_of.recovery, missing);
            }
        }
        for id in ended {
            self.claims_hold(view, id)?;
        }
        Ok(())
    }

    fn at_end(&mut self, view: &View<'_>) -> Result<(), Violation> {
        for (id, missing) in &self.missing {
            for (txn, holder) in missing {
                let key = &view.fleet.servers[*holder].key;
                if !Self::is_named(view, *id, key) {
                    let what =
                        format!("{txn} was acknowledged, {key} has it, and {id} lost it silently");
                    return broken("F5", what);
                }
            }
        }
        Ok(())
    }
}

impl AcknowledgedKept {
    fn note_in_reach(&mut self, view: &View<'_>) {
        for (id, server) in view.fleet.servers.iter().enumerate() {
            let nodes = 0..view.group.members.len();
            let talks = |node| {
                view.fleet
                    .network
                    .talks(Place::Node(node), Place::Server(id))
            };
            if server.is_up() && nodes.into_iter().all(talks) {
                self.in_reach.entry(id).or_insert(view.now);
            } else {
                self.in_reach.remove(&id);
            }
        }
    }

    fn missing_on(&self, view: &View<'_>, landed: &Landed) -> Missing {
        let promoted = &view.fleet.servers[landed.server];
        let Some(told) = self.history.recoveries.get(&landed.on_behalf_of.recovery) else {
            return Vec::new();
        };
        let old = view.fleet.find(&told.registered.subject);
        let of_old = view
            .fleet
            .ledger
            .acknowledged
            .iter()
            .filter(|one| Some(one.server) == old);
        let lacking = of_old.filter(|one| !one.by.is_empty() && !promoted.have.contains(one.txn));
        let holder = |one: &Acknowledged| {
            one.by.iter().copied().find(|id| {
                let since = self.in_reach.get(id);
                view.fleet.servers[*id].received().contains(one.txn)
                    && since.is_some_and(|since| *since + IN_REACH_FOR < landed.at)
            })
        };
        let held = lacking.filter_map(|one| Some((one.txn.to_string(), holder(one)?)));
        held.collect()
    }

    /// The loss is named in the record: when the recovery ends, or later, when the old primary can be read.
    fn is_named(view: &View<'_>, id: RecoveryId, holder: &InstanceKey) -> bool {
        let decided = view.group.log().latest();
        let end = decided.recoveries.get(&id).and_then(|one| one.end.as_ref());
        end.is_none_or(|end| {
            end.lost.contains(holder)
                || decided.downtimes.contains_key(holder)
                || match &end.data_loss {
                    Some(DataLoss::Exactly { .. }) => true,
                    Some(DataLoss::Unknown { at_least, .. }) => {
                        at_least.iter().any(|(named, _)| named == holder)
                    }
                    Some(DataLoss::NoneProven) | None => false,
                }
        })
    }

    fn claims_hold(&self, view: &View<'_>, id: RecoveryId) -> Result<(), Violation> {
        let end = self
            .history
            .recoveries
            .get(&id)
            .and_then(|told| told.end.as_ref());
        let Some((_, end)) = end.filter(|(_, end)| end.data_loss == Some(DataLoss::NoneProven))
        else {
            return Ok(());
        };
        let told = &self.history.recoveries[&id];
        let find = |key| view.fleet.find(key);
        let (Some(old), Some(new)) = (
            find(&told.registered.subject),
            end.successor.as_ref().and_then(find),
        ) else {
            return Ok(());
        };
        let new = &view.fleet.servers[new];
        let mut of_old = view
            .fleet
            .ledger
            .acknowledged
            .iter()
            .filter(|one| one.server == old);
        match of_old.find(|one| !new.have.contains(one.txn)) {
            Some(one) => broken(
                "F5",
                format!("{} is lost, and {id} says that nothing is", one.txn),
            ),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::testing::{Stage, end, register};
    use crate::world::mysql::Txn;

    const TXN: Txn = Txn {
        origin: 0,
        number: 1,
    };

    /// db0 told a client of a transaction that db2 has, and db1 is promoted without it.
    fn lost(stage: &mut Stage, invariant: &mut AcknowledgedKept) {
        stage.commit(register(1, "db0"));
        stage.fleet.servers[2].have.add(TXN);
        stage.fleet.ledger.acknowledged.push(Acknowledged {
            txn: TXN,
            server: 0,
            at: stage.now,
            by: vec![2],
        });
        assert_eq!(stage.look(invariant), Ok(()));
        stage.pass(11);
        stage.land_on(1, 0, 1, Change::MakeWritable);
        assert_eq!(stage.look(invariant), Ok(()));
    }

    #[test]
    fn a_silent_loss_is_noticed() {
        let (mut stage, mut invariant) = (Stage::new(), AcknowledgedKept::default());
        lost(&mut stage, &mut invariant);
        stage.commit(end(1));
        assert_eq!(stage.look(&mut invariant), Ok(()));
        assert_eq!(stage.broken_at_end(&mut invariant), "F5");
    }

    #[test]
    fn a_named_loss_is_told_and_a_wrong_claim_is_noticed() {
        for (loss, is_fine) in [
            (
                DataLoss::Unknown {
                    at_most_since: None,
                    at_least: vec![(crate::world::key("db2"), "1".to_owned())],
                },
                true,
            ),
            (DataLoss::NoneProven, false),
        ] {
            let (mut stage, mut invariant) = (Stage::new(), AcknowledgedKept::default());
            lost(&mut stage, &mut invariant);
            let mut command = end(1);
            if let orchestrator_core::decided::Command::EndRecovery(end) = &mut command {
                end.data_loss = Some(loss);
            }
            stage.commit(command);
            let both = stage.look(&mut invariant).and(stage.at_end(&mut invariant));
            assert_eq!(both.is_ok(), is_fine);
        }
    }
}

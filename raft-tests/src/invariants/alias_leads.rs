//! An alias that somebody has set names one cluster at any time: the first primary's until a recovery publishes another server, that one's
//! from then on. In the predecessor it stayed with the dead primary's name (DB-23), and what a recovery moved was moved on the leader only
//! (DB-22). Checked: exactly one row has it; while a recovery is between the promotion and the phase *published* it is with the old
//! name or the new one, and with the new one afterwards, whatever leaders die meanwhile and which commands are decided twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use orchestrator_core::decided::Decided;
use orchestrator_core::decided::codec::decode;
use orchestrator_core::domain::{Phase, Recovery};
use orchestrator_core::recovery::plan::Plan;

use super::{Invariant, Violation, broken};
use crate::world::model::{ALIAS, View};

/// See above.
#[derive(Debug, Default)]
pub(super) struct AliasLeads {
    /// What was looked at last: reading plans takes longer than a step of the simulation.
    looked_at: Option<Arc<Decided>>,
}

impl Invariant for AliasLeads {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        let decided = view.group.log().latest();
        if (self.looked_at.as_ref()).is_some_and(|known| Arc::ptr_eq(known, decided)) {
            return Ok(());
        }
        self.looked_at = Some(Arc::clone(decided));
        let rows = decided.cluster_aliases.iter();
        let names: Vec<&str> = rows
            .filter(|(_, row)| row.alias == ALIAS && row.is_manual())
            .map(|(name, _)| name.as_str())
            .collect();
        let [name] = names[..] else {
            return broken("alias", format!("{ALIAS} names {names:?}"));
        };
        let may_be = holders(view, decided.recoveries.values().map(AsRef::as_ref));
        match may_be.contains(name) {
            true => Ok(()),
            false => broken(
                "alias",
                format!("{ALIAS} leads to {name}, and should to {may_be:?}"),
            ),
        }
    }
}

/// Clusters that may have the alias by what recoveries have come to.
fn holders<'a>(
    view: &View<'_>,
    recoveries: impl Iterator<Item = &'a Recovery>,
) -> BTreeSet<String> {
    let mut heads = view.scenario.servers.iter();
    let head = heads.find(|server| server.link.is_none());
    let mut holders: BTreeSet<String> = head.map(|head| head.key.to_string()).into_iter().collect();
    let mut recoveries: Vec<&Recovery> = recoveries.collect();
    recoveries.sort_by_key(|one| one.number);
    for one in recoveries {
        let has_entered = |phase| one.entered.iter().any(|(known, _)| *known == phase);
        if !has_entered(Phase::Promoted) || !holders.contains(&one.cluster) {
            continue;
        }
        let plan = decode::<Plan>(&one.plan).expect("a registered plan can be read");
        if has_entered(Phase::Published) {
            holders.remove(&one.cluster);
        }
        holders.insert(plan.choice.promoted.to_string());
    }
    holders
}

#[cfg(test)]
mod tests {
    use orchestrator_core::decided::Command;

    use super::*;
    use crate::invariants::testing::{Stage, end, register};

    fn set(cluster: &str, alias: &str) -> Command {
        Command::SetClusterAlias {
            cluster: cluster.to_owned(),
            alias: alias.to_owned(),
            by: "ann".to_owned(),
        }
    }

    #[test]
    fn an_alias_of_the_first_primary_is_fine_until_another_server_is_promoted() {
        let mut stage = Stage::new();
        stage.commit(set("db0:3306", ALIAS));
        assert_eq!(stage.look(&mut AliasLeads::default()), Ok(()));
        stage.commit(register(1, "db0"));
        stage.commit(end(1));
        assert_eq!(stage.look(&mut AliasLeads::default()), Ok(()));
    }

    #[test]
    fn an_alias_that_is_lost_or_elsewhere_is_noticed() {
        let mut stage = Stage::new();
        assert_eq!(stage.broken(&mut AliasLeads::default()), "alias");
        stage.commit(set("db2:3306", ALIAS));
        assert_eq!(stage.broken(&mut AliasLeads::default()), "alias");
    }
}

//! Aliases of clusters: set by hand, moved by recoveries, and which cluster they belong to.

use super::apply::{Decision, done, refused};
use super::{Decided, Refusal, Reply, RowChange};
use crate::domain::{ClusterAlias, InstanceKey, MovedAlias, Recovery, RecoveryId, Timestamp};
use crate::planted::{Bug, is_planted};

/// Sets an alias by hand; an empty one takes away whatever alias was decided.
pub(super) fn set(
    state: &Decided,
    cluster: &str,
    alias: &str,
    by: &str,
    now: Timestamp,
) -> Decision {
    let before = state.cluster_aliases.get(cluster);
    if alias.is_empty() {
        return match before {
            None => (Reply::Unchanged, vec![], vec![]),
            Some(_) => done(RowChange::DeleteClusterAlias(cluster.to_owned())),
        };
    }
    let same = |row: &ClusterAlias| row.is_manual() && row.alias == alias;
    if before.is_some_and(same) {
        return (Reply::Unchanged, vec![], vec![]);
    }
    let mut all = state.cluster_aliases.iter();
    if let Some((other, _)) = all.find(|(_, row)| same(row)) {
        return refused(Refusal::AliasIsTaken {
            cluster: other.clone(),
        });
    }
    let row = ClusterAlias {
        alias: alias.to_owned(),
        set_by: Some(by.to_owned()),
        at: now,
        moved: before.and_then(|row| row.moved.clone()),
    };
    done(RowChange::PutClusterAlias(cluster.to_owned(), row))
}

/// Brings the aliases of a recovery's cluster along to the cluster that the promoted server heads, once: what was changed
/// there afterwards stays as it is.
pub(super) fn moved(
    state: &Decided,
    id: RecoveryId,
    recovery: &Recovery,
    promoted: &InstanceKey,
    now: Timestamp,
) -> Vec<RowChange> {
    let (from, to) = (recovery.cluster.as_str(), promoted.to_string());
    let there = state.cluster_aliases.get(&to);
    let by_this = |row: &ClusterAlias| row.moved.as_ref().is_some_and(|it| it.recovery == id);
    let is_left = is_planted(Bug::AliasMovedByFirstLeaderOnly) && recovery.attempt > 1;
    if from == to || is_left || there.is_some_and(by_this) {
        return vec![];
    }
    let here = state.cluster_aliases.get(from);
    let leaves = here.map(|_| RowChange::DeleteClusterAlias(from.to_owned()));
    let by_hand = here.filter(|row| row.is_manual());
    let (alias, set_by) = match by_hand {
        Some(row) => (row.alias.clone(), row.set_by.clone()),
        // What somebody has set for the promoted server's cluster is not lost to what was merely observed.
        None if there.is_some_and(ClusterAlias::is_manual) => return leaves.into_iter().collect(),
        None => (recovery.cluster_alias.clone(), None),
    };
    let arrives = (!alias.is_empty()).then(|| {
        let row = ClusterAlias {
            alias,
            set_by,
            at: now,
            moved: Some(MovedAlias {
                from: from.to_owned(),
                recovery: id,
            }),
        };
        RowChange::PutClusterAlias(to, row)
    });
    leaves.into_iter().chain(arrives).collect()
}

/// What a cluster went by once is of no use when its head is forgotten; what somebody has set stays for when it is back.
pub(super) fn forgotten(state: &Decided, key: &InstanceKey) -> Option<RowChange> {
    let name = key.to_string();
    let row = state.cluster_aliases.get(&name)?;
    (!row.is_manual()).then_some(RowChange::DeleteClusterAlias(name))
}

impl Decided {
    /// The alias that was decided for a cluster. One that a recovery has moved to a member's cluster counts for this one as long as
    /// that member is seen in it: the promoted server is seen as head of its own a moment later than that is decided.
    pub fn alias_of_cluster(
        &self,
        name: &str,
        is_member: impl Fn(&str) -> bool,
    ) -> Option<&ClusterAlias> {
        let own = self.cluster_aliases.get(name);
        own.or_else(|| {
            let moved = self.cluster_aliases.iter();
            let moved = moved.filter(|(to, row)| row.came_from(name) && is_member(to));
            moved.map(|(_, row)| row).max_by_key(|row| row.at)
        })
    }
}

#[cfg(test)]
#[path = "aliases_tests.rs"]
mod tests;

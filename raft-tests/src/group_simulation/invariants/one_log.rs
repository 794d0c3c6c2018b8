//! R1: one log. Two nodes that each follow a log of their own are two groups, and two primaries. Checked: entries with the
//! same place, term and leader are the same on all disks; what a node has applied is what any other has applied at that
//! place, for ever; when an entry is first seen applied it is on the disks of a majority, or was on one that was wiped and has no
//! vote again yet; no two nodes show the same leadership; there is one group; an id is that of one directory; term, vote and applied
//! index of a node never go back.

use std::collections::BTreeMap;
use std::time::Duration;

use orchestrator::wire::Kind;
use orchestrator_core::decided::GroupId;
use orchestrator_core::domain::Fence;

use super::super::network::UNDER_WAY_MAX;
use super::{Invariant, NodeView, Seen, View, Violation, broken};

/// Place, term and leader of an entry.
type EntryId = (u64, u64, u64);

/// See above.
#[derive(Debug, Default)]
pub(super) struct OneLog {
    entries: BTreeMap<EntryId, (Kind, Vec<u8>)>,
    /// Term and leader of applied entries.
    applied: BTreeMap<u64, (u64, u64)>,
    leaderships: BTreeMap<Fence, String>,
    group: Option<(GroupId, String)>,
    nodes: BTreeMap<String, Known>,
    /// Which directory has an id, as node and how often that was wiped before.
    directories: BTreeMap<u64, (String, u64)>,
}

/// What a node showed before.
#[derive(Clone, Debug, Default)]
struct Known {
    start: u64,
    wiped: u64,
    vote: Option<(u64, u64)>,
    term: u64,
    applied: u64,
    /// Applied entries up to here were compared.
    compared: u64,
    /// When it was first seen with a vote since it was wiped last.
    votes_since: Option<Duration>,
}

impl OneLog {
    fn entries(&mut self, node: &NodeView<'_>) -> Result<(), Violation> {
        for index in node.disk.fresh() {
            let Some(entry) = node.disk.look(|synced| synced.entry(index)) else {
                continue;
            };
            let id = (entry.index, entry.term, entry.leader);
            let content = (entry.kind, entry.payload);
            let first = self.entries.entry(id).or_insert_with(|| content.clone());
            if *first != content {
                return broken("R1", format!("{id:?} is another entry at {}", node.name));
            }
        }
        Ok(())
    }

    fn compare_applied(&mut self, view: &View<'_>, node: &NodeView<'_>) -> Result<(), Violation> {
        let (mut compared, applied) = match self.nodes.get(node.name) {
            Some(known) => (known.compared, known.applied),
            None => return Ok(()),
        };
        let mut first_seen = None;
        while compared < applied {
            let index = compared + 1;
            let found = node.disk.look(|synced| match synced.purged >= index {
                true => Some(None),
                false => synced
                    .entry(index)
                    .map(|entry| Some((entry.term, entry.leader))),
            });
            match found {
                // Applied before its own disk has it: it is looked at again.
                None => break,
                Some(None) => {}
                Some(Some(id)) => {
                    if !self.applied.contains_key(&index) {
                        first_seen = Some((index, id));
                    }
                    let first = *self.applied.entry(index).or_insert(id);
                    if first != id {
                        let name = node.name;
                        return broken(
                            "R1",
                            format!("{name} applied {id:?} at {index}, another {first:?}"),
                        );
                    }
                }
            }
            compared = index;
        }
        if let Some(known) = self.nodes.get_mut(node.name) {
            known.compared = compared;
        }
        match first_seen {
            Some((index, id)) => self.is_on_a_majority(view, index, id),
            None => Ok(()),
        }
    }

    fn running(
        &mut self,
        now: Duration,
        name: &str,
        seen: &Seen,
        known: &mut Known,
    ) -> Result<(), Violation> {
        let status = &seen.status;
        if status.me.is_voter {
            known.votes_since.get_or_insert(now);
        }
        // 0: it has none yet.
        let id = status.me.id;
        let directory = (name.to_owned(), known.wiped);
        let of_id = self.directories.entry(id);
        let first = of_id.or_insert_with(|| directory.clone());
        if id != 0 && *first != directory {
            return broken("R1", format!("{directory:?} has the id {id} of {first:?}"));
        }
        if known.start != seen.start {
            known.start = seen.start;
            (known.term, known.applied) = (0, 0);
        }
        let now = (status.term, status.applied_index);
        // The term is the library's: 0 while it is started anew.
        let term_fell = now.0 != 0 && now.0 < known.term;
        if term_fell || now.1 < known.applied {
            let before = (known.term, known.applied);
            return broken(
                "R1",
                format!("{name} went back from {before:?} to {now:?} (term, applied)"),
            );
        }
        known.term = known.term.max(now.0);
        known.applied = now.1;
        if let Some(fence) = seen.fence {
            let first = self
                .leaderships
                .entry(fence)
                .or_insert_with(|| name.to_owned());
            if first != name {
                return broken("R1", format!("{name} and {first} show leadership {fence}"));
            }
        }
        if let Some(group) = status.group {
            let first = self.group.get_or_insert((group, name.to_owned()));
            if first.0 != group {
                let (other, its) = (&first.1, first.0);
                return broken(
                    "R1",
                    format!("{name} is in group {group}, {other} in group {its}"),
                );
            }
        }
        Ok(())
    }

    /// Of as many nodes as the group has names: each set of voters is that large.
    ///
    /// A disk acknowledges what it has, and may be lost before others have the entry as well: whoever counts it then counts rightly, however
    /// much later. The node comes back with another id, and those that are left are a majority only together, so that the entry
    /// stays all the same. Once the new id has a vote, its own disk is what counts.
    fn is_on_a_majority(
        &self,
        view: &View<'_>,
        index: u64,
        id: (u64, u64),
    ) -> Result<(), Violation> {
        let holders = view.nodes.iter().filter(|node| {
            let acknowledged = || {
                let known = self.nodes.get(node.name);
                let votes_since = known.and_then(|known| known.votes_since);
                votes_since.is_none_or(|at| view.now.saturating_sub(at) <= UNDER_WAY_MAX)
                    && node.disk.look_before_wipe(|synced| synced.holds(index, id))
            };
            node.disk.look(|synced| synced.holds(index, id)) || acknowledged()
        });
        let count = holders.count();
        match count > view.nodes.len() / 2 {
            true => Ok(()),
            false => broken(
                "R1",
                format!("entry {index} of {id:?} is applied and on {count} disks only"),
            ),
        }
    }
}

impl Invariant for OneLog {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        for node in &view.nodes {
            self.entries(node)?;
            let mut known = self.nodes.remove(node.name).unwrap_or_default();
            if known.wiped != node.disk.wiped() {
                known = Known {
                    wiped: node.disk.wiped(),
                    ..Known::default()
                };
            }
            let vote = node.disk.look(super::super::disk::Synced::vote);
            if vote < known.vote {
                let before = known.vote;
                return broken(
                    "R1",
                    format!("the vote of {} went back: {before:?}, {vote:?}", node.name),
                );
            }
            known.vote = vote;
            if let Some(seen) = &node.running {
                self.running(view.now, node.name, seen, &mut known)?;
            }
            self.nodes.insert(node.name.to_owned(), known);
        }
        let running = view.nodes.iter().filter(|node| node.running.is_some());
        for node in running {
            self.compare_applied(view, node)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orchestrator::raft::disk::LogDisk as _;
    use orchestrator::store::GroupLogEntry;
    use orchestrator::wire::Envelope;

    use super::super::testing::Stage;
    use super::*;

    #[test]
    fn two_that_show_one_leadership_are_noticed() {
        let mut stage = Stage::new(3);
        let mut invariant = OneLog::default();
        stage.seen[0].fence = Some(Fence::from_number(4));
        assert_eq!(stage.look(&mut invariant), Ok(()));
        stage.seen[0].fence = None;
        stage.seen[1].fence = Some(Fence::from_number(4));
        assert_eq!(stage.broken(&mut invariant), "R1");
    }

    #[test]
    fn a_second_group_is_noticed() {
        let mut stage = Stage::new(3);
        let mut invariant = OneLog::default();
        for (node, group) in [(0, 1), (1, 1), (2, 2)] {
            assert_eq!(stage.look(&mut invariant), Ok(()));
            let mut status = stage.seen[node].status.as_ref().clone();
            status.group = Some(GroupId::from_number(group));
            stage.seen[node].status = Arc::new(status);
        }
        assert_eq!(stage.broken(&mut invariant), "R1");
    }

    #[test]
    fn an_applied_index_that_falls_is_noticed() {
        let mut stage = Stage::new(3);
        let mut invariant = OneLog::default();
        for (applied, is_fine) in [(3, true), (2, false)] {
            let mut status = stage.seen[1].status.as_ref().clone();
            status.applied_index = applied;
            stage.seen[1].status = Arc::new(status);
            assert_eq!(stage.look(&mut invariant).is_ok(), is_fine);
        }
    }

    /// Puts the entry at `index` on the disk of a node.
    fn keep(stage: &Stage, node: usize, index: u64) {
        let envelope = Envelope {
            group: GroupId::from_number(1),
            term: 1,
            leader: 1,
            index,
            kind: Kind::Blank,
            format: 0,
            payload: Vec::new(),
        };
        let entry = GroupLogEntry {
            index,
            kind: 1,
            envelope: envelope.to_bytes(),
        };
        let disk = stage.disks[node].mount();
        let entries = Arc::new(vec![entry]);
        disk.append(entries, Vec::new(), Box::new(drop)).unwrap();
        disk.put(Vec::new()).unwrap();
    }

    fn apply(stage: &mut Stage, node: usize, index: u64) {
        let mut status = stage.seen[node].status.as_ref().clone();
        status.applied_index = index;
        stage.seen[node].status = Arc::new(status);
    }

    #[tokio::test]
    async fn an_entry_that_one_disk_of_three_has_is_not_to_be_applied() {
        let (mut stage, mut invariant) = (Stage::new(3), OneLog::default());
        for node in [0, 1] {
            keep(&stage, node, 1);
        }
        apply(&mut stage, 0, 1);
        assert_eq!(stage.look(&mut invariant), Ok(()));
        keep(&stage, 0, 2);
        apply(&mut stage, 0, 2);
        assert_eq!(stage.broken(&mut invariant), "R1");
    }

    fn let_in(stage: &mut Stage, node: usize, id: u64, is_voter: bool) {
        let mut status = stage.seen[node].status.as_ref().clone();
        (status.me.id, status.me.is_voter) = (id, is_voter);
        stage.seen[node].status = Arc::new(status);
    }

    #[tokio::test]
    async fn a_disk_that_was_wiped_counts_for_what_it_had_until_its_node_votes_again() {
        for (votes, is_fine) in [(false, true), (true, false)] {
            let (mut stage, mut invariant) = (Stage::new(3), OneLog::default());
            for node in [0, 2] {
                keep(&stage, node, 1);
            }
            stage.disks[2].wipe();
            let_in(&mut stage, 2, 9, votes);
            assert_eq!(stage.look(&mut invariant), Ok(()));
            stage.now += UNDER_WAY_MAX * 9;
            apply(&mut stage, 0, 1);
            assert_eq!(stage.look(&mut invariant).is_ok(), is_fine, "{votes}");
        }
    }

    #[test]
    fn a_wiped_node_that_comes_back_under_its_former_id_is_noticed() {
        let (stage, mut invariant) = (Stage::new(3), OneLog::default());
        assert_eq!(stage.look(&mut invariant), Ok(()));
        stage.disks[2].wipe();
        assert_eq!(stage.broken(&mut invariant), "R1");
    }
}

//! What of a batch or a snapshot a store takes, whatever database it is.

use orchestrator_core::decided::{GroupId, Snapshot};

use super::fault::Fault;
use super::{AppliedEntry, InstallMode};

/// The index after `batch`, which must begin behind `applied` and have no gap.
pub(super) fn index_after(applied: u64, batch: &[AppliedEntry]) -> Result<u64, Fault> {
    let mut applied = applied;
    for entry in batch {
        if entry.index != applied + 1 {
            return Err(Fault::Gap {
                applied,
                found: entry.index,
            });
        }
        applied = entry.index;
    }
    Ok(applied)
}

/// The entries that the log of a store keeps: of a store that is derived from another log those that owe effects, and the last,
/// which shows that both are of one history.
pub(super) fn logged(
    batch: &[AppliedEntry],
    is_derived: bool,
) -> impl Iterator<Item = &AppliedEntry> {
    let last = batch.last().map_or(0, |entry| entry.index);
    batch
        .iter()
        .filter(move |entry| !is_derived || entry.index == last || !entry.effects.is_empty())
}

/// Whether `snapshot` may take the place of a state of group `ours` at `applied`.
pub(super) fn check_snapshot(
    snapshot: &Snapshot,
    mode: InstallMode,
    ours: GroupId,
    applied: u64,
) -> Result<(), Fault> {
    let (theirs, found) = (snapshot.group(), snapshot.decided().applied_index);
    match mode {
        InstallMode::Adopt => Ok(()),
        InstallMode::SameGroup if ours != theirs => Err(Fault::OtherGroup { ours, theirs }),
        InstallMode::SameGroup if found < applied => Err(Fault::Older { applied, found }),
        InstallMode::SameGroup => Ok(()),
    }
}

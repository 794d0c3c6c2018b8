//! A group that begins with one node and with decided state that there is already, in the place of whatever this node's
//! directory held before.
//!
//! The state is a snapshot, behind which the log goes on. It is written to a file that counts for nothing yet; one transaction
//! of the log's file then drops the old entries and writes down all that makes the new node: its id, its group, its vote, where its
//! log begins, and that file's name. So a crash leaves the old node or the new one. What is left to do after the transaction is
//! done by whoever opens the directory next.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use openraft::vote::RaftLeaderId as _;
use orchestrator_core::decided::{GroupId, Snapshot};

use super::disk::LogDisk;
use super::identity::{Founded, Identity};
use super::log::marks_after;
use super::state_machine::{Meta, SnapshotFiles};
use super::types::{LeaderId, Member, Membership, NodeId, StoredMembership, Vote, log_id};
use crate::store;

/// Name of the file with the snapshot that is to be the only one; empty when nothing is left to do.
const BEGINS_WITH: &str = "begins_with";

/// What a group begins with.
pub(super) struct Beginning {
    /// Its only node.
    pub node: NodeId,
    /// How that one is known.
    pub member: Member,
    /// A term greater than any that its directory ever saw.
    pub term: u64,
    /// Its state, with the group's id. No entry up to its index is looked at again.
    pub snapshot: Snapshot,
}

impl Beginning {
    /// Puts it in the place of what `directory` and `disk` hold, durably. Blocks.
    ///
    /// # Errors
    /// When that failed: then everything is as it was, unless the answer of the disk was lost on the way.
    pub fn write(&self, disk: &dyn LogDisk, directory: &Path) -> io::Result<()> {
        let name = self.set_aside(directory)?;
        self.turn_to(disk, &name)?;
        finish(disk, directory)
    }

    /// What counts for nothing yet.
    pub fn set_aside(&self, directory: &Path) -> io::Result<String> {
        let files = SnapshotFiles::in_directory(directory);
        files.forget_aside()?;
        let bytes = self.snapshot.to_bytes().map_err(io::Error::other)?;
        files.set_aside(&self.meta()?, &bytes)
    }

    /// From here on it is the new group's node.
    pub fn turn_to(&self, disk: &dyn LogDisk, name: &str) -> io::Result<()> {
        let at = self.snapshot.decided().applied_index;
        let founded = Founded {
            group: self.group(),
            at,
        };
        // As if it had led, and written the last of what the snapshot has.
        let vote = Vote {
            leader_id: LeaderId::new(self.term, self.node),
            committed: true,
        };
        let mut marks = Identity::marks_of(self.node, founded);
        marks.extend(marks_after(log_id(self.term, self.node, at), &vote));
        marks.push((BEGINS_WITH, name.as_bytes().to_vec()));
        disk.purge_to(at, marks).map_err(io::Error::other)
    }

    fn group(&self) -> GroupId {
        self.snapshot.group()
    }

    fn meta(&self) -> io::Result<Meta> {
        let at = log_id(self.term, self.node, self.snapshot.decided().applied_index);
        let members = Membership::new(
            vec![[self.node].into()],
            BTreeMap::from([(self.node, self.member.clone())]),
        );
        Ok(Meta {
            last_log_id: Some(at),
            last_membership: StoredMembership::new(Some(at), members.map_err(io::Error::other)?),
        })
    }
}

/// Does what a beginning has left to do; nothing most of the time. Blocks.
///
/// # Errors
/// When it cannot be done.
pub(super) fn finish(disk: &dyn LogDisk, directory: &Path) -> io::Result<()> {
    let files = SnapshotFiles::in_directory(directory);
    let name = disk.mark(BEGINS_WITH).map_err(io::Error::other)?;
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return files.forget_aside();
    };
    let name = String::from_utf8(name).map_err(|_| {
        io::Error::other(store::Error::Damaged {
            store: disk.place().to_owned(),
            detail: format!("its mark {BEGINS_WITH} makes no sense"),
        })
    })?;
    files.take_back(&name)?;
    disk.put(vec![(BEGINS_WITH, Vec::new())])
        .map_err(io::Error::other)
}

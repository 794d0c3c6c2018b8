//! What a node that does not run has of its group, and the group that it begins with that.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openraft::EntryPayload;
use orchestrator_core::decided::codec::DecodeError;
use orchestrator_core::decided::{
    Command, CommandFormats, Decided, Effect, EndRecovery, GroupId, Origin, Proposal, RecoveryNews,
    Reply, Snapshot, apply_once,
};
use orchestrator_core::domain::{
    InstanceKey, Phase, Recovery, RecoveryId, RecoveryOutcome, TimeSplit, Timestamp,
};
use orchestrator_core::ports::{Clock, Ids};

use super::super::beginning::{Beginning, finish};
use super::super::config::usable;
use super::super::disk::LogDisk;
use super::super::identity::Identity;
use super::super::log::LogStore;
use super::super::state_machine::{SnapshotFiles, decide};
use super::super::transport::Callee;
use super::super::types::{Entry, Member, Membership, NodeId, PayloadKind, index_of};
use crate::store::{self, GroupLog};

/// Entries that are read at once.
const ENTRIES_AT_ONCE: usize = 1_000;

/// Why nothing can be begun with what a node has; one sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum LostMajorityError {
    /// The log cannot be opened; the node runs, most likely.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The log or a snapshot cannot be read or written.
    #[error("what this node has of its group cannot be used: {0}")]
    Io(#[from] io::Error),
    /// There is nothing.
    #[error(
        "RaftDataDir {} was never that of a member of a group, so there is nothing to go on with; take a node that was a member",
        directory.display()
    )]
    NoMember {
        /// The directory.
        directory: PathBuf,
    },
    /// It did not decide in its group.
    #[error(
        "this node had no vote in its group yet, so it may lack most of what was decided; take a node that had one"
    )]
    NoVoter,
    /// It is of an older release.
    #[error(
        "log entry {index} cannot be read by this release, and what follows it neither: {error}"
    )]
    NotUnderstood {
        /// The entry.
        index: u64,
        /// Why.
        error: DecodeError,
    },
    /// A bug.
    #[error("what has to be decided before the group can go on was refused: {0}")]
    Refused(String),
}

/// What a node that does not run has. Its directory is locked while this lives.
pub struct Survivor {
    /// Its name, normalised.
    pub name: String,
    /// Its group.
    pub group: GroupId,
    /// Last entry of its log.
    pub last: u64,
    /// Up to here a majority is known to have decided; what follows may be decided or not.
    pub committed: u64,
    pub(super) me: NodeId,
    pub(super) members: Membership,
    directory: PathBuf,
    disk: Arc<dyn LogDisk>,
    term: u64,
    state: Decided,
    known: BTreeSet<InstanceKey>,
}

/// A group that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// Its id.
    pub group: GroupId,
    /// Where its log begins.
    pub at: u64,
}

impl Survivor {
    /// Reads what is in `directory`, which has to be that of a member. Blocks.
    ///
    /// # Errors
    /// [`LostMajorityError`].
    pub fn open(
        name: String,
        directory: &Path,
        formats: &CommandFormats,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, LostMajorityError> {
        let no_member = || LostMajorityError::NoMember {
            directory: directory.to_owned(),
        };
        if !directory.is_dir() {
            return Err(no_member());
        }
        let disk: Arc<dyn LogDisk> = Arc::new(GroupLog::open(directory, clock.now())?);
        finish(disk.as_ref(), directory)?;
        let identity = Identity::open(Arc::clone(&disk))?;
        let (Some(me), Some(founded)) = (identity.node()?, identity.founded()?) else {
            return Err(no_member());
        };
        if identity.is_joining() {
            return Err(LostMajorityError::NoVoter);
        }
        let log = LogStore::open(
            Arc::clone(&disk),
            identity.group().clone(),
            Arc::clone(clock),
        )?;
        let mut reading = Reading::from_snapshot(directory, &log)?;
        reading.follow(&log, formats)?;
        let members = reading.members.ok_or_else(no_member)?;
        if !members.voter_ids().any(|voter| voter == me) {
            return Err(LostMajorityError::NoVoter);
        }
        let last = log.last();
        let voted = log.vote().map_or(0, |vote| vote.leader_id.term);
        Ok(Self {
            name,
            group: founded.group,
            last: last.map_or(0, |last| index_of(last.index)),
            committed: log
                .committed()
                .map_or(0, |committed| index_of(committed.index))
                .max(reading.snapshot_index),
            me,
            members,
            directory: directory.to_owned(),
            disk,
            term: voted.max(last.map_or(0, |last| last.leader_id.term)),
            state: reading.state,
            known: reading.known,
        })
    }

    /// The others of its group, and whoever else the group is to have, or `also` names.
    pub fn others(&self, also: &[String]) -> Vec<Callee> {
        let callee = |id: NodeId, name: &String, address: &String| Callee {
            id,
            name: name.clone(),
            address: address.clone(),
        };
        let desired = self.state.desired_nodes().unwrap_or_default();
        let listed = desired.iter().chain(also).map(|name| callee(0, name, name));
        let members = self.members.nodes();
        let members = members.map(|(id, member)| callee(*id, &member.name, &member.address));
        // A member's address by the log wins.
        let all: BTreeMap<String, Callee> = listed
            .chain(members)
            .map(|callee| (callee.name.clone(), callee))
            .collect();
        all.into_values()
            .filter(|callee| callee.name != self.name)
            .collect()
    }

    /// Recoveries that are under way, as far as this node knows; one line for each.
    pub fn unfinished(&self) -> Vec<String> {
        let unfinished = self.state.unfinished_recoveries();
        unfinished
            .map(|(_, recovery)| {
                format!(
                    "recovery {} of {}: {}",
                    recovery.number,
                    recovery.subject,
                    got_to(recovery.phase)
                )
            })
            .collect()
    }

    /// Names of the others that vote or are to.
    pub fn lost(&self) -> Vec<String> {
        let voters: BTreeSet<NodeId> = self.members.voter_ids().collect();
        let members = self.members.nodes().filter(|(id, _)| voters.contains(id));
        let mut names: BTreeSet<String> = members.map(|(_, member)| member.name.clone()).collect();
        names.extend(self.nodes());
        names.remove(&self.name);
        names.into_iter().collect()
    }

    /// Nodes that the group is to have.
    fn nodes(&self) -> Vec<String> {
        self.state.desired_nodes().unwrap_or_else(|| {
            let voters: BTreeSet<NodeId> = self.members.voter_ids().collect();
            let members = self.members.nodes().filter(|(id, _)| voters.contains(id));
            let names: BTreeSet<String> = members.map(|(_, member)| member.name.clone()).collect();
            names.into_iter().collect()
        })
    }

    /// Begins a group of this node alone with all that it has. Blocks.
    ///
    /// # Errors
    /// [`LostMajorityError`]; then everything is as it was, unless the disk's answer was lost.
    pub fn begin_alone(
        mut self,
        ids: &dyn Ids,
        now: Timestamp,
    ) -> Result<Renewed, LostMajorityError> {
        let beginning = self.beginning(ids, now)?;
        beginning.write(self.disk.as_ref(), &self.directory)?;
        Ok(Renewed {
            group: beginning.snapshot.group(),
            at: self.state.applied_index,
        })
    }

    /// What the new group begins with; nothing is changed yet.
    pub(in super::super) fn beginning(
        &mut self,
        ids: &dyn Ids,
        now: Timestamp,
    ) -> Result<Beginning, LostMajorityError> {
        for command in self.commands(now) {
            let proposal = Proposal {
                request: ids.unique(),
                proposed_at: now,
                origin: Origin {
                    who: format!("raft-recover on {}", self.name),
                    whence: String::new(),
                },
                command,
            };
            let index = self.state.applied_index + 1;
            let applied = apply_once(&self.state, index, &proposal).applied;
            if let Reply::Refused(why) = &applied.reply {
                return Err(LostMajorityError::Refused(why.to_string()));
            }
            self.state
                .absorb(index, applied.decided_at, &applied.changes);
        }
        let group = GroupId::from_number(ids.unique());
        let drawn = ids.unique() & u128::from(u64::MAX);
        let known = self.known.iter().cloned().collect();
        Ok(Beginning {
            // Whatever the old id has promised to the old group, this node has forgotten.
            node: usable(u64::try_from(drawn).unwrap_or(1)),
            member: Member {
                name: self.name.clone(),
                address: self.name.clone(),
            },
            term: self.term + 1,
            snapshot: Snapshot::of(group, &self.state, known),
        })
    }

    /// Its disk, for tests that stop half-way.
    #[cfg(test)]
    pub(in super::super) fn disk(&self) -> &dyn LogDisk {
        self.disk.as_ref()
    }

    /// What is decided before the new group begins: recoveries are left to people, and the nodes that it is to have stay.
    fn commands(&self, now: Timestamp) -> Vec<Command> {
        let nodes = self.nodes();
        let unfinished = self.state.unfinished_recoveries();
        let ends = unfinished.map(|(id, recovery)| self.end_of(id, recovery, now));
        let disabled = Command::DisableRecoveries {
            by: format!("raft-recover on {}", self.name),
        };
        let kept = self.state.group_nodes.is_empty().then(|| {
            let reported = nodes.iter().map(|name| (name.clone(), nodes.clone()));
            Command::SetGroupNodes {
                old: nodes.clone(),
                new: nodes.clone(),
                // They have it since they began the group.
                reported: reported.collect(),
            }
        });
        ends.chain([disabled]).chain(kept).collect()
    }

    fn end_of(&self, id: RecoveryId, recovery: &Recovery, now: Timestamp) -> Command {
        let sentence = format!(
            "the majority of the group was lost while this recovery was under way, and raft-recover on {} ended it: {}, \
             perhaps more than {} knows; nothing more is done for it, so look at {} and its replicas, and put right what is half done",
            self.name,
            got_to(recovery.phase),
            self.name,
            recovery.subject,
        );
        Command::EndRecovery(Box::new(EndRecovery {
            id,
            fence: recovery.fence,
            outcome: RecoveryOutcome::Failed,
            successor: None,
            successor_alias: String::new(),
            lost: vec![],
            participants: vec![],
            errors: vec![sentence.clone()],
            data_loss: None,
            times: TimeSplit::default(),
            downtimes: vec![],
            news: RecoveryNews {
                notes: vec![(now, sentence)],
                ..RecoveryNews::default()
            },
        }))
    }
}

/// How far a recovery is, for people.
fn got_to(phase: Phase) -> &'static str {
    match phase {
        Phase::Registered => "receivers of replicas may have been stopped, and nobody was promoted",
        Phase::ReceiversStopped => {
            "receivers of replicas were stopped, and a server was about to be promoted"
        }
        Phase::Promoted => "a server was made writable, and clients may not know it",
        Phase::Published => "a server was promoted, and not all replicas may follow it",
        Phase::Ended => "it was over",
    }
}

/// Decided state, as far as it was read.
struct Reading {
    state: Decided,
    members: Option<Membership>,
    known: BTreeSet<InstanceKey>,
    snapshot_index: u64,
}

impl Reading {
    /// What the snapshot has; the log is made to follow it, as a start would.
    fn from_snapshot(directory: &Path, log: &LogStore) -> Result<Self, LostMajorityError> {
        let Some((meta, bytes)) = SnapshotFiles::in_directory(directory).read()? else {
            return Ok(Self {
                state: Decided::default(),
                members: None,
                known: BTreeSet::new(),
                snapshot_index: 0,
            });
        };
        if let Some(last) = meta.last_log_id {
            log.follow_snapshot(last)?;
        }
        let snapshot = Snapshot::from_bytes(&bytes).map_err(io::Error::other)?;
        let state = snapshot.decided();
        Ok(Self {
            snapshot_index: state.applied_index,
            state,
            members: Some(meta.last_membership.membership().clone()),
            known: snapshot.known().iter().cloned().collect(),
        })
    }

    /// All entries behind it, also those of which it is not known whether they are decided.
    fn follow(
        &mut self,
        log: &LogStore,
        formats: &CommandFormats,
    ) -> Result<(), LostMajorityError> {
        loop {
            let next = self.state.applied_index + 1;
            let entries = log.entries_from(next, ENTRIES_AT_ONCE)?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in &entries {
                self.take(entry, formats)?;
            }
        }
    }

    fn take(&mut self, entry: &Entry, formats: &CommandFormats) -> Result<(), LostMajorityError> {
        let index = index_of(entry.log_id.index);
        if index != self.state.applied_index + 1 {
            let missing = self.state.applied_index + 1;
            return Err(io::Error::other(format!("log entry {missing} is missing")).into());
        }
        let mut changes = vec![];
        match &entry.payload {
            EntryPayload::Normal(payload) if payload.kind == PayloadKind::Command => {
                let decided = decide(formats, &mut self.state, index, payload);
                let once =
                    decided.map_err(|error| LostMajorityError::NotUnderstood { index, error })?;
                changes = once.applied.changes;
                once.applied
                    .effects
                    .iter()
                    .for_each(|effect| self.owe(effect));
            }
            EntryPayload::Membership(members) => self.members = Some(members.clone()),
            EntryPayload::Normal(_) | EntryPayload::Blank => {}
        }
        let at = self.state.decided_at;
        self.state.absorb(index, at, &changes);
        Ok(())
    }

    /// Whether it was performed is not known; what the new group's snapshot names is probed by whoever takes it.
    fn owe(&mut self, effect: &Effect) {
        match effect {
            Effect::Discover(key) => {
                self.known.insert(key.clone());
            }
            Effect::Forget(key) => {
                self.known.remove(key);
            }
        }
    }
}

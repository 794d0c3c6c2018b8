use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use orchestrator_core::decided::{CommandFormats, Decided, GroupId};
use orchestrator_core::ports::Clock;
use tokio::sync::watch;

use super::super::identity::Identity;
use super::super::log::LogStore;
use super::super::types::{LogId, StoredMembership, index_of, log_id, raft_index};
use super::snapshots::Meta;
use super::{Digests, Inner, KnownInstances, Machine, Place, SnapshotFiles, WriteBehind};
use crate::store::{self, DecisionStore};
use crate::wire::Envelope;

/// Why decided state and the log of this node do not go together; one sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The log or a snapshot cannot be read.
    #[error("the log of this node cannot be used: {0}")]
    Log(#[from] io::Error),
    /// It is the store of another group.
    #[error(
        "the store {store} belongs to group {theirs}, and this node (RaftDataDir) is a member of group {ours}; to give up what was \
         decided there and keep the instances it knows, use (with the same -config) orchestrator -of-group={theirs} raft-adopt-store, \
         or move the store away to keep nothing; then start again"
    )]
    OtherGroup {
        /// The store.
        store: String,
        /// Group of the node.
        ours: GroupId,
        /// Group of the store.
        theirs: GroupId,
    },
    /// It knows more than the log.
    #[error(
        "the store {store} is at entry {applied}, and the log of this node (RaftDataDir) ends at {last}: \
         they are not of one node, or the log has lost its end, and with it perhaps a vote that others count on; keep a copy of both, move \
         the store away and empty RaftDataDir, and start this node again, which joins the group anew from the other nodes"
    )]
    Newer {
        /// The store.
        store: String,
        /// Where the store is.
        applied: u64,
        /// Where the log ends.
        last: u64,
    },
    /// The group of the node has no id yet, and its store is not its own.
    #[error(
        "the store {store} holds {applied} decided changes, and the group of this node (RaftDataDir) has only begun; \
         move the store away, so that this node takes over the group's state"
    )]
    Foreign {
        /// The store.
        store: String,
        /// Where the store is.
        applied: u64,
    },
    /// At the same index it has another entry.
    #[error(
        "entry {applied} in the store {store} is not the one in the log of this node (RaftDataDir): \
         they are not of one node; move the store away, so that this node takes over the group's state"
    )]
    OtherHistory {
        /// The store.
        store: String,
        /// Where.
        applied: u64,
    },
}

impl Machine {
    /// Reads the state of this node, and checks that store and log belong together. Blocks.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        identity: Identity,
        log: &LogStore,
        formats: CommandFormats,
        store: Arc<dyn DecisionStore>,
        directory: &Path,
        known: Arc<dyn KnownInstances>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let files = SnapshotFiles::in_directory(directory);
        let snapshot = files.read()?.map(|(meta, _)| meta);
        let state = match identity.node()? {
            // What a store brings that has no log with it is not this node's before it is known whose it is.
            None => Decided::default(),
            Some(_) => store.load()?,
        };
        check_group(&identity, store.as_ref(), &state)?;
        let newest = snapshot.as_ref().and_then(|meta| meta.last_log_id);
        log.refuse_gap(newest)?;
        if let Some(last) = newest.filter(|last| last.index >= raft_index_or_zero(&state))
            && log.follow_snapshot(last)?
        {
            tracing::info!(
                index = index_of(last.index),
                "the log goes on after the snapshot that was taken over before the last stop"
            );
        }
        let place = place(log, store.as_ref(), &state, snapshot.as_ref())?;
        let inner = Inner {
            me: AtomicU64::new(0),
            engine: AtomicU64::new(0),
            turn: tokio::sync::Mutex::default(),
            flushed: log.flushed(),
            formats,
            not_understood: OnceLock::new(),
            identity,
            store: WriteBehind::new(store, Arc::clone(&clock), state.applied_index),
            files,
            known,
            applied: watch::Sender::new(state.applied_index),
            decided: ArcSwap::from_pointee(state),
            leading: ArcSwapOption::empty(),
            digests: Digests::default(),
            place: Mutex::new(place),
            clock,
            snapshot_trouble: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
            engine: 0,
        })
    }
}

/// The library's index of the last applied entry; 0 also before the first.
fn raft_index_or_zero(state: &Decided) -> u64 {
    state.applied_index.saturating_sub(1)
}

fn check_group(
    identity: &Identity,
    store: &dyn DecisionStore,
    state: &Decided,
) -> Result<(), OpenError> {
    let Some(founded) = identity.founded()? else {
        return Ok(());
    };
    let theirs = store.identity()?.group;
    // Up to the entry that named the group, the store has a random one of its own.
    let is_before = state.applied_index == 0 || state.applied_index < founded.at;
    if is_before || theirs == founded.group {
        return Ok(());
    }
    Err(OpenError::OtherGroup {
        store: store.place(),
        ours: founded.group,
        theirs,
    })
}

fn place(
    log: &LogStore,
    store: &dyn DecisionStore,
    state: &Decided,
    snapshot: Option<&Meta>,
) -> Result<Place, OpenError> {
    let applied = state.applied_index;
    if applied == 0 {
        return Ok(Place::default());
    }
    let at_snapshot = snapshot
        .and_then(|meta| meta.last_log_id)
        .filter(|last| last.index == raft_index(applied));
    let at_log = log.id_at(raft_index(applied))?;
    let last = at_log.or(at_snapshot).or(in_store(store, applied)?);
    let end = log
        .last()
        .into_iter()
        .chain(snapshot.and_then(|meta| meta.last_log_id));
    let end = end.map(|last| last.index + 1).max().unwrap_or(0);
    if applied > end {
        return Err(OpenError::Newer {
            store: store.place(),
            applied,
            last: end,
        });
    }
    if let (Some(ours), Some(theirs)) = (at_log, in_store(store, applied)?)
        && ours != theirs
    {
        return Err(OpenError::OtherHistory {
            store: store.place(),
            applied,
        });
    }
    let members = log
        .last_membership(raft_index(applied))?
        .as_ref()
        .and_then(membership_of)
        .or_else(|| snapshot.map(|meta| meta.last_membership.clone()))
        .unwrap_or_default();
    Ok(Place {
        last,
        members: Arc::new(members),
    })
}

fn membership_of(entry: &super::Entry) -> Option<StoredMembership> {
    match &entry.payload {
        openraft::EntryPayload::Membership(members) => {
            Some(StoredMembership::new(Some(entry.log_id), members.clone()))
        }
        openraft::EntryPayload::Blank | openraft::EntryPayload::Normal(_) => None,
    }
}

/// Place of the store's last entry, as its own log has it: nothing after a snapshot was installed.
fn in_store(store: &dyn DecisionStore, applied: u64) -> Result<Option<LogId>, OpenError> {
    let tail = store.log_tail(1)?;
    let Some(entry) = tail.last().filter(|entry| entry.index == applied) else {
        return Ok(None);
    };
    let envelope = Envelope::from_bytes(&entry.envelope).map_err(io::Error::other)?;
    Ok(Some(log_id(envelope.term, envelope.leader, envelope.index)))
}

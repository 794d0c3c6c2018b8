//! A store that a node brings along: what becomes of it depends on whose it is, and on whether this node has a log.
//!
//! Beside a log the log wins, because it has everything. Without one a store is worth something only where there is no group yet: then
//! the group begins with it. Where there is a group, that one's state takes its place.

use std::sync::Arc;

use orchestrator_core::decided::{
    Command, Decided, GroupId, Origin, Proposal, RowChange, Snapshot, apply_once,
};
use orchestrator_core::domain::{RecoveriesDisabled, Timestamp};

use super::beginning::Beginning;
use super::bring_up::Ended;
use super::config::usable;
use super::core::{Core, lock};
use super::identity::Identity;
use super::state_machine::OpenError;
use super::types::{Member, NO_GROUP};
use crate::store::{DecisionStore, Error, InstallMode};
use crate::wire::Envelope;

/// Whose a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Of a node that decided alone.
    SingleNode,
    /// Of a member of a group.
    Group,
    /// Nobody's: what was decided in it was given up.
    Nobody,
}

/// A store without the log that it came from.
#[derive(Clone, Debug)]
pub(super) struct Brought {
    place: String,
    group: GroupId,
    applied: u64,
    whose: Whose,
}

impl Brought {
    fn of(store: &dyn DecisionStore) -> Result<Option<Self>, Error> {
        let applied = store.applied_index()?;
        if applied == 0 {
            return Ok(None);
        }
        let group = store.identity()?.group;
        // Only who decides alone writes entries of no term; and it keeps its last one always.
        let tail = store.log_tail(1)?;
        let last = tail
            .last()
            .map(|entry| Envelope::from_bytes(&entry.envelope));
        let is_alone = matches!(last, Some(Ok(envelope)) if envelope.term == 0);
        let whose = match group {
            NO_GROUP => Whose::Nobody,
            _ if is_alone => Whose::SingleNode,
            _ => Whose::Group,
        };
        Ok(Some(Self {
            place: store.place(),
            group,
            applied,
            whose,
        }))
    }

    /// What to do where it cannot be used.
    fn advice(&self) -> String {
        format!(
            "to give up what was decided in it and keep the instances it knows, use (with the same -config) orchestrator -of-group={} \
             raft-adopt-store, or move it away to keep nothing; then start again",
            self.group
        )
    }

    /// Why a node with it does not join this group; `None` when it may.
    fn objection(&self, ours: GroupId) -> Option<String> {
        match self.whose {
            Whose::Nobody => None,
            Whose::Group if self.group == ours => None,
            Whose::Group => Some(format!(
                "the store {} belongs to group {}, and the nodes in RaftNodes are the group {ours}; {}",
                self.place,
                self.group,
                self.advice()
            )),
            Whose::SingleNode => Some(format!(
                "the store {} holds {} changes that a node alone has decided, and the nodes in RaftNodes are the group {ours} already, \
                 with a state of their own; {}",
                self.place,
                self.applied,
                self.advice()
            )),
        }
    }
}

/// What is brought along by a node without a log; of one with a log the store is made to fit where it is not its own.
///
/// # Errors
/// [`OpenError`] for a store of another group.
pub(super) fn store_beside(
    identity: &Identity,
    store: &dyn DecisionStore,
) -> Result<Option<Brought>, OpenError> {
    if identity.node()?.is_none() {
        return Ok(Brought::of(store)?);
    }
    let (theirs, applied) = (store.identity()?, store.applied_index()?);
    let is_own = identity.store()?.is_none_or(|own| own == theirs.store);
    if applied == 0 || (is_own && theirs.group != NO_GROUP) {
        return Ok(None);
    }
    match identity.founded()? {
        // It was emptied for a group that had no id yet.
        None if is_own => Ok(None),
        None => Err(OpenError::Foreign {
            store: store.place(),
            applied,
        }),
        Some(founded) if ![founded.group, NO_GROUP].contains(&theirs.group) => {
            Err(OpenError::OtherGroup {
                store: store.place(),
                ours: founded.group,
                theirs: theirs.group,
            })
        }
        Some(_) => {
            tracing::warn!(
                store = store.place(),
                "the store is another node's; this node has a log, which wins: the store is made anew from it"
            );
            empty(store)?;
            Ok(None)
        }
    }
}

/// Takes all decided state from a store; a log or a group fills it.
fn empty(store: &dyn DecisionStore) -> Result<(), Error> {
    let nothing = Snapshot::of(NO_GROUP, &Decided::default(), Vec::new());
    store.install(&nothing, InstallMode::Adopt)
}

/// What came of giving a store up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// What was decided in it is gone, and automatic recoveries are off in whatever begins with it.
    Done,
    /// It belongs to this one, and not to the one that was named.
    OtherGroup(GroupId),
    /// Nothing was decided in it.
    Empty,
}

/// Gives up what was decided in a store of the group `named`, so that any group may take its node. Blocks; for a node that does not run.
///
/// # Errors
/// [`Error`]; then nothing was changed, or its answer was lost.
pub fn give_up(
    store: &dyn DecisionStore,
    named: &str,
    by: &str,
    now: Timestamp,
) -> Result<GivenUp, Error> {
    let group = store.identity()?.group;
    let applied = store.applied_index()?;
    if applied == 0 || group == NO_GROUP {
        return Ok(GivenUp::Empty);
    }
    if group.to_string() != named {
        return Ok(GivenUp::OtherGroup(group));
    }
    let mut state = Decided::default();
    let off = RowChange::PutRecoveriesDisabled(RecoveriesDisabled {
        by: by.to_owned(),
        at: now,
    });
    // Behind everything, so that numbers and fences of before are not met again.
    state.absorb(applied + 1, now, &[off]);
    let snapshot = Snapshot::of(NO_GROUP, &state, Vec::new());
    store.install(&snapshot, InstallMode::Adopt)?;
    Ok(GivenUp::Done)
}

impl Core {
    fn brought(&self) -> Option<Brought> {
        lock(&self.brought).clone()
    }

    /// How many changes were decided in a store that a new group is to begin with.
    pub(super) fn brings(&self) -> Option<u64> {
        self.brought()
            .filter(|brought| brought.whose != Whose::Group)
            .map(|brought| brought.applied)
    }

    /// Why no group begins with this node as long as its store is there.
    pub(super) fn begins_nothing(&self) -> Option<String> {
        let brought = self.brought()?;
        (brought.whose == Whose::Group).then(|| {
            format!(
                "the store {} belongs to group {}, and none of RaftNodes that answers is a member of that: start those that are, or, {}",
                brought.place,
                brought.group,
                brought.advice()
            )
        })
    }

    /// The state of the group that this node joins takes the place of what it brought.
    pub(super) async fn leave_behind(&self, ours: GroupId) -> Result<(), Ended> {
        let Some(brought) = self.brought() else {
            return Ok(());
        };
        if let Some(objection) = brought.objection(ours) {
            return Err(self.ends(objection));
        }
        tracing::info!(
            store = brought.place,
            changes = brought.applied,
            "the state of the group takes the place of the one in the store"
        );
        let store = Arc::clone(&self.deps.store);
        self.blocking(move || empty(store.as_ref())).await?;
        *lock(&self.brought) = None;
        Ok(())
    }

    /// Begins a group with the store that this node has brought, and with this node alone; the others of the list join it.
    pub(super) async fn begin_with_store(self: &Arc<Self>) -> Result<(), Ended> {
        let core = Arc::clone(self);
        let (group, node) = self
            .blocking(move || core.write_beginning().map_err(|error| error.to_string()))
            .await?;
        *lock(&self.brought) = None;
        tracing::info!(%group, "begins a group with what the store of this node holds");
        self.start(node).await.map(drop)
    }

    fn write_beginning(&self) -> Result<(GroupId, u64), OpenError> {
        let mut state = self.deps.store.load()?;
        let nodes = self.nodes.load();
        let nodes = nodes.as_ref();
        let reported = nodes.iter().map(|name| (name.clone(), nodes.clone()));
        let proposal = Proposal {
            request: self.deps.ids.unique(),
            proposed_at: self.deps.clock.now(),
            origin: Origin {
                who: self.config.name.clone(),
                whence: String::new(),
            },
            command: Command::SetGroupNodes {
                old: state.desired_nodes().unwrap_or_else(|| nodes.clone()),
                new: nodes.clone(),
                reported: reported.collect(),
            },
        };
        let index = state.applied_index + 1;
        let applied = apply_once(&state, index, &proposal).applied;
        state.absorb(index, applied.decided_at, &applied.changes);
        let group = GroupId::from_number(self.deps.ids.unique());
        let drawn = self.deps.ids.unique() & u128::from(u64::MAX);
        let node = usable(u64::try_from(drawn).unwrap_or(1));
        let beginning = Beginning {
            node,
            member: Member {
                name: self.config.name.clone(),
                address: self.config.name.clone(),
            },
            term: 1,
            snapshot: Snapshot::of(group, &state, self.deps.known.known()),
        };
        beginning.write(self.log.disk(), &self.config.directory)?;
        self.identity.reload()?;
        self.log.reload()?;
        Ok((group, node))
    }

    pub(super) async fn blocking<T: Send + 'static, E: std::fmt::Display + Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, Ended> {
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done.map_err(|error| self.ends(error)),
            Err(error) => Err(self.ends(error)),
        }
    }
}

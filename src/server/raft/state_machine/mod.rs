//! Decided state under the log: a thin shell over the core's `apply_once` and the store.
//!
//! Entries are applied purely to a copy of the state; when this node's log has them on disk, the new state is seen, and
//! then proposers are answered. The store gets the rows a moment later, and may lose its last transactions to a power
//! cut: the log has them.

mod digests;
#[cfg(test)]
mod faulty;
mod open;
mod snapshots;
mod store_writer;
mod write_behind;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder, SnapshotMeta};
use orchestrator_core::decided::codec::DecodeError;
use orchestrator_core::decided::{
    AppliedOnce, CommandFormats, Decided, GroupId, Reply, Snapshot, apply_once,
};
use orchestrator_core::domain::InstanceKey;
use orchestrator_core::planted::{Bug, is_planted};
use orchestrator_core::ports::Clock;
use prost::bytes::Bytes;
use tokio::sync::watch;
use tokio_stream::StreamExt as _;

pub(super) use self::digests::Digests;
pub use self::open::OpenError;
pub(super) use self::snapshots::{Meta, SnapshotFiles, head_of, meta_from};
use self::write_behind::WriteBehind;
use super::identity::{Founded, Identity};
use super::log::Flushed;
use super::types::{
    Entry, LogId, NO_GROUP, NodeId, Outcome, Payload, PayloadKind, StoredMembership, TypeConfig,
    index_of, to_envelope,
};
use crate::store::{AppliedEntry, InstallMode};

/// Most entries that are seen and answered together, so that the first does not wait long for the last.
const BATCH_MAX: usize = 512;

/// How long a snapshot is tried to be written that the disk does not take, as anything else that it does not take; and the pause between
/// two tries: a snapshot may have some megabytes.
const SNAPSHOT_TRIED_FOR: Duration = Duration::from_secs(30);
const SNAPSHOT_PAUSE: Duration = Duration::from_secs(1);

/// The instances of this node, of which a snapshot carries the keys.
pub trait KnownInstances: Send + Sync {
    /// Keys of those known now.
    fn known(&self) -> Vec<InstanceKey>;

    /// Others know these: probe them from now on, unless they are known already.
    fn learn(&self, keys: &[InstanceKey]);
}

/// A leadership of this node, known to be real because its first entry was committed and applied: so was everything
/// before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leading {
    /// Its term.
    pub term: u64,
    /// Index of its first entry: greater than that of every earlier leadership.
    pub fence: u64,
}

/// The state machine. Clones share it.
#[derive(Clone)]
pub struct Machine {
    inner: Arc<Inner>,
    /// Which start of the library it serves.
    engine: u64,
}

struct Inner {
    me: AtomicU64,
    /// The latest start of the library. Its worker is not waited for when it is stopped, and what an earlier one still has
    /// to do must not come between what the present one does.
    engine: AtomicU64,
    /// Held by whoever changes the state.
    turn: tokio::sync::Mutex<()>,
    /// How far the log is on disk: the store never has more.
    flushed: Flushed,
    formats: CommandFormats,
    /// The entry behind which nothing is applied, and why.
    not_understood: OnceLock<String>,
    identity: Identity,
    store: WriteBehind,
    files: SnapshotFiles,
    known: Arc<dyn KnownInstances>,
    decided: ArcSwap<Decided>,
    applied: watch::Sender<u64>,
    leading: ArcSwapOption<Leading>,
    digests: Digests,
    place: Mutex<Place>,
    clock: Arc<dyn Clock>,
    /// Why a snapshot cannot be written, while that is tried again.
    snapshot_trouble: Mutex<Option<String>>,
}

impl Inner {
    /// Writes a snapshot's file, and tries again while the disk does not take it: until then the log is kept as well.
    ///
    /// # Errors
    /// When the disk does not take it for 30 s.
    async fn keep_snapshot(self: &Arc<Self>, meta: Meta, bytes: Bytes) -> io::Result<()> {
        let began = self.clock.monotonic();
        loop {
            let (inner, meta, bytes) = (Arc::clone(self), meta.clone(), bytes.clone());
            let written = blocking(move || inner.files.write(&meta, &bytes)).await;
            let Err(error) = written else {
                self.set_snapshot_trouble(None);
                return Ok(());
            };
            let sentence = format!(
                "a snapshot cannot be written to {}: {error}; free some space there, or make it writable",
                self.files.directory().display()
            );
            if self.clock.monotonic().saturating_sub(began) >= SNAPSHOT_TRIED_FOR {
                return Err(io::Error::other(sentence));
            }
            self.set_snapshot_trouble(Some(sentence));
            self.clock.sleep(SNAPSHOT_PAUSE).await;
        }
    }

    fn set_snapshot_trouble(&self, trouble: Option<String>) {
        *self
            .snapshot_trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// Where in the log the state is.
#[derive(Clone, Default)]
struct Place {
    last: Option<LogId>,
    members: Arc<StoredMembership>,
}

/// Entries that were applied to a copy of the state, which nobody has seen yet.
struct Batch {
    state: Decided,
    entries: Vec<AppliedEntry>,
    answers: Vec<(ApplyResponder<TypeConfig>, Outcome)>,
    place: Place,
    leading: Option<Leading>,
}

/// What an entry came to.
struct Done {
    reply: Reply,
    outcome: Outcome,
    changes: Vec<orchestrator_core::decided::RowChange>,
    effects: Vec<orchestrator_core::decided::Effect>,
}

impl Done {
    fn nothing() -> Self {
        Self {
            reply: Reply::Unchanged,
            outcome: Outcome::Nothing,
            changes: Vec::new(),
            effects: Vec::new(),
        }
    }
}

impl Machine {
    /// This node has an id from now on.
    pub fn set_me(&self, me: NodeId) {
        self.inner.me.store(me, Ordering::Relaxed);
    }

    /// For the library that is started now; one that was started before changes nothing any more.
    pub fn for_new_engine(&self) -> Self {
        let engine = self.inner.engine.fetch_add(1, Ordering::SeqCst) + 1;
        Self {
            inner: Arc::clone(&self.inner),
            engine,
        }
    }

    /// Waits for the change that is under way, and begins another one.
    async fn turn(&self) -> io::Result<tokio::sync::MutexGuard<'_, ()>> {
        let turn = self.inner.turn.lock().await;
        match self.engine == self.inner.engine.load(Ordering::SeqCst) {
            true => Ok(turn),
            false => Err(io::Error::other("the raft library was started anew")),
        }
    }

    /// The state as applied; never waits.
    pub fn decided(&self) -> Arc<Decided> {
        self.inner.decided.load_full()
    }

    /// The last applied index, as it grows.
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.inner.applied.subscribe()
    }

    /// The latest leadership of this node that was real; it may be over.
    pub fn leading(&self) -> Option<Arc<Leading>> {
        self.inner.leading.load_full()
    }

    /// Since when the store fails (monotonic).
    pub fn failing(&self) -> watch::Receiver<Option<Duration>> {
        self.inner.store.failing()
    }

    /// Since when a write to the store is under way (monotonic).
    pub fn writing(&self) -> watch::Receiver<Option<Duration>> {
        self.inner.store.writing()
    }

    /// Why a snapshot cannot be written, while that is tried again.
    pub fn snapshot_trouble(&self) -> Option<String> {
        let trouble = self.inner.snapshot_trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What writing to the store fails with, while it fails.
    pub fn trouble(&self) -> Option<String> {
        self.inner.store.trouble()
    }

    /// Since when (monotonic) entries wait to be applied because too much waits for the store.
    pub fn full_since(&self) -> watch::Receiver<Option<Duration>> {
        self.inner.store.full_since()
    }

    /// Why the store takes nothing any more, once that is so.
    pub fn broken(&self) -> watch::Receiver<Option<String>> {
        self.inner.store.broken()
    }

    /// Why nothing is applied any more: an entry that this release does not understand.
    pub fn not_understood(&self) -> Option<String> {
        self.inner.not_understood.get().cloned()
    }

    /// The last index that the store has, as it grows: a moment behind what is applied.
    pub fn stored(&self) -> watch::Receiver<u64> {
        self.inner.store.stored()
    }

    /// Completes when the store has everything that was applied.
    ///
    /// # Errors
    /// When it takes nothing any more.
    pub async fn wait_until_stored(&self) -> io::Result<()> {
        self.inner.store.wait_for_all().await
    }

    /// Digests of the state at some indices.
    pub(super) fn digests(&self) -> &Digests {
        &self.inner.digests
    }

    /// Members as applied.
    pub fn members(&self) -> Arc<StoredMembership> {
        self.place().members
    }

    fn place(&self) -> Place {
        self.inner
            .place
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn begin(&self) -> Batch {
        Batch {
            state: self.decided().as_ref().clone(),
            entries: Vec::new(),
            answers: Vec::new(),
            place: self.place(),
            leading: None,
        }
    }

    fn take(
        &self,
        batch: &mut Batch,
        entry: &Entry,
        responder: Option<ApplyResponder<TypeConfig>>,
    ) -> io::Result<()> {
        let index = index_of(entry.log_id.index);
        let done = match &entry.payload {
            EntryPayload::Blank => {
                let leader = entry.log_id.leader_id;
                if leader.node_id == self.inner.me.load(Ordering::Relaxed) {
                    batch.leading = Some(Leading {
                        term: leader.term,
                        fence: index,
                    });
                }
                Done::nothing()
            }
            EntryPayload::Membership(members) => {
                let members = StoredMembership::new(Some(entry.log_id), members.clone());
                batch.place.members = Arc::new(members);
                Done::nothing()
            }
            EntryPayload::Normal(payload) => self.command(&mut batch.state, index, payload)?,
        };
        batch.place.last = Some(entry.log_id);
        batch
            .state
            .absorb(index, batch.state.decided_at, &done.changes);
        batch.entries.push(AppliedEntry {
            index,
            envelope: to_envelope(self.inner.identity.group().get(), entry)?.to_bytes(),
            reply: done.reply,
            changes: done.changes,
            effects: done.effects,
            decided_at: batch.state.decided_at,
        });
        self.inner.digests.at_checkpoint(&batch.state);
        if let Some(responder) = responder {
            batch.answers.push((responder, done.outcome));
        }
        Ok(())
    }

    fn command(&self, state: &mut Decided, index: u64, payload: &Payload) -> io::Result<Done> {
        let decided = decide(&self.inner.formats, state, index, payload);
        let once = decided.map_err(|error| self.understands_not(index, error))?;
        Ok(Done {
            outcome: Outcome::Answer {
                index: once.index,
                reply: once.applied.reply.clone(),
            },
            reply: once.applied.reply,
            changes: once.applied.changes,
            effects: once.applied.effects,
        })
    }

    /// Others apply this entry. A node that skipped it would have another state than they from there on, so it ends.
    fn understands_not(&self, index: u64, error: DecodeError) -> io::Error {
        let reason = format!(
            "log entry {index} cannot be applied here, and what follows it neither: {error}"
        );
        // The first one counts; nothing is applied behind it.
        let reason = self.inner.not_understood.get_or_init(|| reason);
        io::Error::other(reason.clone())
    }

    /// When this node's disk has a batch, everybody sees it; the store gets it; proposers hear of it.
    async fn settle(&self, batch: Batch) -> io::Result<()> {
        if let Some(last) = batch.entries.last() {
            self.inner.flushed.wait_for(last.index).await?;
        }
        self.inner.store.wait_for_room().await?;
        self.publish(batch.state, batch.place, batch.leading);
        self.inner.store.push(batch.entries);
        for (responder, outcome) in batch.answers {
            responder.send(outcome);
        }
        Ok(())
    }

    fn publish(&self, state: Decided, place: Place, leading: Option<Leading>) {
        let applied = state.applied_index;
        *self
            .inner
            .place
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = place;
        self.inner.decided.store(Arc::new(state));
        if let Some(leading) = leading {
            self.inner.leading.store(Some(Arc::new(leading)));
        }
        self.inner.applied.send_replace(applied);
    }

    /// The group has an id from here on. The identity is written first: a store without it applies this entry again.
    async fn found(&self, entry: &Entry, payload: &Payload) -> io::Result<()> {
        let group: [u8; 16] = payload
            .bytes
            .as_ref()
            .try_into()
            .map_err(|_| io::Error::other("the entry that names the group is damaged"))?;
        let group = GroupId::from_bytes(group);
        let index = index_of(entry.log_id.index);
        self.inner.flushed.wait_for(index).await?;
        let mut batch = self.begin();
        batch.place.last = Some(entry.log_id);
        batch.state.absorb(index, batch.state.decided_at, &[]);
        // A second founder lost a race that the log decided: the first entry counts.
        if self
            .inner
            .identity
            .group()
            .get()
            .is_none_or(|known| known == group)
        {
            let founded = Founded { group, at: index };
            let identity = self.inner.identity.clone();
            blocking(move || identity.found(founded).map_err(io::Error::other)).await?;
            let snapshot = Snapshot::of(group, &batch.state, Vec::new());
            self.inner
                .store
                .install(Arc::new(snapshot), InstallMode::Adopt)
                .await?;
            tracing::info!(%group, "the group has its id");
        } else {
            let envelope = to_envelope(self.inner.identity.group().get(), entry)?;
            let entry = AppliedEntry {
                index,
                envelope: envelope.to_bytes(),
                reply: Reply::Unchanged,
                changes: Vec::new(),
                effects: Vec::new(),
                decided_at: batch.state.decided_at,
            };
            self.inner.store.wait_for_room().await?;
            self.inner.store.push(vec![entry]);
        }
        self.publish(batch.state, batch.place, None);
        Ok(())
    }
}

/// What the command in `payload` does to `state`, of which only the time is changed here. Pure.
///
/// # Errors
/// When this release does not understand it.
pub(super) fn decide(
    formats: &CommandFormats,
    state: &mut Decided,
    index: u64,
    payload: &Payload,
) -> Result<AppliedOnce, DecodeError> {
    let proposal = formats.decode(payload.format, &payload.bytes)?;
    let once = apply_once(state, index, &proposal);
    state.decided_at = state.decided_at.max(once.applied.decided_at);
    Ok(once)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = Bytes;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let _turn = self.turn().await?;
        let place = self.place();
        Ok((place.last, place.members.as_ref().clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: tokio_stream::Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>>
            + Unpin
            + OptionalSend,
    {
        let machine = self.clone();
        let _turn = machine.turn().await?;
        let mut batch = self.begin();
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            if let EntryPayload::Normal(payload) = &entry.payload
                && payload.kind == PayloadKind::Founding
            {
                self.settle(batch).await?;
                self.found(&entry, payload).await?;
                if let Some(responder) = responder {
                    responder.send(Outcome::Nothing);
                }
                batch = self.begin();
                continue;
            }
            self.take(&mut batch, &entry, responder)?;
            if batch.entries.len() >= BATCH_MAX {
                self.settle(batch).await?;
                batch = self.begin();
            }
        }
        self.settle(batch).await
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let mut state = self.decided();
        if is_planted(Bug::SnapshotWithoutTable) {
            Arc::make_mut(&mut state).downtimes.clear();
        }
        Builder {
            inner: Arc::clone(&self.inner),
            state,
            place: self.place(),
        }
    }

    async fn install_snapshot(&mut self, meta: &Meta, bytes: Bytes) -> Result<(), io::Error> {
        let _turn = self.turn().await?;
        let inner = Arc::clone(&self.inner);
        let to_check = bytes.clone();
        let snapshot = blocking(move || {
            let snapshot = Snapshot::from_bytes(&to_check).map_err(io::Error::other)?;
            // One that was made before the group had a name says nothing about it.
            let group = Some(snapshot.group()).filter(|group| *group != NO_GROUP);
            let ours = inner.identity.group().get();
            if let (Some(ours), Some(group)) = (ours, group)
                && ours != group
            {
                return Err(io::Error::other(format!(
                    "a snapshot of group {group} was sent to a member of group {ours}"
                )));
            }
            if let (None, Some(group)) = (ours, group) {
                let founded = Founded { group, at: 0 };
                inner.identity.found(founded).map_err(io::Error::other)?;
            }
            Ok(snapshot)
        })
        .await?;
        // First the file: with it, a store that was not replaced any more is replaced after a restart.
        self.inner.keep_snapshot(meta.clone(), bytes).await?;
        let snapshot = Arc::new(snapshot);
        self.inner
            .store
            .install(Arc::clone(&snapshot), InstallMode::Adopt)
            .await?;
        let place = Place {
            last: meta.last_log_id,
            members: Arc::new(meta.last_membership.clone()),
        };
        self.publish(snapshot.decided(), place, None);
        self.inner.known.learn(snapshot.known());
        tracing::info!(
            index = snapshot.decided().applied_index,
            "took over the decided state of a snapshot"
        );
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<openraft::alias::SnapshotOf<TypeConfig, Bytes>>, io::Error> {
        let inner = Arc::clone(&self.inner);
        let found = blocking(move || inner.files.read()).await?;
        Ok(found.map(|(meta, snapshot)| openraft::Snapshot { meta, snapshot }))
    }
}

/// Writes a snapshot of the state as it was when it was made.
pub struct Builder {
    inner: Arc<Inner>,
    state: Arc<Decided>,
    place: Place,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = Bytes;

    async fn build_snapshot(
        &mut self,
    ) -> Result<openraft::alias::SnapshotOf<TypeConfig, Bytes>, io::Error> {
        let (inner, state) = (Arc::clone(&self.inner), Arc::clone(&self.state));
        let meta = SnapshotMeta {
            last_log_id: self.place.last,
            last_membership: self.place.members.as_ref().clone(),
        };
        let group = inner.identity.group().get().unwrap_or(NO_GROUP);
        // The log is purged behind a snapshot: what the store lacks must not be what the log lost.
        inner.store.wait_for(state.applied_index).await?;
        let (known, of) = (Arc::clone(&inner.known), Arc::clone(&state));
        let bytes = blocking(move || {
            Snapshot::bytes_of(group, &of, &known.known()).map_err(io::Error::other)
        });
        let snapshot = Bytes::from(bytes.await?);
        inner.keep_snapshot(meta.clone(), snapshot.clone()).await?;
        tracing::info!(
            index = state.applied_index,
            bytes = snapshot.len(),
            "wrote a snapshot of decided state"
        );
        Ok(openraft::Snapshot { meta, snapshot })
    }
}

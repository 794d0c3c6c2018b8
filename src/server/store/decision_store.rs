use std::fmt;

use orchestrator_core::decided::{Decided, Effect, GroupId, Reply, RowChange, Snapshot};
use orchestrator_core::domain::{InstanceKey, Timestamp};

use super::Error;

/// How many entries of the log a store keeps. They answer retried requests after a restart and say which effects are
/// still owed; both look back minutes, and 10,000 entries are more than that at any rate a store reaches for long.
pub const LOG_ENTRIES_KEPT: u64 = 10_000;

/// Names a store: random, drawn when it is created, never changed. A copied store has the id of its original.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StoreId([u8; 16]);

impl StoreId {
    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id of the number that `Ids::unique` drew.
    pub const fn from_number(number: u128) -> Self {
        Self(number.to_be_bytes())
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which store it is, and whose decided state it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The store.
    pub store: StoreId,
    /// The group.
    pub group: GroupId,
}

/// One applied entry on its way into a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedEntry {
    /// Its index: the one after the last stored entry.
    pub index: u64,
    /// The bytes of its envelope.
    pub envelope: Vec<u8>,
    /// What apply answered.
    pub reply: Reply,
    /// Rows to write, in order.
    pub changes: Vec<RowChange>,
    /// Work owed after it, in order.
    pub effects: Vec<Effect>,
    /// Time of decided state after it.
    pub decided_at: Timestamp,
}

/// One entry as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEntry {
    /// Its index.
    pub index: u64,
    /// The bytes of its envelope, as they came.
    pub envelope: Vec<u8>,
    /// What apply answered.
    pub reply: Reply,
    /// Work owed after it.
    pub effects: Vec<Effect>,
    /// Time of decided state after it.
    pub decided_at: Timestamp,
}

/// Which snapshots may replace what a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallMode {
    /// Of the same group, and not older.
    SameGroup,
    /// Any: an operator said so, or the store is new. The store takes the group of the snapshot.
    Adopt,
}

/// Keeps decided state. Calls block; they are made from threads that may.
///
/// To be correct, an implementation must
/// * make [`commit`](Self::commit) durable before it returns `Ok`, all of the batch or nothing of it, with the last
///   applied index in the same transaction;
/// * give back with [`load`](Self::load) exactly the state that absorbing all committed changes gives, also after the
///   process was killed at any moment;
/// * compare keys byte by byte;
/// * return an error of kind `OutcomeUnknown` whenever it does not know whether a commit took effect, and any other
///   error only when it knows that it did not.
///
/// `raft_tests::contract` checks this.
pub trait DecisionStore: Send + Sync {
    /// Where it is, for people.
    fn place(&self) -> String;

    /// Which store it is.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read.
    fn identity(&self) -> Result<Identity, Error>;

    /// All decided state.
    ///
    /// # Errors
    /// [`Error`]; `Damaged` when a row makes no sense.
    fn load(&self) -> Result<Decided, Error>;

    /// Index of the last applied entry; 0 before the first.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read.
    fn applied_index(&self) -> Result<u64, Error>;

    /// Writes entries, in order, in one transaction. The first must follow the last stored one. An empty batch is
    /// nothing to do.
    ///
    /// # Errors
    /// [`Error`]; only kind `OutcomeUnknown` leaves open whether the batch was written.
    fn commit(&self, batch: Vec<AppliedEntry>) -> Result<(), Error>;

    /// The last entries that are kept, at most `max`, oldest first.
    ///
    /// # Errors
    /// [`Error`]; `Damaged` when an entry makes no sense.
    fn log_tail(&self, max: usize) -> Result<Vec<LoggedEntry>, Error>;

    /// Kept entries after `index` that owe effects, at most `max`, oldest first.
    ///
    /// # Errors
    /// [`Error`]; `Damaged` when an entry makes no sense.
    fn owed_after(&self, index: u64, max: usize) -> Result<Vec<LoggedEntry>, Error>;

    /// Effects of entries up to this index were performed.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read.
    fn performed_index(&self) -> Result<u64, Error>;

    /// Notes that effects of entries up to `index` were performed; never goes back.
    ///
    /// # Errors
    /// [`Error`] when it cannot be written.
    fn set_performed_index(&self, index: u64) -> Result<(), Error>;

    /// All decided state as one value, with the keys of the instances this node knows.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read.
    fn export(&self, known: Vec<InstanceKey>) -> Result<Snapshot, Error>;

    /// Replaces all decided state by a snapshot's, in one transaction. The log is empty afterwards. The snapshot's known
    /// instances are the caller's to add; no store forgets one by this.
    ///
    /// # Errors
    /// [`Error::OtherGroup`] and [`Error::Older`] as `mode` says; else as [`commit`](Self::commit).
    fn install(&self, snapshot: &Snapshot, mode: InstallMode) -> Result<(), Error>;

    /// Writes a sign of life, durable when it returns: shows that the store takes writes.
    ///
    /// # Errors
    /// [`Error`] when it does not.
    fn beat(&self, at: Timestamp) -> Result<(), Error>;
}

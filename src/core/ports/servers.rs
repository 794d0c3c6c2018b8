use std::time::Duration;

use super::BoxFuture;
use crate::domain::{Fence, InstanceKey, Observation, ProbeFailure, RecoveryId};

/// For whom statements are made. It stands in a comment of each changing statement, so that a server's own log tells
/// which recovery, under which leadership, did what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnBehalfOf {
    /// The recovery.
    pub recovery: RecoveryId,
    /// The leadership.
    pub fence: Fence,
}

/// A change of one server. Each recognises that it is done already, so it may be asked for twice.
///
/// None discards what was received and is not applied. Those that would (another source, none, a detached one; on MariaDB also threads
/// that are stopped or started in the wrong order) stop the receiver, wait for the applier within the deadline, and else
/// answer [`ChangeError::Unapplied`] with the threads as they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Start the applier where it does not run. On MariaDB with GTID only while the receiver runs, or with nothing to apply.
    StartApplier,
    /// Stop the receiver. On MariaDB with GTID only while the applier runs, or with nothing to apply.
    StopReceiver,
    /// Stop the receiver and start it again, in one go, so that it stays stopped only where the server itself fails in between.
    /// Refused unless both threads run and nothing is left to apply; on MariaDB, which would discard what comes after an applier was
    /// stopped, the server itself looks at the threads when it carries it out. Asked for twice, it is made twice.
    RestartReceiver,
    /// Stop the applier. On MariaDB with GTID only while the receiver runs, or with nothing to apply.
    StopApplier,
    /// Replicate from `source` by GTID, with the whole connection profile (account, TLS, public key, heartbeat, retry) that
    /// the server has now. Where it has none, as an old primary, with that of `profile_of`. Both threads are stopped
    /// afterwards, unless it had that source already.
    Repoint {
        /// The source.
        source: InstanceKey,
        /// A replica of the same topology that has a profile.
        profile_of: Option<InstanceKey>,
    },
    /// Start receiver and applier. On MariaDB with GTID only while one of them runs, or with nothing to apply.
    StartReplication,
    /// Forget the source.
    ForgetSource,
    /// Take writes: `super_read_only` and `read_only` off.
    MakeWritable,
    /// Take no writes: `super_read_only` where there is one, `read_only`, and every session of clients ended; replication
    /// threads and the sessions of our account go on. Ends sessions also where the server is read-only already.
    Close,
    /// Let the server never connect to its source again, in a way that says so and can be taken back.
    Detach,
    /// Switch the source's half of semi-sync on or off.
    SemiSyncSource(bool),
    /// Switch the replica's half of semi-sync on or off. In force from the receiver's next start on.
    SemiSyncReplica(bool),
}

impl Change {
    /// Whether it is about threads or source of a replica: a server makes such changes one after another, and each waits for the one before.
    pub fn is_about_replication(&self) -> bool {
        !matches!(
            self,
            Self::MakeWritable | Self::Close | Self::SemiSyncSource(_) | Self::SemiSyncReplica(_)
        )
    }
}

/// Why a change was not made, or is not known to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Nothing was sent: no connection within the time.
    #[error("{server} cannot be connected to: {reason}")]
    Unreachable {
        /// The server.
        server: InstanceKey,
        /// Why.
        reason: String,
    },
    /// The server refused; nothing was changed by the refused statement.
    #[error("{server} refused ({errno}): {reason}")]
    Refused {
        /// The server.
        server: InstanceKey,
        /// Its error number.
        errno: u16,
        /// Its words, without credentials.
        reason: String,
    },
    /// It may have been made or not; the session was ended from a second connection, or that was tried.
    #[error("the outcome on {server} is unknown: {reason}")]
    Unknown {
        /// The server.
        server: InstanceKey,
        /// What is known.
        reason: String,
    },
    /// It was made by the server's word, and reading back showed that it was not.
    #[error("{server} does not show the change: {reason}")]
    NotSeen {
        /// The server.
        server: InstanceKey,
        /// What was seen instead.
        reason: String,
    },
    /// It would have discarded, or made the server discard, what was received and is not applied. Nothing was changed.
    #[error(
        "{server} has received what it has not applied, and this would discard it: {unapplied}"
    )]
    Unapplied {
        /// The server.
        server: InstanceKey,
        /// What would be lost.
        unapplied: String,
    },
    /// This server, or this release, cannot do it.
    #[error("{server} cannot do that: {reason}")]
    Unsupported {
        /// The server.
        server: InstanceKey,
        /// Why.
        reason: String,
    },
}

/// A connection to one server that was opened for one recovery under one leadership.
pub trait ServerSession: Send {
    /// The server's id of this connection (`CONNECTION_ID()`), by which the next leader ends it.
    fn connection_id(&self) -> u64;

    /// Reads the server's state over this connection.
    ///
    /// # Errors
    /// [`ProbeFailure`].
    fn observe(&mut self) -> BoxFuture<'_, Result<Observation, ProbeFailure>>;

    /// The same while another connection, with this id, stops the receiver of this server. A receiver that cannot take in anything more by the
    /// server's own word is seen as [`ThreadState::Stopping`], though the statement that stops it has not come back.
    ///
    /// # Errors
    /// [`ProbeFailure`].
    ///
    /// [`ThreadState::Stopping`]: crate::domain::ThreadState::Stopping
    fn observe_beside(&mut self, stopping: u64)
    -> BoxFuture<'_, Result<Observation, ProbeFailure>>;

    /// Makes a change, and reads it back. Ends within `deadline`; when the deadline passes, the session is ended from a
    /// second connection and the outcome is unknown. Not cancel-safe: a dropped future leaves the outcome unknown.
    ///
    /// # Errors
    /// [`ChangeError`].
    fn make<'a>(
        &'a mut self,
        change: &'a Change,
        deadline: Duration,
    ) -> BoxFuture<'a, Result<(), ChangeError>>;
}

/// Opens sessions that change servers. Whoever calls has confirmed its leadership just before.
pub trait Servers: Send + Sync {
    /// Connects, and ends a session that was opened by [`Servers::open_fleeting`].
    ///
    /// # Errors
    /// [`ChangeError::Unreachable`] or [`ChangeError::Refused`].
    fn open<'a>(
        &'a self,
        server: &'a InstanceKey,
        on_behalf_of: OnBehalfOf,
        within: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn ServerSession>, ChangeError>>;

    /// Connects for a change that stands in no record. Whoever opens a session on the server afterwards, on whichever node, ends this one
    /// before it gets its own. So a statement that was sent by a leader which is no more does not come after those of a later one.
    ///
    /// # Errors
    /// As [`Servers::open`].
    fn open_fleeting<'a>(
        &'a self,
        server: &'a InstanceKey,
        on_behalf_of: OnBehalfOf,
        within: Duration,
    ) -> BoxFuture<'a, Result<Box<dyn ServerSession>, ChangeError>>;

    /// Ends the sessions with these connection ids, where they still are our account's; completes when none of them can do
    /// anything any more.
    ///
    /// # Errors
    /// [`ChangeError`].
    fn end_sessions<'a>(
        &'a self,
        server: &'a InstanceKey,
        connection_ids: &'a [u64],
        within: Duration,
    ) -> BoxFuture<'a, Result<(), ChangeError>>;
}

/// What a server has executed and another has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beyond {
    /// The transactions, as GTIDs; empty when there are none.
    pub set: String,
    /// How many; of MariaDB at most so many.
    pub transactions: u128,
}

/// Reads what servers have executed. It changes nothing.
pub trait Histories: Send + Sync {
    /// What `old`, an old primary that can be read again, has executed and `promoted` has not: what a failover lost.
    /// MySQL tells by GTID sets, MariaDB by the state of its binary logs. Cancel-safe.
    ///
    /// # Errors
    /// [`ChangeError::Unreachable`] and [`ChangeError::Refused`] name the server that could not be read;
    /// [`ChangeError::Unsupported`] when the two cannot be compared, as without GTIDs.
    fn executed_beyond<'a>(
        &'a self,
        old: &'a InstanceKey,
        promoted: &'a InstanceKey,
        within: Duration,
    ) -> BoxFuture<'a, Result<Beyond, ChangeError>>;
}

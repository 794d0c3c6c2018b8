use std::time::Duration;

use orchestrator_core::ports::{Change, OnBehalfOf};

use super::{ServerId, Txn};

/// A transaction that a client was told is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Which.
    pub txn: Txn,
    /// Where.
    pub server: ServerId,
    /// When the client was told.
    pub at: Duration,
    /// Replicas that had acknowledged it by then; empty without semi-sync.
    pub by: Vec<ServerId>,
}

/// A changing statement as a server's own log shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landed {
    /// When it took effect.
    pub at: Duration,
    /// When its client sent it.
    pub sent_at: Duration,
    /// Until when its client waits.
    pub deadline_at: Duration,
    /// Until when, of the time since it was sent, no client on its node could have stopped it: the server stood still or a
    /// direction of the link was cut. None when it was within reach all the time.
    pub out_of_reach_until: Option<Duration>,
    /// The server.
    pub server: ServerId,
    /// The node that sent it.
    pub node: usize,
    /// For whom.
    pub on_behalf_of: OnBehalfOf,
    /// Over which connection.
    pub connection: u64,
    /// What.
    pub change: Change,
    /// Transactions that were received and not applied, and are gone by it.
    pub discarded: u64,
    /// The error; 0 when it was done.
    pub errno: u16,
}

/// What happened that invariants look at, in order.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Acknowledged transactions.
    pub acknowledged: Vec<Acknowledged>,
    /// Changing statements.
    pub landed: Vec<Landed>,
    /// Writes that were refused or had no answer.
    pub not_acknowledged: u64,
}

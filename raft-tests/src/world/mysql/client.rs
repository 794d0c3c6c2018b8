//! Clients that write.

use std::collections::BTreeSet;
use std::time::Duration;

use super::server::Waiting;
use super::{Fleet, Place, ServerId, SessionOwner};

/// A client that commits one transaction after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// It knows one address only; `None`: it writes where it is told to.
    pub always_to: Option<ServerId>,
    /// How often it writes.
    pub every: Duration,
    next: Duration,
    session: Option<(ServerId, u64)>,
}

impl Writer {
    /// A client that has not connected yet.
    pub fn new(always_to: Option<ServerId>, every: Duration) -> Self {
        Self {
            always_to,
            every,
            next: Duration::ZERO,
            session: None,
        }
    }
}

impl Fleet {
    /// Lets clients write that want to.
    pub(super) fn write(&mut self) {
        for number in 0..self.writers.len() {
            if self.writers[number].next <= self.now {
                self.writers[number].next = self.now + self.writers[number].every;
                self.write_once(number);
            }
        }
    }

    fn write_once(&mut self, number: usize) {
        let id = self.writers[number].always_to.unwrap_or(self.published);
        let talks = self.network.talks(Place::Clients, Place::Server(id));
        if !self.servers[id].is_up() || !talks {
            self.ledger.not_acknowledged += 1;
            return;
        }
        let session = match self.writers[number].session {
            Some((on, session)) if on == id && self.servers[id].sessions.contains_key(&session) => {
                session
            }
            _ => self.servers[id].open_session(SessionOwner::Client),
        };
        self.writers[number].session = Some((id, session));
        let server = &mut self.servers[id];
        // One commit at a time.
        if server.waiting.iter().any(|one| one.session == session) {
            return;
        }
        if server.read_only {
            self.ledger.not_acknowledged += 1;
            return;
        }
        let txn = server.next_txn();
        server.commit(txn);
        let waiting = Waiting {
            txn,
            since: self.now,
            acknowledged_by: BTreeSet::new(),
            session,
        };
        match server.semi_sync.source && server.semi_sync_operates {
            true => server.waiting.push_back(waiting),
            false => self.acknowledge(id, waiting),
        }
    }
}

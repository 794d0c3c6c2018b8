use std::collections::BTreeSet;
use std::time::Duration;

use super::ServerId;

/// Where a packet comes from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// An orchestrator node.
    Node(usize),
    /// A server.
    Server(ServerId),
    /// The application's hosts.
    Clients,
}

/// Which packets pass, and how long they take.
#[derive(Clone, Debug, Default)]
pub struct Network {
    cut: BTreeSet<(Place, Place)>,
    changes: u64,
    /// How long a packet takes, one way.
    pub delay: Duration,
}

impl Network {
    /// Stops packets in one direction.
    pub fn cut_one_way(&mut self, from: Place, to: Place) {
        self.changes += 1;
        self.cut.insert((from, to));
    }

    /// Stops packets in both directions.
    pub fn cut(&mut self, one: Place, other: Place) {
        self.cut_one_way(one, other);
        self.cut_one_way(other, one);
    }

    /// Lets packets pass again in both directions.
    pub fn join(&mut self, one: Place, other: Place) {
        self.changes += 1;
        self.cut.remove(&(one, other));
        self.cut.remove(&(other, one));
    }

    /// Lets all packets pass.
    pub fn join_all(&mut self) {
        self.changes += 1;
        self.cut.clear();
    }

    /// Grows with every cut and every mending.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether packets pass in this direction.
    pub fn passes(&self, from: Place, to: Place) -> bool {
        !self.cut.contains(&(from, to))
    }

    /// Whether a conversation is possible.
    pub fn talks(&self, one: Place, other: Place) -> bool {
        self.passes(one, other) && self.passes(other, one)
    }

    /// Whether anything is cut.
    pub fn is_whole(&self) -> bool {
        self.cut.is_empty()
    }
}

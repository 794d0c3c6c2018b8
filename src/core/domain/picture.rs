//! The picture: what this node knows of every instance, as one immutable value that readers share.

use std::sync::Arc;
use std::time::Duration;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::{InstanceKey, Observation, Timestamp};

/// Why a probe brought nothing, in kinds that somebody acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProbeFailureKind {
    /// The connection was refused or reset: no server there.
    Refused,
    /// No route, or the host did not answer the connection in time.
    Unreachable,
    /// The host name has no address.
    UnknownHost,
    /// The server accepted a connection and did not answer in time. Its state is unknown.
    Timeout,
    /// The account or password is wrong, or lacks a grant.
    AccessDenied,
    /// The server answered and refuses us for another reason (too many connections, host blocked, going down).
    RefusesUs,
    /// TLS could not be agreed.
    Tls,
    /// The server answered something that a MySQL server does not answer, or a name that is none.
    InvalidAnswer,
    /// A statement failed on the server.
    Statement,
}

impl ProbeFailureKind {
    /// Whether a server answered at all: it is up, whatever it said.
    pub fn server_answered(self) -> bool {
        matches!(
            self,
            Self::AccessDenied
                | Self::RefusesUs
                | Self::Tls
                | Self::InvalidAnswer
                | Self::Statement
        )
    }
}

/// A failed probe, as kept and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeFailure {
    /// Kind.
    pub kind: ProbeFailureKind,
    /// Error number of the server; 0 when it gave none.
    pub code: u16,
    /// One sentence: which step failed and why. Never holds a credential.
    pub message: String,
    /// Whether the server had answered its first variables: up, but a later step failed.
    pub is_partial: bool,
}

/// What is known of one instance: the last good probe, and how probing it goes. Times are the probing node's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRecord {
    /// The instance.
    pub key: InstanceKey,
    /// The last successful probe; `None` when it was only heard of.
    pub observation: Option<Arc<Observation>>,
    /// When this node first heard of it.
    pub known_since: Timestamp,
    /// When the last probe that has ended, ended.
    pub last_checked_at: Option<Timestamp>,
    /// When the last successful probe ended.
    pub last_seen_at: Option<Timestamp>,
    /// When the probe began that is under way and takes longer than a second; `None` otherwise.
    pub probing_since: Option<Timestamp>,
    /// Why the last ended probe failed; `None` when it succeeded or there was none.
    pub failure: Option<ProbeFailure>,
    /// Probes that failed since the last good one.
    pub failures_in_a_row: u32,
}

impl InstanceRecord {
    /// An instance that was heard of and not probed yet.
    pub fn heard_of(key: InstanceKey, at: Timestamp) -> Self {
        Self {
            key,
            observation: None,
            known_since: at,
            last_checked_at: None,
            last_seen_at: None,
            probing_since: None,
            failure: None,
            failures_in_a_row: 0,
        }
    }

    /// Whether the last probe that ended was good.
    pub fn is_last_check_valid(&self) -> bool {
        matches!((self.last_checked_at, self.last_seen_at), (Some(checked), Some(seen)) if checked <= seen)
    }

    /// Whether a probe ended at most `age` before `now`.
    pub fn was_checked_within(&self, age: Duration, now: Timestamp) -> bool {
        self.last_checked_at.is_some_and(|at| now.since(at) <= age)
    }

    /// How old the shown state is; `None` when it was never seen.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        self.last_seen_at.map(|at| now.since(at))
    }
}

/// All instances this node knows. Cloning is cheap; a changed picture shares all that did not change.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    records: OrdMap<InstanceKey, Arc<InstanceRecord>>,
    version: u64,
}

impl Picture {
    /// Grows by one with every change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The record of `key`.
    pub fn get(&self, key: &InstanceKey) -> Option<&Arc<InstanceRecord>> {
        self.records.get(key)
    }

    /// The last good observation of `key`.
    pub fn observation(&self, key: &InstanceKey) -> Option<&Arc<Observation>> {
        self.get(key).and_then(|record| record.observation.as_ref())
    }

    /// All records, ordered by host and port.
    pub fn records(&self) -> impl Iterator<Item = &Arc<InstanceRecord>> {
        self.records.values()
    }

    /// How many instances are known.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Adds or replaces a record.
    pub fn put(&mut self, record: InstanceRecord) {
        self.records.insert(record.key.clone(), Arc::new(record));
        self.version += 1;
    }

    /// Removes a record and returns it.
    pub fn remove(&mut self, key: &InstanceKey) -> Option<Arc<InstanceRecord>> {
        let removed = self.records.remove(key);
        if removed.is_some() {
            self.version += 1;
        }
        removed
    }
}

impl FromIterator<InstanceRecord> for Picture {
    fn from_iter<I: IntoIterator<Item = InstanceRecord>>(records: I) -> Self {
        let mut picture = Self::default();
        records.into_iter().for_each(|record| picture.put(record));
        picture
    }
}

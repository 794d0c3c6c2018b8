//! The types with which the raft library is used, and their forms outside of it.
//!
//! The library's log begins at index 0, ours (envelopes, stores, what is shown) at 1; [`index_of`] and [`raft_index`]
//! are the only places that know.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use openraft::vote::RaftLeaderId as _;
use orchestrator_core::decided::{GroupId, Reply};
use serde::{Deserialize, Serialize};

use super::membership::MembershipRecord;
use crate::wire::{Envelope, EnvelopeError, Kind};

/// Id of a node: of its data directory, not of its name.
pub type NodeId = u64;

openraft::declare_raft_types!(
    /// What the raft library is parametrised with. A leader is a term and a node: two nodes that ask in one term do not
    /// hinder each other.
    pub TypeConfig:
        D = Payload,
        R = Outcome,
        NodeId = NodeId,
        Node = Member,
        Term = u64,
        LeaderId = openraft::impls::leader_id_adv::LeaderId<u64, NodeId>,
        Vote = openraft::impls::Vote<Self::LeaderId>,
        Entry = openraft::Entry<<Self::LeaderId as openraft::vote::RaftLeaderId>::Committed, Self::Payload>,
        AsyncRuntime = openraft::TokioRuntime,
);

/// A place in the library's log.
pub type LogId = openraft::alias::LogIdOf<TypeConfig>;
/// A vote.
pub type Vote = openraft::alias::VoteOf<TypeConfig>;
/// An entry of the library's log.
pub type Entry = openraft::alias::EntryOf<TypeConfig>;
/// A leader: term and node.
pub type LeaderId = openraft::alias::LeaderIdOf<TypeConfig>;
/// Members, and the entry that made them members.
pub type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
/// Members.
pub type Membership = openraft::Membership<NodeId, Member>;

/// What the group knows of a member beside its id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Entry of `RaftNodes`, normalised.
    pub name: String,
    /// Address of its peer port, resolved on every dial.
    pub address: String,
}

/// What an entry of ours carries: already encoded, so that a proposal is encoded once and decoded where it is applied.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// Command or founding.
    pub kind: PayloadKind,
    /// Format of `bytes`.
    pub format: u32,
    /// The encoded value.
    pub bytes: Arc<[u8]>,
}

/// What a [`Payload`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PayloadKind {
    /// A proposal.
    Command,
    /// The group's id.
    Founding,
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {} bytes", self.kind, self.bytes.len())
    }
}

/// What applying an entry gives to whoever proposed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was no command.
    Nothing,
    /// It was a command.
    Answer {
        /// Index of the entry that took effect, counted from 1.
        index: u64,
        /// What apply answered.
        reply: Reply,
    },
}

/// The group that this node belongs to, once it has an id; shared by everything that writes or checks envelopes.
#[derive(Clone, Debug, Default)]
pub struct GroupCell(Arc<RwLock<Option<GroupId>>>);

impl GroupCell {
    /// The group.
    pub fn get(&self) -> Option<GroupId> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the group.
    pub fn set(&self, group: GroupId) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(group);
    }
}

/// What stands in envelopes written before the group has an id.
pub const NO_GROUP: GroupId = GroupId::from_bytes([0; 16]);

/// Our index of the library's.
pub const fn index_of(raft_index: u64) -> u64 {
    raft_index + 1
}

/// The library's index of ours, which is at least 1.
pub const fn raft_index(index: u64) -> u64 {
    index - 1
}

/// A place in the log from its parts; `index` counted from 1.
pub fn log_id(term: u64, leader: NodeId, index: u64) -> LogId {
    LogId {
        leader_id: LeaderId::new(term, leader).to_committed(),
        index: raft_index(index),
    }
}

/// The envelope of an entry.
///
/// # Errors
/// When its membership has no encoding.
pub fn to_envelope(group: Option<GroupId>, entry: &Entry) -> std::io::Result<Envelope> {
    let (kind, format, payload) = match &entry.payload {
        openraft::EntryPayload::Blank => (Kind::Blank, 0, Vec::new()),
        openraft::EntryPayload::Normal(payload) => {
            let kind = match payload.kind {
                PayloadKind::Command => Kind::Command,
                PayloadKind::Founding => Kind::Founding,
            };
            (kind, payload.format, payload.bytes.to_vec())
        }
        openraft::EntryPayload::Membership(members) => {
            let (format, bytes) = MembershipRecord::of(members).to_bytes()?;
            (Kind::Membership, format, bytes)
        }
    };
    Ok(Envelope {
        group: group.unwrap_or(NO_GROUP),
        term: entry.log_id.leader_id.term,
        leader: entry.log_id.leader_id.node_id,
        index: index_of(entry.log_id.index),
        kind,
        format,
        payload,
    })
}

/// The entry in an envelope, which must belong to `group` where both are known.
///
/// # Errors
/// When it belongs to another group, or makes no sense.
pub fn from_envelope(group: Option<GroupId>, envelope: Envelope) -> std::io::Result<Entry> {
    if let Some(ours) = group
        && envelope.group != NO_GROUP
        && envelope.group != ours
    {
        return Err(std::io::Error::other(format!(
            "log entry {} belongs to group {}, and this node is a member of group {ours}",
            envelope.index, envelope.group
        )));
    }
    let payload = match envelope.kind {
        Kind::Blank => openraft::EntryPayload::Blank,
        Kind::Command => normal(PayloadKind::Command, &envelope),
        Kind::Founding => normal(PayloadKind::Founding, &envelope),
        Kind::Membership => {
            let record = MembershipRecord::from_bytes(envelope.format, &envelope.payload)?;
            openraft::EntryPayload::Membership(record.to_membership()?)
        }
    };
    Ok(Entry {
        log_id: log_id(envelope.term, envelope.leader, envelope.index),
        payload,
    })
}

fn normal(kind: PayloadKind, envelope: &Envelope) -> openraft::alias::PayloadOf<TypeConfig> {
    openraft::EntryPayload::Normal(Payload {
        kind,
        format: envelope.format,
        bytes: envelope.payload.as_slice().into(),
    })
}

/// Reads an entry from the bytes of its envelope.
///
/// # Errors
/// As [`from_envelope`], and when the bytes are no envelope. [`is_newer`] tells those of a newer release.
pub fn decode_entry(group: Option<GroupId>, bytes: &[u8]) -> std::io::Result<Entry> {
    let envelope = Envelope::from_bytes(bytes).map_err(|error| match error {
        EnvelopeError::UnknownKind { .. } => newer_release(error),
        other => std::io::Error::other(other),
    })?;
    from_envelope(group, envelope)
}

/// The error of something that only a newer release can have written.
pub fn newer_release(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::Unsupported, error)
}

/// Whether it is such an error.
pub fn is_newer(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::Unsupported
}

//! The library's values as protocol messages, and back.

use std::io;

use openraft::vote::RaftLeaderId as _;
use prost::Message as _;

use super::types::{LeaderId, LogId, Vote, index_of, log_id};
use super::v1;

/// A vote as a message.
pub(super) fn vote(vote: &Vote) -> v1::Vote {
    v1::Vote {
        term: vote.leader_id.term,
        node: vote.leader_id.node_id,
        is_committed: vote.committed,
    }
}

/// A vote from a message.
pub(super) fn vote_from(vote: v1::Vote) -> Vote {
    Vote {
        leader_id: LeaderId::new(vote.term, vote.node),
        committed: vote.is_committed,
    }
}

/// A vote that must be there.
pub(super) fn needed_vote(vote: Option<v1::Vote>) -> io::Result<Vote> {
    vote.map(vote_from)
        .ok_or_else(|| io::Error::other("the message has no vote"))
}

/// A place in the log as a message.
pub(super) fn position(at: LogId) -> v1::LogPosition {
    v1::LogPosition {
        term: at.leader_id.term,
        leader: at.leader_id.node_id,
        index: index_of(at.index),
    }
}

/// A place in the log from a message.
pub(super) fn position_from(at: v1::LogPosition) -> io::Result<LogId> {
    match at.index {
        0 => Err(io::Error::other(
            "a place in the log has index 0, and the first is 1",
        )),
        index => Ok(log_id(at.term, at.leader, index)),
    }
}

/// A place in the log that may be missing.
pub(super) fn position_from_option(at: Option<v1::LogPosition>) -> io::Result<Option<LogId>> {
    at.map(position_from).transpose()
}

/// A place in the log from the bytes of its message.
pub(super) fn position_from_bytes(bytes: &[u8]) -> io::Result<LogId> {
    position_from(v1::LogPosition::decode(bytes).map_err(io::Error::other)?)
}

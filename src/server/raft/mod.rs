//! The raft group: log, transport, first start, membership, leadership. The only module that knows openraft and tonic.

pub mod peer;

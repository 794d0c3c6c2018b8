//! The raft group: log, transport, first start, membership, leadership. The only module that knows openraft and tonic.

mod convert;
mod identity;
mod log;
mod membership;
pub mod peer;
mod state_machine;
mod timing;
mod types;

/// Types that `build.rs` makes of `proto/orchestrator/raft/v1`.
mod v1 {
    #![allow(missing_docs, reason = "generated; the protocol file documents them")]
    #![allow(clippy::all, reason = "generated")]
    tonic::include_proto!("orchestrator.raft.v1");
}

//! The raft group: log, transport, first start, membership, leadership. The only module that knows openraft and tonic.
//!
//! Start with [`RaftGroup`], which is what the rest of the service sees. `DESIGN.md` beside this file says what holds and why.

mod admission;
mod beginning;
mod bring_up;
mod brought;
mod config;
mod convert;
mod core;
mod desired;
pub mod disk;
mod doubles;
mod duties;
mod exchange;
mod first_start;
mod fitness;
mod following;
mod handle;
mod hearing;
mod identity;
mod lease;
mod log;
pub mod lost_majority;
mod membership;
mod network;
pub mod peer;
mod seal;
mod service;
mod state_machine;
mod status;
mod timing;
mod types;

pub use brought::{GivenUp, give_up};
pub use config::{
    Condition, ENTRIES_KEPT, GroupConfig, GroupDeps, SNAPSHOT_EVERY, first_id, normalise,
};
pub use handle::RaftGroup;
pub use network::grpc::{GrpcTransport, serve};
pub use network::transport;
pub use state_machine::{KnownInstances, OpenError};

/// Texts of the metrics of this module.
pub fn describe_metrics() {
    peer::describe_metrics();
    metrics::describe_gauge!(
        "orchestrator_raft_unfit",
        "1 while this node does not lead and does not ask to be elected, because its disk or its store does not take what it has to keep"
    );
}

/// Types that `build.rs` makes of `proto/orchestrator/raft/v1`.
pub mod v1 {
    #![allow(missing_docs, reason = "generated; the protocol file documents them")]
    #![allow(clippy::all, reason = "generated")]
    tonic::include_proto!("orchestrator.raft.v1");
}

#[cfg(test)]
mod tests;

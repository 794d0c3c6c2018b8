//! What crosses the disk and the network as protocol messages, as types of our own: generated types stay in here.

mod envelope;

pub use envelope::{Envelope, EnvelopeError, Kind};

/// Types that `build.rs` makes of `proto/orchestrator/log/v1`.
mod log_v1 {
    #![allow(missing_docs, reason = "generated; the protocol file documents them")]
    include!(concat!(env!("OUT_DIR"), "/orchestrator.log.v1.rs"));
}

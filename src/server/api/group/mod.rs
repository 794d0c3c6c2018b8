//! This node as one of a group: whom it takes for the leader, how a follower passes requests on to it, and how the leader
//! takes what others pass on.
//!
//! A caller is judged twice, by the node that it asked and by the leader, each by its own configuration; the first vouches
//! to the second for what it found out ([`Vouched`](super::access::Vouched)), and no credentials travel. A request is passed on
//! once at most.

mod freshness;
mod hearing;
mod message;
mod pass_on;
mod receive;
mod relay;

pub(super) use hearing::{Hearing, word};
pub use receive::forward_handler;
pub(super) use relay::Relay;

//! A simulated group of orchestrator nodes: one log, one leader at a time, nodes that learn of both late. It is no raft: what
//! it promises is what raft promises, and everything that raft leaves open happens here, and often.
//!
//! * A leader that was replaced goes on believing for a while; [`Leadership::confirm`] tells it the truth.
//! * A proposal may be committed although its proposer never hears so, also by the next leader.
//! * A new leader believes before it has applied all that was committed.
//!
//! Every node applies every entry by the real `decided::apply`, and digests are compared at each index.
//!
//! [`Leadership::confirm`]: orchestrator_core::ports::Leadership::confirm

mod log;
mod member;
mod others;
mod ports;
mod state;

pub use log::{Entry, Log};
pub use member::Member;
pub use others::{SimOthers, is_near};
pub use ports::SimMember;
pub use state::{GroupTuning, SharedGroup, SimGroup};

//! One probe: what is asked, in which order, and what becomes of the answers. One file for each step; what reads an
//! answer is pure and is tested without a server.
//!
//! A step that a server must be able to answer fails the probe when it fails (account without `REPLICATION CLIENT`, for
//! example); the failure is marked as partial, because the server is up. Other steps are left out and logged at debug.

mod ahead;
mod ask;
mod counters;
mod detect;
mod group;
mod heartbeats;
mod identity;
mod maxscale;
mod names;
mod replicas;
mod semi_sync;
mod session;
mod status;
mod steps;
mod text;
mod variables;

pub use session::MysqlProber;
pub(super) use session::{Learnt, observe_over};
pub(super) use status::{DETACH_MARK, MAX_CHANNELS, link_rows, read as read_link};

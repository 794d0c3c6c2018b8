//! Discovery: which servers there are, when each is asked, and the picture that comes of it.
//!
//! One task per instance owns its probe session and asks on a grid of its own; two queues bound how many ask at once,
//! so that dead and hanging servers wait among themselves. What a probe brings is settled in one place: into the
//! picture, and into further instances to ask. The picture is written behind to the store.
//!
//! It concludes nothing from what it sees (that is `topology` and later analysis), speaks no SQL and decides nothing
//! that other nodes must agree on. Start reading at [`DiscoveryLoop`]; `DESIGN.md` says why it is as it is.

mod config;
mod discovery_loop;
mod follow;
mod housekeeping;
mod instance_task;
mod lock;
mod metrics;
mod picture_keeper;
mod queues;
mod record;
mod registry;
mod schedule;
mod settle;
mod shared;
mod tracked;
mod transition;
mod write_behind;

pub use config::Config;
pub use discovery_loop::{Deps, DiscoveryLoop};
pub use metrics::describe as describe_metrics;
pub use picture_keeper::PictureKeeper;
pub use write_behind::WriteBehindState;

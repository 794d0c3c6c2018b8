//! The graph of replication links of everything in a picture, who may replicate from whom, and its form as text.

mod build;
pub mod drawing;
mod errant;
mod relations;
mod replicates;

pub use build::{Cluster, Place, Topology};
pub use errant::errant;
pub use replicates::{Caution, Compatibility, Obstacle, ReplicationPolicy, may_replicate};

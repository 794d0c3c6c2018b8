//! The graph of replication links of everything in a picture: how its members are, who may replicate from whom, and its
//! two forms as text: [`draw`], which the predecessor's clients know, and [`drawing`], which tests are written in.

mod build;
mod condition;
pub mod drawing;
mod errant;
mod relations;
mod replicates;
mod text;

pub use build::{Cluster, Place, Topology};
pub use condition::{Condition, Limits};
pub use errant::errant;
pub use replicates::{Caution, Compatibility, Obstacle, ReplicationPolicy, may_replicate};
pub use text::{Layout, Line, draw};

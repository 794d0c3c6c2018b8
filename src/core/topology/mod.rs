//! The graph of replication links of everything in a picture, how its members are, and their text for people.

mod build;
mod condition;
mod errant;
mod text;

pub use build::{Cluster, Place, Topology};
pub use condition::{Condition, Limits};
pub use errant::errant;
pub use text::{Layout, Line, draw};

//! The graph of replication links of everything in a picture.

mod build;

pub use build::{Cluster, Place, Topology};

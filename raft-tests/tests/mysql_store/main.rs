//! Stores in MySQL and MariaDB databases of real servers: that they keep the contract of decided state, and what becomes of them when
//! the server, its disk, its rights or another node come between.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(
    clippy::disallowed_methods,
    reason = "these tests run in real time, beside real servers"
)]

mod at_once;
mod contract;
mod group;
mod holding;
mod node;
mod refusing;
mod relay;
mod unknown;
mod world;

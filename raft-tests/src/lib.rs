//! Test worlds.

pub mod contract;

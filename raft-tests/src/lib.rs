//! Test worlds.

pub mod world;

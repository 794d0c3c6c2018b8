//! Carries out recoveries: the loop that asks the core what comes next, and performs it.

pub mod hooks;

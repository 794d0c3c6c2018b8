//! Work that follows from decided state: effects that commits owe, and proposing that what is over is removed.
//!
//! Effects are performed at least once: [`Effects`] works through the log of owed effects, also those that a process left
//! behind when it ended. Nothing is decided in here.

mod expiry;
#[cfg(test)]
pub(crate) mod fakes;
mod performer;

pub use expiry::Expiry;
pub use performer::Effects;

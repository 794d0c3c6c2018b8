//! Decided state: what the nodes agree on. It changes only by a committed [`Command`].
//!
//! [`apply`] is pure: the same state and proposal give the same reply, row changes and effects on every node, whatever
//! its clock, environment or hash seed. Time comes from the proposal and never goes back. Stores write the row changes;
//! [`Decided::absorb`] makes the same changes in memory.

mod apply;
mod command;
mod state;

pub use apply::{Applied, apply};
pub use command::{Command, Effect, EffectScope, Origin, Proposal, Refusal, Reply};
pub use state::{Decided, RowChange};

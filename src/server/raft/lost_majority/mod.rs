//! When the majority of a group is lost for good: one of those that are left begins a group of its own with all that it has.
//!
//! Nothing of the node runs meanwhile. [`Survivor`] reads what it has and begins the new group; [`Survey`] asks the others first,
//! because a majority that is there must not be split off. Why it is done so is in `DESIGN.md`.

mod remains;
mod survey;

pub use remains::{LostMajorityError, Renewed, Survivor};
pub use survey::{Objection, Survey};

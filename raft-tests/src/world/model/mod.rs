//! The model simulation: a seed makes a [`Scenario`], [`run`] lives through it, and an [`Outcome`] says what came of it.
//!
//! A run has two phases. In the first, things break as the seed says. Then everything is mended, and the group must finish
//! what it began, serve, and survive the loss of another primary. Invariants are asked after every step.

mod ambush;
mod faults;
mod outcome;
mod run;
mod scenario;
mod view;

pub use ambush::{Ambush, Moment};
pub use faults::{Fault, Planned};
pub use outcome::{Outcome, Verdict};
pub use run::{ALIAS, run};
pub use scenario::{Aim, Policies, Scenario};
pub use view::{Reign, View};

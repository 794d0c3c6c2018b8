//! What is to be done about a dead primary, as data: made from a ranking, checked, and carried out one answer at a time.
//!
//! * [`plan()`], [`plan_for()`]: a [`Plan`], or the reason why there is none. It names who is promoted, who is moved, who is left, and
//!   every step; it leaves no choice to whoever carries it out.
//! * [`check`]: whether a plan is sound. Every plan is checked before it is handed out, and a plan from elsewhere, such
//!   as an older release's, can be.
//! * [`next()`]: what to do now, from the plan, what was done, and what is seen. It remembers nothing, so that a new leader
//!   goes on where the old one was lost.
//! * [`data_loss`]: what is known about lost transactions.
//!
//! # The rule about relay logs
//! An acknowledgement says "received". What was received and not applied is lost when a server is repointed or reset, and
//! on MariaDB also when its applier is started after its receiver was stopped (measured on 10.11). So on every server:
//! applier running, receiver stopped, wait until all is applied, and only then stop, repoint, reset. [`check`] refuses a
//! plan that departs from it.

mod check;
mod loss;
mod make;
mod next;
mod progress;
mod recognise;
mod step;
mod stored;
#[cfg(test)]
mod tests;

pub use crate::domain::{DataLoss, Phase};
pub use check::{Unsound, check};
pub use loss::{data_loss, data_loss_when_read};
pub use make::{NoPlan, plan, plan_for};
pub use next::{Next, Replan, next, under_way};
pub use progress::{EndOfRecovery, OldPrimary, Progress, StepState, WhyFailed};
pub use recognise::done_again;
pub use step::{Action, Fate, Left, Plan, Step, StepNumber};

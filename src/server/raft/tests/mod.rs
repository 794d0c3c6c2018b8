//! Groups of nodes in this process.

mod brought;
mod doubles;
mod early;
mod first_starts;
mod formats;
mod leading;
mod lost_majority;
mod state;
pub(super) mod support;

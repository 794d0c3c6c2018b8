//! Groups of nodes in this process.

mod brought;
mod doubles;
mod first_starts;
mod formats;
mod leading;
mod lost_majority;
mod state;
pub(super) mod support;

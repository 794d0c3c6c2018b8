//! Groups of nodes in this process.

mod first_starts;
mod leading;
mod state;
mod support;

//! Runs hooks: processes of the shell that the configuration names, with deadlines, for whoever watches what happens to a
//! topology. `docs/hooks.md` is the page for their authors.
//!
//! [`ProcessHooks`] implements the port. A hook's line becomes a text with safe values (`core/legacy/hooks`), the text a file
//! that only we can read, and the shell is given its name. The process leads a group of its own, so that it can be ended with
//! everything that it has started. What it prints is kept up to a bound, and read without one: a hook that prints much is not
//! held up. Which hooks run when is not decided here.

mod config;
mod output;
mod process;
mod runner;
#[cfg(test)]
mod tests;

pub use config::{Config, inherited};
pub use output::OUTPUT_BYTES_MAX;
pub use runner::ProcessHooks;

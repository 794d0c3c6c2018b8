//! Hooks as their authors know them: names of the lists, placeholders, environment variables, and how a line becomes the
//! text that a shell is given.
//!
//! [`HookFacts`] is what a hook is told. [`HookFacts::placeholders`] and [`HookFacts::environment`] say it in the
//! predecessor's words; [`expand`] puts it into a line. Everything here is pure; nothing is run.

mod expand;
mod facts;
mod list;
#[cfg(test)]
mod tests;

pub use expand::{ValueKind, command_of, expand, safe_text};
pub use facts::{HookCommand, HookFacts, HookSubject, HookSuccessor, TakenSource};
pub use list::HookList;

//! The command line of the service: Go-style flags, modes, exit codes, streams.
//!
//! [`parse()`] (or [`parse_os()`], for what the system hands over) is a function of the arguments. It does not read files, print or exit; the caller does what the
//! [`Invocation`] says.

mod args;
mod flags;
mod level;
mod text;

pub use args::{Invocation, Saying, Stream, parse, parse_os};
pub use flags::{FlagError, Flags};
pub use level::LogLevel;

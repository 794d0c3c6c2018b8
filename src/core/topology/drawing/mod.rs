//! A topology as text: drawn by people, read into a picture, printed from one.
//!
//! ```text
//! a:3306  [8.0.36 rw unreachable]
//! + b     [io=connecting lag=1s gtid=..1-90]
//! + c     [io=connecting lag=1s gtid=..1-95 promotion=prefer]
//! ```
//!
//! One server in a line; `+ ` and two spaces for each level below; whatever differs from a healthy server in brackets.
//! `docs/drawings.md` is the manual. It is the notation of tests: what a drawing does not say has a fixed, healthy value,
//! so that a drawing shows nothing but what matters.
//!
//! A drawing says less than a picture can hold (no latency, no relay log position, no alias of a cluster …). Printing
//! keeps what the notation knows: for every drawing `x`, `parse(print(x)) == x`, and for every picture of servers whose
//! version begins with a digit what is printed reads back to a picture that prints the same.
//!
//! * [`Drawing`]: the picture, with the decided pieces that a line can show, at one moment.
//! * [`DrawingError`]: where a text is no drawing, and what is expected there.

mod attributes;
mod draft;
mod drawn;
mod error;
mod lines;
mod names;
mod parse;
mod print;
#[cfg(test)]
mod tests;
mod values;

pub use drawn::Drawing;
pub use error::{DrawingError, Problem};

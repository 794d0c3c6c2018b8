//! GTIDs: which transactions a server has, and what one server has that another lacks.
//!
//! Two flavours, two ideas, and neither is bent into the other:
//!
//! - **MySQL** keeps a *set*. [`OracleGtidSet`] maps each [`Tsid`] (server UUID, and since MySQL 8.3 an optional tag)
//!   to the numbers of its transactions, kept as sorted intervals. Everything can be asked of it: union,
//!   difference, whether one set contains another, how many transactions it holds.
//! - **MariaDB** keeps a *position*. [`MariadbPosition`] names, per domain, only the last transaction. Whatever was
//!   before it in that domain is taken to be there too. [`MariadbBinlogState`] says a little more: the last number of
//!   each server that ever wrote to the domain, which is what divergence is found with.
//!
//! [`GtidSet`] holds either, for callers that only ask how two servers stand to one another ([`Relation`]).
//!
//! # Why it is here and not asked of a server
//! The predecessor sent every subtraction to a server with `GTID_SUBTRACT`. That fails at the worst moment, when
//! servers are down, and costs a round trip each. Here it is plain arithmetic, and tests compare it with real servers of both flavours.
//!
//! # Cost and bounds
//! An interval is 16 bytes. All set operations are single merges over sorted vectors: linear in the number of
//! intervals, no hashing, no tree. A healthy server has one interval for each UUID; a server whose applier leaves gaps
//! may have a million. Texts are bounded by [`MAX_TEXT_BYTES`] and [`MAX_TSIDS`], and the parser merges while it
//! reads, so that repeating one number cannot fill the memory. Observations keep the server's own text; parse it when a question is
//! asked and drop the set after.
//!
//! # Where the parser is stricter than MySQL
//! The parser takes what MySQL's takes (white space and new lines, empty entries, any order, overlaps, repeated UUIDs,
//! upper case, `{uuid}`, a UUID without dashes), except three forms that MySQL reads as *nothing*, silently: a
//! reversed range (`9-5`), a UUID or tag without numbers, and bytes above ASCII in a tag. No server prints them, so
//! they are mistakes or cut-off texts, and reading "nothing" there could make a server look less advanced than it is.

mod error;
mod interval;
mod interval_set;
mod mariadb;
mod mariadb_state;
mod oracle;
mod oracle_parse;
mod oracle_text;
mod relation;
mod scanner;
mod set;
mod stored;
mod tsid;

#[cfg(test)]
mod laws;

pub use error::{ParseError, Problem};
pub use interval::{Interval, MAX_SEQUENCE};
pub use interval_set::IntervalSet;
pub use mariadb::{MariadbGap, MariadbGtid, MariadbPosition};
pub use mariadb_state::{MariadbBinlogState, StartProblem};
pub use oracle::{OracleGtid, OracleGtidSet};
pub use oracle_parse::MAX_TSIDS;
pub use relation::Relation;
pub use scanner::MAX_TEXT_BYTES;
pub use set::GtidSet;
pub use tsid::{MAX_TAG_LENGTH, ServerUuid, Tag, Tsid};

//! Findings: what is wrong with a server, and how we know. Pure: no IO, no clock, and it cannot fail.
//!
//! [`analyze`] gathers [`Facts`] of every instance, from its own probes and those of its replicas, and asks a table of
//! [`rules`] about them. The first rule of the table that holds for a server is its [`Finding`]; rules about the
//! structure of a tree give warnings beside it, each for itself. A finding carries the facts that made it as
//! [`Evidence`], in sentences.
//!
//! The logic is holistic: that we cannot reach a primary proves nothing. Its replicas have a say, each by its receiver
//! ([`Vote`]): *receiving* (the primary lives), *cut off* (nobody answers there), or nothing of value.
//!
//! # Where this is stricter than the predecessor
//!
//! * **A primary is dead only when replicas say so.** There, every replica that did not replicate for whatever reason,
//!   stopped by an operator or broken by an SQL error, counted as one that had lost its source. Here at least one
//!   replica must be cut off, and none may be receiving. Such a primary is *unreachable*, not dead.
//! * **A server that answers is not dead**, also when it answers with an error (too many connections, wrong password,
//!   host blocked). The predecessor knew of an answer only when the probe got its first row.
//! * **Who is neither well nor proven dead is unreachable.** A silent primary whose replicas have no say, one that answers
//!   while no replica of it replicates, and a co-primary in the same state had another finding there, or none.
//! * **Connection errors are known by number**; the English text counts only where a server gives no number, in its old and
//!   its new wording.
//! * **Nothing hides a server from analysis**: no maintenance, and no reduction of what is looked at
//!   (`ReduceReplicationAnalysisCount` saved a database work that is not done here). Downtime mutes a finding and
//!   does not remove it; a host of `RecoveryIgnoreHostnameFilters` is left out, and [`Analysis::left_out`] says so.
//! * **A probe that hangs spoils the last good one** once that is older than a poll and the time allowed for a probe, whatever
//!   the start of the probe was.
//! * **An instance that no probe has ended for is not judged.** There, a server was unreachable or dead from the moment
//!   it was heard of to its first probe.
//! * **A blocked semi-sync primary** is watched by [`Stalls`], and its binary log has stalled for as long as probes
//!   that saw it have lain apart; a server that cannot be probed does not grow more locked.
//!
//! Rules about intermediate sources, single replicas and members of replication groups come as further rows.

mod analyze;
mod changes;
mod evidence;
mod facts;
mod finding;
mod naming;
mod policy;
pub mod rules;
mod stalls;
#[cfg(test)]
mod tests;

pub use analyze::{Analysis, LeftOut, Scene, analyze, asserted_dead};
pub use changes::{CHANGES_MAX, Change, Changes};
pub use evidence::Evidence;
pub use facts::{Check, Facts, Replicas, Vote};
pub use finding::{Finding, Muted};
pub use naming::cluster_alias;
pub use policy::AnalysisPolicy;
pub use stalls::Stalls;

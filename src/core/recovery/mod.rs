//! Recovery of a dead primary, as data: may we act, who is to be promoted, what is to be done, what comes next. Pure: no
//! IO, no clock, and nothing is decided here for good.
//!
//! * [`Demand`]: who wants a recovery, and what that lifts.
//! * [`gate()`]: whether a finding may be acted on, and if not, why.
//! * [`ranking`]: the replicas of the dead primary in one strict order, with reasons.
//! * [`plan`]: the steps of a recovery as data, their checker, the next step, the statement about data loss.
//! * [`hooks`]: which hooks come up when, and what a failing one stops.
//! * [`Holdings`]: what a replica has received and applied, in GTIDs of either flavour or in positions.
//! * [`RecoveryPolicy`]: what configuration says.
//!
//! # Where this is stricter than the predecessor
//!
//! * **What was received counts, not what was applied.** Ranking, losses and the rule about relay logs go by it; the lone
//!   replica is treated like any other.
//! * **One strict order.** There, the comparison contradicted itself and the last match of a tier won; here each step has its
//!   reason, and everybody comes to the same server.
//! * **Vetoes come before anything is touched**: data centre, region, lag, unapplied relay logs. Delayed, errant and downtimed
//!   servers are never promoted; there, they merely sorted low, or nobody looked.
//! * **A server that may not be promoted still gives what only it has.** There, it was lost with that.
//! * **Two histories are refused**, and so is a promotion that replicas without GTIDs could not follow.
//! * **A replica with relay logs that it cannot apply in time is left as it is**, and not repointed over them.
//! * **One recovery for each server**, by address and UUID; block periods count from the end and hold for their own kind.
//! * **A brake that cannot be read is on.**

mod demand;
mod gate;
mod holdings;
pub mod hooks;
pub mod plan;
mod policy;
pub mod ranking;
mod restart;

pub use crate::domain::{RecoveryKind, TouchedServer};
pub use demand::{Demand, DemandLevel};
pub use gate::{
    Blocked, Gate, GlobalSwitch, History, PastRecovery, Request, beats_say_no, gate, recovery_for,
    servers_touched,
};
pub use holdings::{Ground, Holdings, Unapplied};
pub use policy::{Durability, RecoveryPolicy, UnappliedRelayLog};
pub use restart::{Restart, restart};
#[cfg(test)]
mod testing;

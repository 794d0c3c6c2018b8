//! Recovery of a dead primary, as data: may we act, who is to be promoted, what is to be done, what comes next. Pure: no
//! IO, no clock, and nothing is decided here for good.
//!
//! * [`gate()`]: whether a finding may be acted on, and if not, why.
//! * [`ranking`]: the replicas of the dead primary in one strict order, with reasons.
//! * [`plan`]: the steps of a recovery as data, their checker, the next step, the statement about data loss.
//! * [`Holdings`]: what a replica has received and applied, in GTIDs of either flavour or in positions.
//! * [`RecoveryPolicy`]: what configuration says.

mod gate;
mod holdings;
pub mod plan;
mod policy;
pub mod ranking;

pub use gate::{
    Blocked, Gate, GlobalSwitch, History, PastRecovery, RecoveryKind, Request, TouchedServer, gate,
    servers_touched,
};
pub use holdings::{Ground, Holdings, Unapplied};
pub use policy::{Durability, RecoveryPolicy, UnappliedRelayLog};
#[cfg(test)]
mod testing;

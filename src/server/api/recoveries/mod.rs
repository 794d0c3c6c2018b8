//! Recoveries: what was found and done, what is held back, who takes note, the global switch, and recoveries on request.

mod ack;
mod ask;
mod list;
mod switch;

pub use ack::{ack_all, ack_cluster, ack_cluster_by_alias, ack_instance, ack_number, ack_uid};
pub use ask::{force_failover, force_takeover, recover, recover_lite};
pub use list::{
    active, blocked, detection, detections, notes, recently_active, recently_active_instance,
    recoveries, recovery, recovery_by_uid, whole,
};
pub use switch::{check, disable, enable, filters};

use orchestrator_core::decided::Decided;
use orchestrator_core::domain::{Recovery, RecoveryId};

use super::input::InputError;

/// A recovery as people name one.
enum Name {
    /// By its number.
    Number(u64),
    /// By its UID.
    Uid(RecoveryId),
}

impl Name {
    /// A number or a UID. 32 digits are a UID: numbers do not get that long.
    fn parse(text: &str) -> Result<Self, InputError> {
        let wrong = || InputError::RecoveryName {
            text: text.to_owned(),
        };
        if let Ok(id) = text.parse() {
            return Ok(Self::Uid(id));
        }
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_number);
        number.map(Self::Number).ok_or_else(wrong)
    }

    /// The recovery.
    fn find<'a>(&self, decided: &'a Decided) -> Option<(RecoveryId, &'a Recovery)> {
        match self {
            Self::Uid(id) => decided.recoveries.get(id).map(|found| (*id, &**found)),
            Self::Number(number) => {
                let mut all = decided.recoveries.iter();
                let found = all.find(|(_, recovery)| recovery.number == *number);
                found.map(|(id, recovery)| (*id, &**recovery))
            }
        }
    }
}

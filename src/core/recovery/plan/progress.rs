use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Phase, StepNumber};
use crate::domain::{InstanceKey, Timestamp};
use crate::recovery::Unapplied;

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepState {
    /// It was begun then; what came of it is not known.
    Begun(Timestamp),
    /// It is done, read back from the server then.
    Done(Timestamp),
    /// It came to nothing.
    Failed(WhyFailed),
    /// Its deadline passed, and the recovery goes on without it, because an operator insists ([`Plan::gives_up`]).
    ///
    /// [`Plan::gives_up`]: super::Plan::gives_up
    GivenUp {
        /// When.
        at: Timestamp,
        /// What was received and not applied then, and is lost; `None` when it cannot be read.
        unapplied: Option<Unapplied>,
    },
}

/// How the old primary is, tried all the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OldPrimary {
    /// It says nothing.
    #[default]
    Silent,
    /// It answers and may take writes.
    Answers,
    /// It answers, and was closed: read-only, its sessions ended.
    Closed,
}

/// How far a recovery is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The committed phase.
    pub phase: Phase,
    /// Steps that were begun, and what came of them. A step of an earlier phase that is not done was given up.
    pub steps: BTreeMap<StepNumber, StepState>,
    /// The old primary.
    pub old_primary: OldPrimary,
}

impl Progress {
    /// Of a recovery that was registered just now.
    pub fn registered() -> Self {
        Self {
            phase: Phase::Registered,
            steps: BTreeMap::new(),
            old_primary: OldPrimary::Silent,
        }
    }
}

/// How a recovery ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndOfRecovery {
    /// The chosen server is the primary.
    Succeeded {
        /// Replicas that could not be moved although the plan said so, each with the reason.
        unmoved: Vec<(InstanceKey, WhyFailed)>,
    },
    /// Nobody was promoted.
    Failed {
        /// The server on which it failed.
        on: InstanceKey,
        /// Why.
        why: WhyFailed,
    },
}

/// Why a step came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum WhyFailed {
    /// It has relay logs that it did not apply in time. They are left as they are.
    #[error("received but not applied by {on}: {}", unapplied.map_or_else(|| "an unknown number of transactions".to_owned(), |it| it.to_string()))]
    NotApplied {
        /// The server.
        on: InstanceKey,
        /// How much; `None` when it cannot be read.
        unapplied: Option<Unapplied>,
    },
    /// The deadline passed.
    #[error("step {number} did not end in time on {on}: {action}")]
    Deadline {
        /// The step.
        number: StepNumber,
        /// The server.
        on: InstanceKey,
        /// What it was.
        action: super::Action,
    },
    /// It has what the promoted server gave up, or lost.
    #[error("{on} is left as it is: it has transactions that the promoted server has not")]
    HasMore {
        /// The server.
        on: InstanceKey,
    },
    /// The server refused.
    #[error("step {number} failed on {on}: {reason}")]
    Refused {
        /// The step.
        number: StepNumber,
        /// The server.
        on: InstanceKey,
        /// The reason.
        reason: String,
    },
}

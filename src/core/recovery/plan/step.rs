use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Progress, StepState, WhyFailed};
use crate::domain::{InstanceKey, Phase, Timestamp};
use crate::recovery::ranking::{Choice, Comparison};
use crate::recovery::{Demand, Ground, Holdings, Unapplied};

/// Position of a step in its plan, from 0.
pub type StepNumber = usize;

/// What a step does to a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Start the applier, where it does not run. Only while the receiver has not been stopped.
    StartApplier,
    /// Stop the receiver.
    StopReceiver,
    /// Wait until all that was received is applied.
    AwaitApplied,
    /// Stop the applier, which has nothing left to do.
    StopApplier,
    /// Replicate from another source, by GTID. Discards relay logs.
    Repoint {
        /// The source.
        source: InstanceKey,
    },
    /// Start receiver and applier.
    StartReplication,
    /// Wait until it has applied everything that another server has.
    AwaitAllOf {
        /// That server.
        other: InstanceKey,
    },
    /// Forget the source. Discards relay logs.
    ForgetSource,
    /// Take writes.
    MakeWritable,
    /// Keep the server from ever connecting to its source again. Discards relay logs.
    Detach,
    /// Switch the source's half of semi-sync on or off.
    SemiSyncSource(bool),
    /// Switch the replica's half of semi-sync on or off.
    SemiSyncReplica(bool),
}

impl Action {
    /// Whether it discards what was received and is not applied.
    pub fn discards(&self) -> bool {
        matches!(
            self,
            Self::Repoint { .. } | Self::ForgetSource | Self::Detach
        )
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartApplier => f.write_str("start the applier"),
            Self::StopReceiver => f.write_str("stop the receiver"),
            Self::AwaitApplied => f.write_str("wait until all received is applied"),
            Self::StopApplier => f.write_str("stop the applier"),
            Self::Repoint { source } => write!(f, "replicate from {source}"),
            Self::StartReplication => f.write_str("start replication"),
            Self::AwaitAllOf { other } => write!(f, "wait until it has all of {other}"),
            Self::ForgetSource => f.write_str("forget the source"),
            Self::MakeWritable => f.write_str("make it writable"),
            Self::Detach => f.write_str("detach it"),
            Self::SemiSyncSource(true) => f.write_str("switch semi-sync of a source on"),
            Self::SemiSyncSource(false) => f.write_str("switch semi-sync of a source off"),
            Self::SemiSyncReplica(true) => f.write_str("switch semi-sync of a replica on"),
            Self::SemiSyncReplica(false) => f.write_str("switch semi-sync of a replica off"),
        }
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The phase in which it is done.
    pub phase: Phase,
    /// The server.
    pub on: InstanceKey,
    /// What.
    pub action: Action,
    /// Steps that must be done before, all with smaller numbers.
    pub after: Vec<StepNumber>,
    /// For how long it may go on; `None` without bound, for a wait that configuration wants so.
    pub deadline: Option<Duration>,
    /// Whether the recovery fails when it does; else its server is left as it is.
    pub is_required: bool,
}

/// What becomes of a direct replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// It is promoted.
    Promoted,
    /// It is moved below the promoted one.
    Moved,
    /// It is not.
    Left(Left),
}

/// Why a replica is not moved below the promoted one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Left {
    /// It cannot be probed.
    #[error("it cannot be probed")]
    Unreachable,
    /// An operator has put it in downtime.
    #[error("it is in downtime")]
    Downtime,
    /// It has what the promoted one has not.
    #[error("it has what the promoted server has not: {set}")]
    HasMore {
        /// What.
        set: String,
    },
    /// Nothing is known of what it has.
    #[error("its GTIDs or positions cannot be read")]
    Illegible,
    /// It may not replicate from the promoted one.
    #[error("it could not replicate from the promoted server: {why}")]
    CannotFollow {
        /// The first reason.
        why: String,
    },
    /// It has more to apply than it can in time; repointing it would discard that.
    #[error("it has yet to apply {unapplied}, which moving it now would discard")]
    AppliesLater {
        /// How much.
        unapplied: Unapplied,
    },
}

impl Left {
    /// Whether it counts as lost: put in downtime, told to hooks. One that an operator has taken out, or that
    /// needs only time, does not.
    pub fn is_lost(&self) -> bool {
        !matches!(self, Self::Downtime | Self::AppliesLater { .. })
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The dead primary.
    pub dead: InstanceKey,
    /// Who wants it.
    pub demand: Demand,
    /// When it was made, by the clock of the picture. What was observed before says nothing about its steps.
    pub made_at: Timestamp,
    /// By what servers are compared.
    pub ground: Ground,
    /// Who is promoted, and why.
    pub choice: Choice,
    /// How contenders stood to each other.
    pub comparisons: Vec<Comparison>,
    /// What becomes of each direct replica.
    pub fates: BTreeMap<InstanceKey, Fate>,
    /// What each promoted or moved replica, and the head, had when the plan was made.
    pub holdings: BTreeMap<InstanceKey, Holdings>,
    /// The steps.
    pub steps: Vec<Step>,
    /// How many steps may be under way at once.
    pub steps_at_once: usize,
}

impl Plan {
    /// The promoted server and those that are moved.
    pub fn kept(&self) -> impl Iterator<Item = &InstanceKey> {
        self.fates
            .iter()
            .filter(|(_, fate)| !matches!(fate, Fate::Left(_)))
            .map(|(key, _)| key)
    }

    /// Whether a step whose deadline has passed is given up, and the next ones are done all the same: the promoted server was to
    /// apply what it had received, and an operator insists.
    pub fn gives_up(&self, step: &Step) -> bool {
        self.demand.is_forced()
            && step.on == self.choice.promoted
            && matches!(step.action, Action::StartApplier | Action::AwaitApplied)
    }

    /// Whether a step may come after its server takes writes, and after clients were told: it clears away what remains of the promoted server's
    /// replication when everything is applied and nothing comes in any more.
    pub fn may_come_later(&self, step: &Step) -> bool {
        step.phase == Phase::ReceiversStopped
            && step.on == self.choice.promoted
            && matches!(step.action, Action::StopApplier | Action::ForgetSource)
            && self.steps.iter().any(|step| self.makes_writable(step))
    }

    /// Whether a step belongs to what makes the promoted server writable.
    pub(super) fn makes_writable(&self, step: &Step) -> bool {
        let is_it = matches!(
            step.action,
            Action::MakeWritable | Action::SemiSyncSource(_) | Action::SemiSyncReplica(_)
        );
        is_it && step.on == self.choice.promoted
    }

    /// Steps that came after the server took writes, and to nothing, each with the reason.
    pub fn failed_later<'a>(
        &'a self,
        progress: &'a Progress,
    ) -> impl Iterator<Item = (&'a Step, &'a WhyFailed)> {
        progress.steps.iter().filter_map(|(number, state)| {
            let step = self.steps.get(*number)?;
            match state {
                StepState::Failed(why) if self.may_come_later(step) => Some((step, why)),
                _ => None,
            }
        })
    }

    /// Lost replicas, each with the reason.
    pub fn lost(&self) -> impl Iterator<Item = (&InstanceKey, &Left)> {
        self.fates.iter().filter_map(|(key, fate)| match fate {
            Fate::Left(left) if left.is_lost() => Some((key, left)),
            _ => None,
        })
    }
}

/// Numbered steps, one in a line, for operators and tests.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "{number} {:?} {}: {}", step.phase, step.on, step.action)?;
        }
        for (key, fate) in &self.fates {
            if let Fate::Left(why) = fate {
                writeln!(f, "left {key}: {why}")?;
            }
        }
        Ok(())
    }
}

use std::sync::Arc;

use orchestrator_core::decided::{Command, Decided, RecoveryStepCommand, Refusal};
use orchestrator_core::domain::{Fence, RecoveryId, Timestamp};
use orchestrator_core::planted::{Bug, is_planted};
use orchestrator_core::ports::{NotLeading, OnBehalfOf};

use super::proposing::Undecided;
use super::{Config, Deps};

/// Why a recovery is not carried on here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lost {
    /// This node does not lead any more, or cannot tell.
    #[error("{0}")]
    Leadership(String),
    /// It has ended, or another leadership has it.
    #[error("it has ended, or is carried out elsewhere")]
    Elsewhere,
    /// A command about it was not decided.
    #[error("{0}")]
    Undecided(String),
}

impl From<NotLeading> for Lost {
    fn from(why: NotLeading) -> Self {
        Self::Leadership(why.to_string())
    }
}

impl From<Undecided> for Lost {
    fn from(why: Undecided) -> Self {
        match why {
            Undecided::NotLeading => Self::Leadership(why.to_string()),
            Undecided::Refused(
                Refusal::RecoveryHasEnded | Refusal::OtherFence { .. } | Refusal::UnknownRecovery,
            ) => Self::Elsewhere,
            Undecided::Refused(_) | Undecided::InVain(_) => Self::Undecided(why.to_string()),
        }
    }
}

/// One recovery under one leadership.
#[derive(Clone)]
pub(super) struct Scope {
    pub deps: Arc<Deps>,
    pub config: Arc<Config>,
    pub id: RecoveryId,
    pub fence: Fence,
}

impl Scope {
    /// For whom statements are made.
    pub fn on_behalf_of(&self) -> OnBehalfOf {
        OnBehalfOf {
            recovery: self.id,
            fence: self.fence,
        }
    }

    /// The time of this node.
    pub fn now(&self) -> Timestamp {
        self.deps.clock.now()
    }

    /// Whether this leadership still leads; asked before a connection is opened or ended.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn leads(&self) -> Result<(), Lost> {
        if is_planted(Bug::FenceNotRechecked) {
            return Ok(());
        }
        Ok(self.deps.leadership.confirm(self.fence).await?)
    }

    /// Whether a server may be changed now: this leadership leads, and the recovery is under way and its own. Asked
    /// immediately before each changing statement.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn may_change(&self) -> Result<(), Lost> {
        self.leads().await?;
        self.is_current()
    }

    /// Whether the recovery is under way and this leadership's, as far as is known here.
    pub fn is_current(&self) -> Result<(), Lost> {
        let decided = self.deps.decisions.decided();
        match decided.recoveries.get(&self.id) {
            Some(known) if known.end.is_none() && known.fence == self.fence => Ok(()),
            _ => Err(Lost::Elsewhere),
        }
    }

    /// Decides a command about the recovery.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn decide(
        &self,
        command: Command,
        took_effect: impl Fn(&Decided) -> bool + Send,
    ) -> Result<(), Lost> {
        let origin = self.deps.own_origin();
        let decided = self
            .deps
            .decide(self.fence, origin, command, took_effect)
            .await;
        decided.map(drop).map_err(Lost::from)
    }

    /// Decides that it goes on.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn step(
        &self,
        step: RecoveryStepCommand,
        took_effect: impl Fn(&Decided) -> bool + Send,
    ) -> Result<(), Lost> {
        let (id, step) = (self.id, Box::new(step));
        self.decide(Command::RecoveryStep { id, step }, took_effect)
            .await
    }
}

//! Changing a server after the end of its recovery, over connections that are written down as the recovery's own were: whoever
//! works there next ends them first.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::decided::{Command, Decided, RecoveryStepCommand};
use orchestrator_core::domain::{Fence, InstanceKey, RecoveryId, RecoverySessionId};
use orchestrator_core::ports::OnBehalfOf;

use super::Deps;
use super::proposing::Undecided;
use super::sessions::OPEN_TIME;

/// How often a server is tried in the first minute after the recovery, when whatever restarts servers does so.
const SOON: Duration = Duration::from_millis(50);

/// For how long that is.
const SOON_TIME: Duration = Duration::from_secs(60);

/// How often it is tried later: the rate of beats.
const LATER: Duration = Duration::from_secs(1);

/// This leadership is over.
pub(super) struct Over;

/// One server, one ended recovery, one leadership.
pub(super) struct Visit {
    pub deps: Arc<Deps>,
    pub server: InstanceKey,
    pub on_behalf_of: OnBehalfOf,
}

impl Visit {
    pub fn new(deps: Arc<Deps>, fence: Fence, server: InstanceKey, recovery: RecoveryId) -> Self {
        Self {
            deps,
            server,
            on_behalf_of: OnBehalfOf { recovery, fence },
        }
    }

    /// Waits until the server is to be looked at again.
    pub async fn pause(&self) {
        let decided = self.deps.decisions.decided();
        let recovery = decided.recoveries.get(&self.on_behalf_of.recovery);
        let ended_at = recovery.and_then(|it| Some(it.end.as_ref()?.at));
        let now = self.deps.clock.now();
        let is_soon = ended_at.is_some_and(|at| now.since(at) < SOON_TIME);
        let length = if is_soon { SOON } else { LATER };
        self.deps.clock.sleep(length).await;
    }

    /// Immediately before each changing statement.
    pub async fn confirm(&self) -> Result<(), Over> {
        let confirmed = self.deps.leadership.confirm(self.on_behalf_of.fence);
        confirmed.await.map_err(|_| Over)
    }

    pub fn named(&self, connection_id: u64) -> RecoverySessionId {
        RecoverySessionId {
            server: self.server.clone(),
            connection_id,
        }
    }

    /// Before the first change over a connection: it is written down, so that whoever works here next ends it first; and those
    /// that were left here are ended, which it returns. `None`: not now.
    ///
    /// A close that hangs on a lock outlives its deadline, the connection's other end, and its leadership. Landing when the
    /// server has been made primary again, it would close that.
    pub async fn enter(
        &self,
        own: &RecoverySessionId,
    ) -> Result<Option<Vec<RecoverySessionId>>, Over> {
        let (mut ended, mut is_recorded) = (Vec::new(), false);
        loop {
            let left = self.left_here(own, &ended);
            if !left.is_empty() {
                self.confirm().await?;
                let ids: Vec<u64> = left.iter().map(|one| one.connection_id).collect();
                let servers = &self.deps.servers;
                if let Err(why) = servers.end_sessions(&self.server, &ids, OPEN_TIME).await {
                    tracing::debug!(server = %self.server, %why, "connections of before cannot be ended yet");
                    return Ok(None);
                }
                ended.extend(left);
            } else if is_recorded {
                return Ok(Some(ended));
            } else {
                // After this, all that earlier leaderships wrote down is known here: another look.
                if !self.record(vec![own.clone()], vec![]).await? {
                    return Ok(None);
                }
                is_recorded = true;
            }
        }
    }

    /// Connections on this server that are written down, but for its own and those that were ended since.
    fn left_here(
        &self,
        own: &RecoverySessionId,
        ended: &[RecoverySessionId],
    ) -> Vec<RecoverySessionId> {
        let decided = self.deps.decisions.decided();
        let left = decided
            .sessions_left()
            .filter(|one| one.server == self.server && *one != own && !ended.contains(one));
        left.cloned().collect()
    }
    /// Writes down connections; whether that is known to be decided.
    pub async fn record(
        &self,
        opened: Vec<RecoverySessionId>,
        ended: Vec<RecoverySessionId>,
    ) -> Result<bool, Over> {
        let id = self.on_behalf_of.recovery;
        let own = opened.clone();
        let is_written = move |decided: &Decided| {
            let known = decided.recoveries.get(&id);
            known.is_some_and(|it| own.iter().all(|one| it.sessions.contains(one)))
        };
        self.decide(RecoveryStepCommand::Watch { opened, ended }, is_written)
            .await
    }

    /// Decides something about the recovery; whether that is known to be decided.
    pub async fn decide(
        &self,
        step: RecoveryStepCommand,
        took_effect: impl Fn(&Decided) -> bool + Send,
    ) -> Result<bool, Over> {
        let (fence, origin) = (self.on_behalf_of.fence, self.deps.own_origin());
        let command = Command::RecoveryStep {
            id: self.on_behalf_of.recovery,
            step: Box::new(step),
        };
        match self.deps.decide(fence, origin, command, took_effect).await {
            Ok(_) => Ok(true),
            Err(Undecided::NotLeading) => Err(Over),
            Err(why) => {
                tracing::debug!(server = %self.server, %why, "it is not written down");
                Ok(false)
            }
        }
    }
}

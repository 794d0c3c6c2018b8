//! The old primary of a recovery: tried all the time, from the registration to the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, Observation};
use orchestrator_core::planted::{Bug, is_planted};
use orchestrator_core::ports::{Change, ChangeError, ServerSession};
use orchestrator_core::recovery::plan::OldPrimary;
use tokio::sync::{mpsc, watch};

use super::report::Report;
use crate::executor::scope::Scope;
use crate::executor::sessions::{OLD_PRIMARY_OPEN_TIME, OPEN_TIME};

/// How often it is tried: an old primary that is back is closed before clients of a busy pool have found it.
const TRY: Duration = Duration::from_millis(50);

/// How long the order to close a server that has just answered is waited for before it is looked at: longer than a decision takes on
/// a busy node. A look is a dozen statements, which the order would have to wait for.
const ORDER_TIME: Duration = Duration::from_secs(1);

/// How long closing it may take. Ending the sessions of some thousand clients takes a second.
pub(super) const CLOSE_TIME: Duration = Duration::from_secs(3);

/// The task that tries.
pub(super) struct Watcher {
    pub scope: Scope,
    pub dead: InstanceKey,
    /// Connections of earlier leaderships, ended before another is opened.
    pub stale: Vec<u64>,
    pub reports: mpsc::Sender<Report>,
    /// Set while it is back and not closed.
    pub halt: Arc<AtomicBool>,
    /// The connection over which it is to be closed, once that is written down.
    pub close: watch::Receiver<Option<u64>>,
    /// What was told last, so that the run hears of changes only.
    pub told: Option<OldPrimary>,
}

/// Nobody listens any more.
struct Over;

impl Watcher {
    /// Tries until the run is over.
    pub async fn work(mut self) {
        while self.attempt().await.is_ok() {
            self.scope.deps.clock.sleep(TRY).await;
        }
    }

    async fn attempt(&mut self) -> Result<(), Over> {
        if let Err(lost) = self.scope.leads().await {
            self.send(Report::Lost(lost)).await?;
            return Err(Over);
        }
        // A run that goes on where another stopped waits for the first attempt.
        let within = match self.told {
            None => OPEN_TIME,
            Some(_) => OLD_PRIMARY_OPEN_TIME,
        };
        let servers = Arc::clone(&self.scope.deps.servers);
        let ended = match self.stale.is_empty() {
            true => Ok(()),
            false => servers.end_sessions(&self.dead, &self.stale, within).await,
        };
        let opened = match ended {
            Ok(()) => {
                let opened = servers.open(&self.dead, self.scope.on_behalf_of(), within);
                opened.await
            }
            Err(why) => Err(why),
        };
        match opened {
            Ok(session) => {
                let ended = std::mem::take(&mut self.stale);
                self.serve(session, ended).await
            }
            // Whoever refuses, lives.
            Err(why @ ChangeError::Refused { .. }) => {
                self.tell(OldPrimary::Answers, why.to_string()).await
            }
            // It was connected to, and took its time with ending the last connection.
            Err(ChangeError::Unknown { .. }) if self.told == Some(OldPrimary::Answers) => Ok(()),
            Err(_) => self.tell(OldPrimary::Silent, String::new()).await,
        }
    }

    /// Watches it over one connection until that is lost.
    async fn serve(
        &mut self,
        mut session: Box<dyn ServerSession>,
        ended: Vec<u64>,
    ) -> Result<(), Over> {
        let connection_id = session.connection_id();
        self.send(Report::Opened {
            server: self.dead.clone(),
            connection_id,
            ended,
        })
        .await?;
        // That it answers is all that has to be known: nothing else is begun from now on, and the order to close it is on its way.
        self.tell(OldPrimary::Answers, "it answers".to_owned())
            .await?;
        let (mut was_closed, mut pause) = (false, ORDER_TIME);
        loop {
            self.pause(pause).await?;
            pause = TRY;
            if !was_closed && *self.close.borrow() == Some(connection_id) {
                was_closed = self.close(&mut session).await?;
            }
            let seen = match session.observe().await {
                Ok(seen) => seen,
                Err(why) if why.kind.server_answered() => {
                    self.stale.push(connection_id);
                    return self.tell(OldPrimary::Answers, why.message).await;
                }
                // It answered a moment ago, and may hang over the order to close it: only a new connection tells whether it is gone.
                Err(_) => {
                    self.stale.push(connection_id);
                    return Ok(());
                }
            };
            was_closed &= takes_no_writes(&seen);
            let state = match was_closed {
                true => OldPrimary::Closed,
                false => OldPrimary::Answers,
            };
            self.tell(state, "it answers".to_owned()).await?;
        }
    }

    async fn pause(&mut self, length: Duration) -> Result<(), Over> {
        tokio::select! {
            biased;
            changed = self.close.changed() => changed.map_err(|_| Over),
            () = self.scope.deps.clock.sleep(length) => Ok(()),
        }
    }

    async fn close(&mut self, session: &mut Box<dyn ServerSession>) -> Result<bool, Over> {
        if let Err(lost) = self.scope.may_change().await {
            self.send(Report::Lost(lost)).await?;
            return Err(Over);
        }
        tracing::warn!(server = %self.dead, "the old primary is back: closing it");
        let result = session.make(&Change::Close, CLOSE_TIME).await;
        let is_closed = result.is_ok();
        let result = result.map_err(|why| why.to_string());
        self.send(Report::CloseTried { result }).await?;
        Ok(is_closed)
    }

    async fn tell(&mut self, state: OldPrimary, said: String) -> Result<(), Over> {
        let state = match is_planted(Bug::OldPrimaryNotClosed) {
            true => OldPrimary::Silent,
            false => state,
        };
        self.halt
            .store(state == OldPrimary::Answers, Ordering::SeqCst);
        if self.told.replace(state) == Some(state) {
            return Ok(());
        }
        self.send(Report::OldPrimary { state, said }).await
    }

    async fn send(&self, report: Report) -> Result<(), Over> {
        self.reports.send(report).await.map_err(|_| Over)
    }
}

/// Whether it takes no writes of clients.
fn takes_no_writes(seen: &Observation) -> bool {
    seen.read_only && seen.super_read_only.unwrap_or(true)
}

//! A receiver that its server is slow to end: MySQL needs two seconds for one that waits for the greeting of a source that hangs. It takes
//! nothing in any more meanwhile, so the recovery goes on over another connection.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::domain::{Observation, ThreadState};
use orchestrator_core::ports::{BoxFuture, Change, ChangeError, ServerSession};

use super::hand::{Hand, LOOK};
use crate::executor::sessions::OPEN_TIME;

/// After this time a receiver is slow to stop: others take a few milliseconds.
const SLOW: Duration = Duration::from_millis(30);

/// So many looks in a row have to show that the receiver is being ended. The server says so a moment before it is: between these two looks
/// it has gone on.
const LOOKS: u32 = 2;

/// The statement that stops a receiver, on its way over a connection of its own.
pub(super) struct Stopping {
    /// That connection.
    pub connection_id: u64,
    making: BoxFuture<'static, Made>,
}

/// The connection, and what came of the statement.
pub(super) type Made = (Box<dyn ServerSession>, Result<(), ChangeError>);

/// What came of stopping a receiver.
pub(super) enum Stop {
    /// The statement came back.
    Back(Made),
    /// It has not, and the receiver takes nothing in any more: it goes on over this other connection, over which this was seen.
    Overtaken {
        stopping: Stopping,
        over: Box<dyn ServerSession>,
        seen: Box<Observation>,
    },
}

impl Stopping {
    fn begin(mut session: Box<dyn ServerSession>, change: Change, deadline: Duration) -> Self {
        Self {
            connection_id: session.connection_id(),
            making: Box::pin(async move {
                let made = session.make(&change, deadline).await;
                (session, made)
            }),
        }
    }

    /// Completes with the statement. Cancel-safe, and must not be called again after that.
    pub(super) async fn back(&mut self) -> Made {
        (&mut self.making).await
    }
}

impl Hand {
    /// Stops the receiver over `session`, and overtakes the statement where the server is slow.
    pub(super) async fn stop_receiver(
        &self,
        session: Box<dyn ServerSession>,
        deadline: Duration,
    ) -> Stop {
        let clock = Arc::clone(&self.scope.deps.clock);
        let mut stopping = Stopping::begin(session, Change::StopReceiver, deadline);
        let connection_id = stopping.connection_id;
        let overtaking = async {
            clock.sleep(SLOW).await;
            self.overtake(connection_id).await
        };
        let overtaken = tokio::select! {
            biased;
            made = &mut stopping.making => return Stop::Back(made),
            overtaken = overtaking => overtaken,
        };
        match overtaken {
            Some((over, seen)) => {
                tracing::info!(
                    server = %self.server,
                    "the receiver is being ended and takes nothing in any more; it goes on beside that"
                );
                let seen = Box::new(seen);
                Stop::Overtaken {
                    stopping,
                    over,
                    seen,
                }
            }
            None => Stop::Back(stopping.back().await),
        }
    }

    /// Another connection, over which it was seen that the receiver takes nothing in any more. `None` where there is none, or where the server does
    /// not say so before the statement is over.
    async fn overtake(&self, connection_id: u64) -> Option<(Box<dyn ServerSession>, Observation)> {
        let clock = Arc::clone(&self.scope.deps.clock);
        let servers = Arc::clone(&self.scope.deps.servers);
        let opened = {
            let _place = self.connecting.acquire().await;
            let opening = servers.open(&self.server, self.scope.on_behalf_of(), OPEN_TIME);
            opening.await
        };
        let mut over = match opened {
            Ok(over) => over,
            Err(why) => {
                tracing::debug!(server = %self.server, %why, "no second connection");
                return None;
            }
        };
        let mut looks = 0;
        loop {
            let seen = over.observe_beside(connection_id).await.ok()?;
            let link = seen.replication.as_ref();
            looks = match link.is_some_and(|link| link.receiver == ThreadState::Stopping) {
                true => looks + 1,
                false => 0,
            };
            if looks == LOOKS {
                return Some((over, seen));
            }
            clock.sleep(LOOK).await;
        }
    }
}

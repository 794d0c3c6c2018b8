//! One server of a recovery: a task of its own with the connection, so that a slow server slows nobody else.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use orchestrator_core::domain::{InstanceKey, Observation};
use orchestrator_core::ports::{Change, ChangeError, ServerSession};
use orchestrator_core::recovery::plan::StepNumber;
use tokio::sync::{Semaphore, mpsc};

use super::report::Report;
use super::stopping::{Made, Stop, Stopping};
use crate::executor::scope::Scope;
use crate::executor::sessions::{Looking, OPEN_TIME};

/// How often a server is looked at while something is expected of it: what an applier needs for the last transactions is
/// some milliseconds.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// How often it is looked at while nothing is expected: it keeps the connection open, and shows that it is.
const IDLE_LOOK: Duration = Duration::from_secs(1);

/// How long it waits before it connects again.
const AGAIN: Duration = Duration::from_millis(200);

/// How long one attempt to connect may take at most, after others took too long: less than half of what most steps have.
const OPEN_TIME_MAX: Duration = Duration::from_secs(4);

/// Orders that may wait for one hand: one change, and whether to look often.
pub(super) const ORDERS_MAX: usize = 8;

/// What a hand is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Make a change, over this connection and no other.
    Make {
        number: StepNumber,
        change: Change,
        deadline: Duration,
        connection_id: u64,
        /// It may be made although the old primary is back and not closed.
        beside_old_primary: bool,
    },
    /// Look now: what was waited for is decided.
    Look,
    /// Look often.
    Attend,
    /// Look rarely.
    Rest,
}

/// One server's task.
pub(super) struct Hand {
    pub scope: Scope,
    pub server: InstanceKey,
    /// Connections to be ended before another is opened.
    pub stale: Vec<u64>,
    pub orders: mpsc::Receiver<Order>,
    pub reports: mpsc::Sender<Report>,
    /// The old primary is back and not closed: nothing is changed anywhere else.
    pub halt: Arc<AtomicBool>,
    /// Something is being decided: the next order comes after that, and finds the connection idle.
    pub holds: Arc<AtomicBool>,
    /// Bounds how many hands connect at once.
    pub connecting: Arc<Semaphore>,
}

/// Nobody listens any more.
struct Over;

/// A connection, and what was seen over it.
type Opened = (Box<dyn ServerSession>, Option<Observation>);

impl Hand {
    /// Works until the run is over. Dropping the future closes the connection.
    pub async fn work(mut self, looking: Option<Looking>) {
        let Err(Over) = self.try_to_work(looking).await;
    }

    async fn try_to_work(&mut self, mut looking: Option<Looking>) -> Result<Infallible, Over> {
        let mut is_attending = true;
        loop {
            let opened_before = match looking.take() {
                Some(looking) => self.opened_before(looking).await?,
                None => None,
            };
            let (open, seen) = match opened_before {
                Some(opened) => opened,
                None => (self.connect().await?, None),
            };
            let connection_id = self.serve(open, seen, &mut is_attending).await?;
            self.closed(connection_id).await?;
        }
    }

    /// Nobody knows what becomes of a statement on a connection that is lost; it is ended before another is opened.
    async fn closed(&mut self, connection_id: u64) -> Result<(), Over> {
        self.stale.push(connection_id);
        let server = self.server.clone();
        self.tell(Report::Closed { server }).await
    }

    /// A connection over which a look is under way, and what was seen. `None`: another is needed.
    async fn opened_before(&mut self, looking: Looking) -> Result<Option<Opened>, Over> {
        let connection_id = looking.connection_id;
        let Some((open, Ok(seen))) = looking.looked().await else {
            self.closed(connection_id).await?;
            return Ok(None);
        };
        // What was seen while others might change something here says nothing.
        let is_valid = self.stale.is_empty();
        let open = self.after_stale(open).await?;
        Ok(open.map(|open| (open, is_valid.then_some(seen))))
    }

    /// A connection of before, once those that are stale are ended: nothing is said over it before that. `None`: it is
    /// given up with them, and another is needed.
    async fn after_stale(
        &mut self,
        open: Box<dyn ServerSession>,
    ) -> Result<Option<Box<dyn ServerSession>>, Over> {
        if self.stale.is_empty() {
            return Ok(Some(open));
        }
        if let Err(lost) = self.scope.leads().await {
            self.tell(Report::Lost(lost)).await?;
            return Err(Over);
        }
        let servers = Arc::clone(&self.scope.deps.servers);
        let ended = servers.end_sessions(&self.server, &self.stale, OPEN_TIME);
        let server = self.server.clone();
        match ended.await {
            Ok(()) => {
                let ended = std::mem::take(&mut self.stale);
                self.tell(Report::SessionsEnded { server, ended }).await?;
                Ok(Some(open))
            }
            Err(why) => {
                tracing::debug!(%server, %why, "connections of before cannot be ended yet");
                self.stale.push(open.connection_id());
                self.tell(Report::Closed { server }).await?;
                Ok(None)
            }
        }
    }

    async fn connect(&mut self) -> Result<Box<dyn ServerSession>, Over> {
        let mut within = OPEN_TIME;
        loop {
            if let Some(session) = self.try_to_connect(within).await? {
                return Ok(session);
            }
            // A server that is slow, and not gone, is reached in the end.
            within = (within * 2).min(OPEN_TIME_MAX);
            let pause = self.scope.deps.clock.sleep(AGAIN);
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    biased;
                    order = self.orders.recv() => self.withhold(order).await?,
                    () = &mut pause => break,
                }
            }
        }
    }

    /// `None`: not now.
    async fn try_to_connect(
        &mut self,
        within: Duration,
    ) -> Result<Option<Box<dyn ServerSession>>, Over> {
        let connecting = Arc::clone(&self.connecting);
        let _place = connecting.acquire().await;
        if let Err(lost) = self.scope.leads().await {
            self.tell(Report::Lost(lost)).await?;
            return Err(Over);
        }
        let servers = Arc::clone(&self.scope.deps.servers);
        if !self.stale.is_empty() {
            let ended = servers.end_sessions(&self.server, &self.stale, within);
            if let Err(why) = ended.await {
                tracing::debug!(server = %self.server, %why, "connections of before cannot be ended yet");
                return Ok(None);
            }
        }
        let opened = servers.open(&self.server, self.scope.on_behalf_of(), within);
        match opened.await {
            Ok(session) => {
                let ended = std::mem::take(&mut self.stale);
                self.tell(Report::Opened {
                    server: self.server.clone(),
                    connection_id: session.connection_id(),
                    ended,
                })
                .await?;
                Ok(Some(session))
            }
            Err(why) => {
                tracing::debug!(server = %self.server, %why, "not connected yet");
                Ok(None)
            }
        }
    }

    /// Works over one connection, or over another beside it while that one is slow; ends well when the last is lost, and returns its id.
    async fn serve(
        &mut self,
        mut session: Box<dyn ServerSession>,
        mut seen_before: Option<Observation>,
        is_attending: &mut bool,
    ) -> Result<u64, Over> {
        // A receiver that is being stopped over another connection.
        let mut stopping: Option<Stopping> = None;
        loop {
            let beside = stopping.as_ref().map(|stopping| stopping.connection_id);
            let looked = match (seen_before.take(), beside) {
                (Some(seen), _) => Ok(seen),
                (None, Some(beside)) => session.observe_beside(beside).await,
                (None, None) => session.observe().await,
            };
            let Ok(seen) = looked else {
                self.stale.extend(beside);
                return Ok(session.connection_id());
            };
            let (server, seen) = (self.server.clone(), Box::new(seen));
            self.tell(Report::Seen { server, seen }).await?;
            let pause = match *is_attending {
                true => LOOK,
                false => IDLE_LOOK,
            };
            let order = tokio::select! {
                biased;
                made = back(&mut stopping) => {
                    stopping = None;
                    self.stopped(made).await?;
                    continue;
                }
                order = self.order(pause) => order?,
            };
            let Some(order) = order else {
                continue;
            };
            match order {
                Order::Look => {}
                Order::Rest => *is_attending = false,
                Order::Attend => *is_attending = true,
                Order::Make { connection_id, .. } if connection_id != session.connection_id() => {
                    self.withhold(Some(order)).await?;
                }
                Order::Make {
                    number,
                    change,
                    deadline,
                    beside_old_primary,
                    ..
                } => {
                    *is_attending = true;
                    if !self.may_make(number, &change, beside_old_primary).await? {
                        continue;
                    }
                    if change != Change::StopReceiver || stopping.is_some() {
                        let result = session.make(&change, deadline).await;
                        self.made(number, &change, result).await?;
                        continue;
                    }
                    match self.stop_receiver(session, deadline).await {
                        Stop::Back((back, result)) => {
                            session = back;
                            self.made(number, &change, result).await?;
                        }
                        Stop::Overtaken {
                            stopping: slow,
                            over,
                            seen,
                        } => {
                            session = over;
                            (stopping, seen_before) = (Some(slow), Some(*seen));
                            let opened = Report::Opened {
                                server: self.server.clone(),
                                connection_id: session.connection_id(),
                                ended: Vec::new(),
                            };
                            self.tell(opened).await?;
                        }
                    }
                }
            }
        }
    }

    /// A statement that was overtaken came back. The next look shows how the receiver is.
    async fn stopped(&mut self, (session, result): Made) -> Result<(), Over> {
        let (server, connection_id) = (self.server.clone(), session.connection_id());
        match result {
            Ok(()) => tracing::info!(%server, "the receiver has stopped"),
            Err(why) => {
                tracing::warn!(%server, %why, "the receiver was not stopped, or that is not known");
                if matches!(why, ChangeError::Unknown { .. }) {
                    self.stale.push(connection_id);
                    return Ok(());
                }
            }
        }
        // Nothing is under way over it any more.
        drop(session);
        let ended = vec![connection_id];
        self.tell(Report::SessionsEnded { server, ended }).await
    }

    /// The next order; `None` when there is none after a pause, which is longer while something is being decided.
    async fn order(&mut self, pause: Duration) -> Result<Option<Order>, Over> {
        let clock = Arc::clone(&self.scope.deps.clock);
        let rest = IDLE_LOOK.saturating_sub(pause);
        for pause in [pause, rest] {
            tokio::select! {
                biased;
                order = self.orders.recv() => return order.ok_or(Over).map(Some),
                () = clock.sleep(pause) => {}
            }
            if !self.holds.load(Ordering::SeqCst) {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Whether a change may be made now; where it may not, that is told.
    async fn may_make(
        &self,
        number: StepNumber,
        change: &Change,
        beside_old_primary: bool,
    ) -> Result<bool, Over> {
        if let Err(lost) = self.scope.may_change().await {
            self.tell(Report::Lost(lost)).await?;
            return Err(Over);
        }
        let server = self.server.clone();
        if !beside_old_primary && self.halt.load(Ordering::SeqCst) {
            self.tell(Report::Withheld { server }).await?;
            return Ok(false);
        }
        tracing::info!(%server, step = number, ?change, "changing it");
        Ok(true)
    }

    async fn made(
        &self,
        number: StepNumber,
        change: &Change,
        result: Result<(), ChangeError>,
    ) -> Result<(), Over> {
        let server = self.server.clone();
        if let Err(why) = &result {
            tracing::warn!(%server, step = number, ?change, %why, "it was not changed, or that is not known");
        }
        self.tell(Report::Made {
            server,
            number,
            result,
        })
        .await
    }

    async fn withhold(&self, order: Option<Order>) -> Result<(), Over> {
        match order.ok_or(Over)? {
            Order::Make { .. } => {
                let server = self.server.clone();
                self.tell(Report::Withheld { server }).await
            }
            Order::Look | Order::Attend | Order::Rest => Ok(()),
        }
    }

    async fn tell(&self, report: Report) -> Result<(), Over> {
        self.reports.send(report).await.map_err(|_| Over)
    }
}

/// What came of a statement that was overtaken; never, where there is none.
async fn back(stopping: &mut Option<Stopping>) -> Made {
    match stopping {
        Some(stopping) => stopping.back().await,
        None => std::future::pending().await,
    }
}

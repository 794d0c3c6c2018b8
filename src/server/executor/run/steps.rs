//! Steps: begun, ordered, ordered again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use orchestrator_core::decided::{Decided, RecoveryStepCommand};
use orchestrator_core::domain::{InstanceKey, Phase, ThreadState};
use orchestrator_core::ports::Change;
use orchestrator_core::recovery::plan::{Action, StepNumber, StepState, done_again, under_way};
use tokio::sync::mpsc;

use super::Run;
use super::hand::Order;
use super::pending::is_decided;
use crate::executor::scope::Lost;

/// How long one statement may take; the longest time for which a lost leadership may still change something. A step has
/// three times as long: where an answer is lost, there is time to see what became of it, and to ask again.
pub(super) const STATEMENT_TIME: Duration = Duration::from_secs(3);

/// How long it is watched whether a change shows before it is ordered again.
const ORDER_AGAIN: Duration = Duration::from_secs(1);

/// After what was withheld, nothing is ordered for so long: until the run has heard why.
const WITHHELD_TIME: Duration = Duration::from_millis(20);

/// A server, as the run knows it.
pub(super) struct Server {
    orders: mpsc::Sender<Order>,
    connection: Option<u64>,
    /// The connection is written down: it may change something.
    is_recorded: bool,
    /// It was looked at over this connection: what is done already is known.
    is_seen: bool,
    /// The step that was ordered and is not answered.
    ordered: Option<StepNumber>,
    /// Over this connection something may be under way that is not known of: its last change has no known outcome.
    is_in_doubt: bool,
    /// Nothing is ordered before.
    not_before: Duration,
    is_attending: bool,
}

impl Server {
    /// A server over a connection that is written down, or one that is not connected yet.
    pub fn new(orders: mpsc::Sender<Order>, connection: Option<u64>) -> Self {
        Self {
            orders,
            connection,
            is_recorded: connection.is_some(),
            is_seen: false,
            ordered: None,
            is_in_doubt: false,
            not_before: Duration::ZERO,
            is_attending: true,
        }
    }

    pub fn opened(&mut self, connection_id: u64) {
        (self.connection, self.is_recorded) = (Some(connection_id), false);
        (self.ordered, self.is_seen, self.is_in_doubt) = (None, false, false);
    }

    pub fn seen(&mut self) {
        self.is_seen = true;
    }

    /// Nothing is ordered before it was looked at once more: what is known of it is from before the plan that is carried out now.
    pub fn look_again(&mut self) {
        self.is_seen = false;
    }

    pub fn closed(&mut self) {
        (self.connection, self.ordered) = (None, None);
    }

    pub fn answered(&mut self, now: Duration, is_known: bool) {
        self.ordered = None;
        self.is_in_doubt |= !is_known;
        self.not_before = now + ORDER_AGAIN;
    }

    pub fn withheld(&mut self, now: Duration) {
        self.ordered = None;
        self.not_before = now + WITHHELD_TIME;
    }

    /// Orders something beside the plan; whether that was possible.
    pub fn order_directly(&mut self, order: impl FnOnce(u64) -> Order) -> bool {
        match (self.connection, self.is_recorded, self.ordered) {
            (Some(connection_id), true, None) => self.orders.try_send(order(connection_id)).is_ok(),
            _ => false,
        }
    }

    /// It was looked at over its connection, which is open.
    pub fn is_heard(&self) -> bool {
        self.connection.is_some() && self.is_seen
    }

    /// A statement was sent and is not answered.
    pub fn is_busy(&self) -> bool {
        self.ordered.is_some()
    }

    /// The connection, where nothing is under way over it.
    pub fn idle_connection(&self) -> Option<u64> {
        let is_idle = self.ordered.is_none() && !self.is_in_doubt;
        self.connection.filter(|_| is_idle)
    }

    /// Has it looked at now, unless it has something to do.
    pub fn look_now(&self) {
        if self.ordered.is_none() {
            // Where orders wait already, it looks after them.
            let _ = self.orders.try_send(Order::Look);
        }
    }

    fn is_free(&self, now: Duration) -> bool {
        let is_ready = self.connection.is_some() && self.is_seen;
        is_ready && self.ordered.is_none() && now >= self.not_before
    }

    fn attend(&mut self, wanted: bool) {
        let order = match wanted {
            true => Order::Attend,
            false => Order::Rest,
        };
        if self.is_attending != wanted && self.orders.try_send(order).is_ok() {
            self.is_attending = wanted;
        }
    }
}

/// What a step changes; `None` where it only waits.
fn change_of(action: &Action) -> Option<Change> {
    Some(match action {
        Action::StartApplier => Change::StartApplier,
        Action::StopReceiver => Change::StopReceiver,
        Action::StopApplier => Change::StopApplier,
        Action::Repoint { source } => Change::Repoint {
            source: source.clone(),
            profile_of: None,
        },
        Action::StartReplication => Change::StartReplication,
        Action::ForgetSource => Change::ForgetSource,
        Action::MakeWritable => Change::MakeWritable,
        Action::Detach => Change::Detach,
        Action::SemiSyncSource(on) => Change::SemiSyncSource(*on),
        Action::SemiSyncReplica(on) => Change::SemiSyncReplica(*on),
        Action::AwaitApplied | Action::AwaitAllOf { .. } => return None,
    })
}

impl Run {
    /// What is to be ordered for a step now: what it changes, or what was done before and has to be done again.
    fn change_now(&self, number: StepNumber) -> Option<Change> {
        let step = self.plan.steps.get(number)?;
        let again = || done_again(step, self.seen.observation(&step.on)?);
        change_of(&step.action).or_else(|| change_of(&again()?))
    }

    /// Keeps what came of steps, for the next command.
    pub(super) fn write_down(&mut self, outcomes: Vec<(StepNumber, StepState)>) {
        for (number, state) in outcomes {
            if let (StepState::Failed(why), Some(step)) = (&state, self.plan.steps.get(number)) {
                tracing::warn!(server = %step.on, number, %why, "a step failed");
            }
            self.pending.steps.insert(number, state.clone());
            self.progress.steps.insert(number, state);
        }
    }

    /// Marks steps as begun.
    pub(super) fn begin(&mut self, steps: &[StepNumber]) {
        let now = self.scope.now();
        let begun = steps.iter().map(|number| (*number, StepState::Begun(now)));
        self.write_down(begun.collect());
        for number in steps {
            // A step that follows another need not wait for what that one was given to show.
            if let Some(server) = self.servers.get_mut(&self.plan.steps[*number].on) {
                server.not_before = Duration::ZERO;
            }
        }
    }

    /// Orders begun steps where their servers are connected and free; others are ordered later.
    pub(super) async fn order(&mut self, steps: &[StepNumber]) -> Result<(), Lost> {
        let now = self.scope.deps.clock.monotonic();
        let mut ready: Vec<StepNumber> = Vec::new();
        for number in steps.iter().copied() {
            let step = &self.plan.steps[number];
            let is_change = self.change_now(number).is_some();
            let Some(server) = self.servers.get_mut(&step.on) else {
                continue;
            };
            server.attend(true);
            if is_change && server.is_free(now) {
                ready.push(number);
            }
        }
        if ready.iter().any(|number| self.needs_a_record(*number)) {
            self.flush().await?;
        }
        for number in ready {
            self.send(number);
        }
        Ok(())
    }

    /// Orders again what was begun and is not done, as after a connection was lost, or an earlier leadership.
    pub(super) async fn order_again(&mut self) -> Result<(), Lost> {
        let begun = self.over_scene(|scene| under_way(&self.plan, &self.progress, scene));
        let busy: Vec<InstanceKey> = begun
            .iter()
            .map(|number| self.plan.steps[*number].on.clone())
            .collect();
        for (key, server) in &mut self.servers {
            server.attend(busy.contains(key));
        }
        self.order(&begun).await
    }

    /// Whether something has to be decided before a step is done: that a receiver may be stopped, what a step that
    /// discards makes invisible, and the connection over which it is done.
    fn needs_a_record(&self, number: StepNumber) -> bool {
        let step = &self.plan.steps[number];
        let is_first_stop = step.action == Action::StopReceiver && !self.stop_is_recorded;
        let server = self.servers.get(&step.on);
        let is_new = server.is_some_and(|server| !server.is_recorded);
        let hides = step.action.discards() && !self.pending.steps.is_empty();
        // Else the record of forgetting its source tells.
        let is_first_trace = step.action == Action::MakeWritable && !self.has_begun_to_forget();
        is_first_stop || is_new || hides || is_first_trace
    }

    /// Whether it was begun to let the promoted server forget its source.
    fn has_begun_to_forget(&self) -> bool {
        let mut begun = self.progress.steps.keys();
        begun.any(|number| {
            let step = self.plan.steps.get(*number);
            step.is_some_and(|step| step.action == Action::ForgetSource)
        })
    }

    /// Whether a server of the plan is ending its receiver, as far as it is heard: a statement is under way there.
    pub(super) fn ends_receivers(&self) -> bool {
        let mut heard = self.servers.iter().filter(|(_, server)| server.is_heard());
        heard.any(|(key, _)| {
            let seen = self.seen.observation(key);
            let link = seen.and_then(|seen| seen.replication.as_ref());
            link.is_some_and(|link| link.receiver == ThreadState::Stopping)
        })
    }

    fn send(&mut self, number: StepNumber) {
        let change = self.change_now(number);
        let step = &self.plan.steps[number];
        let (Some(server), Some(change)) = (self.servers.get_mut(&step.on), change) else {
            return;
        };
        // A connection may have been lost and another opened while it was written down.
        let (Some(connection_id), true) = (server.connection, server.is_recorded) else {
            return;
        };
        let deadline = step
            .deadline
            .map_or(STATEMENT_TIME, |time| time.min(STATEMENT_TIME));
        let order = Order::Make {
            number,
            change,
            deadline,
            connection_id,
            beside_old_primary: self.old.is_given_up,
        };
        if server.orders.try_send(order).is_ok() {
            server.ordered = Some(number);
            server.is_attending = true;
        }
    }

    /// Decides something about the recovery. Until it is known what comes next, nobody begins to look.
    ///
    /// # Errors
    /// [`Lost`].
    pub(super) async fn decide_step(
        &mut self,
        step: RecoveryStepCommand,
        took_effect: impl Fn(&Decided) -> bool + Send,
    ) -> Result<(), Lost> {
        self.holds.store(true, Ordering::SeqCst);
        self.scope.step(step, took_effect).await
    }

    /// Nothing is to be done now but to look.
    pub(super) fn let_look(&mut self) {
        if self.holds.swap(false, Ordering::SeqCst) {
            self.servers.values().for_each(Server::look_now);
        }
    }

    /// Decides all that is known and not decided yet.
    pub(super) async fn flush(&mut self) -> Result<(), Lost> {
        while !self.pending.is_empty() {
            let fence = self.scope.fence;
            let news = self.take_pending()?;
            let (id, wanted) = (self.scope.id, news.clone());
            let record = RecoveryStepCommand::Record { fence, news };
            self.decide_step(record, move |decided| is_decided(decided, id, &wanted))
                .await?;
        }
        Ok(())
    }

    /// What may go with the next command; it is counted as written down.
    pub(super) fn take_pending(
        &mut self,
    ) -> Result<orchestrator_core::decided::RecoveryNews, Lost> {
        let news = self.pending.take();
        let news = news.map_err(|why| Lost::Undecided(why.to_string()))?;
        for one in &news.opened {
            let is_it = |connection: Option<u64>| connection == Some(one.connection_id);
            if one.server == self.plan.dead {
                self.old.is_recorded |= is_it(self.old.connection);
            } else if let Some(server) = self.servers.get_mut(&one.server) {
                server.is_recorded |= is_it(server.connection);
            }
        }
        self.stop_is_recorded |= news.steps.iter().any(|(number, _)| {
            let step = usize::try_from(*number)
                .ok()
                .and_then(|at| self.plan.steps.get(at));
            step.is_some_and(|step| {
                step.action == Action::StopReceiver && step.phase == Phase::Registered
            })
        });
        Ok(news)
    }
}

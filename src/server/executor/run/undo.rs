//! What is undone where nobody was promoted: receivers that were stopped run again, so that the replicas are as they were, and
//! can say again that their primary is gone, or follow it when it is back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orchestrator_core::decided::{Decided, LINES_IN_COMMAND_MAX, RecoveryStepCommand};
use orchestrator_core::domain::{InstanceKey, Observation, Phase};
use orchestrator_core::ports::{Change, ChangeError};
use orchestrator_core::recovery::plan::{Action, StepNumber, StepState};
use orchestrator_core::recovery::{Restart, restart};

use super::hand::Order;
use super::report::Report;
use super::steps::{STATEMENT_TIME, Server};
use super::{Run, TICK};
use crate::executor::scope::Lost;

/// How long it may take in all: longer than one statement, of which nothing is under way then. What is not started is left as
/// it is, and said.
const UNDO_TIME: Duration = Duration::from_secs(5);

impl Run {
    /// Starts replication again on servers whose receiver was stopped, where nothing that was received can be lost by it: the
    /// applier runs, or has nothing left to apply. They have the old primary as their source, or the most advanced server.
    pub(super) async fn undo(&mut self) -> Result<(), Lost> {
        let mut left = self.stopped_and_unclear();
        let mut waited_for = self.order_undoing();
        left.extend(waited_for.keys().cloned());
        let began = self.scope.deps.clock.monotonic();
        while !waited_for.is_empty() {
            let now = self.scope.deps.clock.monotonic();
            if now.saturating_sub(began) >= UNDO_TIME {
                break;
            }
            let deps = self.scope.deps.clone();
            let report = tokio::select! {
                biased;
                report = self.reports.recv() => report,
                () = deps.clock.sleep(TICK) => None,
            };
            match report {
                Some(Report::Made { server, result, .. }) if waited_for.contains_key(&server) => {
                    waited_for.remove(&server);
                    let told = match &result {
                        Ok(()) => "its receiver runs again".to_owned(),
                        Err(why) => format!("its receiver stays stopped: {why}"),
                    };
                    if !matches!(
                        result,
                        Err(ChangeError::Unknown { .. } | ChangeError::Unreachable { .. })
                    ) {
                        left.remove(&server);
                    }
                    self.note(format!("{server}: {told}"));
                }
                Some(Report::Withheld { server } | Report::Closed { server }) => {
                    waited_for.remove(&server);
                }
                Some(report) => self.hear(report)?,
                None => {}
            }
        }
        for server in &left {
            let told = format!(
                "{server}: it is not known whether its receiver runs; it is started when the server answers"
            );
            self.note(told);
        }
        self.leave_stopped(left).await
    }

    /// Decides that receivers of servers are to be started later.
    pub(super) async fn leave_stopped(&self, servers: BTreeSet<InstanceKey>) -> Result<(), Lost> {
        let servers: Vec<InstanceKey> = servers.into_iter().collect();
        let id = self.scope.id;
        for some in servers.chunks(LINES_IN_COMMAND_MAX) {
            let (servers, wanted) = (some.to_vec(), some.to_vec());
            let fence = self.scope.fence;
            let step = RecoveryStepCommand::LeaveStopped { fence, servers };
            let is_decided = move |decided: &Decided| {
                let mut all = wanted.iter();
                all.all(|server| decided.left_stopped.get(server) == Some(&id))
            };
            self.scope.step(step, is_decided).await?;
        }
        Ok(())
    }

    /// Servers whose receiver was, or may have been, stopped, as far as steps of this plan say.
    pub(super) fn stopped(&self) -> BTreeMap<InstanceKey, StepNumber> {
        let steps = self.plan.steps.iter().enumerate();
        let stopped = steps.filter(|(number, step)| {
            step.action == Action::StopReceiver
                && step.phase == Phase::Registered
                && self.progress.steps.contains_key(number)
        });
        stopped
            .map(|(number, step)| (step.on.clone(), number))
            .collect()
    }

    /// Those of them about which nothing is known now.
    fn stopped_and_unclear(&self) -> BTreeSet<InstanceKey> {
        let is_clear = |key: &InstanceKey| {
            let server = self.servers.get(key);
            server.is_some_and(Server::is_heard) && self.seen.observation(key).is_some()
        };
        let stopped = self.stopped().into_keys();
        stopped.filter(|key| !is_clear(key)).collect()
    }

    fn order_undoing(&mut self) -> BTreeMap<InstanceKey, StepNumber> {
        let mut ordered = self.stopped();
        ordered.retain(|key, number| self.is_to_be_started(key, *number));
        ordered.retain(|key, number| {
            let server = self.servers.get_mut(key);
            server.is_some_and(|server| {
                server.order_directly(|connection_id| Order::Make {
                    number: *number,
                    change: Change::StartReplication,
                    deadline: STATEMENT_TIME,
                    connection_id,
                    beside_old_primary: true,
                })
            })
        });
        ordered
    }

    /// Whether a step of this plan has stopped, or may have stopped, the applier of a server.
    fn has_stopped_applier(&self, key: &InstanceKey) -> bool {
        let steps = self.plan.steps.iter().enumerate();
        let mut stops =
            steps.filter(|(_, step)| step.action == Action::StopApplier && step.on == *key);
        stops.any(|(number, _)| self.progress.steps.contains_key(&number))
    }

    fn is_to_be_started(&self, key: &InstanceKey, stop: StepNumber) -> bool {
        let is_known =
            |source: &InstanceKey| [&self.plan.dead, &self.plan.choice.head].contains(&source);
        let seen = self.seen.observation(key);
        seen.is_some_and(|seen| match restart(seen, self.plan.ground, is_known) {
            Restart::Start => true,
            // It may have been looked at before it was stopped; or it was started anew with its server, and its applier was stopped then.
            Restart::Runs => {
                let was_stopped =
                    matches!(self.progress.steps.get(&stop), Some(StepState::Done(_)));
                !was_stopped || self.has_stopped_applier(key) && !applies(seen)
            }
            Restart::Elsewhere | Restart::MayLose => false,
        })
    }
}

fn applies(seen: &Observation) -> bool {
    let link = seen.replication.as_ref();
    link.is_none_or(|link| link.applier.is_running())
}

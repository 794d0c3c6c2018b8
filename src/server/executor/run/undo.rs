//! What is undone where nobody was promoted: receivers that were stopped run again, so that the replicas are as they were, and
//! can say again that their primary is gone, or follow it when it is back.

use std::collections::BTreeMap;
use std::time::Duration;

use orchestrator_core::domain::InstanceKey;
use orchestrator_core::ports::Change;
use orchestrator_core::recovery::plan::{Action, StepNumber};
use orchestrator_core::recovery::{Holdings, Unapplied};

use super::hand::Order;
use super::report::Report;
use super::steps::STATEMENT_TIME;
use super::{Run, TICK};
use crate::executor::scope::Lost;

/// How long it may take in all: longer than one statement, of which nothing is under way then. What is not started is left as
/// it is, and said.
const UNDO_TIME: Duration = Duration::from_secs(5);

impl Run {
    /// Starts replication again on servers whose receiver was stopped, where nothing that was received can be lost by it: the
    /// applier runs, or has nothing left to apply. They have the old primary as their source, or the most advanced server.
    pub(super) async fn undo(&mut self) -> Result<(), Lost> {
        let mut waited_for = self.order_undoing();
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
                    let told = match result {
                        Ok(()) => "its receiver runs again".to_owned(),
                        Err(why) => format!("its receiver stays stopped: {why}"),
                    };
                    self.note(format!("{server}: {told}"));
                }
                Some(Report::Withheld { server } | Report::Closed { server }) => {
                    waited_for.remove(&server);
                }
                Some(report) => self.hear(report)?,
                None => {}
            }
        }
        for server in waited_for.keys() {
            let told = format!("{server}: it is not known whether its receiver runs again");
            self.note(told);
        }
        Ok(())
    }

    fn order_undoing(&mut self) -> BTreeMap<InstanceKey, StepNumber> {
        let mut ordered = BTreeMap::new();
        for (number, step) in self.plan.steps.iter().enumerate() {
            let was_stopped = step.action == Action::StopReceiver
                && self.progress.steps.contains_key(&number)
                && step.phase == orchestrator_core::domain::Phase::Registered;
            if was_stopped && self.is_as_it_was(&step.on) {
                ordered.insert(step.on.clone(), number);
            }
        }
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

    fn is_as_it_was(&self, key: &InstanceKey) -> bool {
        let seen = self.seen.observation(key);
        let link = seen.and_then(|seen| seen.replication.as_ref());
        seen.zip(link).is_some_and(|(seen, link)| {
            let unapplied = || Holdings::read(seen, self.plan.ground).map(|own| own.unapplied());
            let source = link.source.attached();
            let loses_nothing =
                link.applier.is_running() || unapplied() == Some(Unapplied::Nothing);
            let has_its_source =
                source == Some(&self.plan.dead) || source == Some(&self.plan.choice.head);
            loses_nothing && has_its_source && !link.receiver.is_running()
        })
    }
}

//! Another plan, where what the first one was made from no longer holds.

use std::collections::{BTreeMap, BTreeSet};

use orchestrator_core::analysis::{Scene, Stalls};
use orchestrator_core::beats::Beats;
use orchestrator_core::decided::RecoveryStepCommand;
use orchestrator_core::decided::codec::encode;
use orchestrator_core::domain::{InstanceKey, Phase, Picture};
use orchestrator_core::recovery::plan::{
    Action, Plan, Replan, Step, StepNumber, StepState, plan_for,
};
use orchestrator_core::recovery::ranking::rank;
use orchestrator_core::topology::Topology;

use super::{Run, Turn, record_of, stop_is_recorded};
use crate::executor::scope::Lost;

/// How many plans may take one another's place: with all receivers stopped, the second one sees what is final.
const REPLANS_MAX: u32 = 3;

impl Run {
    /// Makes another plan for the same recovery, which goes on in its first phase, also after the second: its id, its record and what it holds back
    /// stay. That a receiver was stopped stays recorded too.
    pub(super) async fn replan(&mut self, why: &Replan) -> Result<Turn, Lost> {
        self.replans += 1;
        self.note(format!("another plan is needed: {why}"));
        if self.replans > REPLANS_MAX {
            self.end_failed(format!("no plan holds: {why}"));
            return Ok(Turn::Again);
        }
        let plan = match self.plan_again() {
            Ok(plan) => plan,
            Err(reason) => {
                self.end_failed(format!("{why}, and there is no other plan: {reason}"));
                return Ok(Turn::Again);
            }
        };
        self.flush().await?;
        let steps = self.stopped_before(&plan);
        self.leave_stopped(self.no_longer_stopped(&plan)).await?;
        self.pending.steps = steps.clone();
        let bytes = encode(&plan).map_err(|error| Lost::Undecided(error.to_string()))?;
        let news = self.take_pending()?;
        let (id, fence, wanted) = (self.scope.id, self.scope.fence, bytes.clone());
        let step = RecoveryStepCommand::Replan {
            fence,
            plan: bytes,
            news,
        };
        self.scope
            .step(step, move |decided| {
                let recovery = decided.recoveries.get(&id);
                recovery.is_some_and(|it| {
                    it.plan == wanted && it.fence == fence && it.phase == Phase::Registered
                })
            })
            .await?;
        tracing::info!(promoted = %plan.choice.promoted, "the recovery has another plan");
        self.progress.steps = steps;
        self.progress.phase = Phase::Registered;
        self.stop_is_recorded = stop_is_recorded(&plan, &self.progress);
        self.plan = plan;
        // Somebody may have stopped an applier meanwhile, whose start would cost it its relay logs.
        for server in self.servers.values_mut() {
            server.look_again();
        }
        self.flush().await?;
        self.hire(BTreeMap::new());
        Ok(Turn::Again)
    }

    /// A plan from what is seen now, over own connections where there are any.
    fn plan_again(&mut self) -> Result<Plan, String> {
        let mut picture = Picture::clone(&self.scope.deps.picture.picture());
        for record in self.seen.records() {
            if let Some(seen) = &record.observation {
                picture.put(record_of(seen.clone()));
            }
        }
        let topology = Topology::build(&picture);
        let decided = self.scope.deps.decisions.decided();
        let (stalls, beats) = (Stalls::default(), Beats::default());
        let scene = Scene {
            picture: &picture,
            topology: &topology,
            decided: &decided,
            stalls: &stalls,
            beats: &beats,
            now: self.scope.now(),
        };
        let (cluster, alias) = (&self.recovery.cluster, &self.recovery.cluster_alias);
        let policy = self.scope.config.recovery_of(cluster, alias);
        let plan = plan_for(&scene, &self.plan.dead, &policy, &self.plan.demand);
        self.ranking = rank(&scene, &self.plan.dead, &policy).ok();
        plan.map_err(|why| why.to_string())
    }

    /// Servers whose receiver the old plan has stopped, and the new one does not: where it comes to nothing, they are started.
    fn no_longer_stopped(&self, plan: &Plan) -> BTreeSet<InstanceKey> {
        let is_stopped = |key: &InstanceKey| {
            let mut steps = plan.steps.iter();
            steps.any(|step| step.action == Action::StopReceiver && step.on == *key)
        };
        let stopped = self.stopped().into_keys();
        stopped.filter(|key| !is_stopped(key)).collect()
    }

    /// Stops of the new plan on servers whose receiver may have been stopped by the old one.
    fn stopped_before(&self, plan: &Plan) -> BTreeMap<StepNumber, StepState> {
        let touched = self.stopped();
        let is_stop =
            |step: &Step| step.action == Action::StopReceiver && step.phase == Phase::Registered;
        let now = self.scope.now();
        let new = plan.steps.iter().enumerate();
        new.filter(|(_, step)| is_stop(step) && touched.contains_key(&step.on))
            .map(|(number, _)| (number, StepState::Begun(now)))
            .collect()
    }
}

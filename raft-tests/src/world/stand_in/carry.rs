//! One recovery, from wherever it is to its end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::analysis::{Scene, Stalls};
use orchestrator_core::decided::{
    Command, EndRecovery, LostServer, RecoveryNews, RecoveryStepCommand,
};
use orchestrator_core::domain::{
    DataLoss, Fence, InstanceKey, InstanceRecord, Observation, Phase, Picture, Recovery,
    RecoveryId, RecoveryOutcome, TimeSplit,
};
use orchestrator_core::planted::{Bug, is_planted};
use orchestrator_core::ports::{
    Change, ChangeError, Clock, DecisionReader as _, HookRun, HookRunner,
};
use orchestrator_core::recovery::plan::{
    Action, EndOfRecovery, Fate, Next, OldPrimary, Plan, Progress, StepState, WhyFailed, next,
};
use orchestrator_core::topology::Topology;

use super::NodeDeps;
use super::plans::{decoded, encoded};
use super::sessions::{Lost, Sessions};

/// How often it looks again while it waits.
const LOOK: Duration = Duration::from_millis(50);
/// How long a close may take.
const CLOSE_TIME: Duration = Duration::from_secs(2);
/// How long lost servers are in downtime: longer than any run.
const LOST_FOR: Duration = Duration::from_secs(3600);

struct Carried<'a> {
    deps: &'a NodeDeps,
    id: RecoveryId,
    fence: Fence,
    recovery: Arc<Recovery>,
    plan: Arc<Plan>,
    progress: Progress,
    sessions: Sessions<'a>,
    /// Steps that are begun and not yet asked for under this leadership.
    owed: VecDeque<usize>,
    /// Replicas that could not be moved.
    unmoved: Vec<InstanceKey>,
    /// Only what was seen over the recovery's own connections.
    picture: Picture,
}

/// Carries a recovery out until it ends or this leadership does.
pub(super) async fn carry_out(deps: &NodeDeps, id: RecoveryId, fence: Fence) -> Result<(), Lost> {
    deps.is_current(id, fence)?;
    let decided = deps.member.decided();
    let recovery = decided.recoveries.get(&id).ok_or(Lost::Ended)?.clone();
    let plan = deps.plans.get(&recovery.plan).expect("plans are kept");
    let steps = decided.steps_of(id).filter_map(|(number, row)| {
        let number = number as usize;
        Some((number, decoded(&row.state, &plan, number)?))
    });
    let steps: BTreeMap<usize, StepState> = steps.collect();
    let owed = (steps.iter()).filter(|(_, state)| matches!(state, StepState::Begun(_)));
    let owed = owed.map(|(number, _)| *number).collect();
    let progress = Progress {
        phase: recovery.phase,
        steps,
        old_primary: OldPrimary::Silent,
    };
    let sessions = Sessions::new(deps, id, fence, &recovery.stale_sessions);
    let mut carried = Carried {
        deps,
        id,
        fence,
        recovery,
        plan,
        progress,
        sessions,
        owed,
        unmoved: Vec::new(),
        picture: Picture::default(),
    };
    carried.to_its_end().await
}

impl Carried<'_> {
    async fn to_its_end(&mut self) -> Result<(), Lost> {
        loop {
            self.deps.is_current(self.id, self.fence)?;
            self.look().await?;
            let is_open = self.progress.old_primary == OldPrimary::Answers;
            if let Some(number) = self.owed.pop_front_if(|_| !is_open) {
                self.perform(number).await?;
                continue;
            }
            match self.next() {
                Next::Record(outcomes) => {
                    self.write_down(outcomes).await?;
                }
                Next::Do(steps) => {
                    let now = self.deps.clock.now();
                    let begun = steps.iter().map(|number| (*number, StepState::Begun(now)));
                    self.write_down(begun.collect()).await?;
                    self.owed.extend(steps);
                }
                Next::Wait => self.deps.clock.sleep(LOOK).await,
                Next::CloseOldPrimary => self.close_old_primary().await?,
                Next::Advance(phase) => self.advance(phase).await?,
                Next::CallOff => return self.end(RecoveryOutcome::CalledOff, None).await,
                Next::Replan(why) => {
                    return self
                        .end(RecoveryOutcome::Failed, Some(why.to_string()))
                        .await;
                }
                Next::End(EndOfRecovery::Succeeded { unmoved }) => {
                    self.unmoved = unmoved.into_iter().map(|(key, _)| key).collect();
                    return self.end(RecoveryOutcome::Succeeded, None).await;
                }
                Next::End(EndOfRecovery::Failed { why, .. }) => {
                    return self
                        .end(RecoveryOutcome::Failed, Some(why.to_string()))
                        .await;
                }
            }
        }
    }

    fn next(&self) -> Next {
        let decided = self.deps.member.decided();
        let topology = Topology::build(&self.picture);
        let stalls = Stalls::default();
        let scene = Scene {
            picture: &self.picture,
            topology: &topology,
            decided: &decided,
            stalls: &stalls,
            now: self.deps.clock.now(),
        };
        next(&self.plan, &self.progress, &scene)
    }

    /// Sees the servers that steps are about, and the old primary first.
    async fn look(&mut self) -> Result<(), Lost> {
        let dead = self.plan.dead.clone();
        let seen = self.sessions.observe(&dead).await?;
        self.progress.old_primary = match &seen {
            None => OldPrimary::Silent,
            Some(_) if is_planted(Bug::OldPrimaryNotClosed) => OldPrimary::Silent,
            Some(seen) if seen.read_only && self.progress.old_primary == OldPrimary::Closed => {
                OldPrimary::Closed
            }
            Some(_) => OldPrimary::Answers,
        };
        let mut keys: Vec<InstanceKey> = self.plan.steps.iter().map(|s| s.on.clone()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            if let Some(seen) = self.sessions.observe(&key).await? {
                self.put(seen);
            }
        }
        Ok(())
    }

    fn put(&mut self, seen: Observation) {
        let at = seen.observed_at;
        self.picture.put(InstanceRecord {
            last_checked_at: Some(at),
            last_seen_at: Some(at),
            observation: Some(Arc::new(seen.clone())),
            ..InstanceRecord::heard_of(seen.key, at)
        });
    }

    async fn write_down(&mut self, states: Vec<(usize, StepState)>) -> Result<(), Lost> {
        let steps = states.iter().map(|(number, state)| {
            let number = u32::try_from(*number).expect("plans have few steps");
            (number, encoded(state))
        });
        let news = RecoveryNews {
            steps: steps.collect(),
            ..RecoveryNews::default()
        };
        self.sessions.record(news).await?;
        self.progress.steps.extend(states);
        Ok(())
    }

    async fn perform(&mut self, number: usize) -> Result<(), Lost> {
        let step = self.plan.steps[number].clone();
        let change = match &step.action {
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
            Action::AwaitApplied | Action::AwaitAllOf { .. } => return Ok(()),
        };
        let deadline = step.deadline.unwrap_or(CLOSE_TIME);
        let mut made = self.sessions.make(&step.on, &change, deadline).await?;
        if matches!(made, Some(Err(ChangeError::Refused { errno: 1205, .. }))) {
            made = self.sessions.make(&step.on, &change, deadline).await?;
        }
        if let Some(Err(ChangeError::Refused { reason, .. })) = made {
            let failed = WhyFailed::Refused {
                number,
                on: step.on,
                reason,
            };
            self.write_down(vec![(number, StepState::Failed(failed))])
                .await?;
        }
        Ok(())
    }

    async fn close_old_primary(&mut self) -> Result<(), Lost> {
        let dead = self.plan.dead.clone();
        let made = self
            .sessions
            .make(&dead, &Change::Close, CLOSE_TIME)
            .await?;
        if matches!(made, Some(Ok(()))) {
            self.progress.old_primary = OldPrimary::Closed;
        }
        Ok(())
    }

    async fn advance(&mut self, phase: Phase) -> Result<(), Lost> {
        let step = RecoveryStepCommand::Enter {
            fence: self.fence,
            phase,
            news: RecoveryNews::default(),
        };
        let command = Command::RecoveryStep {
            id: self.id,
            step: Box::new(step),
        };
        if phase == Phase::Published {
            self.publish().await;
        }
        self.deps.decide(command).await?;
        self.progress.phase = phase;
        Ok(())
    }

    async fn publish(&mut self) {
        let promoted = self.plan.choice.promoted.to_string();
        let hook = HookRun {
            line: "publish".to_owned(),
            placeholders: Vec::new(),
            environment: vec![
                ("ORC_RECOVERY_UID".to_owned(), self.id.to_string()),
                ("ORC_SUCCESSOR_HOST".to_owned(), promoted),
            ],
            timeout: Some(Duration::from_secs(5)),
            arguments: Vec::new(),
            may_run_on: false,
        };
        self.deps.hooks.run(hook).await;
    }

    async fn end(&mut self, outcome: RecoveryOutcome, error: Option<String>) -> Result<(), Lost> {
        let is_good = outcome == RecoveryOutcome::Succeeded;
        // Whoever applies later is not moved by this leader at all.
        let left = (self.plan.fates.iter()).filter(|(_, fate)| matches!(fate, Fate::Left(_)));
        let mut lost: Vec<InstanceKey> = left.map(|(key, _)| key.clone()).collect();
        lost.append(&mut self.unmoved);
        let mut downtimes = Vec::new();
        if is_good {
            let ends_at = self.deps.clock.now().plus(LOST_FOR);
            let all = lost.iter().chain([&self.plan.dead]);
            downtimes.extend(all.map(|key| LostServer {
                key: key.clone(),
                owner: "orchestrator".to_owned(),
                reason: "lost-in-recovery".to_owned(),
                ends_at,
            }));
        } else {
            lost.clear();
        }
        let command = EndRecovery {
            id: self.id,
            fence: self.fence,
            outcome,
            successor: is_good.then(|| self.plan.choice.promoted.clone()),
            successor_alias: String::new(),
            lost,
            participants: self.recovery.replicas.clone(),
            errors: error.into_iter().collect(),
            data_loss: is_good.then_some(DataLoss::Unknown {
                at_most_since: None,
                at_least: Vec::new(),
            }),
            times: TimeSplit::default(),
            downtimes,
            news: RecoveryNews::default(),
        };
        self.deps
            .decide(Command::EndRecovery(Box::new(command)))
            .await
    }
}

//! Servers that do what steps say, and panic where that would lose what was received.

use std::sync::Arc;
use std::time::Duration;

use crate::analysis::Scene;
use crate::domain::{
    InstanceKey, InstanceRecord, Observation, Picture, SourceAddress, ThreadState, Timestamp,
};
use crate::recovery::plan::{
    Action, Next, OldPrimary, Plan, Progress, StepNumber, StepState, next, plan_for, under_way,
};
use crate::recovery::testing::{NOW, Stage, key};
use crate::recovery::{Demand, Ground, Holdings, RecoveryPolicy, Unapplied};

pub(super) struct World {
    stage: Stage,
    pub picture: Picture,
    pub now: Timestamp,
    pub plan: Plan,
    pub progress: Progress,
    /// Servers that no longer do anything.
    pub dumb: Vec<InstanceKey>,
    /// Steps that are begun and never done.
    pub lazy: Vec<StepNumber>,
    /// Servers that end a receiver only when they are told to by [`World::end_receivers`].
    pub slow: Vec<InstanceKey>,
    /// What was answered, in short.
    pub told: Vec<String>,
}

impl World {
    pub fn of(text: &str) -> Self {
        Self::demanded(text, &RecoveryPolicy::default(), &Demand::default())
    }

    pub fn demanded(text: &str, policy: &RecoveryPolicy, demand: &Demand) -> Self {
        let stage = Stage::of(text);
        let plan = plan_for(&stage.scene(), &key("a"), policy, demand)
            .unwrap_or_else(|why| panic!("{why}\n{text}"));
        Self {
            picture: stage.drawing.picture.clone(),
            stage,
            now: NOW,
            plan,
            progress: Progress::registered(),
            dumb: Vec::new(),
            lazy: Vec::new(),
            slow: Vec::new(),
            told: Vec::new(),
        }
    }

    pub fn ask(&self) -> Next {
        next(&self.plan, &self.progress, &self.scene())
    }

    pub fn under_way(&self) -> Vec<StepNumber> {
        under_way(&self.plan, &self.progress, &self.scene())
    }

    fn scene(&self) -> Scene<'_> {
        Scene {
            picture: &self.picture,
            now: self.now,
            ..self.stage.scene()
        }
    }

    pub fn seen(&self, name: &str) -> &Observation {
        self.picture.observation(&key(name)).expect("it was seen")
    }

    /// Changes a server, and probes it.
    pub fn change(&mut self, on: &InstanceKey, change: impl Fn(&mut Observation)) {
        self.now = self.now.plus(Duration::from_millis(1));
        let record = self.picture.get(on).expect("it is known");
        let mut seen: Observation = (**record.observation.as_ref().expect("it was seen")).clone();
        change(&mut seen);
        seen.observed_at = self.now;
        let record = InstanceRecord {
            observation: Some(Arc::new(seen)),
            ..(**record).clone()
        };
        self.picture.put(record);
    }

    /// Follows one answer; whether there may be more.
    pub fn follow(&mut self, answer: Next) -> bool {
        match answer {
            Next::Record(outcomes) => self.progress.steps.extend(outcomes),
            Next::Do(steps) => steps.into_iter().for_each(|number| self.perform(number)),
            Next::Advance(phase) => {
                self.told.push(format!("{phase:?}"));
                self.progress.phase = phase;
            }
            Next::CloseOldPrimary => {
                self.told.push("close".to_owned());
                self.progress.old_primary = OldPrimary::Closed;
            }
            // Whatever is under way takes its time.
            Next::Wait => self.now = self.now.plus(Duration::from_secs(1)),
            Next::CallOff | Next::Replan(_) | Next::End(_) => return false,
        }
        true
    }

    /// Follows all answers to the last one.
    pub fn run(&mut self) -> Next {
        for _ in 0..5000 {
            let answer = self.ask();
            if !self.follow(answer.clone()) {
                return answer;
            }
        }
        panic!("it does not end\n{}", self.plan);
    }

    fn perform(&mut self, number: StepNumber) {
        let step = self.plan.steps[number].clone();
        self.progress
            .steps
            .insert(number, StepState::Begun(self.now));
        if self.dumb.contains(&step.on) || self.lazy.contains(&number) {
            return;
        }
        let ground = self.plan.ground;
        let gave_up = |(number, state): (&StepNumber, &StepState)| {
            matches!(state, StepState::GivenUp { .. }) && self.plan.steps[*number].on == step.on
        };
        let discards = step.action.discards() && !self.progress.steps.iter().any(gave_up);
        if discards {
            self.is_drained(&step.on, &step.action);
        }
        let source = match &step.action {
            Action::Repoint { source } => Some(source.clone()),
            _ => self
                .picture
                .observation(&step.on)
                .and_then(|seen| seen.source().cloned()),
        };
        let above = source
            .and_then(|source| self.picture.observation(&source).cloned())
            .unwrap_or_else(|| Arc::new(Observation::blank(step.on.clone(), self.now)));
        let is_slow = self.slow.contains(&step.on) && step.action == Action::StopReceiver;
        self.change(&step.on, |seen| {
            act(seen, &step.action, ground, &above);
            if let (true, Some(link)) = (is_slow, &mut seen.replication) {
                link.receiver = ThreadState::Stopping;
            }
        });
        if step.action == Action::MakeWritable {
            self.told.push("writable".to_owned());
        }
    }

    /// Slow servers are through with it.
    pub fn end_receivers(&mut self) {
        for key in std::mem::take(&mut self.slow) {
            self.change(&key, |seen| {
                if let Some(link) = &mut seen.replication {
                    link.receiver = ThreadState::Stopped;
                }
            });
        }
    }

    fn is_drained(&self, on: &InstanceKey, action: &Action) {
        let seen = self.picture.observation(on).expect("it was seen");
        let unapplied = Holdings::read(seen, self.plan.ground).map(|own| own.unapplied());
        assert_eq!(unapplied, Some(Unapplied::Nothing), "{on}: {action}");
    }
}

fn act(seen: &mut Observation, action: &Action, ground: Ground, above: &Observation) {
    let holdings = Holdings::read(seen, ground);
    if *action == Action::MakeWritable {
        let receiver = seen.replication.as_ref().map(|link| link.receiver);
        assert!(
            matches!(receiver, None | Some(ThreadState::Stopping)),
            "{} still replicates",
            seen.key
        );
        seen.read_only = false;
        return;
    }
    if let Action::SemiSyncSource(on) = action {
        seen.semi_sync.source_enabled = *on;
        return;
    }
    if let Action::SemiSyncReplica(on) = action {
        seen.semi_sync.replica_enabled = *on;
        return;
    }
    if *action == Action::ForgetSource {
        let link = seen.replication.as_ref();
        let is_stopping = link.is_some_and(|link| link.receiver == ThreadState::Stopping);
        assert!(!is_stopping, "{} is busy: {action}", seen.key);
        seen.replication = None;
        return;
    }
    let Some(link) = &mut seen.replication else {
        panic!("{} has no link: {action}", seen.key);
    };
    assert!(
        link.receiver != ThreadState::Stopping || *action == Action::AwaitApplied,
        "{} is busy: {action}",
        seen.key
    );
    match action {
        Action::StartApplier => {
            assert_ne!(
                link.receiver,
                ThreadState::Stopped,
                "too late on {}",
                seen.key
            );
            link.applier = ThreadState::Running;
        }
        Action::StopReceiver => link.receiver = ThreadState::Stopped,
        Action::StopApplier => link.applier = ThreadState::Stopped,
        Action::AwaitApplied => {
            assert!(link.applier.is_running(), "nothing applies on {}", seen.key);
            match holdings {
                Some(Holdings::Oracle { received, .. }) => {
                    seen.gtid.executed = received.to_string();
                }
                Some(Holdings::Mariadb { received, .. }) => {
                    seen.gtid.mariadb_current = received.to_string();
                }
                Some(Holdings::Positions { .. }) => link.applied = link.received.clone(),
                None => {}
            }
        }
        Action::Repoint { source } => {
            link.source = SourceAddress::Attached(source.clone());
            link.retrieved.clear();
            link.mariadb_received = seen.gtid.mariadb_current.clone();
        }
        Action::StartReplication => {
            link.receiver = ThreadState::Running;
            link.applier = ThreadState::Running;
            link.retrieved = above.gtid.executed.clone();
            seen.gtid.executed = above.gtid.executed.clone();
            link.mariadb_received = above.gtid.mariadb_current.clone();
            seen.gtid.mariadb_current = above.gtid.mariadb_current.clone();
        }
        Action::Detach => {
            let source = link.source.attached().expect("it is attached").clone();
            link.source = SourceAddress::Detached(source);
        }
        Action::AwaitAllOf { .. }
        | Action::ForgetSource
        | Action::MakeWritable
        | Action::SemiSyncSource(_)
        | Action::SemiSyncReplica(_) => {}
    }
}

//! Servers that do what steps say, and panic where that would lose what was received.

use std::sync::Arc;
use std::time::Duration;

use crate::analysis::Scene;
use crate::domain::{
    InstanceKey, InstanceRecord, Observation, Picture, SourceAddress, ThreadState, Timestamp,
};
use crate::recovery::plan::{
    Action, Next, OldPrimary, Plan, Progress, StepNumber, StepState, next, plan,
};
use crate::recovery::testing::{NOW, Stage, key};
use crate::recovery::{Ground, Holdings, RecoveryPolicy, Unapplied};

pub(super) struct World {
    stage: Stage,
    pub picture: Picture,
    pub now: Timestamp,
    pub plan: Plan,
    pub progress: Progress,
    /// Servers that no longer do anything.
    pub dumb: Vec<InstanceKey>,
    /// What was answered, in short.
    pub told: Vec<String>,
}

impl World {
    pub fn of(text: &str) -> Self {
        let stage = Stage::of(text);
        let plan = plan(&stage.scene(), &key("a"), &RecoveryPolicy::default())
            .unwrap_or_else(|why| panic!("{why}\n{text}"));
        Self {
            picture: stage.drawing.picture.clone(),
            stage,
            now: NOW,
            plan,
            progress: Progress::registered(),
            dumb: Vec::new(),
            told: Vec::new(),
        }
    }

    pub fn ask(&self) -> Next {
        let scene = Scene {
            picture: &self.picture,
            now: self.now,
            ..self.stage.scene()
        };
        next(&self.plan, &self.progress, &scene)
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
        if self.dumb.contains(&step.on) {
            return;
        }
        let ground = self.plan.ground;
        let source = match &step.action {
            Action::Repoint { source } => Some(source.clone()),
            _ => self
                .picture
                .observation(&step.on)
                .and_then(|seen| seen.source().cloned()),
        };
        let executed = source
            .and_then(|source| self.picture.observation(&source).cloned())
            .map(|seen| seen.gtid.executed.clone())
            .unwrap_or_default();
        self.change(&step.on, |seen| act(seen, &step.action, ground, &executed));
    }
}

fn act(seen: &mut Observation, action: &Action, ground: Ground, above: &str) {
    let holdings = Holdings::read(seen, ground);
    if action.discards() {
        let unapplied = holdings.as_ref().map(Holdings::unapplied);
        assert_eq!(
            unapplied,
            Some(Unapplied::Nothing),
            "{}: {action}",
            seen.key
        );
    }
    if *action == Action::MakeWritable {
        assert!(seen.replication.is_none(), "{} still replicates", seen.key);
        seen.read_only = false;
        return;
    }
    if *action == Action::ForgetSource {
        seen.replication = None;
        return;
    }
    let Some(link) = &mut seen.replication else {
        panic!("{} has no link: {action}", seen.key);
    };
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
            let Some(Holdings::Oracle { received, .. }) = holdings else {
                return;
            };
            assert!(link.applier.is_running(), "nothing applies on {}", seen.key);
            seen.gtid.executed = received.to_string();
        }
        Action::Repoint { source } => {
            link.source = SourceAddress::Attached(source.clone());
            link.retrieved.clear();
        }
        Action::StartReplication => {
            link.receiver = ThreadState::Running;
            link.applier = ThreadState::Running;
            link.retrieved = above.to_owned();
            seen.gtid.executed = above.to_owned();
        }
        Action::Detach => {
            let source = link.source.attached().expect("it is attached").clone();
            link.source = SourceAddress::Detached(source);
        }
        Action::AwaitAllOf { .. } | Action::ForgetSource | Action::MakeWritable => {}
    }
}

use std::sync::{Arc, Mutex};

use orchestrator_core::domain::Timestamp;
use orchestrator_core::recovery::plan::{Plan, StepState, WhyFailed};

/// Plans of all nodes, by a number that stands for them in commands.
#[derive(Clone, Debug, Default)]
pub struct Plans(Arc<Mutex<Vec<Arc<Plan>>>>);

impl Plans {
    /// Keeps a plan, and says what stands for it.
    pub fn put(&self, plan: Plan) -> Vec<u8> {
        let mut plans = self.0.lock().expect("no test panics with it");
        plans.push(Arc::new(plan));
        (plans.len() as u64 - 1).to_le_bytes().to_vec()
    }

    /// The plan that stands behind these bytes.
    pub fn get(&self, bytes: &[u8]) -> Option<Arc<Plan>> {
        let number = u64::from_le_bytes(bytes.try_into().ok()?);
        let plans = self.0.lock().expect("as above");
        plans.get(usize::try_from(number).ok()?).cloned()
    }
}

/// A step's state as bytes.
pub(super) fn encoded(state: &StepState) -> Vec<u8> {
    let (kind, at) = match state {
        StepState::Begun(at) => (0, at.as_micros()),
        StepState::Done(at) => (1, at.as_micros()),
        StepState::Failed(_) | StepState::GivenUp { .. } => (2, 0),
    };
    let mut bytes = vec![kind];
    bytes.extend(at.to_le_bytes());
    bytes
}

/// The state behind these bytes. The reason of a failure is not kept: another leader says that it was an earlier one's.
pub(super) fn decoded(bytes: &[u8], plan: &Plan, number: usize) -> Option<StepState> {
    let (kind, at) = bytes.split_first()?;
    let at = Timestamp::from_micros(i64::from_le_bytes(at.try_into().ok()?));
    Some(match kind {
        0 => StepState::Begun(at),
        1 => StepState::Done(at),
        _ => StepState::Failed(WhyFailed::Refused {
            number,
            on: plan.steps.get(number)?.on.clone(),
            reason: "under an earlier leadership".to_owned(),
        }),
    })
}

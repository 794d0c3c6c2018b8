//! What is known about a recovery and not written down yet.

use std::collections::BTreeMap;

use orchestrator_core::decided::codec::{EncodeError, encode};
use orchestrator_core::decided::{Decided, LINES_IN_COMMAND_MAX, RecoveryNews};
use orchestrator_core::domain::{RecoveryId, RecoverySessionId, Timestamp};
use orchestrator_core::recovery::plan::{StepNumber, StepState};

/// It waits for the next command, so that few commands are needed before a server is writable.
#[derive(Default)]
pub(in crate::executor) struct Pending {
    pub steps: BTreeMap<StepNumber, StepState>,
    pub opened: Vec<RecoverySessionId>,
    pub ended: Vec<RecoverySessionId>,
    pub notes: Vec<(Timestamp, String)>,
}

impl Pending {
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
            && self.opened.is_empty()
            && self.ended.is_empty()
            && self.notes.is_empty()
    }

    /// Takes as much of it as a command may have. Connections and steps first: notes can wait.
    ///
    /// # Errors
    /// [`EncodeError`] when a state cannot be kept.
    pub fn take(&mut self) -> Result<RecoveryNews, EncodeError> {
        let mut steps = Vec::new();
        while steps.len() < LINES_IN_COMMAND_MAX
            && let Some((number, state)) = self.steps.pop_first()
        {
            let number = u32::try_from(number).expect("a checked plan has few steps");
            steps.push((number, encode(&state)?));
        }
        Ok(RecoveryNews {
            opened: some_of(&mut self.opened),
            ended: some_of(&mut self.ended),
            steps,
            notes: some_of(&mut self.notes),
        })
    }
}

fn some_of<T>(lines: &mut Vec<T>) -> Vec<T> {
    let count = lines.len().min(LINES_IN_COMMAND_MAX);
    lines.drain(..count).collect()
}

/// Whether these news are decided, as far as that can be read; notes are not looked for.
pub(in crate::executor) fn is_decided(
    decided: &Decided,
    id: RecoveryId,
    news: &RecoveryNews,
) -> bool {
    let Some(recovery) = decided.recoveries.get(&id) else {
        return false;
    };
    let says_something = !news.steps.is_empty() || !news.opened.is_empty();
    says_something
        && news
            .opened
            .iter()
            .all(|one| recovery.sessions.contains(one))
        && news.steps.iter().all(|(number, state)| {
            let row = decided.recovery_steps.get(&(id, *number));
            row.is_some_and(|row| row.state == *state)
        })
}

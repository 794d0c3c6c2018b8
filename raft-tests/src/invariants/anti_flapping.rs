//! F11: the anti-flapping window and its acknowledgement hold through restarts and changes of leadership. The predecessor kept
//! the window with the server that had registered, and a vanished leader's record blocked its successor for an hour
//! (openark/orchestrator #1296). Checked: in decided state, no recovery that nobody asked for was registered within the block
//! period of another of its kind on one of its servers, unless note was taken of that one before.

use orchestrator_core::domain::Recovery;

use super::history::History;
use super::{Invariant, Violation, broken};
use crate::world::model::View;

/// See above.
#[derive(Debug, Default)]
pub(super) struct AntiFlapping(History);

impl Invariant for AntiFlapping {
    fn look(&mut self, view: &View<'_>) -> Result<(), Violation> {
        let (begun, _) = self.0.read(view);
        let decided = view.group.log().latest();
        for id in begun {
            let told = &self.0.recoveries[&id].registered;
            let Some(new) = decided.recoveries.get(&id) else {
                continue;
            };
            let too_soon = decided.recoveries.values().find(|other| {
                other.number < new.number
                    && other.kind == new.kind
                    && other.shared_server(&told.servers).is_some()
                    && holds_back(other, new, told.block_period)
            });
            if let Some(other) = too_soon.filter(|_| !told.is_forced) {
                let what = format!("{} follows {} too soon", new.number, other.number);
                return broken("F11", what);
            }
        }
        Ok(())
    }
}

fn holds_back(other: &Recovery, new: &Recovery, block_period: std::time::Duration) -> bool {
    let noted = other.acknowledgement.as_ref();
    // Of one that has not ended F1 speaks.
    other
        .end
        .as_ref()
        .filter(|end| end.outcome != orchestrator_core::domain::RecoveryOutcome::CalledOff)
        .is_some_and(|end| new.registered_at < end.at.plus(block_period))
        && noted.is_none_or(|noted| noted.at > new.registered_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::testing::{Stage, acknowledge, end, register};

    #[test]
    fn one_within_the_block_period_is_noticed() {
        let mut stage = Stage::new();
        stage.commit(register(1, "db0"));
        stage.commit(end(1));
        stage.pass(2);
        stage.commit_unchecked(register(2, "db0"));
        assert_eq!(stage.broken(&mut AntiFlapping::default()), "F11");
    }

    #[test]
    fn one_after_it_or_after_note_was_taken_is_fine() {
        let mut stage = Stage::new();
        stage.commit(register(1, "db0"));
        stage.commit(end(1));
        stage.commit(acknowledge());
        stage.commit(register(2, "db0"));
        stage.commit(end(2));
        stage.pass(3_600);
        stage.commit(register(3, "db0"));
        assert_eq!(stage.look(&mut AntiFlapping::default()), Ok(()));
    }
}

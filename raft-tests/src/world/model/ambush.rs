use std::time::Duration;

use orchestrator_core::decided::Command;
use orchestrator_core::domain::Phase;

use super::faults::{Fault, Planned};
use super::scenario::{Aim, Draw, Scenario};
use crate::world::group::SimGroup;

/// Makes other draws of a seed, so that scenarios are what they would be without.
const AMBUSHES: u64 = 0x414d_4255;

/// How far the first recovery has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Something was found and written down.
    Detected,
    /// Its registration is proposed, and not decided yet.
    Proposed,
    /// It is in this phase, or a later one.
    Entered(Phase),
}

impl Moment {
    fn has_come(self, group: &SimGroup) -> bool {
        let decided = group.log().latest();
        match self {
            Self::Detected => !decided.detections.is_empty(),
            Self::Proposed => group
                .proposed()
                .any(|one| matches!(one, Command::RegisterRecovery(_))),
            Self::Entered(phase) => (decided.recoveries.values())
                .any(|one| one.entered.iter().any(|(entered, _)| *entered == phase)),
        }
    }
}

/// What happens to the leader in the middle of a recovery. Recoveries take less than a second, and faults at drawn times seldom meet them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambush {
    /// When it is sprung: so long after this moment.
    pub moment: Moment,
    /// See there.
    pub after: Duration,
    /// What happens.
    pub fault: Fault,
    /// How that ends, and how long after it began.
    pub ends: Vec<(Duration, Fault)>,
}

impl Ambush {
    /// Of this scenario, if there is one.
    pub(super) fn draw(scenario: &Scenario) -> Option<Self> {
        let draw = Draw::new(scenario.seed ^ AMBUSHES);
        if scenario.aim != Aim::PrimaryLost || scenario.nodes < 2 || !draw.chance(70) {
            return None;
        }
        let moment = draw.of(&[
            Moment::Detected,
            Moment::Proposed,
            Moment::Proposed,
            Moment::Entered(Phase::Registered),
            Moment::Entered(Phase::Registered),
            Moment::Entered(Phase::ReceiversStopped),
            Moment::Entered(Phase::Promoted),
        ]);
        let after = draw.millis(0, draw.of(&[20, 100, 500]));
        let after = match moment {
            // It lasts some milliseconds only.
            Moment::Proposed => Duration::ZERO,
            _ => after,
        };
        let (fault, ends) = match draw.below(10) {
            0..5 => (Fault::Depose, Vec::new()),
            5..8 => {
                let length = draw.millis(500, 12_000);
                (Fault::FreezeLeader, vec![(length, Fault::ThawNodes)])
            }
            _ => {
                let length = draw.millis(200, 10_000);
                let nodes = (0..scenario.nodes).map(|node| (length, Fault::StartNode(node)));
                (Fault::StopLeader, nodes.collect())
            }
        };
        Some(Self {
            moment,
            after,
            fault,
            ends,
        })
    }

    /// What is to happen when, once its moment has come.
    pub(super) fn sprung(&self, group: &SimGroup, now: Duration) -> Option<Vec<Planned>> {
        if !self.moment.has_come(group) {
            return None;
        }
        let at = now + self.after;
        let begins = std::iter::once((at, self.fault.clone()));
        let ends = self
            .ends
            .iter()
            .map(|(length, end)| (at + *length, end.clone()));
        let all = begins.chain(ends);
        Some(all.map(|(at, fault)| Planned { at, fault }).collect())
    }
}

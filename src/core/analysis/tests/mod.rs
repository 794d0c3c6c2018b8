//! Tests of analysis: fixtures for every row, the table as a whole, and what a finding carries.

/// Calls a macro with the legacy names of all findings about primaries, in the order of the table.
macro_rules! with_all_codes {
    ($call:ident) => {
        $call![
            DeadMasterWithoutReplicas,
            DeadMaster,
            DeadMasterAndReplicas,
            DeadMasterAndSomeReplicas,
            UnreachableMasterWithLaggingReplicas,
            UnreachableMaster,
            LockedSemiSyncMaster,
            LockedSemiSyncMasterHypothesis,
            MasterWithTooManySemiSyncReplicas,
            NoWriteableMasterStructureWarning,
            MasterSingleReplicaNotReplicating,
            MasterSingleReplicaDead,
            AllMasterReplicasNotReplicating,
            AllMasterReplicasNotReplicatingOrDead,
            DeadCoMaster,
            DeadCoMasterAndSomeReplicas,
            UnreachableCoMaster,
            AllCoMasterReplicasNotReplicating,
            NoLoggingReplicasStructureWarning,
            NoFailoverSupportStructureWarning,
            StatementAndMixedLoggingReplicasStructureWarning,
            StatementAndRowLoggingReplicasStructureWarning,
            MixedAndRowLoggingReplicasStructureWarning,
            MultipleMajorVersionsLoggingReplicasStructureWarning,
            DifferentGTIDModesStructureWarning,
            ErrantGTIDStructureWarning,
            NotEnoughValidSemiSyncReplicasStructureWarning,
        ]
    };
}

mod answers;
mod beats;
mod changes;
mod fixtures;
mod grid;
mod needed;
mod table;

use super::{Analysis, AnalysisPolicy, Scene, Stalls, analyze};
use crate::beats::Beats;
use crate::decided::Decided;
use crate::domain::Timestamp;
use crate::topology::Topology;
use crate::topology::drawing::Drawing;

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

fn drawn(text: &str) -> Drawing {
    Drawing::parse(text, NOW).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

/// All that a scene borrows.
struct Stage {
    drawing: Drawing,
    topology: Topology,
    decided: Decided,
    stalls: Stalls,
    beats: Beats,
}

impl Stage {
    fn of(text: &str) -> Self {
        let drawing = drawn(text);
        let decided = Decided {
            downtimes: drawing.downtimes.clone(),
            candidates: drawing.candidates.clone(),
            ..Decided::default()
        };
        let stalls =
            drawing
                .stalled_since
                .iter()
                .fold(Stalls::default(), |stalls, (key, since)| {
                    let seen = drawing.picture.observation(key).expect("a seen server");
                    let position = seen.binlog.position.clone().expect("it has a binary log");
                    stalls.with(key.clone(), position, *since)
                });
        Self {
            topology: Topology::build(&drawing.picture),
            drawing,
            decided,
            stalls,
            beats: Beats::default(),
        }
    }

    fn scene(&self) -> Scene<'_> {
        Scene {
            picture: &self.drawing.picture,
            topology: &self.topology,
            decided: &self.decided,
            stalls: &self.stalls,
            beats: &self.beats,
            now: NOW,
        }
    }
}

fn analysis(text: &str, policy: &AnalysisPolicy) -> Analysis {
    analyze(&Stage::of(text).scene(), policy)
}

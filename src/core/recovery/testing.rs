//! What tests of recoveries share: a drawing as a scene.

use crate::analysis::{AnalysisPolicy, Finding, Scene, Stalls, analyze};
use crate::beats::Beats;
use crate::decided::Decided;
use crate::domain::{InstanceKey, Timestamp};
use crate::topology::Topology;
use crate::topology::drawing::Drawing;

pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// All that a scene borrows.
pub(super) struct Stage {
    pub drawing: Drawing,
    pub topology: Topology,
    pub decided: Decided,
    stalls: Stalls,
    pub beats: Beats,
}

impl Stage {
    pub fn of(text: &str) -> Self {
        let drawing = Drawing::parse(text, NOW).unwrap_or_else(|why| panic!("{why}\n{text}"));
        let decided = Decided {
            downtimes: drawing.downtimes.clone(),
            candidates: drawing.candidates.clone(),
            ..Decided::default()
        };
        Self {
            topology: Topology::build(&drawing.picture),
            drawing,
            decided,
            stalls: Stalls::default(),
            beats: Beats::default(),
        }
    }

    pub fn scene(&self) -> Scene<'_> {
        Scene {
            picture: &self.drawing.picture,
            topology: &self.topology,
            decided: &self.decided,
            stalls: &self.stalls,
            beats: &self.beats,
            now: NOW,
        }
    }

    /// What analysis finds about a server.
    pub fn finding(&self, name: &str) -> Finding {
        let analysis = analyze(&self.scene(), &AnalysisPolicy::default());
        let mut findings = analysis.findings.into_iter();
        findings
            .find(|finding| finding.subject == key(name))
            .unwrap_or_else(|| panic!("nothing is found about {name}\n{}", self.drawing))
    }
}

pub(super) fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).expect("a key")
}

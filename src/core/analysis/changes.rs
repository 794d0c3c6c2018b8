use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Analysis;
use crate::domain::{FindingCode, InstanceKey, Picture, Timestamp};
use crate::topology::Topology;

/// Changes kept of one server: a server that flaps all the time leaves no more than these, the latest ones.
pub const CHANGES_MAX: usize = 100;

/// What was found about servers that have replicas, each time it became something else.
///
/// Like [`Stalls`](super::Stalls), a memory that whoever calls [`analyze`](super::analyze) keeps. What is found first about a server is no
/// change.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    known: BTreeMap<InstanceKey, Known>,
}

/// One change: what was found from then on; `None` for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// When, by the clock of the analysis.
    pub at: Timestamp,
    /// The finding, of those of which a server has one at most.
    pub code: Option<FindingCode>,
}

#[derive(Clone, Debug)]
struct Known {
    now: Option<FindingCode>,
    changes: VecDeque<Change>,
}

impl Changes {
    /// Takes note of an analysis. What is older than `kept_for` is forgotten, and servers that are gone with their last change.
    pub fn note(
        &mut self,
        analysis: &Analysis,
        picture: &Picture,
        topology: &Topology,
        now: Timestamp,
        kept_for: Duration,
    ) {
        let found: BTreeMap<&InstanceKey, FindingCode> = analysis
            .findings
            .iter()
            .map(|finding| (&finding.subject, finding.code))
            .collect();
        let sources = picture
            .records()
            .filter(|record| !topology.replicas_of(&record.key).is_empty());
        for record in sources {
            let code = found.get(&record.key).copied();
            match self.known.get_mut(&record.key) {
                Some(known) => known.becomes(code, now),
                None => {
                    let first = Known {
                        now: code,
                        changes: VecDeque::new(),
                    };
                    self.known.insert(record.key.clone(), first);
                }
            }
        }
        self.known.retain(|key, known| {
            known
                .changes
                .retain(|change| now.since(change.at) < kept_for);
            !known.changes.is_empty() || picture.get(key).is_some()
        });
    }

    /// All changes by server, the oldest first; servers without any are left out.
    pub fn all(&self) -> impl Iterator<Item = (&InstanceKey, &VecDeque<Change>)> {
        let changed = self
            .known
            .iter()
            .filter(|(_, known)| !known.changes.is_empty());
        changed.map(|(key, known)| (key, &known.changes))
    }
}

impl Known {
    fn becomes(&mut self, code: Option<FindingCode>, at: Timestamp) {
        if self.now == code {
            return;
        }
        self.now = code;
        if self.changes.len() == CHANGES_MAX {
            self.changes.pop_front();
        }
        self.changes.push_back(Change { at, code });
    }
}

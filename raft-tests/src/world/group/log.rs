use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::decided::{Decided, Digest, Proposal, Reply, apply};

/// One committed entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What.
    pub proposal: Proposal,
    /// The node that proposed it.
    pub by: usize,
    /// When it was committed.
    pub at: Duration,
    /// What apply answered.
    pub reply: Reply,
}

/// Committed entries, and the state after the last one.
#[derive(Debug, Default)]
pub struct Log {
    entries: Vec<Entry>,
    digests: Vec<Digest>,
    by_request: BTreeMap<u128, usize>,
    latest: Arc<Decided>,
}

impl Log {
    /// Entries in order; the first has index 1.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The state after all entries.
    pub fn latest(&self) -> &Arc<Decided> {
        &self.latest
    }

    /// Index and answer of the entry with this request.
    pub(super) fn answer_to(&self, request: u128) -> Option<(u64, Reply)> {
        let position = *self.by_request.get(&request)?;
        Some((position as u64 + 1, self.entries[position].reply.clone()))
    }

    /// Commits a proposal, unless its request is there already; returns its index and answer.
    pub(super) fn commit(&mut self, proposal: &Proposal, by: usize, at: Duration) -> (u64, Reply) {
        if let Some(answer) = self.answer_to(proposal.request) {
            return answer;
        }
        let index = self.entries.len() as u64 + 1;
        let (state, reply) = applied(&self.latest, index, proposal);
        self.digests.push(Digest::of(&state));
        self.latest = Arc::new(state);
        self.by_request.insert(proposal.request, self.entries.len());
        self.entries.push(Entry {
            proposal: proposal.clone(),
            by,
            at,
            reply: reply.clone(),
        });
        (index, reply)
    }

    /// The state of a node that has applied `state` and now applies the next entry; `None` when there is none. The error says
    /// that its digest is another than that of whoever applied it first.
    pub(super) fn apply_next(&self, state: &Decided) -> Option<Result<Decided, String>> {
        let position = usize::try_from(state.applied_index).ok()?;
        let entry = self.entries.get(position)?;
        let index = state.applied_index + 1;
        let (state, _) = applied(state, index, &entry.proposal);
        let (own, first) = (Digest::of(&state), self.digests[position]);
        Some(match own == first {
            true => Ok(state),
            false => Err(format!(
                "digest at index {index} is {own}, and was {first} where it was applied first"
            )),
        })
    }
}

fn applied(state: &Decided, index: u64, proposal: &Proposal) -> (Decided, Reply) {
    let applied = apply(state, proposal);
    let mut state = state.clone();
    state.absorb(index, applied.decided_at, &applied.changes);
    (state, applied.reply)
}

//! Primaries fell silent with more than half of all that this node asked: is it the link of this node, or are they gone for others too?
//!
//! The other nodes are asked. One that hears them shows that it is our link: it leads better, so leadership is handed to it, and
//! nothing else is done. Where one does not hear them either, and none does, it is not our link: what is dead is judged as always.
//! Where nobody answers, nothing is known, and nothing is done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::beats::{BeatPolicy, Beats, Standing};
use orchestrator_core::domain::{Fence, InstanceKey};
use orchestrator_core::ports::Answered;

use super::others::ask_all;
use super::recovery_loop::Shared;
use super::{Deps, metrics};

/// Two nodes with bad links could hand leadership to and fro; this bounds how often. An election takes a part of a second.
pub(super) const AT_MOST_ONCE_IN: Duration = Duration::from_secs(60);

/// Of how many primaries others are asked at once: each question is a beat of each of them. The next look asks about others.
const ASKED_AT_ONCE: usize = 16;

/// Primaries of which it is to be found out whose link it is.
pub(super) fn to_be_settled(beats: &Beats) -> Vec<InstanceKey> {
    let not_ours = beats
        .iter()
        .filter(|(_, beat)| beat.standing == Standing::NotOurs);
    let keys = not_ours.map(|(key, _)| key.clone());
    keys.take(ASKED_AT_ONCE).collect()
}

/// Asks the other nodes, and acts on what they say.
pub(super) async fn settle(shared: Arc<Shared>, fence: Fence, primaries: Vec<InstanceKey>) {
    let deps = &shared.deps;
    let heard = ask(deps, &primaries).await;
    if let Some((node, count)) = heard.best() {
        return hand_over(&shared, fence, node, count, primaries.len()).await;
    }
    let silent: Vec<InstanceKey> = heard.silent.into_iter().collect();
    if silent.is_empty() {
        // The reason that nothing is done is shown with each finding.
        tracing::debug!(
            ?primaries,
            "no other node says whether it hears these primaries"
        );
        return;
    }
    tracing::warn!(
        ?silent,
        "other nodes do not hear these primaries either: it is not this node's own link"
    );
    deps.beats.silent_for_others_too(&silent);
}

/// What other nodes said.
#[derive(Default)]
struct Heard {
    /// How many of the primaries each of them hears.
    by: BTreeMap<String, usize>,
    /// Primaries that somebody does not hear either.
    silent: BTreeSet<InstanceKey>,
}

impl Heard {
    /// Who hears most; the first by name of several.
    fn best(&self) -> Option<(&str, usize)> {
        let best = self.by.iter().rev().max_by_key(|(_, count)| **count);
        best.map(|(node, count)| (node.as_str(), *count))
    }
}

async fn ask(deps: &Deps, primaries: &[InstanceKey]) -> Heard {
    // One that hears nothing needs the whole time of a beat to say so.
    let within = deps.others.answer_within() + BeatPolicy::ANSWER_WITHIN;
    let mut heard = Heard::default();
    for (name, primary, said) in ask_all(deps, primaries, within).await {
        match said {
            Answered::Yes => *heard.by.entry(name).or_default() += 1,
            Answered::No => {
                heard.silent.insert(primary);
            }
        }
    }
    heard
}

async fn hand_over(shared: &Shared, fence: Fence, node: &str, hears: usize, of: usize) {
    let deps = &shared.deps;
    let now = deps.clock.monotonic();
    if !shared.may_hand_over(now, AT_MOST_ONCE_IN) || deps.leadership.fence() != Some(fence) {
        return;
    }
    tracing::error!(
        to = node,
        "{node} hears {hears} of {of} primaries that are silent to this node, with more than half of all that it asked: it is this \
         node's own link. Nothing is done about them, and leadership is handed over"
    );
    metrics::given_away();
    // As a rule this task ends here, with the leadership.
    if let Err(why) = deps.others.let_lead(node).await {
        tracing::warn!(to = node, %why, "leadership could not be handed over");
    }
}

//! Which further instances an observation speaks of.

use orchestrator_core::domain::{InstanceKey, Observation, ThreadState};

use super::Config;

/// How an instance was spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mention {
    /// As the source of a replica whose receiver runs or tries to: it is worth showing even if it never answers.
    LiveSource,
    /// As the source of a replica whose receiver is stopped.
    IdleSource,
    /// As a replica or a member of a group. It may be a guess (a process list says no port).
    Peer,
}

/// Calls `visit` for every instance that is to be followed from `seen`; some may come twice.
pub(super) fn neighbours(
    seen: &Observation,
    config: &Config,
    mut visit: impl FnMut(&InstanceKey, Mention),
) {
    let is_wanted = |key: &InstanceKey| *key != seen.key && !config.ignore.matches(key);
    if let Some(source) = seen.source()
        && is_wanted(source)
        && !config.ignore_sources.matches(source)
    {
        visit(source, mention_of_source(seen));
    }
    let group = seen
        .group
        .iter()
        .flat_map(|g| g.members.iter().chain(&g.primary));
    for peer in seen.replicas.iter().chain(group) {
        if is_wanted(peer) && !config.ignore_replicas.matches(peer) {
            visit(peer, Mention::Peer);
        }
    }
}

/// Whether `seen` keeps trying to replicate from its source.
pub(super) fn is_receiving(seen: &Observation) -> bool {
    seen.replication
        .as_ref()
        .is_some_and(|link| link.receiver != ThreadState::Stopped)
}

fn mention_of_source(seen: &Observation) -> Mention {
    if is_receiving(seen) {
        Mention::LiveSource
    } else {
        Mention::IdleSource
    }
}

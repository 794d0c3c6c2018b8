use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::ports::{Group, GroupMember, GroupRole, GroupStatus};

/// A follower that has heard no leader for this long is cut off, whatever it remembers: several elections fit into it,
/// also with 60 ms between sites.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// How this node stands to its leader.
pub(in crate::api) enum Hearing {
    /// It leads, beyond doubt.
    Leads,
    /// It was elected and cannot show now that a majority still follows it: it has just begun, or is cut off.
    LeadsInDoubt,
    /// It hears this leader.
    Follows(Box<GroupMember>),
    /// It hears none.
    CutOff,
}

impl Hearing {
    /// As things are now, with what they were read from.
    pub(in crate::api) fn of(group: &dyn Group) -> (Self, Arc<GroupStatus>) {
        let status = group.status();
        let hearing = match status.role {
            GroupRole::Leader if group.is_serving_leader() => Self::Leads,
            GroupRole::Leader => Self::LeadsInDoubt,
            GroupRole::Follower | GroupRole::Learner => heard(&status),
            GroupRole::Candidate | GroupRole::Waiting | GroupRole::Stopped => Self::CutOff,
        };
        (hearing, status)
    }

    /// The same without what it was read from. A leader, through which every change goes, is quick to say so.
    pub(in crate::api) fn now(group: &dyn Group) -> Self {
        match group.is_serving_leader() {
            true => Self::Leads,
            false => Self::of(group).0,
        }
    }

    /// The leader, when it is beyond doubt or heard.
    pub(in crate::api) fn leader<'a>(&'a self, status: &'a GroupStatus) -> Option<&'a GroupMember> {
        match self {
            Self::Leads => Some(&status.me),
            Self::Follows(leader) => Some(leader),
            Self::LeadsInDoubt | Self::CutOff => None,
        }
    }
}

fn heard(status: &GroupStatus) -> Hearing {
    let is_fresh = status.age.is_some_and(|age| age <= SILENCE_MAX);
    match status
        .leader_member()
        .filter(|leader| leader.id != status.me.id)
    {
        Some(leader) if is_fresh => Hearing::Follows(Box::new(leader.clone())),
        _ => Hearing::CutOff,
    }
}

/// The predecessor's word for it. A leader in doubt and a follower that hears nobody look for a leader, as its candidates
/// did.
pub(in crate::api) fn word(hearing: &Hearing, role: GroupRole) -> &'static str {
    match (hearing, role) {
        (Hearing::Leads, _) => "Leader",
        (Hearing::Follows(_), _) => "Follower",
        (_, GroupRole::Stopped) => "Shutdown",
        (_, GroupRole::Waiting) => "Unknown",
        _ => "Candidate",
    }
}

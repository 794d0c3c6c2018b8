//! May we act on this finding? Every "no" is a [`Blocked`] that an operator reads as the reason why nothing is done now.
//!
//! The decided state behind it (switch, past recoveries) comes in as [`History`], made by whoever keeps it. Apply asks the
//! same questions about other recoveries once more when a plan is registered: what is checked here may have changed.

use std::time::Duration;

use crate::analysis::rules::Registration;
use crate::analysis::{Finding, Muted, Scene};
use crate::beats::Standing;
use crate::domain::{
    FindingCode, InstanceKey, Recovery, RecoveryId, RecoveryKind, RecoveryOutcome, Timestamp,
    TouchedServer,
};
use crate::legacy::cluster_filters_match;

use super::RecoveryPolicy;

/// The kind of recovery that answers a finding; `None` where this release has none for it.
pub fn recovery_for(code: FindingCode) -> Option<RecoveryKind> {
    match code {
        FindingCode::DeadPrimary | FindingCode::DeadPrimaryAndSomeReplicas => {
            Some(RecoveryKind::DeadPrimary)
        }
        _ => None,
    }
}

/// The servers that a recovery of `dead` may touch: itself, and everything below it.
pub fn servers_touched(scene: &Scene<'_>, dead: &InstanceKey) -> Vec<TouchedServer> {
    let below = scene.topology.descendants_of(dead);
    std::iter::once(dead.clone())
        .chain(below)
        .map(|key| TouchedServer {
            uuid: scene
                .picture
                .observation(&key)
                .map_or_else(String::new, |seen| seen.identity.server_uuid.clone()),
            key,
        })
        .collect()
}

/// A recovery of the past, or one under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRecovery {
    /// Its id, as shown.
    pub id: String,
    /// Kind.
    pub kind: RecoveryKind,
    /// The server it was about.
    pub subject: InstanceKey,
    /// All servers it may have touched, the promoted one among them.
    pub servers: Vec<TouchedServer>,
    /// When it was registered.
    pub began_at: Timestamp,
    /// When it ended; `None` while it is under way.
    pub ended_at: Option<Timestamp>,
    /// Somebody has acknowledged it: it holds nobody back any more.
    pub is_acknowledged: bool,
}

impl PastRecovery {
    /// What is decided about one, as the gate asks for it.
    pub fn of(id: RecoveryId, decided: &Recovery) -> Self {
        let end = decided.end.as_ref();
        let was_called_off = end.is_some_and(|end| end.outcome == RecoveryOutcome::CalledOff);
        Self {
            id: id.to_string(),
            kind: decided.kind,
            subject: decided.subject.clone(),
            servers: decided.servers.clone(),
            began_at: decided.registered_at,
            ended_at: end.map(|end| end.at),
            // One that touched nobody holds nobody back.
            is_acknowledged: decided.acknowledgement.is_some() || was_called_off,
        }
    }
}

/// The switch that turns all automatic recoveries off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GlobalSwitch {
    /// Recoveries are enabled.
    On,
    /// Somebody has disabled them.
    Off {
        /// Who.
        by: String,
    },
    /// It could not be read. That counts as off: who pulled the brake must be able to rely on it.
    Unknown,
}

/// What is decided about recoveries.
#[derive(Clone, Debug)]
pub struct History {
    /// The global switch.
    pub switch: GlobalSwitch,
    /// Recoveries under way, and ended ones no older than the longest block period.
    pub recoveries: Vec<PastRecovery>,
}

/// What the gate is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What was found.
    pub finding: &'a Finding,
    /// Alias of its cluster; empty when it has none.
    pub cluster_alias: &'a str,
    /// The servers that would be touched, by [`servers_touched`].
    pub servers: &'a [TouchedServer],
    /// An operator asks for it, by hand or by force. That lifts filters, downtime, the switch, block periods and the bound on parallel
    /// recoveries. It never lets two recoveries work on one server.
    pub is_forced: bool,
}

/// Why nothing is done about a finding now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// The finding asks for nothing.
    #[error("this finding calls for no recovery")]
    NotActionable,
    /// There is no recovery for it yet.
    #[error("this release has no recovery for this finding")]
    NoRecovery,
    /// No probe of it by this node ever succeeded, before a restart neither: all that is known of it is what replicas name as their source.
    /// It may stand in the middle of a chain, below a primary that is well, and a plan would make a primary of its replica. So it is
    /// left to an operator, whose order lifts this. The predecessor has no row of such a server, and does nothing either.
    #[error(
        "{subject} was never probed with success: it is not known whether it is a primary, nor what it had; recover it by hand if it is"
    )]
    NeverSeen {
        /// The server.
        subject: InstanceKey,
    },
    /// Another recovery works on one of the servers.
    #[error("recovery {id} of {subject} is under way and may touch {server} too; wait for its end")]
    UnderWay {
        /// Its id.
        id: String,
        /// What it is about.
        subject: InstanceKey,
        /// The server that both may touch.
        server: InstanceKey,
    },
    /// Downtime, as the finding says.
    #[error("nothing is to be done now: {0}")]
    Muted(Muted),
    /// No filter covers the cluster.
    #[error(
        "cluster {cluster} is not to be recovered by itself: no filter of RecoverMasterClusterFilters covers it"
    )]
    NotCovered {
        /// Name of the cluster.
        cluster: String,
    },
    /// Disabled globally.
    #[error("{by} has disabled all recoveries; enable-global-recoveries enables them")]
    SwitchedOff {
        /// Who.
        by: String,
    },
    /// Nobody can tell whether recoveries are enabled.
    #[error("it cannot be read whether recoveries are enabled, which counts as disabled")]
    SwitchUnknown,
    /// A recovery of the same kind ended a short while ago.
    #[error(
        "recovery {id} of {subject} touched {server} too and ended a short while ago; for {} s more nothing is done by itself, unless it is acknowledged (ack-recovery)",
        left.as_secs()
    )]
    BlockPeriod {
        /// Its id.
        id: String,
        /// What it was about.
        subject: InstanceKey,
        /// The server that both may touch.
        server: InstanceKey,
        /// How much of the block period is left.
        left: Duration,
    },
    /// It went down in an orderly way a short while ago.
    #[error(
        "{subject} went down in an orderly way and has {} s more to come back (PrimaryRestartGraceSeconds)",
        left.as_secs()
    )]
    Restarting {
        /// The server.
        subject: InstanceKey,
        /// How much of its time is left.
        left: Duration,
    },
    /// Others hear it.
    #[error(
        "{} {} {subject} now, though this node does not: it lives, and what is between is broken",
        by.join(", "),
        if by.len() == 1 { "hears" } else { "hear" }
    )]
    HeardElsewhere {
        /// The server.
        subject: InstanceKey,
        /// Names of the nodes that do.
        by: Vec<String>,
    },
    /// It is our own link.
    #[error(
        "more than half of all servers that were asked fell silent together with {subject}: it is the link of this node, most likely"
    )]
    OwnLink {
        /// The server.
        subject: InstanceKey,
    },
    /// Too many at once.
    #[error(
        "{running} recoveries are under way, and no more than {max} are begun at once: so many dead servers may be a fault of the network"
    )]
    TooMany {
        /// How many are under way.
        running: usize,
        /// The bound.
        max: usize,
    },
}

/// The answer of the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// A recovery of this kind may be planned.
    Proceed(RecoveryKind),
    /// Not now.
    Blocked(Blocked),
}

/// Whether a finding may be acted on at `now`. The first reason against it is the answer.
pub fn gate(
    request: &Request<'_>,
    history: &History,
    policy: &RecoveryPolicy,
    now: Timestamp,
) -> Gate {
    let finding = request.finding;
    if finding.registration != Registration::Actionable {
        return Gate::Blocked(Blocked::NotActionable);
    }
    let Some(kind) = recovery_for(finding.code) else {
        return Gate::Blocked(Blocked::NoRecovery);
    };
    let mut reasons = under_way(request, history).into_iter().collect::<Vec<_>>();
    if !request.is_forced {
        reasons.extend(never_seen(finding));
        reasons.extend(finding.muted.clone().map(Blocked::Muted));
        reasons.extend(beats_say_no(finding));
        reasons.extend(not_covered(request, policy));
        reasons.extend(switched_off(&history.switch));
        reasons.extend(block_period(request, kind, history, policy, now));
        reasons.extend(too_many(history, policy));
    }
    match reasons.into_iter().next() {
        Some(reason) => Gate::Blocked(reason),
        None => Gate::Proceed(kind),
    }
}

fn under_way(request: &Request<'_>, history: &History) -> Option<Blocked> {
    let unfinished = history
        .recoveries
        .iter()
        .filter(|past| past.ended_at.is_none());
    unfinished.into_iter().find_map(|past| {
        let server = shared(past, request.servers)?;
        Some(Blocked::UnderWay {
            id: past.id.clone(),
            subject: past.subject.clone(),
            server,
        })
    })
}

/// A server that replicas name as their source may be one in the middle of a chain, below a primary that is well.
fn never_seen(finding: &Finding) -> Option<Blocked> {
    let subject = finding.subject.clone();
    (finding.facts.check.seen_ago.is_none()).then_some(Blocked::NeverSeen { subject })
}

/// Why nothing is done about a finding, by the beats of its server: it is our own link, or the server has time to come back.
pub fn beats_say_no(finding: &Finding) -> Option<Blocked> {
    let beat = finding.facts.beat.as_ref()?;
    let subject = finding.subject.clone();
    if beat.standing == Standing::NotOurs {
        return Some(Blocked::OwnLink { subject });
    }
    let left = beat.restart_left?;
    Some(Blocked::Restarting { subject, left })
}

fn not_covered(request: &Request<'_>, policy: &RecoveryPolicy) -> Option<Blocked> {
    let cluster = &request.finding.cluster;
    // A cluster without an alias of its own is known by its name.
    let alias = match request.cluster_alias {
        "" => cluster,
        alias => alias,
    };
    let is_covered = cluster_filters_match(&policy.primary_clusters, cluster, alias);
    (!is_covered).then(|| Blocked::NotCovered {
        cluster: cluster.to_string(),
    })
}

fn switched_off(switch: &GlobalSwitch) -> Option<Blocked> {
    match switch {
        GlobalSwitch::On => None,
        GlobalSwitch::Off { by } => Some(Blocked::SwitchedOff { by: by.clone() }),
        GlobalSwitch::Unknown => Some(Blocked::SwitchUnknown),
    }
}

/// Counted from the end of a recovery, so that a long one blocks as long as a short one.
fn block_period(
    request: &Request<'_>,
    kind: RecoveryKind,
    history: &History,
    policy: &RecoveryPolicy,
    now: Timestamp,
) -> Option<Blocked> {
    let of_kind = history.recoveries.iter().filter(|past| past.kind == kind);
    let counting = of_kind.filter(|past| !past.is_acknowledged);
    let blocking = counting.filter_map(|past| {
        let left = past.ended_at?.plus(policy.block_period).since(now);
        let server = shared(past, request.servers).filter(|_| !left.is_zero())?;
        Some((left, past, server))
    });
    let (left, past, server) = blocking.max_by_key(|(left, ..)| *left)?;
    Some(Blocked::BlockPeriod {
        id: past.id.clone(),
        subject: past.subject.clone(),
        server,
        left,
    })
}

fn too_many(history: &History, policy: &RecoveryPolicy) -> Option<Blocked> {
    let unfinished = history
        .recoveries
        .iter()
        .filter(|past| past.ended_at.is_none());
    let (running, max) = (unfinished.count(), policy.recoveries_max);
    (running >= max).then_some(Blocked::TooMany { running, max })
}

/// A server of `servers` that the recovery may touch too.
fn shared(past: &PastRecovery, servers: &[TouchedServer]) -> Option<InstanceKey> {
    let is_touched = |server: &&TouchedServer| past.servers.iter().any(|one| one.is_same(server));
    servers
        .iter()
        .find(is_touched)
        .map(|server| server.key.clone())
}

#[cfg(test)]
mod tests;

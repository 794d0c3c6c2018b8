use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{DataLoss, Fence, FindingCode, InstanceKey, RecoveryId, Timestamp};

/// What a recovery is about; two of different kinds do not hold each other back by their block periods.
///
/// Variants are only ever appended: they are part of what is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RecoveryKind {
    /// A dead primary is replaced.
    DeadPrimary,
    /// A dead intermediate source is replaced.
    DeadIntermediateSource,
    /// A dead co-primary is replaced.
    DeadCoPrimary,
    /// An operator moves the primary.
    Takeover,
    /// Anything that changes one server's settings.
    Settings,
}

/// A server as recoveries know it, to tell whether two recoveries are about the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TouchedServer {
    /// Its address.
    pub key: InstanceKey,
    /// `server_uuid`; empty where it has none, as MariaDB. Empty ones equal nothing.
    pub uuid: String,
}

impl TouchedServer {
    /// Whether both are one server: the same address, or the same UUID where both have one.
    pub fn is_same(&self, other: &Self) -> bool {
        self.key == other.key
            || (!self.uuid.is_empty() && self.uuid.eq_ignore_ascii_case(&other.uuid))
    }
}

/// How far a recovery is; each is committed before the steps that follow it.
///
/// Variants are only ever appended: they are part of what is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// The plan is committed, and receivers are being stopped.
    Registered,
    /// No kept replica receives any more: what each has is final. The promoted server gets ready.
    ReceiversStopped,
    /// The promoted server is writable, and to be published.
    Promoted,
    /// Clients are told. The others are moved below it.
    Published,
    /// Nothing is left to do.
    Ended,
}

impl Phase {
    /// The one that follows; `None` after the last.
    pub const fn following(self) -> Option<Self> {
        match self {
            Self::Registered => Some(Self::ReceiversStopped),
            Self::ReceiversStopped => Some(Self::Promoted),
            Self::Promoted => Some(Self::Published),
            Self::Published => Some(Self::Ended),
            Self::Ended => None,
        }
    }
}

/// A connection that a recovery uses on a server; the next leader ends it before it does anything there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecoverySessionId {
    /// The server.
    pub server: InstanceKey,
    /// The server's id of the connection.
    pub connection_id: u64,
}

/// How a recovery ended.
///
/// Variants are only ever appended: they are part of what is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RecoveryOutcome {
    /// A server was promoted.
    Succeeded,
    /// Nobody was promoted, and servers may have been touched.
    Failed,
    /// The old primary answered before anybody was touched. It holds nobody back.
    CalledOff,
}

/// Where the time of a recovery went, each part once; unknown parts are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeSplit {
    /// From the last sign of life of the old primary to its detection.
    pub detect: Option<Duration>,
    /// From the detection to the registration.
    pub decide: Option<Duration>,
    /// From the registration until all receivers were stopped.
    pub close: Option<Duration>,
    /// From then until the promoted server was writable.
    pub promote: Option<Duration>,
    /// From then until it was published.
    pub publish: Option<Duration>,
}

/// The end of a recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryEnd {
    /// When, by the proposer's clock.
    pub at: Timestamp,
    /// How.
    pub outcome: RecoveryOutcome,
    /// The promoted server.
    pub successor: Option<InstanceKey>,
    /// Its alias, as hooks and lists show it.
    pub successor_alias: String,
    /// Servers that were left behind.
    pub lost: Vec<InstanceKey>,
    /// Servers that took part.
    pub participants: Vec<InstanceKey>,
    /// What went wrong, one sentence each.
    pub errors: Vec<String>,
    /// What is known about lost transactions; `None` where nobody was promoted.
    pub data_loss: Option<DataLoss>,
    /// Where the time went.
    pub times: TimeSplit,
}

/// That somebody has taken note of a recovery: it holds nobody back any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// When, by the proposer's clock.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub comment: String,
}

/// A recovery as it is decided: registered before anybody is touched, and ended once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// A number for people, unique among recoveries, growing.
    pub number: u64,
    /// What kind.
    pub kind: RecoveryKind,
    /// The finding that it answers.
    pub code: FindingCode,
    /// The server that it is about.
    pub subject: InstanceKey,
    /// Name of the cluster when it began.
    pub cluster: String,
    /// Its alias then.
    pub cluster_alias: String,
    /// Direct replicas of the subject when it began.
    pub replicas: Vec<InstanceKey>,
    /// All servers that it may touch.
    pub servers: Vec<TouchedServer>,
    /// Who asked for it; empty where nobody did.
    pub requested_by: String,
    /// The detection before it; 0 where there is none.
    pub detection: u64,
    /// The plan, in its own encoding (`recovery::plan`); opaque here.
    pub plan: Vec<u8>,
    /// When it was registered, by the proposer's clock.
    pub registered_at: Timestamp,
    /// Name of the node that works on it.
    pub node: String,
    /// Under which leadership.
    pub fence: Fence,
    /// How many leaderships have worked on it, this one included.
    pub attempt: u32,
    /// How far it is.
    pub phase: Phase,
    /// When each phase so far was entered.
    pub entered: Vec<(Phase, Timestamp)>,
    /// Connections in use since the current leadership took it. After the end, those over which something may still be under
    /// way; the next recovery of their servers takes them over as its own stale ones.
    pub sessions: Vec<RecoverySessionId>,
    /// Connections of earlier leaderships, to be ended before anything else is done.
    pub stale_sessions: Vec<RecoverySessionId>,
    /// For how long it is kept after its end.
    pub kept_for: Duration,
    /// How it ended; `None` while it is under way.
    pub end: Option<RecoveryEnd>,
    /// Who took note.
    pub acknowledgement: Option<Acknowledgement>,
}

impl Recovery {
    /// Until when it holds back others of its kind, given the block period; `None` when it does not.
    pub fn blocks_until(&self, block_period: Duration) -> Option<Timestamp> {
        let end = self.end.as_ref()?;
        let counts = self.acknowledgement.is_none() && end.outcome != RecoveryOutcome::CalledOff;
        counts.then(|| end.at.plus(block_period))
    }

    /// Whether it is over and past the time for which it is kept.
    pub fn is_over_at(&self, now: Timestamp) -> bool {
        self.end
            .as_ref()
            .is_some_and(|end| now.since(end.at) >= self.kept_for)
    }

    /// Whether it was carried out by the predecessor: there is no plan of ours. It is history, holds others back for its block
    /// period, and nothing is done for it any more.
    pub fn is_the_predecessors(&self) -> bool {
        self.plan.is_empty() && self.end.is_some()
    }

    /// A server of `servers` that it may touch too.
    pub fn shared_server(&self, servers: &[TouchedServer]) -> Option<&TouchedServer> {
        self.servers
            .iter()
            .find(|own| servers.iter().any(|one| one.is_same(own)))
    }
}

/// What came of a step of a plan, as last recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedStep {
    /// The leadership that recorded it.
    pub fence: Fence,
    /// When, by the proposer's clock.
    pub at: Timestamp,
    /// The state, in its own encoding (`recovery::plan`); opaque here.
    pub state: Vec<u8>,
}

/// A line of a recovery's record, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryNote {
    /// A number, unique among notes, growing.
    pub number: u64,
    /// When it was written, by the writer's clock.
    pub at: Timestamp,
    /// What happened.
    pub text: String,
}

/// Something that was found and written down, once for as long as it lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detection {
    /// The id that a recovery of it would have.
    pub recovery: RecoveryId,
    /// What was found.
    pub code: FindingCode,
    /// With which server.
    pub subject: InstanceKey,
    /// Name of its cluster then.
    pub cluster: String,
    /// Alias of the cluster then.
    pub cluster_alias: String,
    /// Direct replicas then.
    pub replicas: Vec<InstanceKey>,
    /// Whether there was something to do about it.
    pub is_actionable: bool,
    /// For an operator.
    pub description: String,
    /// When, by the proposer's clock.
    pub detected_at: Timestamp,
    /// Name of the node that found it.
    pub node: String,
    /// Until then it is not written down again.
    pub active_until: Timestamp,
    /// Until then it is kept.
    pub kept_until: Timestamp,
}

/// That automatic recoveries are switched off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveriesDisabled {
    /// Who did it.
    pub by: String,
    /// When, by the proposer's clock.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_its_address_or_its_uuid() {
        let server = |host: &str, uuid: &str| TouchedServer {
            key: InstanceKey::parse(host, 3306).unwrap(),
            uuid: uuid.to_owned(),
        };
        assert!(server("a", "").is_same(&server("a", "x")));
        assert!(server("a", "ab").is_same(&server("b", "AB")));
        assert!(!server("a", "").is_same(&server("b", "")));
        assert!(!server("a", "x").is_same(&server("b", "y")));
    }

    #[test]
    fn phases_follow_one_another_to_the_end() {
        let mut phase = Phase::Registered;
        let mut seen = vec![phase];
        while let Some(following) = phase.following() {
            assert!(following > phase);
            phase = following;
            seen.push(phase);
        }
        assert_eq!(seen.len(), 5);
    }
}

//! What commands of recoveries carry. Fields never change: their encoding is in logs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::{
    DataLoss, Fence, FindingCode, InstanceKey, Phase, RecoveryId, RecoveryKind, RecoveryOutcome,
    RecoverySessionId, TimeSplit, Timestamp, TouchedServer,
};

/// Most notes, steps or sessions in one command: as many as a recovery of a primary with a thousand replicas records at
/// one moment. More go into several commands.
pub const LINES_IN_COMMAND_MAX: usize = 1_000;

/// Writes down that something was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterDetection {
    /// The id that a recovery of it will have; drawn by the proposer.
    pub recovery: RecoveryId,
    /// What was found.
    pub code: FindingCode,
    /// With which server.
    pub subject: InstanceKey,
    /// Name of its cluster.
    pub cluster: String,
    /// Alias of its cluster.
    pub cluster_alias: String,
    /// Its direct replicas.
    pub replicas: Vec<InstanceKey>,
    /// Whether there is something to do about it.
    pub is_actionable: bool,
    /// For an operator.
    pub description: String,
    /// Name of the node that found it.
    pub node: String,
    /// Until then the same is not written down again (`FailureDetectionPeriodBlockMinutes`).
    pub active_until: Timestamp,
    /// Until then it is kept (`AuditPurgeDays`).
    pub kept_until: Timestamp,
}

/// Registers a recovery. Nothing is touched before this is committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterRecovery {
    /// Its id; that of its detection where there was one.
    pub id: RecoveryId,
    /// What kind.
    pub kind: RecoveryKind,
    /// The finding that it answers.
    pub code: FindingCode,
    /// The server that it is about.
    pub subject: InstanceKey,
    /// Name of the cluster.
    pub cluster: String,
    /// Its alias.
    pub cluster_alias: String,
    /// Direct replicas of the subject.
    pub replicas: Vec<InstanceKey>,
    /// All servers that it may touch.
    pub servers: Vec<TouchedServer>,
    /// Who asked for it; empty where nobody did.
    pub requested_by: String,
    /// An operator's order: lifts the global switch and block periods, and takes note of ended recoveries of the subject.
    /// It never lets two recoveries work on one server.
    pub is_forced: bool,
    /// The plan, encoded.
    pub plan: Vec<u8>,
    /// Name of the node that will work on it.
    pub node: String,
    /// Under which leadership.
    pub fence: Fence,
    /// Connections that were opened for it.
    pub sessions: Vec<RecoverySessionId>,
    /// For how long after the end of another recovery of its kind on one of its servers it is refused
    /// (`RecoveryPeriodBlockSeconds`).
    pub block_period: Duration,
    /// For how long it is kept after its end (`AuditPurgeDays`).
    pub kept_for: Duration,
}

/// What happened since the last command of a recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryNews {
    /// Connections that were opened, before they are used.
    pub opened: Vec<RecoverySessionId>,
    /// Connections, of this or an earlier leadership, that can do nothing any more.
    pub ended: Vec<RecoverySessionId>,
    /// Steps by number, each with its state, encoded.
    pub steps: Vec<(u32, Vec<u8>)>,
    /// Lines for people, each with its time.
    pub notes: Vec<(Timestamp, String)>,
}

impl RecoveryNews {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.opened.is_empty()
            && self.ended.is_empty()
            && self.steps.is_empty()
            && self.notes.is_empty()
    }

    /// Whether it has more than a command may.
    pub(super) fn is_too_long(&self) -> bool {
        [
            self.opened.len(),
            self.ended.len(),
            self.steps.len(),
            self.notes.len(),
        ]
        .into_iter()
        .any(|length| length > LINES_IN_COMMAND_MAX)
    }
}

/// A downtime that begins with the end of a recovery. One of an operator's that lasts longer stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostServer {
    /// The server.
    pub key: InstanceKey,
    /// In whose name.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Until when.
    pub ends_at: Timestamp,
}

/// Ends a recovery, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndRecovery {
    /// Which.
    pub id: RecoveryId,
    /// Under which leadership.
    pub fence: Fence,
    /// How.
    pub outcome: RecoveryOutcome,
    /// The promoted server.
    pub successor: Option<InstanceKey>,
    /// Its alias.
    pub successor_alias: String,
    /// Servers left behind.
    pub lost: Vec<InstanceKey>,
    /// Servers that took part.
    pub participants: Vec<InstanceKey>,
    /// What went wrong.
    pub errors: Vec<String>,
    /// What is known about lost transactions.
    pub data_loss: Option<DataLoss>,
    /// Where the time went.
    pub times: TimeSplit,
    /// Downtimes that begin with it.
    pub downtimes: Vec<LostServer>,
    /// What else happened.
    pub news: RecoveryNews,
}

/// Which recoveries somebody takes note of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Acknowledged {
    /// All.
    All,
    /// The one with this number.
    Number(u64),
    /// The one with this id.
    Id(RecoveryId),
    /// Those of a cluster, by name or, where it is not empty, by alias; its detections may be written down again.
    Cluster {
        /// Its name.
        name: String,
        /// Its alias.
        alias: String,
    },
    /// Those of a failed server; its detections may be written down again.
    Instance(InstanceKey),
}

/// A command of a recovery under way, or of its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecoveryStepCommand {
    /// The next leader takes it: from then on commands with the old fence are refused.
    TakeOver {
        /// The greater fence.
        fence: Fence,
        /// Name of the node.
        node: String,
    },
    /// It is in this phase now.
    Enter {
        /// Under which leadership.
        fence: Fence,
        /// The one that follows the phase it is in.
        phase: Phase,
        /// What else happened.
        news: RecoveryNews,
    },
    /// Steps were begun or have ended.
    Record {
        /// Under which leadership.
        fence: Fence,
        /// What happened.
        news: RecoveryNews,
    },
    /// More is known about lost transactions; also after the end.
    StateLoss {
        /// What.
        loss: DataLoss,
        /// Lines for people, each with its time.
        notes: Vec<(Timestamp, String)>,
    },
    /// Lines for people, each with its time; before the registration, from the detection on, and after the end too.
    Note {
        /// The lines.
        notes: Vec<(Timestamp, String)>,
    },
    /// The plan no longer holds, and this one takes its place, as long as nobody was promoted; the recovery goes on in its first phase.
    /// What was recorded of the old plan's steps is dropped; `news` holds what is known of the new one's.
    Replan {
        /// Under which leadership.
        fence: Fence,
        /// The plan, encoded.
        plan: Vec<u8>,
        /// What else happened.
        news: RecoveryNews,
    },
    /// Connections over which an old primary is closed after the end. They are written down before they are used, so that
    /// whoever works on their server next ends them first.
    Watch {
        /// Those that are about to be used.
        opened: Vec<RecoverySessionId>,
        /// Those, of this and of other ended recoveries, that can do nothing any more.
        ended: Vec<RecoverySessionId>,
    },
    /// Receivers of these servers were stopped, and they cannot be started again now: whoever leads does so when the servers
    /// answer, unless the recovery succeeds.
    LeaveStopped {
        /// Under which leadership.
        fence: Fence,
        /// The servers.
        servers: Vec<InstanceKey>,
    },
    /// A server that this recovery has left with a stopped receiver needs nothing more.
    Settled {
        /// The server.
        server: InstanceKey,
        /// Lines for people, each with its time.
        notes: Vec<(Timestamp, String)>,
    },
    /// Clients are to find the promoted server: aliases of the cluster, also one set by hand, belong to the cluster that it heads from
    /// here on, and it is in nobody's downtime. Everything of it is decided once, whichever leader proposes it how often.
    Publish {
        /// Under which leadership.
        fence: Fence,
        /// The promoted server.
        promoted: InstanceKey,
        /// What else happened.
        news: RecoveryNews,
    },
}

//! Commands of recoveries, one after the other.

mod beginning;
mod ending;
mod going_on;
mod leaving;
mod noticing;

use std::time::Duration;

use super::*;
use crate::decided::{Applied, Command, Origin, Proposal, apply};
use crate::domain::{
    FindingCode, InstanceKey, RecoveryKind, RecoveryOutcome, RecoverySessionId, TimeSplit,
    TouchedServer,
};

const NOON: Timestamp = Timestamp::from_seconds(1_700_000_000);
const HOUR: Duration = Duration::from_secs(3_600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);

fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).unwrap()
}

fn after(seconds: u64) -> Timestamp {
    NOON.plus(Duration::from_secs(seconds))
}

const fn id(number: u128) -> RecoveryId {
    RecoveryId::from_number(number)
}

const fn fence(number: u64) -> Fence {
    Fence::from_number(number)
}

fn server(name: &str, uuid: &str) -> TouchedServer {
    TouchedServer {
        key: key(name),
        uuid: uuid.to_owned(),
    }
}

fn session(name: &str, connection_id: u64) -> RecoverySessionId {
    RecoverySessionId {
        server: key(name),
        connection_id,
    }
}

/// A state and the commands it took.
#[derive(Default)]
struct Log {
    state: Decided,
}

impl Log {
    fn take(&mut self, at: Timestamp, command: Command) -> Applied {
        let proposal = Proposal {
            request: 1,
            proposed_at: at,
            origin: Origin::default(),
            command,
        };
        let applied = apply(&self.state, &proposal);
        let index = self.state.applied_index + 1;
        self.state
            .absorb(index, applied.decided_at, &applied.changes);
        applied
    }

    fn register(&mut self, at: Timestamp, new: RegisterRecovery) -> Reply {
        self.take(at, Command::RegisterRecovery(Box::new(new)))
            .reply
    }

    fn step(&mut self, at: Timestamp, number: u128, step: RecoveryStepCommand) -> Reply {
        let step = Box::new(step);
        let id = id(number);
        self.take(at, Command::RecoveryStep { id, step }).reply
    }

    fn end(&mut self, at: Timestamp, end: EndRecovery) -> Reply {
        self.take(at, Command::EndRecovery(Box::new(end))).reply
    }

    fn detect(&mut self, at: Timestamp, new: RegisterDetection) -> Reply {
        self.take(at, Command::RegisterDetection(Box::new(new)))
            .reply
    }

    fn acknowledge(&mut self, at: Timestamp, which: Acknowledged) -> Reply {
        let command = Command::AcknowledgeRecoveries {
            which,
            by: "ann".to_owned(),
            comment: "seen".to_owned(),
        };
        self.take(at, command).reply
    }

    fn recovery(&self, number: u128) -> &Recovery {
        &self.state.recoveries[&id(number)]
    }
}

/// A recovery of the dead `a`, with `b` and `c` below it.
fn recovery(number: u128) -> RegisterRecovery {
    RegisterRecovery {
        id: id(number),
        kind: RecoveryKind::DeadPrimary,
        code: FindingCode::DeadPrimary,
        subject: key("a"),
        cluster: "a:3306".to_owned(),
        cluster_alias: "main".to_owned(),
        replicas: vec![key("b"), key("c")],
        servers: vec![server("a", ""), server("b", "u2"), server("c", "")],
        requested_by: String::new(),
        is_forced: false,
        plan: vec![1, 2],
        node: "n1".to_owned(),
        fence: fence(1),
        sessions: vec![session("b", 7)],
        block_period: HOUR,
        kept_for: WEEK,
    }
}

fn forced(number: u128) -> RegisterRecovery {
    RegisterRecovery {
        is_forced: true,
        requested_by: "ann".to_owned(),
        ..recovery(number)
    }
}

fn ended(number: u128, outcome: RecoveryOutcome) -> EndRecovery {
    EndRecovery {
        id: id(number),
        fence: fence(1),
        outcome,
        successor: (outcome == RecoveryOutcome::Succeeded).then(|| key("b")),
        successor_alias: String::new(),
        lost: vec![],
        participants: vec![key("b"), key("c")],
        errors: vec![],
        data_loss: None,
        times: TimeSplit::default(),
        downtimes: vec![],
        news: RecoveryNews::default(),
    }
}

fn detection(number: u128, subject: &str) -> RegisterDetection {
    RegisterDetection {
        recovery: id(number),
        code: FindingCode::DeadPrimary,
        subject: key(subject),
        cluster: format!("{subject}:3306"),
        cluster_alias: "main".to_owned(),
        replicas: vec![key("b")],
        is_actionable: true,
        description: "gone".to_owned(),
        node: "n1".to_owned(),
        active_until: NOON.plus(HOUR),
        kept_until: NOON.plus(WEEK),
    }
}

fn refusal(reply: Reply) -> Refusal {
    match reply {
        Reply::Refused(why) => why,
        reply => panic!("{reply:?}"),
    }
}

fn note(text: &str) -> (Timestamp, String) {
    (NOON, text.to_owned())
}

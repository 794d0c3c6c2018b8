//! Commands of recoveries for histories.

use std::time::Duration;

use orchestrator_core::decided::{
    Command, EndRecovery, LostServer, RecoveryNews, RegisterDetection, RegisterRecovery,
};
use orchestrator_core::domain::{
    DataLoss, Fence, FindingCode, InstanceKey, RecoveryId, RecoveryKind, RecoveryOutcome,
    RecoverySessionId, TimeSplit, Timestamp, TouchedServer,
};

use super::MINUTE;

/// Something was found.
pub fn detection(
    recovery: RecoveryId,
    subject: InstanceKey,
    is_actionable: bool,
    until: Timestamp,
) -> Command {
    Command::RegisterDetection(Box::new(RegisterDetection {
        recovery,
        code: FindingCode::DeadPrimary,
        subject,
        cluster: "c".to_owned(),
        cluster_alias: String::new(),
        replicas: vec![],
        is_actionable,
        description: "d".to_owned(),
        node: "n".to_owned(),
        active_until: until,
        kept_until: until,
    }))
}

/// A recovery of one server that touches nobody else.
pub fn registration(
    id: RecoveryId,
    subject: InstanceKey,
    is_forced: bool,
    fence: Fence,
) -> Command {
    let server = TouchedServer {
        key: subject.clone(),
        uuid: String::new(),
    };
    Command::RegisterRecovery(Box::new(RegisterRecovery {
        id,
        kind: RecoveryKind::DeadPrimary,
        code: FindingCode::DeadPrimary,
        subject,
        cluster: "c".to_owned(),
        cluster_alias: "main".to_owned(),
        replicas: vec![],
        servers: vec![server],
        requested_by: String::new(),
        is_forced,
        plan: vec![1, 0, 255],
        node: "n".to_owned(),
        fence,
        sessions: vec![],
        block_period: MINUTE * 20,
        kept_for: Duration::from_secs(3_600),
    }))
}

/// A session, a step and a note.
pub fn news(server: &InstanceKey, at: Timestamp, variety: u64) -> RecoveryNews {
    RecoveryNews {
        opened: vec![RecoverySessionId {
            server: server.clone(),
            connection_id: u64::MAX - variety,
        }],
        ended: vec![],
        steps: vec![(variety as u32, vec![0, 255, variety as u8])],
        notes: vec![(at, "Schritt: \u{fc}ber \u{1f980}".to_owned())],
    }
}

/// A success that leaves one server behind.
pub fn end(
    id: RecoveryId,
    lost: InstanceKey,
    fence: Fence,
    ends_at: Timestamp,
    news: RecoveryNews,
) -> Command {
    Command::EndRecovery(Box::new(EndRecovery {
        id,
        fence,
        outcome: RecoveryOutcome::Succeeded,
        successor: Some(lost.clone()),
        successor_alias: String::new(),
        lost: vec![],
        participants: vec![],
        errors: vec!["e".to_owned()],
        data_loss: Some(DataLoss::NoneProven),
        times: TimeSplit::default(),
        downtimes: vec![LostServer {
            key: lost,
            owner: "o".to_owned(),
            reason: "lost-in-recovery".to_owned(),
            ends_at,
        }],
        news,
    }))
}

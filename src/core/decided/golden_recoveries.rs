//! The literal bytes of what is stored about recoveries; see `golden`.

use std::sync::Arc;
use std::time::Duration;

use super::golden::{at, key};
use super::{
    Acknowledged, Command, EndRecovery, LostServer, RecoveryNews, RecoveryStepCommand, Refusal,
    RegisterDetection, RegisterRecovery, Reply, RowChange,
};
use crate::domain::{
    Acknowledgement, DataLoss, Detection, Fence, FindingCode, Phase, RecordedStep,
    RecoveriesDisabled, Recovery, RecoveryEnd, RecoveryId, RecoveryKind, RecoveryNote,
    RecoveryOutcome, RecoverySessionId, TimeSplit, TouchedServer,
};

type Golden<T> = Vec<(&'static str, T, &'static str)>;

const ID: RecoveryId = RecoveryId::from_number(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);

fn session(connection_id: u64) -> RecoverySessionId {
    RecoverySessionId {
        server: key(),
        connection_id,
    }
}

fn server() -> TouchedServer {
    TouchedServer {
        key: key(),
        uuid: "u".to_owned(),
    }
}

fn news() -> RecoveryNews {
    RecoveryNews {
        opened: vec![session(7)],
        ended: vec![session(8)],
        steps: vec![(3, vec![1, 2])],
        notes: vec![(at(1), "n".to_owned())],
    }
}

fn times() -> TimeSplit {
    TimeSplit {
        detect: Some(Duration::from_millis(1)),
        decide: None,
        close: Some(Duration::from_secs(2)),
        promote: None,
        publish: None,
    }
}

fn loss() -> DataLoss {
    DataLoss::Unknown {
        at_most_since: Some(at(1)),
        at_least: vec![(key(), "0-1-5".to_owned())],
    }
}

fn step(step: RecoveryStepCommand) -> Command {
    Command::RecoveryStep {
        id: ID,
        step: Box::new(step),
    }
}

fn acknowledge(which: Acknowledged) -> Command {
    Command::AcknowledgeRecoveries {
        which,
        by: "ann".to_owned(),
        comment: "c".to_owned(),
    }
}

fn end(outcome: RecoveryOutcome, data_loss: Option<DataLoss>) -> Command {
    Command::EndRecovery(Box::new(EndRecovery {
        id: ID,
        fence: Fence::from_number(4),
        outcome,
        successor: Some(key()),
        successor_alias: "s".to_owned(),
        lost: vec![key()],
        participants: vec![key()],
        errors: vec!["e".to_owned()],
        data_loss,
        times: times(),
        downtimes: vec![LostServer {
            key: key(),
            owner: "o".to_owned(),
            reason: "r".to_owned(),
            ends_at: at(9),
        }],
        news: news(),
    }))
}

fn register(kind: RecoveryKind) -> Command {
    Command::RegisterRecovery(Box::new(RegisterRecovery {
        id: ID,
        kind,
        code: FindingCode::DeadPrimary,
        subject: key(),
        cluster: "c".to_owned(),
        cluster_alias: "a".to_owned(),
        replicas: vec![key()],
        servers: vec![server()],
        requested_by: "ann".to_owned(),
        is_forced: true,
        plan: vec![1, 2, 3],
        node: "n".to_owned(),
        fence: Fence::from_number(4),
        sessions: vec![session(7)],
        block_period: Duration::from_secs(3600),
        kept_for: Duration::from_secs(604_800),
    }))
}

pub(super) fn commands() -> Golden<Command> {
    vec![
        (
            "RegisterDetection",
            Command::RegisterDetection(Box::new(RegisterDetection {
                recovery: ID,
                code: FindingCode::DeadPrimaryAndSomeReplicas,
                subject: key(),
                cluster: "c".to_owned(),
                cluster_alias: "a".to_owned(),
                replicas: vec![key()],
                is_actionable: true,
                description: "d".to_owned(),
                node: "n".to_owned(),
                active_until: at(2),
                kept_until: at(3),
            })),
            "0108feefcdab8967452301efcdab89674523010303646231fbeb0c016301610103646231fbeb0c010164016efc00093d00fc808d5b00",
        ),
        (
            "RegisterRecovery primary",
            register(RecoveryKind::DeadPrimary),
            "0109feefcdab8967452301efcdab8967452301000103646231fbeb0c016301610103646231fbeb0c0103646231fbeb0c017503616e6e0103010203016e040103646231fbeb0c07fb100e00fc803a090000",
        ),
        (
            "RegisterRecovery intermediate",
            register(RecoveryKind::DeadIntermediateSource),
            "0109feefcdab8967452301efcdab8967452301010103646231fbeb0c016301610103646231fbeb0c0103646231fbeb0c017503616e6e0103010203016e040103646231fbeb0c07fb100e00fc803a090000",
        ),
        (
            "RegisterRecovery co-primary",
            register(RecoveryKind::DeadCoPrimary),
            "0109feefcdab8967452301efcdab8967452301020103646231fbeb0c016301610103646231fbeb0c0103646231fbeb0c017503616e6e0103010203016e040103646231fbeb0c07fb100e00fc803a090000",
        ),
        (
            "RegisterRecovery takeover",
            register(RecoveryKind::Takeover),
            "0109feefcdab8967452301efcdab8967452301030103646231fbeb0c016301610103646231fbeb0c0103646231fbeb0c017503616e6e0103010203016e040103646231fbeb0c07fb100e00fc803a090000",
        ),
        (
            "RegisterRecovery settings",
            register(RecoveryKind::Settings),
            "0109feefcdab8967452301efcdab8967452301040103646231fbeb0c016301610103646231fbeb0c0103646231fbeb0c017503616e6e0103010203016e040103646231fbeb0c07fb100e00fc803a090000",
        ),
        (
            "RecoveryStep take over",
            step(RecoveryStepCommand::TakeOver {
                fence: Fence::from_number(5),
                node: "n".to_owned(),
            }),
            "010afeefcdab8967452301efcdab89674523010005016e",
        ),
        (
            "RecoveryStep enter",
            step(RecoveryStepCommand::Enter {
                fence: Fence::from_number(5),
                phase: Phase::ReceiversStopped,
                news: news(),
            }),
            "010afeefcdab8967452301efcdab89674523010105010103646231fbeb0c070103646231fbeb0c08010302010201fc80841e00016e",
        ),
        (
            "RecoveryStep record",
            step(RecoveryStepCommand::Record {
                fence: Fence::from_number(5),
                news: news(),
            }),
            "010afeefcdab8967452301efcdab896745230102050103646231fbeb0c070103646231fbeb0c08010302010201fc80841e00016e",
        ),
        (
            "RecoveryStep state loss",
            step(RecoveryStepCommand::StateLoss {
                loss: loss(),
                notes: vec![],
            }),
            "010afeefcdab8967452301efcdab8967452301030101fc80841e000103646231fbeb0c05302d312d3500",
        ),
        (
            "RecoveryStep note",
            step(RecoveryStepCommand::Note {
                notes: vec![(at(1), "n".to_owned())],
            }),
            "010afeefcdab8967452301efcdab89674523010401fc80841e00016e",
        ),
        (
            "RecoveryStep replan",
            step(RecoveryStepCommand::Replan {
                fence: Fence::from_number(5),
                plan: vec![1, 2],
                news: news(),
            }),
            "010afeefcdab8967452301efcdab896745230105050201020103646231fbeb0c070103646231fbeb0c08010302010201fc80841e00016e",
        ),
        (
            "RecoveryStep watch",
            step(RecoveryStepCommand::Watch {
                opened: vec![session(7)],
                ended: vec![session(8)],
            }),
            "010afeefcdab8967452301efcdab8967452301060103646231fbeb0c070103646231fbeb0c08",
        ),
        (
            "RecoveryStep leave stopped",
            step(RecoveryStepCommand::LeaveStopped {
                fence: Fence::from_number(5),
                servers: vec![key()],
            }),
            "010afeefcdab8967452301efcdab896745230107050103646231fbeb0c",
        ),
        (
            "RecoveryStep settled",
            step(RecoveryStepCommand::Settled {
                server: key(),
                notes: vec![(at(1), "n".to_owned())],
            }),
            "010afeefcdab8967452301efcdab89674523010803646231fbeb0c01fc80841e00016e",
        ),
        (
            "RecoveryStep publish",
            step(RecoveryStepCommand::Publish {
                fence: Fence::from_number(5),
                promoted: key(),
                news: news(),
            }),
            "010afeefcdab8967452301efcdab8967452301090503646231fbeb0c0103646231fbeb0c070103646231fbeb0c08010302010201fc80841e00016e",
        ),
        (
            "EndRecovery succeeded",
            end(RecoveryOutcome::Succeeded, Some(DataLoss::NoneProven)),
            "010bfeefcdab8967452301efcdab896745230104000103646231fbeb0c01730103646231fbeb0c0103646231fbeb0c01016501000100fc40420f000001020000000103646231fbeb0c016f0172fc80a812010103646231fbeb0c070103646231fbeb0c08010302010201fc80841e00016e",
        ),
        (
            "EndRecovery failed",
            end(RecoveryOutcome::Failed, Some(loss())),
            "010bfeefcdab8967452301efcdab896745230104010103646231fbeb0c01730103646231fbeb0c0103646231fbeb0c010165010101fc80841e000103646231fbeb0c05302d312d350100fc40420f000001020000000103646231fbeb0c016f0172fc80a812010103646231fbeb0c070103646231fbeb0c08010302010201fc80841e00016e",
        ),
        (
            "EndRecovery called off",
            end(
                RecoveryOutcome::CalledOff,
                Some(DataLoss::Exactly {
                    set: "s".to_owned(),
                }),
            ),
            "010bfeefcdab8967452301efcdab896745230104020103646231fbeb0c01730103646231fbeb0c0103646231fbeb0c010165010201730100fc40420f000001020000000103646231fbeb0c016f0172fc80a812010103646231fbeb0c070103646231fbeb0c08010302010201fc80841e00016e",
        ),
        (
            "AcknowledgeRecoveries all",
            acknowledge(Acknowledged::All),
            "010c0003616e6e0163",
        ),
        (
            "AcknowledgeRecoveries number",
            acknowledge(Acknowledged::Number(300)),
            "010c01fb2c0103616e6e0163",
        ),
        (
            "AcknowledgeRecoveries id",
            acknowledge(Acknowledged::Id(ID)),
            "010c02feefcdab8967452301efcdab896745230103616e6e0163",
        ),
        (
            "AcknowledgeRecoveries cluster",
            acknowledge(Acknowledged::Cluster {
                name: "c".to_owned(),
                alias: "a".to_owned(),
            }),
            "010c030163016103616e6e0163",
        ),
        (
            "AcknowledgeRecoveries instance",
            acknowledge(Acknowledged::Instance(key())),
            "010c0403646231fbeb0c03616e6e0163",
        ),
        (
            "DisableRecoveries",
            Command::DisableRecoveries {
                by: "ann".to_owned(),
            },
            "010d03616e6e",
        ),
        ("EnableRecoveries", Command::EnableRecoveries, "010e"),
        (
            "SetGroupNodes",
            Command::SetGroupNodes {
                old: vec!["a:1".to_owned()],
                new: vec!["b:1".to_owned()],
                reported: vec![("a:1".to_owned(), vec!["b:1".to_owned()])],
            },
            "010f0103613a310103623a310103613a310103623a31",
        ),
    ]
}

pub(super) fn replies() -> Golden<Reply> {
    vec![
        ("Acknowledged", Reply::Acknowledged(300), "0103fb2c01"),
        (
            "Refused under way",
            Reply::Refused(Refusal::RecoveryUnderWay {
                number: 3,
                subject: key(),
                server: key(),
            }),
            "0102080303646231fbeb0c03646231fbeb0c",
        ),
        (
            "Refused block period",
            Reply::Refused(Refusal::InBlockPeriod {
                number: 3,
                subject: key(),
                server: key(),
                until: at(9),
            }),
            "0102090303646231fbeb0c03646231fbeb0cfc80a81201",
        ),
        (
            "Refused disabled",
            Reply::Refused(Refusal::RecoveriesDisabled {
                by: "ann".to_owned(),
            }),
            "01020a03616e6e",
        ),
        (
            "Refused exists",
            Reply::Refused(Refusal::RecoveryExists),
            "01020b",
        ),
        (
            "Refused unknown recovery",
            Reply::Refused(Refusal::UnknownRecovery),
            "01020c",
        ),
        (
            "Refused ended",
            Reply::Refused(Refusal::RecoveryHasEnded),
            "01020d",
        ),
        (
            "Refused not ended",
            Reply::Refused(Refusal::RecoveryHasNotEnded),
            "01020e",
        ),
        (
            "Refused fence",
            Reply::Refused(Refusal::OtherFence {
                current: Fence::from_number(4),
            }),
            "01020f04",
        ),
        (
            "Refused phase",
            Reply::Refused(Refusal::PhaseOutOfOrder {
                current: Phase::Promoted,
            }),
            "01021002",
        ),
        ("Refused long", Reply::Refused(Refusal::TooLong), "010211"),
        (
            "Refused other nodes",
            Reply::Refused(Refusal::OtherGroupNodes),
            "010212",
        ),
        (
            "Refused bad nodes",
            Reply::Refused(Refusal::BadGroupNodes),
            "010213",
        ),
    ]
}

pub(super) fn detection() -> Detection {
    Detection {
        recovery: ID,
        code: FindingCode::DeadPrimary,
        subject: key(),
        cluster: "c".to_owned(),
        cluster_alias: "a".to_owned(),
        replicas: vec![key()],
        is_actionable: true,
        description: "d".to_owned(),
        detected_at: at(1),
        node: "n".to_owned(),
        active_until: at(2),
        kept_until: at(3),
    }
}

pub(super) fn recovery(is_over: bool) -> Recovery {
    Recovery {
        number: 3,
        kind: RecoveryKind::DeadPrimary,
        code: FindingCode::DeadPrimary,
        subject: key(),
        cluster: "c".to_owned(),
        cluster_alias: "a".to_owned(),
        replicas: vec![key()],
        servers: vec![server()],
        requested_by: "ann".to_owned(),
        detection: 2,
        plan: vec![1, 2, 3],
        registered_at: at(1),
        node: "n".to_owned(),
        fence: Fence::from_number(4),
        attempt: 2,
        phase: Phase::Published,
        entered: vec![(Phase::Registered, at(1)), (Phase::Published, at(2))],
        sessions: vec![session(7)],
        stale_sessions: vec![session(8)],
        kept_for: Duration::from_secs(604_800),
        end: is_over.then(|| RecoveryEnd {
            at: at(3),
            outcome: RecoveryOutcome::Failed,
            successor: Some(key()),
            successor_alias: "s".to_owned(),
            lost: vec![key()],
            participants: vec![key()],
            errors: vec!["e".to_owned()],
            data_loss: Some(loss()),
            times: times(),
        }),
        acknowledgement: is_over.then(|| Acknowledgement {
            at: at(4),
            by: "ann".to_owned(),
            comment: "c".to_owned(),
        }),
    }
}

pub(super) fn row_changes() -> Golden<RowChange> {
    vec![
        (
            "PutDetection",
            RowChange::PutDetection(300, Arc::new(detection())),
            "0108fb2c01feefcdab8967452301efcdab89674523010103646231fbeb0c016301610103646231fbeb0c010164fc80841e00016efc00093d00fc808d5b00",
        ),
        (
            "DeleteDetection",
            RowChange::DeleteDetection(300),
            "0109fb2c01",
        ),
        (
            "PutRecovery under way",
            RowChange::PutRecovery(ID, Arc::new(recovery(false))),
            "010afeefcdab8967452301efcdab896745230103000103646231fbeb0c016301610103646231fbeb0c0103646231fbeb0c017503616e6e0203010203fc80841e00016e0402030200fc80841e0003fc00093d000103646231fbeb0c070103646231fbeb0c08fc803a0900000000",
        ),
        (
            "PutRecovery over",
            RowChange::PutRecovery(ID, Arc::new(recovery(true))),
            "010afeefcdab8967452301efcdab896745230103000103646231fbeb0c016301610103646231fbeb0c0103646231fbeb0c017503616e6e0203010203fc80841e00016e0402030200fc80841e0003fc00093d000103646231fbeb0c070103646231fbeb0c08fc803a09000001fc808d5b00010103646231fbeb0c01730103646231fbeb0c0103646231fbeb0c010165010101fc80841e000103646231fbeb0c05302d312d350100fc40420f0000010200000001fc00127a0003616e6e0163",
        ),
        (
            "DeleteRecovery",
            RowChange::DeleteRecovery(ID),
            "010bfeefcdab8967452301efcdab8967452301",
        ),
        (
            "PutRecoveryStep",
            RowChange::PutRecoveryStep(
                ID,
                300,
                RecordedStep {
                    fence: Fence::from_number(4),
                    at: at(1),
                    state: vec![1, 2],
                },
            ),
            "010cfeefcdab8967452301efcdab8967452301fb2c0104fc80841e00020102",
        ),
        (
            "DeleteRecoveryStep",
            RowChange::DeleteRecoveryStep(ID, 300),
            "010dfeefcdab8967452301efcdab8967452301fb2c01",
        ),
        (
            "PutRecoveryNote",
            RowChange::PutRecoveryNote(
                ID,
                RecoveryNote {
                    number: 300,
                    at: at(1),
                    text: "t".to_owned(),
                },
            ),
            "010efeefcdab8967452301efcdab8967452301fb2c01fc80841e000174",
        ),
        (
            "DeleteRecoveryNote",
            RowChange::DeleteRecoveryNote(ID, 300),
            "010ffeefcdab8967452301efcdab8967452301fb2c01",
        ),
        (
            "PutRecoveriesDisabled",
            RowChange::PutRecoveriesDisabled(RecoveriesDisabled {
                by: "ann".to_owned(),
                at: at(1),
            }),
            "011003616e6efc80841e00",
        ),
        (
            "DeleteRecoveriesDisabled",
            RowChange::DeleteRecoveriesDisabled,
            "0111",
        ),
        (
            "PutLeftStopped",
            RowChange::PutLeftStopped(key(), ID),
            "011403646231fbeb0cfeefcdab8967452301efcdab8967452301",
        ),
        (
            "DeleteLeftStopped",
            RowChange::DeleteLeftStopped(key()),
            "011503646231fbeb0c",
        ),
    ]
}

pub(super) fn records() -> (Golden<Recovery>, Golden<Detection>) {
    (
        vec![(
            "Recovery",
            recovery(true),
            "0103000103646231fbeb0c016301610103646231fbeb0c0103646231fbeb0c017503616e6e0203010203fc80841e00016e0402030200fc80841e0003fc00093d000103646231fbeb0c070103646231fbeb0c08fc803a09000001fc808d5b00010103646231fbeb0c01730103646231fbeb0c0103646231fbeb0c010165010101fc80841e000103646231fbeb0c05302d312d350100fc40420f0000010200000001fc00127a0003616e6e0163",
        )],
        vec![(
            "Detection",
            detection(),
            "01feefcdab8967452301efcdab89674523010103646231fbeb0c016301610103646231fbeb0c010164fc80841e00016efc00093d00fc808d5b00",
        )],
    )
}

//! The literal bytes of what is kept about a recovery. A failure here means that a plan which an earlier release has
//! registered would be read wrongly: give the type a new format instead of changing these lines.

use std::time::Duration;

use super::sound;
use crate::decided::codec::{DecodeError, decode, encode};
use crate::decided::golden::{check, variants};
use crate::domain::gtid::{MariadbPosition, OracleGtidSet};
use crate::domain::{LogCoordinates, Timestamp};
use crate::recovery::plan::{
    Action, DataLoss, EndOfRecovery, Fate, Left, OldPrimary, Phase, Plan, Progress, Replan, Step,
    StepState, WhyFailed,
};
use crate::recovery::ranking::{Choice, Comparison, Criterion, Preference};
use crate::recovery::testing::key;
use crate::recovery::{Demand, DemandLevel, Ground, Holdings, Unapplied};

const UUID: &str = "00000000-0000-0000-0000-0000000000aa";

fn oracle() -> Holdings {
    let read = |text: &str| OracleGtidSet::parse(text).expect("a set");
    Holdings::Oracle {
        received: read(&format!("{UUID}:1-9,\n{UUID}:tag:3")),
        applied: read(&format!("{UUID}:1-7")),
    }
}

fn mariadb() -> Holdings {
    let read = |text: &str| MariadbPosition::parse(text).expect("a position");
    Holdings::Mariadb {
        received: read("0-1-9,1-2-5"),
        applied: read("0-1-7"),
    }
}

fn positions() -> Holdings {
    let at = |offset| LogCoordinates::new("bin.000004", offset).expect("a place");
    Holdings::Positions {
        received: at(900),
        applied: at(154),
    }
}

/// Every kind of fate.
fn fates() -> Vec<Fate> {
    vec![
        Fate::Promoted,
        Fate::Moved,
        Fate::Left(Left::Unreachable),
        Fate::Left(Left::Downtime),
        Fate::Left(Left::HasMore {
            set: "x".to_owned(),
        }),
        Fate::Left(Left::Illegible),
        Fate::Left(Left::CannotFollow {
            why: "y".to_owned(),
        }),
        Fate::Left(Left::AppliesLater {
            unapplied: Unapplied::Transactions(5),
        }),
    ]
}

/// Every kind of action.
fn actions() -> Vec<Action> {
    vec![
        Action::StartApplier,
        Action::StopReceiver,
        Action::AwaitApplied,
        Action::StopApplier,
        Action::Repoint { source: key("s") },
        Action::StartReplication,
        Action::AwaitAllOf { other: key("o") },
        Action::ForgetSource,
        Action::MakeWritable,
        Action::Detach,
        Action::SemiSyncSource(true),
        Action::SemiSyncReplica(false),
    ]
}

/// Not a sound plan, but one with everything in it.
fn full() -> Plan {
    let steps = actions().into_iter().map(|action| Step {
        phase: Phase::Published,
        on: key("b"),
        action,
        after: vec![0, 300],
        deadline: Some(Duration::from_millis(1500)),
        is_required: true,
    });
    let names = ["b", "c", "d", "e", "f", "g", "h", "i"];
    Plan {
        dead: key("a"),
        demand: Demand::forced(Some(key("b"))),
        made_at: Timestamp::from_seconds(1_800_000_000),
        ground: Ground::Mariadb,
        choice: Choice {
            head: key("c"),
            promoted: key("b"),
            preference: Preference::Preferred,
        },
        comparisons: vec![Comparison {
            better: key("b"),
            worse: key("c"),
            by: Criterion::Rule,
            detail: "z".to_owned(),
        }],
        fates: names.into_iter().map(key).zip(fates()).collect(),
        holdings: [
            (key("b"), mariadb()),
            (key("c"), oracle()),
            (key("d"), positions()),
        ]
        .into(),
        steps: steps.collect(),
        steps_at_once: 5,
    }
}

#[test]
fn a_plan_keeps_its_bytes() {
    check(&[(
        "Plan",
        full(),
        "010161fbea0c02010162fbea0c00fd000031512eca0c00010163fbea0c0162fbea0c03010162fbea0c0163fbea0c02017a080162fbea0c000163fbea0c010164fbea0c02000165fbea0c02010166fbea0c020201780167fbea0c02030168fbea0c020401790169fbea0c02050105030162fbea0c010b302d312d392c312d322d3505302d312d370163fbea0c002e30303030303030302d303030302d303030302d303030302d3030303030303030303061613a312d393a7461673a332830303030303030302d303030302d303030302d303030302d3030303030303030303061613a312d370164fbea0c020e62696e2e3030303030343a3930300e62696e2e3030303030343a3135340c030162fbea0c000200fb2c010101fc0065cd1d01030162fbea0c010200fb2c010101fc0065cd1d01030162fbea0c020200fb2c010101fc0065cd1d01030162fbea0c030200fb2c010101fc0065cd1d01030162fbea0c040173fbea0c0200fb2c010101fc0065cd1d01030162fbea0c050200fb2c010101fc0065cd1d01030162fbea0c06016ffbea0c0200fb2c010101fc0065cd1d01030162fbea0c070200fb2c010101fc0065cd1d01030162fbea0c080200fb2c010101fc0065cd1d01030162fbea0c090200fb2c010101fc0065cd1d01030162fbea0c0a010200fb2c010101fc0065cd1d01030162fbea0c0b000200fb2c010101fc0065cd1d0105",
    )]);
}

#[test]
fn progress_and_its_end_keep_their_bytes() {
    let failed = |why| StepState::Failed(why);
    let not_applied = WhyFailed::NotApplied {
        on: key("b"),
        unapplied: Some(Unapplied::Log { files: 1, bytes: 2 }),
    };
    let deadline = WhyFailed::Deadline {
        number: 7,
        on: key("b"),
        action: Action::Detach,
    };
    let refused = WhyFailed::Refused {
        number: 8,
        on: key("c"),
        reason: "no".to_owned(),
    };
    let progress = Progress {
        phase: Phase::Promoted,
        steps: [
            (0, StepState::Begun(Timestamp::from_seconds(1))),
            (1, StepState::Done(Timestamp::from_seconds(2))),
            (2, failed(not_applied.clone())),
            (3, failed(deadline)),
            (4, failed(refused.clone())),
            (5, failed(WhyFailed::HasMore { on: key("d") })),
            (
                6,
                StepState::GivenUp {
                    at: Timestamp::from_seconds(3),
                    unapplied: Some(Unapplied::Nothing),
                },
            ),
        ]
        .into(),
        old_primary: OldPrimary::Closed,
    };
    check(&[(
        "Progress",
        progress,
        "0102070000fc80841e000101fc00093d000202000162fbea0c01020102030201070162fbea0c09040203080163fbea0c026e6f0502020164fbea0c0603fc808d5b00010002",
    )]);
    check(&[
        (
            "Succeeded",
            EndOfRecovery::Succeeded {
                unmoved: vec![(key("c"), refused)],
            },
            "0100010163fbea0c03080163fbea0c026e6f",
        ),
        (
            "Failed",
            EndOfRecovery::Failed {
                on: key("b"),
                why: not_applied,
            },
            "01010162fbea0c000162fbea0c01020102",
        ),
    ]);
}

#[test]
fn the_state_of_a_step_keeps_its_bytes() {
    let at = Timestamp::from_seconds(1);
    check(&[
        ("Begun", StepState::Begun(at), "0100fc80841e00"),
        ("Done", StepState::Done(at), "0101fc80841e00"),
        (
            "Failed",
            StepState::Failed(WhyFailed::HasMore { on: key("d") }),
            "0102020164fbea0c",
        ),
        (
            "GivenUp",
            StepState::GivenUp {
                at,
                unapplied: None,
            },
            "0103fc80841e0000",
        ),
    ]);
}

#[test]
fn the_statement_about_data_loss_keeps_its_bytes() {
    check(&[
        ("NoneProven", DataLoss::NoneProven, "0100"),
        (
            "Unknown",
            DataLoss::Unknown {
                at_most_since: Some(Timestamp::from_seconds(3)),
                at_least: vec![(key("c"), "x".to_owned())],
            },
            "010101fc808d5b00010163fbea0c0178",
        ),
        (
            "Exactly",
            DataLoss::Exactly {
                set: "x".to_owned(),
            },
            "01020178",
        ),
    ]);
}

/// A variant is stored as its place in these lists: they only grow, at the end.
#[test]
fn variants_keep_their_places() {
    let phases = [
        "Registered",
        "ReceiversStopped",
        "Promoted",
        "Published",
        "Ended",
    ];
    assert_eq!(variants::<Phase>(), phases);
    let actions = [
        "StartApplier",
        "StopReceiver",
        "AwaitApplied",
        "StopApplier",
        "Repoint",
        "StartReplication",
        "AwaitAllOf",
        "ForgetSource",
        "MakeWritable",
        "Detach",
        "SemiSyncSource",
        "SemiSyncReplica",
    ];
    assert_eq!(variants::<Action>(), actions);
    assert_eq!(variants::<DemandLevel>(), ["Automatic", "ByHand", "Forced"]);
    assert_eq!(variants::<Fate>(), ["Promoted", "Moved", "Left"]);
    let left = [
        "Unreachable",
        "Downtime",
        "HasMore",
        "Illegible",
        "CannotFollow",
        "AppliesLater",
    ];
    assert_eq!(variants::<Left>(), left);
    assert_eq!(variants::<Ground>(), ["Oracle", "Mariadb", "Positions"]);
    assert_eq!(variants::<Holdings>(), ["Oracle", "Mariadb", "Positions"]);
    assert_eq!(variants::<Unapplied>(), ["Nothing", "Transactions", "Log"]);
    let preferences = [
        "PreferredInPlace",
        "AdvancedAndPreferred",
        "PreferredBesideHead",
        "Preferred",
        "NeutralInPlace",
        "NeutralBesideHead",
        "Neutral",
        "MostAdvanced",
        "Named",
    ];
    assert_eq!(variants::<Preference>(), preferences);
    let criteria = [
        "Received",
        "Applied",
        "Rule",
        "DataCenter",
        "Environment",
        "Version",
        "Format",
        "Followers",
        "Address",
    ];
    assert_eq!(variants::<Criterion>(), criteria);
    assert_eq!(
        variants::<StepState>(),
        ["Begun", "Done", "Failed", "GivenUp"]
    );
    assert_eq!(variants::<OldPrimary>(), ["Silent", "Answers", "Closed"]);
    assert_eq!(variants::<EndOfRecovery>(), ["Succeeded", "Failed"]);
    assert_eq!(
        variants::<WhyFailed>(),
        ["NotApplied", "Deadline", "HasMore", "Refused"]
    );
    assert_eq!(variants::<DataLoss>(), ["NoneProven", "Unknown", "Exactly"]);
    assert_eq!(variants::<Replan>(), ["HasMore", "Shrank", "Unreadable"]);
}

#[test]
fn plans_of_drawings_read_back_as_they_were() {
    for text in [
        "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting gtid=..1-95 promotion=prefer]",
        "a [10.11.6-MariaDB unreachable]\n+ b [10.11.6-MariaDB io=connecting]\n+ c [10.11.6-MariaDB io=connecting]",
        "a [no-gtid unreachable]\n+ b [no-gtid io=connecting]",
    ] {
        let plan = sound(text);
        let bytes = encode(&plan).expect("it fits");
        assert_eq!(decode::<Plan>(&bytes), Ok(plan));
    }
}

#[test]
fn a_cut_or_changed_plan_is_refused() {
    let bytes = encode(&full()).expect("it fits");
    for end in 1..bytes.len() {
        assert!(
            matches!(
                decode::<Plan>(&bytes[..end]),
                Err(DecodeError::Damaged { .. })
            ),
            "cut to {end} bytes"
        );
    }
    // A set that its parser does not let in: numbers that run backwards.
    let text = format!("{UUID}:1-7");
    let at = bytes
        .windows(text.len())
        .position(|window| window == text.as_bytes())
        .expect("the set is stored as its text");
    let mut changed = bytes;
    changed[at + text.len() - 1] = b'0';
    assert!(matches!(
        decode::<Plan>(&changed),
        Err(DecodeError::Damaged { .. })
    ));
}

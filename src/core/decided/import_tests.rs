use std::time::Duration;

use super::*;
use crate::decided::{Command, Origin, Proposal, apply};
use crate::domain::{
    Fence, FindingCode, Phase, RecoveryEnd, RecoveryKind, RecoveryOutcome, TimeSplit,
};

const NOON: Timestamp = Timestamp::from_seconds(1_700_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).unwrap()
}

fn portion(rows: Vec<ImportedRow>, is_last: bool) -> ImportPortion {
    ImportPortion {
        source: "/var/lib/old.sqlite3".to_owned(),
        node: "n1".to_owned(),
        rows,
        is_last,
    }
}

fn downtime(name: &str, reason: &str) -> ImportedRow {
    let row = Downtime {
        owner: "ann".to_owned(),
        reason: reason.to_owned(),
        begins_at: NOON.minus(HOUR),
        ends_at: NOON.plus(HOUR),
    };
    ImportedRow::Downtime(key(name), row)
}

fn candidate(name: &str, rule: PromotionRule) -> ImportedRow {
    let row = Candidate {
        rule,
        registered_at: NOON.minus(HOUR / 2),
        expires_at: NOON.plus(HOUR / 2),
    };
    ImportedRow::Candidate(key(name), row)
}

fn alias(cluster: &str, alias: &str) -> ImportedRow {
    ImportedRow::ClusterAlias {
        cluster: cluster.to_owned(),
        alias: alias.to_owned(),
    }
}

fn recovery(old: u64) -> ImportedRow {
    let end = RecoveryEnd {
        at: NOON.minus(HOUR / 2),
        outcome: RecoveryOutcome::Succeeded,
        successor: Some(key("b")),
        successor_alias: String::new(),
        lost: vec![],
        participants: vec![],
        errors: vec![],
        data_loss: None,
        times: TimeSplit::default(),
    };
    let row = Recovery {
        number: 0,
        kind: RecoveryKind::DeadPrimary,
        code: FindingCode::DeadPrimary,
        subject: key("a"),
        cluster: "a:3306".to_owned(),
        cluster_alias: String::new(),
        replicas: vec![key("b")],
        servers: vec![],
        requested_by: String::new(),
        detection: 0,
        plan: vec![],
        registered_at: NOON.minus(HOUR),
        node: "old".to_owned(),
        fence: Fence::default(),
        attempt: 1,
        phase: Phase::Ended,
        entered: vec![],
        sessions: vec![],
        stale_sessions: vec![],
        kept_for: HOUR * 24,
        end: Some(end),
        acknowledgement: None,
    };
    ImportedRow::Recovery {
        old,
        id: RecoveryId::from_number(u128::from(old)),
        row: Box::new(row),
        notes: vec![(NOON, "one".to_owned()), (NOON, "two".to_owned())],
    }
}

fn detection(old: u64, kept_until: Timestamp) -> ImportedRow {
    let row = Detection {
        recovery: RecoveryId::from_number(u128::from(old)),
        code: FindingCode::DeadPrimary,
        subject: key("a"),
        cluster: "a:3306".to_owned(),
        cluster_alias: String::new(),
        replicas: vec![],
        is_actionable: true,
        description: String::new(),
        detected_at: NOON.minus(HOUR),
        node: "old".to_owned(),
        active_until: NOON.minus(HOUR),
        kept_until,
    };
    ImportedRow::Detection {
        old,
        row: Box::new(row),
    }
}

fn take(state: &mut Decided, command: Command) -> (Reply, Vec<Effect>) {
    let proposal = Proposal {
        request: 1,
        proposed_at: NOON,
        origin: Origin::default(),
        command,
    };
    let applied = apply(state, &proposal);
    let index = state.applied_index + 1;
    state.absorb(index, applied.decided_at, &applied.changes);
    (applied.reply, applied.effects)
}

fn give(state: &mut Decided, rows: Vec<ImportedRow>, is_last: bool) -> Reply {
    take(state, Command::Import(Box::new(portion(rows, is_last)))).0
}

fn imported(taken: u32, kept: u32) -> Reply {
    Reply::Imported { taken, kept }
}

#[test]
fn rows_are_taken_with_the_times_that_they_had() {
    let mut state = Decided::default();
    let by = RecoveriesDisabled {
        by: "ann".to_owned(),
        at: NOON.minus(HOUR),
    };
    let rows = vec![
        ImportedRow::RecoveriesDisabled(by.clone()),
        alias("a:3306", "shop"),
        downtime("a", "disk"),
        candidate("b", PromotionRule::MustNot),
    ];
    assert_eq!(give(&mut state, rows, true), imported(4, 0));
    assert_eq!(state.recoveries_disabled, Some(by));
    assert_eq!(state.cluster_aliases["a:3306"].alias, "shop");
    assert!(state.cluster_aliases["a:3306"].is_manual());
    assert_eq!(state.downtimes[&key("a")].begins_at, NOON.minus(HOUR));
    assert_eq!(state.candidates[&key("b")].rule, PromotionRule::MustNot);
    let import = state.import.unwrap();
    assert_eq!((import.taken, import.kept), (4, 0));
    assert_eq!(import.ended_at, Some(NOON));
}

#[test]
fn a_complete_import_is_never_made_again() {
    let mut state = Decided::default();
    assert_eq!(
        give(&mut state, vec![downtime("a", "disk")], true),
        imported(1, 0)
    );
    take(&mut state, Command::EndDowntime { key: key("a") });
    let before = state.clone();
    let again = vec![downtime("a", "disk"), downtime("b", "disk")];
    assert_eq!(give(&mut state, again, true), Reply::Unchanged);
    assert_eq!(state.downtimes, before.downtimes);
    assert_eq!(state.import, before.import);
}

#[test]
fn an_import_that_was_cut_short_goes_on_behind_the_last_row_that_it_took() {
    let mut state = Decided::default();
    let all = || {
        vec![
            downtime("a", "disk"),
            downtime("b", "disk"),
            downtime("c", "disk"),
        ]
    };
    assert_eq!(give(&mut state, all()[..2].to_vec(), false), imported(2, 0));
    // What was taken may be given up meanwhile, and does not come back.
    take(&mut state, Command::EndDowntime { key: key("a") });
    assert_eq!(give(&mut state, all(), true), imported(1, 0));
    let left: Vec<_> = state.downtimes.keys().cloned().collect();
    assert_eq!(left, [key("b"), key("c")]);
    assert_eq!(state.import.unwrap().taken, 3);
}

#[test]
fn what_was_decided_here_stays() {
    let mut state = Decided::default();
    take(
        &mut state,
        Command::BeginDowntime {
            key: key("a"),
            owner: "bob".to_owned(),
            reason: "ours".to_owned(),
            ends_at: NOON.plus(HOUR),
        },
    );
    take(
        &mut state,
        Command::SetClusterAlias {
            cluster: "x:3306".to_owned(),
            alias: "shop".to_owned(),
            by: "bob".to_owned(),
        },
    );
    take(&mut state, Command::Forget { key: key("gone") });
    assert!(!state.is_fresh());
    let rows = vec![
        // The same alias for another cluster, and for two clusters at once.
        alias("a:3306", "shop"),
        alias("b:3306", "blog"),
        alias("c:3306", "blog"),
        alias("x:3306", "other"),
        downtime("a", "theirs"),
        ImportedRow::Instance(key("gone")),
        ImportedRow::Instance(key("here")),
    ];
    let (reply, effects) = take(&mut state, Command::Import(Box::new(portion(rows, true))));
    assert_eq!(reply, imported(2, 5));
    assert_eq!(effects, [Effect::Discover(key("here"))]);
    assert_eq!(state.downtimes[&key("a")].reason, "ours");
    let aliases: Vec<&str> = state
        .cluster_aliases
        .values()
        .map(|row| row.alias.as_str())
        .collect();
    assert_eq!(aliases, ["blog", "shop"]);
}

#[test]
fn what_is_over_by_now_is_passed_over() {
    let mut state = Decided::default();
    let ImportedRow::Downtime(name, mut over) = downtime("a", "disk") else {
        panic!("it is a downtime");
    };
    over.ends_at = NOON;
    let rows = vec![ImportedRow::Downtime(name, over)];
    assert_eq!(give(&mut state, rows, false), imported(0, 1));
    assert_eq!(
        give(&mut state, vec![detection(4, NOON)], true),
        imported(0, 1)
    );
    assert!(state.downtimes.is_empty() && state.detections.is_empty());
}

#[test]
fn recoveries_have_numbers_of_their_own_and_the_detection_before_them() {
    let mut state = Decided::default();
    let later = NOON.plus(HOUR);
    assert_eq!(
        give(&mut state, vec![detection(7, later)], false),
        imported(1, 0)
    );
    assert_eq!(give(&mut state, vec![recovery(7)], false), imported(1, 0));
    assert_eq!(give(&mut state, vec![recovery(8)], true), imported(1, 0));
    let known = |number: u128| &state.recoveries[&RecoveryId::from_number(number)];
    assert_eq!((known(7).number, known(7).detection), (2, 1));
    assert_eq!((known(8).number, known(8).detection), (3, 0));
    assert!(known(7).is_the_predecessors());
    let notes: Vec<&str> = state
        .notes_of(RecoveryId::from_number(7))
        .map(|note| note.text.as_str())
        .collect();
    assert_eq!(notes, ["one", "two"]);
}

#[test]
fn a_portion_that_cannot_be_is_refused_whole() {
    let mut state = Decided::default();
    let two_numbers = vec![recovery(1), recovery(2)];
    assert_eq!(
        give(&mut state, two_numbers, false),
        Reply::Refused(Refusal::TooLong)
    );
    let many = (0..=IMPORTED_AT_ONCE_MAX)
        .map(|n| downtime(&format!("a{n}"), "r"))
        .collect();
    assert_eq!(
        give(&mut state, many, false),
        Reply::Refused(Refusal::TooLong)
    );
    let must = vec![downtime("a", "r"), candidate("b", PromotionRule::Must)];
    assert_eq!(
        give(&mut state, must, false),
        Reply::Refused(Refusal::MustIsNotRegistrable)
    );
    let ImportedRow::Recovery {
        id, mut row, notes, ..
    } = recovery(1)
    else {
        panic!("it is a recovery");
    };
    row.end = None;
    let unfinished = vec![ImportedRow::Recovery {
        old: 1,
        id,
        row,
        notes,
    }];
    assert_eq!(
        give(&mut state, unfinished, false),
        Reply::Refused(Refusal::RecoveryHasNotEnded)
    );
    assert_eq!(
        Decided {
            applied_index: 0,
            decided_at: Timestamp::default(),
            ..state
        },
        Decided::default()
    );
}

#[test]
fn positions_follow_the_order_of_numbers() {
    assert!(recovery(9).position() < recovery(10).position());
    assert!(downtime("z", "r").position() < candidate("a", PromotionRule::Prefer).position());
}

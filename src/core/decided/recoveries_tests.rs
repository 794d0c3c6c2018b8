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

#[test]
fn a_recovery_is_registered_in_its_first_phase_with_the_detection_before_it() {
    let mut log = Log::default();
    log.detect(NOON, detection(8, "y"));
    log.detect(NOON, detection(1, "a"));
    log.detect(NOON, detection(9, "z"));
    assert_eq!(log.register(after(1), recovery(1)), Reply::Done);
    let row = log.recovery(1);
    assert_eq!((row.number, row.detection, row.attempt), (4, 2, 1));
    assert_eq!(row.phase, Phase::Registered);
    assert_eq!(row.entered, [(Phase::Registered, after(1))]);
    assert_eq!(row.sessions, [session("b", 7)]);
    assert_eq!(row.end, None);
}

#[test]
fn two_recoveries_never_work_on_one_server_also_when_forced() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    // By address, and by UUID under another address.
    for servers in [vec![server("c", "x")], vec![server("q", "U2")]] {
        for is_forced in [false, true] {
            let new = RegisterRecovery {
                subject: key("q"),
                servers: servers.clone(),
                is_forced,
                kind: RecoveryKind::Settings,
                ..recovery(2)
            };
            let why = refusal(log.register(after(1), new));
            let Refusal::RecoveryUnderWay {
                number, subject, ..
            } = why
            else {
                panic!("{why:?}");
            };
            assert_eq!((number, subject), (1, key("a")));
        }
    }
    let apart = RegisterRecovery {
        subject: key("q"),
        // An empty UUID equals nothing.
        servers: vec![server("q", "")],
        ..recovery(2)
    };
    assert_eq!(log.register(after(1), apart), Reply::Done);
}

#[test]
fn an_id_is_used_once() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    log.end(after(1), ended(1, RecoveryOutcome::CalledOff));
    let why = refusal(log.register(after(2), recovery(1)));
    assert_eq!(why, Refusal::RecoveryExists);
}

#[test]
fn the_block_period_counts_from_the_end_and_for_its_own_kind() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    log.end(after(600), ended(1, RecoveryOutcome::Failed));
    let why = refusal(log.register(after(600 + 3_599), recovery(2)));
    let Refusal::InBlockPeriod {
        number,
        server,
        until,
        ..
    } = why
    else {
        panic!("{why:?}");
    };
    assert_eq!((number, server, until), (1, key("a"), after(4_200)));
    let other_kind = RegisterRecovery {
        kind: RecoveryKind::DeadIntermediateSource,
        ..recovery(3)
    };
    assert_eq!(log.register(after(601), other_kind), Reply::Done);
    log.end(after(602), ended(3, RecoveryOutcome::CalledOff));
    assert_eq!(log.register(after(4_200), recovery(2)), Reply::Done);
}

#[test]
fn the_block_period_in_force_is_the_one_of_the_newcomer() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    log.end(NOON, ended(1, RecoveryOutcome::Succeeded));
    let impatient = RegisterRecovery {
        block_period: Duration::from_secs(10),
        ..recovery(2)
    };
    refusal(log.register(after(9), impatient.clone()));
    assert_eq!(log.register(after(10), impatient), Reply::Done);
}

#[test]
fn a_recovery_that_was_called_off_holds_nobody_back() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    log.end(after(1), ended(1, RecoveryOutcome::CalledOff));
    assert_eq!(log.register(after(2), recovery(2)), Reply::Done);
}

#[test]
fn a_forced_recovery_takes_note_of_nothing_that_is_noted_or_of_another_server() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    log.end(after(1), ended(1, RecoveryOutcome::Failed));
    log.acknowledge(after(2), Acknowledged::All);
    let elsewhere = RegisterRecovery {
        subject: key("q"),
        servers: vec![server("q", "")],
        ..recovery(2)
    };
    log.register(after(3), elsewhere);
    log.end(after(4), ended(2, RecoveryOutcome::Failed));
    let new = RegisterRecovery {
        requested_by: "bob".to_owned(),
        ..forced(3)
    };
    assert_eq!(log.register(after(5), new), Reply::Done);
    let note = log.recovery(1).acknowledgement.as_ref().unwrap();
    assert_eq!((note.at, note.by.as_str()), (after(2), "ann"));
    assert_eq!(log.recovery(2).acknowledgement, None);
}

#[test]
fn a_forced_recovery_takes_note_of_the_earlier_ones_of_its_server() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    log.end(after(1), ended(1, RecoveryOutcome::Failed));
    log.take(after(2), Command::DisableRecoveries { by: "bob".into() });
    assert_eq!(log.register(after(3), forced(2)), Reply::Done);
    let note = log.recovery(1).acknowledgement.as_ref().unwrap();
    assert_eq!((note.at, note.by.as_str()), (after(3), "ann"));
    assert_eq!(log.recovery(2).acknowledgement, None);
}

#[test]
fn with_recoveries_switched_off_none_begins_by_itself() {
    let mut log = Log::default();
    let disable = || Command::DisableRecoveries { by: "bob".into() };
    assert_eq!(log.take(NOON, disable()).reply, Reply::Done);
    assert_eq!(log.take(NOON, disable()).reply, Reply::Unchanged);
    let why = refusal(log.register(after(1), recovery(1)));
    assert_eq!(why, Refusal::RecoveriesDisabled { by: "bob".into() });
    let enable = || Command::EnableRecoveries;
    assert_eq!(log.take(after(2), enable()).reply, Reply::Done);
    assert_eq!(log.take(after(2), enable()).reply, Reply::Unchanged);
    assert_eq!(log.register(after(3), recovery(1)), Reply::Done);
}

#[test]
fn phases_are_entered_in_order_and_once() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    let enter = |phase| RecoveryStepCommand::Enter {
        fence: fence(1),
        phase,
        news: RecoveryNews::default(),
    };
    for wrong in [Phase::Promoted, Phase::Published, Phase::Ended] {
        let why = refusal(log.step(after(1), 1, enter(wrong)));
        let current = Phase::Registered;
        assert_eq!(why, Refusal::PhaseOutOfOrder { current });
    }
    for phase in [Phase::ReceiversStopped, Phase::Promoted, Phase::Published] {
        assert_eq!(log.step(after(2), 1, enter(phase)), Reply::Done);
        assert_eq!(log.step(after(3), 1, enter(phase)), Reply::Unchanged);
    }
    refusal(log.step(after(4), 1, enter(Phase::Ended)));
    refusal(log.step(after(4), 1, enter(Phase::Registered)));
    assert_eq!(log.recovery(1).entered.len(), 4);
}

#[test]
fn the_next_leader_takes_a_recovery_over_and_the_old_one_is_refused() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    let take_over = |number| RecoveryStepCommand::TakeOver {
        fence: fence(number),
        node: "n2".to_owned(),
    };
    assert_eq!(log.step(after(1), 1, take_over(3)), Reply::Done);
    assert_eq!(log.step(after(1), 1, take_over(3)), Reply::Unchanged);
    let why = refusal(log.step(after(2), 1, take_over(2)));
    assert_eq!(why, Refusal::OtherFence { current: fence(3) });
    let row = log.recovery(1);
    assert_eq!((row.attempt, row.node.as_str()), (2, "n2"));
    assert_eq!(row.stale_sessions, [session("b", 7)]);
    assert!(row.sessions.is_empty());
    let news = RecoveryNews {
        steps: vec![(0, vec![1])],
        ..RecoveryNews::default()
    };
    let late = RecoveryStepCommand::Record {
        fence: fence(1),
        news,
    };
    let why = refusal(log.step(after(3), 1, late));
    assert_eq!(why, Refusal::OtherFence { current: fence(3) });
    let end = refusal(log.end(after(3), ended(1, RecoveryOutcome::Succeeded)));
    assert_eq!(end, Refusal::OtherFence { current: fence(3) });
}

#[test]
fn steps_and_sessions_are_kept_until_they_are_done_with() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    let record = |news| RecoveryStepCommand::Record {
        fence: fence(1),
        news,
    };
    let begun = RecoveryNews {
        opened: vec![session("c", 8)],
        steps: vec![(0, vec![1]), (3, vec![2])],
        notes: vec![note("one"), note("two")],
        ..RecoveryNews::default()
    };
    assert_eq!(log.step(after(1), 1, record(begun)), Reply::Done);
    assert_eq!(log.recovery(1).sessions, [session("b", 7), session("c", 8)]);
    let done = RecoveryNews {
        ended: vec![session("b", 7)],
        steps: vec![(3, vec![9])],
        ..RecoveryNews::default()
    };
    assert_eq!(log.step(after(2), 1, record(done)), Reply::Done);
    assert_eq!(log.recovery(1).sessions, [session("c", 8)]);
    let steps: Vec<_> = log.state.steps_of(id(1)).collect();
    assert_eq!(steps.len(), 2);
    assert_eq!((steps[1].0, steps[1].1.state.as_slice()), (3, &[9][..]));
    assert_eq!(steps[1].1.at, after(2));
    let texts: Vec<_> = log.state.notes_of(id(1)).map(|n| n.text.clone()).collect();
    assert_eq!(texts, ["one", "two"]);
    let none = record(RecoveryNews::default());
    assert_eq!(log.step(after(3), 1, none), Reply::Unchanged);
}

#[test]
fn a_recovery_ends_once_and_nothing_is_done_for_it_afterwards() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    assert_eq!(
        log.end(after(5), ended(1, RecoveryOutcome::Succeeded)),
        Reply::Done
    );
    let row = log.recovery(1);
    let end = row.end.as_ref().unwrap();
    assert_eq!(
        (end.at, end.outcome),
        (after(5), RecoveryOutcome::Succeeded)
    );
    assert_eq!(row.phase, Phase::Ended);
    assert!(log.state.unfinished_recoveries().next().is_none());
    let again = ended(1, RecoveryOutcome::Failed);
    assert_eq!(refusal(log.end(after(6), again)), Refusal::RecoveryHasEnded);
    for late in [
        RecoveryStepCommand::Record {
            fence: fence(1),
            news: RecoveryNews {
                notes: vec![note("late")],
                ..RecoveryNews::default()
            },
        },
        RecoveryStepCommand::Enter {
            fence: fence(1),
            phase: Phase::ReceiversStopped,
            news: RecoveryNews::default(),
        },
        RecoveryStepCommand::TakeOver {
            fence: fence(2),
            node: "n2".to_owned(),
        },
    ] {
        assert_eq!(
            refusal(log.step(after(7), 1, late)),
            Refusal::RecoveryHasEnded
        );
    }
}

#[test]
fn lost_servers_are_in_downtime_from_the_end_on_and_an_operators_longer_one_stays() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    let ends_at = after(100_000);
    let operators = |name: &str, ends_at| Command::BeginDowntime {
        key: key(name),
        owner: "ann".to_owned(),
        reason: "disk".to_owned(),
        ends_at,
    };
    log.take(NOON, operators("b", after(200_000)));
    log.take(NOON, operators("c", after(50)));
    log.take(NOON, operators("d", ends_at));
    let lost = |name: &str| LostServer {
        key: key(name),
        owner: "orchestrator".to_owned(),
        reason: "lost-in-recovery".to_owned(),
        ends_at,
    };
    let over = LostServer {
        ends_at: after(5),
        ..lost("e")
    };
    let end = EndRecovery {
        downtimes: vec![lost("a"), lost("b"), lost("c"), lost("d"), over],
        ..ended(1, RecoveryOutcome::Succeeded)
    };
    log.end(after(5), end);
    let reason = |name: &str| log.state.downtimes[&key(name)].reason.clone();
    assert_eq!(reason("a"), "lost-in-recovery");
    assert_eq!(log.state.downtimes[&key("a")].begins_at, after(5));
    assert_eq!(reason("b"), "disk");
    assert_eq!(reason("c"), "lost-in-recovery");
    assert_eq!(reason("d"), "disk");
    assert!(!log.state.downtimes.contains_key(&key("e")), "it is over");
}

#[test]
fn more_may_be_known_about_the_loss_after_the_end() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    let state = || RecoveryStepCommand::StateLoss {
        loss: DataLoss::Exactly {
            set: "0-1-5".to_owned(),
        },
        notes: vec![note("the old primary was read")],
    };
    assert_eq!(
        refusal(log.step(after(1), 1, state())),
        Refusal::RecoveryHasNotEnded
    );
    log.end(after(5), ended(1, RecoveryOutcome::Succeeded));
    assert_eq!(log.step(after(6), 1, state()), Reply::Done);
    assert_eq!(log.step(after(7), 1, state()), Reply::Unchanged);
    let end = log.recovery(1).end.as_ref().unwrap();
    assert_eq!(end.data_loss.as_ref().unwrap().to_string(), "lost: 0-1-5");
    assert_eq!(log.state.notes_of(id(1)).count(), 1);
}

#[test]
fn the_same_is_detected_once_while_it_lasts() {
    let mut log = Log::default();
    assert_eq!(log.detect(NOON, detection(1, "a")), Reply::Done);
    assert_eq!(log.detect(after(1), detection(2, "a")), Reply::Unchanged);
    // Whether there is something to do about it makes it another one.
    let idle = RegisterDetection {
        is_actionable: false,
        ..detection(3, "a")
    };
    assert_eq!(log.detect(after(1), idle), Reply::Done);
    assert_eq!(log.detect(after(1), detection(4, "b")), Reply::Done);
    let later = RegisterDetection {
        active_until: after(9_000),
        ..detection(5, "a")
    };
    assert_eq!(log.detect(after(3_600), later), Reply::Done);
    // Over is what would be neither active nor kept from now on.
    let over = refusal(log.detect(after(3_600), detection(6, "q")));
    assert_eq!(over, Refusal::AlreadyOver);
    let not_kept = RegisterDetection {
        active_until: after(9_001),
        kept_until: after(9_000),
        ..detection(7, "q")
    };
    let over = refusal(log.detect(after(9_000), not_kept));
    assert_eq!(over, Refusal::AlreadyOver);
}

#[test]
fn notes_are_kept_from_the_detection_on() {
    let mut log = Log::default();
    let write = || RecoveryStepCommand::Note {
        notes: vec![note("hooks")],
    };
    assert_eq!(
        refusal(log.step(NOON, 1, write())),
        Refusal::UnknownRecovery
    );
    log.detect(NOON, detection(1, "a"));
    assert_eq!(log.step(NOON, 1, write()), Reply::Done);
    log.register(after(1), recovery(1));
    log.end(after(5), ended(1, RecoveryOutcome::Succeeded));
    assert_eq!(log.step(after(6), 1, write()), Reply::Done);
    let numbers: Vec<u64> = log.state.notes_of(id(1)).map(|n| n.number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b) && numbers.len() == 2);
}

#[test]
fn a_success_lets_the_failed_server_be_detected_again_and_a_failure_does_not() {
    let mut log = Log::default();
    log.detect(NOON, detection(1, "a"));
    log.register(after(1), recovery(1));
    log.end(after(2), ended(1, RecoveryOutcome::Failed));
    assert_eq!(log.detect(after(3), detection(2, "a")), Reply::Unchanged);
    log.register(after(4), forced(2));
    log.end(after(5), ended(2, RecoveryOutcome::Succeeded));
    assert_eq!(log.detect(after(6), detection(3, "a")), Reply::Done);
}

#[test]
fn note_is_taken_of_recoveries_in_each_form_and_lifts_their_block() {
    let forms = [
        (Acknowledged::All, true, false),
        (Acknowledged::Number(2), true, false),
        (Acknowledged::Number(9), false, false),
        (Acknowledged::Id(id(1)), true, false),
        (Acknowledged::Id(id(9)), false, false),
        (Acknowledged::Instance(key("a")), true, true),
        // By the failed server, not by the promoted one.
        (Acknowledged::Instance(key("b")), false, false),
        (by_cluster("a:3306", ""), true, true),
        (by_cluster("other", "main"), true, true),
        (by_cluster("other", ""), false, false),
    ];
    for (which, is_meant, detects_again) in forms {
        let mut log = Log::default();
        log.detect(NOON, detection(1, "a"));
        log.register(after(1), recovery(1));
        log.end(after(2), ended(1, RecoveryOutcome::Failed));
        let expected = match is_meant {
            true => Reply::Acknowledged(1),
            false => Reply::Unchanged,
        };
        assert_eq!(
            log.acknowledge(after(3), which.clone()),
            expected,
            "{which:?}"
        );
        let again = log.detect(after(4), detection(2, "a")) == Reply::Done;
        assert_eq!(again, detects_again, "{which:?}");
        let begins = log.register(after(4), recovery(3)) == Reply::Done;
        assert_eq!(begins, is_meant, "{which:?}");
        if is_meant {
            let note = log.recovery(1).acknowledgement.clone().unwrap();
            assert_eq!((note.by.as_str(), note.comment.as_str()), ("ann", "seen"));
            assert_eq!(note.at, after(3));
        }
    }
}

fn by_cluster(name: &str, alias: &str) -> Acknowledged {
    Acknowledged::Cluster {
        name: name.to_owned(),
        alias: alias.to_owned(),
    }
}

#[test]
fn note_of_a_recovery_under_way_does_not_let_another_begin() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    assert_eq!(
        log.acknowledge(after(1), Acknowledged::All),
        Reply::Acknowledged(1)
    );
    refusal(log.register(after(2), recovery(2)));
    log.end(after(3), ended(1, RecoveryOutcome::Succeeded));
    assert_eq!(log.register(after(4), recovery(2)), Reply::Done);
}

#[test]
fn what_is_old_expires_with_all_that_hangs_on_it_and_what_is_under_way_never() {
    let mut log = Log::default();
    log.detect(NOON, detection(1, "a"));
    log.register(NOON, recovery(1));
    let news = RecoveryNews {
        steps: vec![(0, vec![1])],
        notes: vec![note("x")],
        ..RecoveryNews::default()
    };
    log.step(
        NOON,
        1,
        RecoveryStepCommand::Record {
            fence: fence(1),
            news,
        },
    );
    let week = WEEK.as_secs();
    log.take(after(2 * week), Command::Expire);
    assert!(log.state.detections.is_empty());
    assert_eq!(log.state.recoveries.len(), 1);
    assert_eq!(log.state.notes_of(id(1)).count(), 1);
    log.end(after(2 * week), ended(1, RecoveryOutcome::Succeeded));
    // Another detection is kept for longer, and is none of its own.
    let other = RegisterDetection {
        active_until: after(4 * week),
        kept_until: after(4 * week),
        ..detection(5, "q")
    };
    assert_eq!(log.detect(after(2 * week), other), Reply::Done);
    log.take(after(3 * week - 1), Command::Expire);
    assert_eq!(log.state.recoveries.len(), 1);
    log.take(after(3 * week), Command::Expire);
    assert!(log.state.recoveries.is_empty() && log.state.recovery_steps.is_empty());
    assert!(log.state.recovery_notes.is_empty());
}

#[test]
fn too_many_lines_are_refused_and_change_nothing() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    let many = vec![note("x"); LINES_IN_COMMAND_MAX + 1];
    let news = RecoveryNews {
        notes: many.clone(),
        ..RecoveryNews::default()
    };
    let record = RecoveryStepCommand::Record {
        fence: fence(1),
        news,
    };
    for step in [record, RecoveryStepCommand::Note { notes: many }] {
        assert_eq!(refusal(log.step(NOON, 1, step)), Refusal::TooLong);
    }
    let sessions = vec![session("b", 1); LINES_IN_COMMAND_MAX + 1];
    let new = RegisterRecovery {
        sessions,
        servers: vec![],
        ..recovery(2)
    };
    assert_eq!(refusal(log.register(NOON, new)), Refusal::TooLong);
}

#[test]
fn another_plan_takes_the_place_of_the_first_until_somebody_is_promoted() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    let of_old = |number| (number, vec![9]);
    let record = RecoveryStepCommand::Record {
        fence: fence(1),
        news: RecoveryNews {
            steps: vec![of_old(0), of_old(1), of_old(5)],
            ..RecoveryNews::default()
        },
    };
    log.step(NOON, 1, record);
    let replan = |by| RecoveryStepCommand::Replan {
        fence: fence(by),
        plan: vec![7],
        news: RecoveryNews {
            steps: vec![(1, vec![8])],
            notes: vec![note("another plan")],
            ..RecoveryNews::default()
        },
    };
    let reply = log.step(after(1), 1, replan(2));
    assert!(matches!(refusal(reply), Refusal::OtherFence { .. }));
    assert_eq!(log.recovery(1).plan, [1, 2]);
    assert_eq!(log.step(after(1), 1, replan(1)), Reply::Done);
    assert_eq!(log.recovery(1).plan, [7]);
    assert_eq!(log.recovery(1).sessions, [session("b", 7)]);
    let steps: Vec<_> = log.state.steps_of(id(1)).collect();
    let states: Vec<_> = steps.iter().map(|(n, row)| (*n, &row.state[..])).collect();
    assert_eq!(states, [(1, &[8][..])], "the old plan's steps are gone");
    assert_eq!(log.state.notes_of(id(1)).count(), 1);
    let enter = |phase| RecoveryStepCommand::Enter {
        fence: fence(1),
        phase,
        news: RecoveryNews::default(),
    };
    log.step(after(2), 1, enter(Phase::ReceiversStopped));
    assert_eq!(log.step(after(3), 1, replan(1)), Reply::Done);
    let row = log.recovery(1);
    assert_eq!(row.phase, Phase::Registered, "receivers may run again");
    let phases: Vec<_> = row.entered.iter().map(|(phase, _)| *phase).collect();
    assert_eq!(phases, [Phase::Registered]);
    log.step(after(4), 1, enter(Phase::ReceiversStopped));
    log.step(after(5), 1, enter(Phase::Promoted));
    let reply = log.step(after(6), 1, replan(1));
    assert!(matches!(refusal(reply), Refusal::PhaseOutOfOrder { .. }));
}

#[test]
fn a_recovery_is_kept_while_a_server_that_it_left_behind_is_in_downtime() {
    for (of, is_kept) in [("a", true), ("d", true), ("b", false)] {
        let mut log = Log::default();
        log.register(NOON, recovery(1));
        let lost = |name: &str, weeks: u32| LostServer {
            key: key(name),
            owner: "orchestrator".to_owned(),
            reason: "lost-in-recovery".to_owned(),
            ends_at: NOON.plus(weeks * WEEK),
        };
        let end = EndRecovery {
            lost: vec![key("d")],
            downtimes: vec![lost(of, 3)],
            ..ended(1, RecoveryOutcome::Succeeded)
        };
        assert_eq!(log.end(after(5), end), Reply::Done);
        log.take(NOON.plus(2 * WEEK), Command::Expire);
        assert_eq!(!log.state.recoveries.is_empty(), is_kept, "{of}");
        log.take(NOON.plus(3 * WEEK), Command::Expire);
        assert!(log.state.recoveries.is_empty(), "{of}");
    }
}

#[test]
fn connections_that_are_left_after_the_end_are_the_stale_ones_of_the_next_recovery_there() {
    let mut log = Log::default();
    let watch =
        |opened: &[RecoverySessionId], ended: &[RecoverySessionId]| RecoveryStepCommand::Watch {
            opened: opened.to_vec(),
            ended: ended.to_vec(),
        };
    let (on_a, on_x) = (session("a", 30), session("x", 31));
    assert_eq!(
        refusal(log.step(NOON, 1, watch(&[], &[]))),
        Refusal::UnknownRecovery
    );
    log.register(NOON, recovery(1));
    assert_eq!(
        refusal(log.step(after(1), 1, watch(std::slice::from_ref(&on_a), &[]))),
        Refusal::RecoveryHasNotEnded,
        "before the end, its own commands say it"
    );
    let mut end = ended(1, RecoveryOutcome::Succeeded);
    end.news.ended = vec![session("b", 7)];
    log.end(after(2), end);
    assert_eq!(log.recovery(1).sessions, []);
    let opened = [on_a.clone(), on_x.clone()];
    for expected in [Reply::Done, Reply::Unchanged] {
        assert_eq!(log.step(after(3), 1, watch(&opened, &[])), expected);
    }
    assert_eq!(log.recovery(1).sessions, opened);
    let too_many = vec![on_a.clone(); LINES_IN_COMMAND_MAX + 1];
    for (opened, ended) in [(&too_many[..], &[][..]), (&[][..], &too_many[..])] {
        let why = refusal(log.step(after(3), 1, watch(opened, ended)));
        assert_eq!(why, Refusal::TooLong);
    }

    // The next one works on a, and not on x.
    log.register(after(5_000), recovery(2));
    assert_eq!(log.recovery(2).stale_sessions, std::slice::from_ref(&on_a));
    let record = RecoveryStepCommand::Record {
        fence: fence(1),
        news: RecoveryNews {
            ended: vec![on_a],
            ..RecoveryNews::default()
        },
    };
    log.step(after(5_001), 2, record);
    assert_eq!(log.recovery(2).stale_sessions, []);
    assert_eq!(
        log.recovery(1).sessions,
        std::slice::from_ref(&on_x),
        "once is enough"
    );

    // Whoever watches ends what any recovery has left.
    log.end(after(5_002), ended(2, RecoveryOutcome::Succeeded));
    assert_eq!(log.step(after(5_003), 2, watch(&[], &[on_x])), Reply::Done);
    assert_eq!(log.recovery(1).sessions, []);
    let left: Vec<_> = log.state.sessions_left().cloned().collect();
    assert_eq!(
        left,
        [session("b", 7)],
        "of the second, which said nothing of it"
    );
}

#[test]
fn a_connection_of_a_new_recovery_is_not_taken_for_one_that_was_left() {
    // A server that was started anew counts its connections from the beginning again.
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    log.end(after(1), ended(1, RecoveryOutcome::Succeeded));
    assert_eq!(log.recovery(1).sessions, [session("b", 7)]);
    log.register(after(5_000), recovery(2));
    assert_eq!(log.recovery(2).sessions, [session("b", 7)]);
    assert_eq!(log.recovery(2).stale_sessions, []);
}

#[test]
fn the_limit_of_each_list_of_a_command_is_exact() {
    let news_of = |kind: usize, length: usize| {
        let sessions = vec![session("b", 1); if kind < 2 { length } else { 0 }];
        let steps = (0_u32..).map(|number| (number, vec![1]));
        RecoveryNews {
            opened: if kind == 0 { sessions.clone() } else { vec![] },
            ended: if kind == 1 { sessions } else { vec![] },
            steps: steps.take(if kind == 2 { length } else { 0 }).collect(),
            notes: vec![note("x"); if kind == 3 { length } else { 0 }],
        }
    };
    for (length, is_taken) in [
        (LINES_IN_COMMAND_MAX, true),
        (LINES_IN_COMMAND_MAX + 1, false),
    ] {
        let is_as_expected = |reply: Reply, told: &str| match is_taken {
            true => assert_eq!(reply, Reply::Done, "{told}"),
            false => assert_eq!(reply, Reply::Refused(Refusal::TooLong), "{told}"),
        };
        for kind in 0..4 {
            let mut log = Log::default();
            log.register(NOON, recovery(1));
            let record = RecoveryStepCommand::Record {
                fence: fence(1),
                news: news_of(kind, length),
            };
            is_as_expected(log.step(NOON, 1, record), &format!("list {kind}"));
        }
        let mut log = Log::default();
        let new = RegisterRecovery {
            sessions: vec![session("b", 1); length],
            ..recovery(1)
        };
        is_as_expected(log.register(NOON, new), "connections of a registration");

        let mut log = Log::default();
        log.register(NOON, recovery(1));
        let notes = vec![note("x"); length];
        let noted = log.step(
            NOON,
            1,
            RecoveryStepCommand::Note {
                notes: notes.clone(),
            },
        );
        is_as_expected(noted, "notes");
        let mut end = ended(1, RecoveryOutcome::Succeeded);
        end.downtimes = vec![
            LostServer {
                key: key("c"),
                owner: String::new(),
                reason: String::new(),
                ends_at: after(60),
            };
            length
        ];
        is_as_expected(log.end(NOON, end), "downtimes");
        log.end(NOON, ended(1, RecoveryOutcome::Succeeded));
        let loss = DataLoss::NoneProven;
        let stated = log.step(NOON, 1, RecoveryStepCommand::StateLoss { loss, notes });
        is_as_expected(stated, "notes of a loss");
        for (opened, ended) in [(length, 0), (0, length)] {
            let watch = RecoveryStepCommand::Watch {
                opened: (0..).map(|id| session("x", id)).take(opened).collect(),
                ended: (0..).map(|id| session("x", id)).take(ended).collect(),
            };
            is_as_expected(log.step(NOON, 1, watch), "connections of a watch");
        }
    }
}

#[test]
fn what_is_recorded_of_steps_alone_leaves_the_recovery_as_it_is() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    let record = RecoveryStepCommand::Record {
        fence: fence(1),
        news: RecoveryNews {
            steps: vec![(0, vec![1])],
            ..RecoveryNews::default()
        },
    };
    let step = Box::new(record);
    let applied = log.take(after(1), Command::RecoveryStep { id: id(1), step });
    assert!(
        matches!(&applied.changes[..], [RowChange::PutRecoveryStep(..)]),
        "{:?}",
        applied.changes
    );
}

#[test]
fn a_note_needs_a_recovery_or_the_detection_of_one() {
    let mut log = Log::default();
    log.detect(NOON, detection(9, "a"));
    let say = |notes| RecoveryStepCommand::Note { notes };
    let why = refusal(log.step(after(1), 5, say(vec![note("x")])));
    assert_eq!(why, Refusal::UnknownRecovery);
    assert_eq!(log.step(after(1), 9, say(vec![])), Reply::Unchanged);
    assert_eq!(log.step(after(1), 9, say(vec![note("x")])), Reply::Done);
}

#[test]
fn connections_that_come_and_go_after_the_end_are_told_in_one_command() {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    log.end(after(5), ended(1, RecoveryOutcome::Failed));
    let last = log.recovery(1).entered.last();
    assert_eq!(last, Some(&(Phase::Ended, after(5))));
    let watch = RecoveryStepCommand::Watch {
        opened: vec![session("c", 8)],
        ended: vec![session("b", 7)],
    };
    assert_eq!(log.step(after(6), 1, watch), Reply::Done);
    assert_eq!(log.recovery(1).sessions, [session("c", 8)]);
}

#[test]
fn nothing_is_noted_twice_and_no_alias_is_nobodys() {
    let mut log = Log::default();
    let without_alias = RegisterRecovery {
        cluster_alias: String::new(),
        ..recovery(1)
    };
    log.register(NOON, without_alias);
    log.detect(NOON, detection(1, "a"));
    for elsewhere in [by_cluster("q:3306", ""), by_cluster("q:3306", "other")] {
        assert_eq!(log.acknowledge(after(1), elsewhere), Reply::Unchanged);
    }
    // When it is over, there is nothing to close about the detection.
    let all = || by_cluster("a:3306", "");
    assert_eq!(log.acknowledge(after(3_600), all()), Reply::Acknowledged(1));
    assert_eq!(log.acknowledge(after(3_601), all()), Reply::Unchanged);
    assert_eq!(
        log.acknowledge(after(3_601), Acknowledged::All),
        Reply::Unchanged
    );
}

#[test]
fn what_a_detection_is_kept_for_outlives_a_shorter_recovery() {
    let mut log = Log::default();
    log.detect(NOON, detection(1, "a"));
    let short = RegisterRecovery {
        kept_for: HOUR,
        ..recovery(1)
    };
    log.register(NOON, short);
    assert_eq!(log.state.sessions_left().count(), 0, "it is under way");
    let notes = vec![note("x")];
    log.step(NOON, 1, RecoveryStepCommand::Note { notes });
    log.end(NOON, ended(1, RecoveryOutcome::Succeeded));
    assert_eq!(log.state.sessions_left().count(), 1);
    let kept = |log: &Log| {
        let state = &log.state;
        let notes = state.notes_of(id(1)).count();
        (state.recoveries.len(), state.detections.len(), notes)
    };
    log.take(after(3_599), Command::Expire);
    assert_eq!(kept(&log), (1, 1, 1));
    log.take(after(3_600), Command::Expire);
    assert_eq!(kept(&log), (0, 1, 1));
    let week = WEEK.as_secs();
    log.take(after(week - 1), Command::Expire);
    assert_eq!(kept(&log), (0, 1, 1));
    log.take(after(week), Command::Expire);
    assert_eq!(kept(&log), (0, 0, 0));
}

#[test]
fn a_recovery_and_its_detection_that_are_over_at_once_leave_nothing() {
    let mut log = Log::default();
    log.detect(NOON, detection(1, "a"));
    log.register(NOON, recovery(1));
    let notes = vec![note("x")];
    log.step(NOON, 1, RecoveryStepCommand::Note { notes });
    log.end(NOON, ended(1, RecoveryOutcome::Succeeded));
    log.take(after(WEEK.as_secs()), Command::Expire);
    assert!(log.state.recoveries.is_empty() && log.state.detections.is_empty());
    assert!(log.state.recovery_notes.is_empty());
}

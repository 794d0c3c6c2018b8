//! Who may begin, and what holds back whom.

use super::*;

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

//! Detections, notes, and who takes note of a recovery.

use super::*;

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

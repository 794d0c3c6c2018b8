//! The end, and what is left of a recovery after it.

use super::*;

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

//! Phases, plans, steps, and leaders that take over; how much one command may hold.

use super::*;

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

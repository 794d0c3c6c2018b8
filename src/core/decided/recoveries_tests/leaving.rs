//! Servers that a recovery leaves with a stopped receiver.

use super::*;

fn leave(fence_number: u64, servers: &[&str]) -> RecoveryStepCommand {
    RecoveryStepCommand::LeaveStopped {
        fence: fence(fence_number),
        servers: servers.iter().map(|name| key(name)).collect(),
    }
}

fn settled(name: &str) -> RecoveryStepCommand {
    RecoveryStepCommand::Settled {
        server: key(name),
        notes: vec![note("started")],
    }
}

fn left(log: &Log) -> Vec<(InstanceKey, RecoveryId)> {
    let left = log.state.left_stopped.iter();
    left.map(|(key, id)| (key.clone(), *id)).collect()
}

/// The first recovery has failed and has left b and c.
fn failed() -> Log {
    let mut log = Log::default();
    log.register(NOON, recovery(1));
    assert_eq!(log.step(after(1), 1, leave(1, &["b", "c"])), Reply::Done);
    log.end(after(2), ended(1, RecoveryOutcome::Failed));
    log
}

#[test]
fn a_server_is_left_until_it_is_settled_once() {
    let mut log = failed();
    assert_eq!(left(&log), [(key("b"), id(1)), (key("c"), id(1))]);
    assert_eq!(log.step(after(3), 1, settled("b")), Reply::Done);
    assert_eq!(left(&log), [(key("c"), id(1))]);
    assert_eq!(log.state.notes_of(id(1)).count(), 1);
    assert_eq!(log.step(after(4), 1, settled("b")), Reply::Unchanged);
    assert_eq!(log.state.notes_of(id(1)).count(), 1, "it is told once");
}

#[test]
fn only_the_leadership_of_a_recovery_under_way_leaves_servers() {
    let mut log = Log::default();
    assert_eq!(
        refusal(log.step(NOON, 1, leave(1, &["b"]))),
        Refusal::UnknownRecovery
    );
    log.register(NOON, recovery(1));
    assert_eq!(
        refusal(log.step(after(1), 1, leave(2, &["b"]))),
        Refusal::OtherFence { current: fence(1) }
    );
    assert_eq!(
        refusal(log.step(after(1), 1, settled("b"))),
        Refusal::RecoveryHasNotEnded
    );
    let many = vec!["b"; LINES_IN_COMMAND_MAX + 1];
    assert_eq!(
        refusal(log.step(after(1), 1, leave(1, &many))),
        Refusal::TooLong
    );
    for expected in [Reply::Done, Reply::Unchanged] {
        assert_eq!(log.step(after(1), 1, leave(1, &["b"])), expected);
    }
    log.end(after(2), ended(1, RecoveryOutcome::Failed));
    assert_eq!(
        refusal(log.step(after(3), 1, leave(1, &["c"]))),
        Refusal::RecoveryHasEnded
    );
    assert_eq!(left(&log), [(key("b"), id(1))]);
}

#[test]
fn the_next_recovery_of_a_server_leaves_it_anew_and_is_not_settled_by_the_last_one() {
    let mut log = failed();
    log.register(after(5_000), recovery(2));
    log.step(after(5_001), 2, leave(1, &["b"]));
    log.end(after(5_002), ended(2, RecoveryOutcome::Failed));
    assert_eq!(log.step(after(5_003), 1, settled("b")), Reply::Unchanged);
    assert_eq!(left(&log), [(key("b"), id(2)), (key("c"), id(1))]);
}

#[test]
fn success_settles_servers_that_took_part_or_are_lost() {
    for (participants, lost, expected) in [
        (vec!["b", "c"], vec![], vec![]),
        (vec!["b"], vec!["c"], vec![]),
        (vec!["b"], vec![], vec![(key("c"), id(1))]),
    ] {
        let mut log = failed();
        log.register(after(5_000), recovery(2));
        let keys = |names: Vec<&str>| names.into_iter().map(key).collect();
        let end = EndRecovery {
            participants: keys(participants),
            lost: keys(lost),
            ..ended(2, RecoveryOutcome::Succeeded)
        };
        log.end(after(5_001), end);
        assert_eq!(left(&log), expected);
    }
}

#[test]
fn what_is_forgotten_or_older_than_the_record_is_left_no_more() {
    let mut log = failed();
    log.take(after(3), Command::Forget { key: key("b") });
    assert_eq!(left(&log), [(key("c"), id(1))]);
    log.take(after(2 * WEEK.as_secs()), Command::Expire);
    assert!(log.state.recoveries.is_empty());
    assert_eq!(left(&log), []);
}

//! By what the end of each step is recognised, and what is not it: one drawing each, in which b is the server of the step.

use std::time::Duration;

use crate::recovery::Ground;
use crate::recovery::plan::recognise::seen_done;
use crate::recovery::plan::{Action, Phase, Step};
use crate::recovery::testing::{NOW, Stage, key};

fn is_seen_done(action: &Action, text: &str, since: Duration) -> bool {
    let step = Step {
        phase: Phase::Registered,
        on: key("b"),
        action: action.clone(),
        after: vec![],
        deadline: None,
        is_required: false,
    };
    let stage = Stage::of(text);
    let seen = seen_done(&step, &stage.scene(), Ground::Oracle, NOW.minus(since));
    let observed = stage.drawing.picture.observation(&key("b"));
    let observed = observed.map(|seen| seen.observed_at);
    assert!(
        seen.is_none() || seen == observed,
        "it ended when it was seen"
    );
    seen.is_some()
}

/// What b is like when the step is over, and what it is like when it is not.
fn ends(action: &Action, done: &[&str], not_done: &[&str]) {
    for (words, expected) in done
        .iter()
        .map(|words| (words, true))
        .chain(not_done.iter().map(|words| (words, false)))
    {
        // Alone, it replicates from nobody.
        let text = match *words {
            "alone" => "a\nb\nc".to_owned(),
            words => format!("a\n+ b [seen=10s {words}]\n+ c [gtid=..1-95]"),
        };
        let hour = Duration::from_secs(3600);
        assert_eq!(
            is_seen_done(action, &text, hour),
            expected,
            "{action}: {text}"
        );
    }
}

#[test]
fn each_step_is_over_when_its_server_is_as_it_says() {
    const UNAPPLIED: &str = "io=no gtid=..1-90 received=..1-100";
    ends(
        &Action::StartApplier,
        &["", "io=no", "io=no sql=no sql-errno=1062"],
        &[
            "sql=no",
            "io=no sql=no",
            "sql=no sql-errno=1062",
            "io=no sql=no sql-errno=1062 gtid=..1-90 received=..1-100",
            "alone",
        ],
    );
    ends(
        &Action::StopReceiver,
        &["io=no"],
        &["", "io=connecting", "alone"],
    );
    ends(
        &Action::AwaitApplied,
        &["io=no"],
        &["", "io=connecting", UNAPPLIED, "alone"],
    );
    ends(&Action::StopApplier, &["sql=no"], &["", "alone"]);
    let source = key("a");
    ends(&Action::Repoint { source }, &["", "io=no"], &["alone"]);
    let source = key("c");
    ends(&Action::Repoint { source }, &[], &["", "alone"]);
    ends(
        &Action::StartReplication,
        &[""],
        &["io=connecting", "sql=no", "alone"],
    );
    let other = key("c");
    ends(
        &Action::AwaitAllOf { other },
        &["", "gtid=..1-95"],
        &["gtid=..1-94", "gtid=..1-94 received=..1-95", "alone"],
    );
    ends(&Action::ForgetSource, &["alone"], &["", "io=no sql=no"]);
    ends(&Action::MakeWritable, &["rw"], &[""]);
    ends(&Action::Detach, &["detached"], &["", "alone"]);
    let (source, replica) = ("semi-sync-source=on:0/1", "semi-sync-replica=on");
    ends(&Action::SemiSyncSource(true), &[source], &["", replica]);
    ends(&Action::SemiSyncSource(false), &["", replica], &[source]);
    ends(&Action::SemiSyncReplica(true), &[replica], &["", source]);
    ends(&Action::SemiSyncReplica(false), &["", source], &[replica]);
}

#[test]
fn what_was_seen_before_a_step_could_begin_says_nothing_about_its_end() {
    let text = "a\n+ b [io=no seen=10s]";
    let is_over = |since| is_seen_done(&Action::StopReceiver, text, since);
    assert!(is_over(Duration::from_secs(10)));
    assert!(!is_over(Duration::from_millis(9_999)));
    let other = key("z");
    let unknown = Action::AwaitAllOf { other };
    assert!(!is_seen_done(&unknown, text, Duration::from_secs(10)));
}

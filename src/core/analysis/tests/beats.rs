//! What beats make of a primary that probes have not judged yet, and of one that they have.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{NOW, Stage};
use crate::analysis::{AnalysisPolicy, Evidence, analyze};
use crate::beats::{Beat, Standing};
use crate::domain::{FindingCode, InstanceKey};

fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).expect("a key")
}

/// What is found about `a`, which has stood like that for `ago` seconds.
fn found(
    text: &str,
    standing: Standing,
    ago: u64,
    still: &[&str],
) -> Option<(FindingCode, Vec<Evidence>)> {
    let mut stage = Stage::of(text);
    let mut beat = Beat::of(standing, NOW.minus(Duration::from_secs(ago)));
    beat.standing_still = Arc::new(still.iter().map(|name| key(name)).collect::<BTreeSet<_>>());
    stage.beats.put(key("a"), beat);
    let findings = analyze(&stage.scene(), &AnalysisPolicy::default()).findings;
    let found = findings.into_iter().find(|one| one.subject == key("a"));
    found.map(|found| (found.code, found.evidence))
}

fn code(text: &str, standing: Standing, ago: u64, still: &[&str]) -> Option<FindingCode> {
    found(text, standing, ago, still).map(|(code, _)| code)
}

const ALIVE: Standing = Standing::Alive { refusal: None };
const REFUSES: Standing = Standing::Alive {
    refusal: Some(1040),
};
const LOST: &str = "a [seen=3s]\n+ b [io=connecting]\n+ c [io=connecting]";
const RECEIVING: &str = "a [seen=3s]\n+ b\n+ c";

#[test]
fn a_primary_that_is_gone_is_dead_once_its_replicas_say_so_before_any_probe() {
    let dead = Some(FindingCode::DeadPrimary);
    assert_eq!(code(LOST, Standing::Gone, 1, &[]), dead);
    assert_eq!(code(LOST, Standing::Silent, 1, &[]), dead);
    let some = "a [seen=3s]\n+ b [io=connecting]\n+ c [unreachable]";
    let some_dead = Some(FindingCode::DeadPrimaryAndSomeReplicas);
    assert_eq!(code(some, Standing::Gone, 1, &[]), some_dead);
}

#[test]
fn replicas_that_receive_keep_it_alive() {
    let unreachable = Some(FindingCode::UnreachablePrimary);
    let one = "a [seen=3s]\n+ b [io=connecting]\n+ c";
    for standing in [Standing::Gone, Standing::Silent] {
        assert_eq!(code(RECEIVING, standing, 1, &[]), unreachable);
        assert_eq!(code(one, standing, 1, &[]), unreachable);
    }
}

#[test]
fn after_silence_receivers_that_bring_nothing_do_not_speak_for_it() {
    let dead = Some(FindingCode::DeadPrimary);
    assert_eq!(code(RECEIVING, Standing::Silent, 1, &["b", "c"]), dead);
    let mixed = "a [seen=3s]\n+ b [io=connecting]\n+ c";
    assert_eq!(code(mixed, Standing::Silent, 1, &["c"]), dead);
    let unreachable = Some(FindingCode::UnreachablePrimary);
    assert_eq!(code(RECEIVING, Standing::Silent, 1, &["b"]), unreachable);
    // A closed connection is not silence: replicas that are connected will notice by themselves.
    let gone = code(RECEIVING, Standing::Gone, 1, &["b", "c"]);
    assert_eq!(gone, unreachable);
}

#[test]
fn what_came_to_a_replica_a_moment_ago_speaks_for_a_silent_primary_only() {
    let found = |text: &str, standing: Standing, heard: &[&str]| {
        let mut stage = Stage::of(text);
        let mut beat = Beat::of(standing, NOW.minus(Duration::from_secs(1)));
        beat.heard_lately = Arc::new(heard.iter().map(|name| key(name)).collect());
        stage.beats.put(key("a"), beat);
        let findings = analyze(&stage.scene(), &AnalysisPolicy::default()).findings;
        let found = findings.into_iter().find(|one| one.subject == key("a"));
        found.expect("a finding")
    };
    let (dead, unreachable) = (FindingCode::DeadPrimary, FindingCode::UnreachablePrimary);
    let stopped = "a [seen=3s]\n+ b [io=no]\n+ c [io=connecting]";
    let some = "a [seen=3s]\n+ b [unreachable]\n+ c [io=connecting]";
    for (text, standing, heard, expected) in [
        (LOST, Standing::Silent, &["b"][..], unreachable),
        (LOST, Standing::Silent, &["b", "c"], unreachable),
        (LOST, Standing::Silent, &["x"], dead),
        (LOST, Standing::Silent, &[], dead),
        (stopped, Standing::Silent, &["b"], unreachable),
        (some, Standing::Silent, &["b"], unreachable),
        // Its connection was closed: it may have spoken until then.
        (LOST, Standing::Gone, &["b", "c"], dead),
    ] {
        let found = found(text, standing, heard);
        assert_eq!(found.code, expected, "{text} {standing:?} {heard:?}");
        let is_told = found.evidence.iter().any(|one| {
            let one = one.to_string();
            one.ends_with("something came a moment ago to b:3306.")
                || one.ends_with("something came a moment ago to b:3306, c:3306.")
        });
        assert_eq!(is_told, expected == unreachable, "{:?}", found.evidence);
    }
    // One that is connected says so by that.
    let one = found(
        "a [seen=3s]\n+ b\n+ c [io=connecting]",
        Standing::Silent,
        &["b"],
    );
    assert_eq!(one.facts.replicas.receiving, [key("b")]);
    assert!(one.facts.replicas.heard_lately.is_empty());
}

#[test]
fn one_that_was_told_to_reconnect_says_nothing_until_that_is_over() {
    let mut stage = Stage::of("a [seen=3s]\n+ b [io=connecting]");
    let mut beat = Beat::of(Standing::Silent, NOW.minus(Duration::from_secs(1)));
    let mut code = |beat: &Beat| {
        stage.beats.put(key("a"), beat.clone());
        let findings = analyze(&stage.scene(), &AnalysisPolicy::default()).findings;
        findings.iter().map(|one| one.code).next()
    };
    beat.reconnecting = Some(key("b"));
    assert_eq!(code(&beat), Some(FindingCode::UnreachablePrimary));
    beat.reconnecting = None;
    assert_eq!(code(&beat), Some(FindingCode::DeadPrimary));
}

#[test]
fn one_that_answers_is_not_dead_whatever_became_of_its_probe() {
    let lost = "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting]";
    let unreachable = Some(FindingCode::UnreachablePrimary);
    for standing in [ALIVE, REFUSES] {
        assert_eq!(code(lost, standing, 1, &[]), unreachable);
        let trouble = code("a [unreachable]\n+ b\n+ c", standing, 1, &[]);
        assert_ne!(trouble, Some(FindingCode::DeadPrimary));
    }
}

#[test]
fn what_proves_nothing_changes_nothing() {
    for standing in [Standing::Unknown, Standing::Doubt, Standing::NotOurs] {
        assert_eq!(code(RECEIVING, standing, 1, &["b", "c"]), None);
        let lost = "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting]";
        let dead = Some(FindingCode::DeadPrimary);
        assert_eq!(code(lost, standing, 1, &[]), dead);
    }
}

#[test]
fn a_good_probe_that_is_newer_counts_more() {
    let newer = code(LOST, Standing::Gone, 5, &[]);
    assert_ne!(newer, Some(FindingCode::DeadPrimary), "probed 3 s ago");
}

#[test]
fn the_finding_tells_of_beats() {
    let (_, evidence) = found(RECEIVING, Standing::Silent, 1, &["b", "c"]).expect("a finding");
    let text: Vec<String> = evidence.iter().map(ToString::to_string).collect();
    let text = text.join("\n");
    assert!(text.contains("says nothing over two connections"), "{text}");
    assert!(
        text.contains("two heartbeat periods: b:3306, c:3306"),
        "{text}"
    );
    let (_, evidence) = found(LOST, Standing::Gone, 1, &[]).expect("a finding");
    let text: Vec<String> = evidence.iter().map(ToString::to_string).collect();
    let text = text.join("\n");
    assert!(text.contains("a new one is refused"), "{text}");
}

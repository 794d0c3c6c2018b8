//! The memory of what was found, and when it became something else.

use std::time::Duration;

use super::{Analysis, NOW, Stage};
use crate::analysis::{AnalysisPolicy, CHANGES_MAX, Changes, analyze};
use crate::domain::{FindingCode, Picture};
use crate::topology::Topology;

const DAY: Duration = Duration::from_secs(86_400);
const WELL: &str = "a\n+ b\n+ c";
const DEAD: &str = "a [unreachable]\n+ b [io=connecting]\n+ c [io=connecting]";

/// Takes note of a drawing, so many seconds after the first.
fn note(changes: &mut Changes, text: &str, seconds: u64) {
    let stage = Stage::of(text);
    let analysis = analyze(&stage.scene(), &AnalysisPolicy::default());
    let at = NOW.plus(Duration::from_secs(seconds));
    changes.note(&analysis, &stage.drawing.picture, &stage.topology, at, DAY);
}

/// All that is kept: server, seconds after the first note, code.
fn kept(changes: &Changes) -> Vec<(String, u64, Option<FindingCode>)> {
    let all = changes.all();
    all.flat_map(|(key, changes)| {
        let line = |change: &crate::analysis::Change| {
            let after = change.at.since(NOW).as_secs();
            (key.to_string(), after, change.code)
        };
        changes.iter().map(line).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn what_is_found_first_is_no_change_and_every_other_code_after_it_is_one() {
    let mut changes = Changes::default();
    for (text, seconds) in [(WELL, 0), (WELL, 1), (DEAD, 2), (DEAD, 3), (WELL, 4)] {
        note(&mut changes, text, seconds);
    }
    let a = || "a:3306".to_owned();
    assert_eq!(
        kept(&changes),
        [(a(), 2, Some(FindingCode::DeadPrimary)), (a(), 4, None)]
    );
    let mut dead_at_first = Changes::default();
    note(&mut dead_at_first, DEAD, 0);
    assert_eq!(kept(&dead_at_first), []);
}

#[test]
fn a_server_without_replicas_is_not_noted() {
    let mut changes = Changes::default();
    note(&mut changes, "a", 0);
    note(&mut changes, "a [unreachable]", 1);
    assert_eq!(kept(&changes), []);
}

#[test]
fn changes_go_with_their_age_and_the_latest_of_a_flapping_server_stay() {
    let mut changes = Changes::default();
    note(&mut changes, WELL, 0);
    let count = u64::try_from(CHANGES_MAX).unwrap() + 5;
    for second in 1..=count {
        note(
            &mut changes,
            [WELL, DEAD][usize::from(second % 2 == 1)],
            second,
        );
    }
    let all = kept(&changes);
    assert_eq!(all.len(), CHANGES_MAX);
    assert_eq!((all[0].1, all[CHANGES_MAX - 1].1), (6, count));
    note(&mut changes, DEAD, count + DAY.as_secs() - 1);
    assert_eq!(kept(&changes).len(), 1, "only the last is not a day old");
    note(&mut changes, DEAD, count + DAY.as_secs());
    assert_eq!(kept(&changes), []);
}

#[test]
fn a_server_that_is_forgotten_keeps_its_changes_until_they_are_old() {
    let mut changes = Changes::default();
    note(&mut changes, WELL, 0);
    note(&mut changes, DEAD, 1);
    let gone = |changes: &mut Changes, at| {
        let nothing = (Analysis::default(), Picture::default());
        let topology = Topology::build(&nothing.1);
        let at = NOW.plus(Duration::from_secs(at));
        changes.note(&nothing.0, &nothing.1, &topology, at, DAY);
    };
    gone(&mut changes, 2);
    assert_eq!(kept(&changes).len(), 1);
    gone(&mut changes, DAY.as_secs() + 1);
    assert_eq!(kept(&changes), []);
    note(&mut changes, WELL, DAY.as_secs() + 2);
    assert_eq!(kept(&changes), [], "it is new again");
}
